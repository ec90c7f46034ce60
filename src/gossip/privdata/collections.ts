/**
 * Collections of a channel as its ledger has them, and who belongs to them.
 * Source: ledger-privatedata.md 2.4; core/common/privdata/store.go.
 */
import * as Effect from "effect/Effect"
import type { BundleSource } from "../../channelconfig/index.js"
import { memberOrgs, satisfiesMembership } from "../../commit/index.js"
import type { PeerLedgerShape } from "../../ledger/index.js"
import type { SignedData } from "../../policy/index.js"
import { common } from "../../wire/index.js"
import type { PeerSignature } from "../messages.js"

export type Collection = common.StaticCollectionConfig

/** A collection of a package. */
export const collectionIn = (
  configs: common.CollectionConfigPackage | undefined,
  name: string
): Collection | undefined =>
  configs?.config.find(({ staticCollectionConfig }) => staticCollectionConfig?.name === name)?.staticCollectionConfig

/** Collections as committed by now; each chaincode's package is read once. Throws on I/O. */
export type CollectionLookup = (namespace: string, collection: string) => Collection | undefined

/** Answers many questions on one snapshot. */
export const withCollections = <A, E>(
  ledger: Pick<PeerLedgerShape, "newQueryExecutor">,
  use: (lookup: CollectionLookup) => Effect.Effect<A, E>
): Effect.Effect<A, E | { readonly message: string }> =>
  Effect.acquireUseRelease(
    ledger.newQueryExecutor,
    (executor) => {
      const packages = new Map<string, common.CollectionConfigPackage | undefined>()
      return use((namespace, collection) => {
        if (!packages.has(namespace)) {
          const bytes = executor.getState("lscc", `${namespace}~collection`)
          packages.set(namespace, bytes === undefined ? undefined : common.CollectionConfigPackage.decode(bytes))
        }
        return collectionIn(packages.get(namespace), collection)
      })
    },
    (executor) => Effect.sync(() => executor.done())
  )

/** Who belongs to a collection, by the configuration in force. */
export interface Membership {
  /** Whether someone's signature satisfies the collection's member policy. */
  readonly mayHave: (collection: Collection, signed: SignedData) => boolean
  /** MSP ids that the policy names. */
  readonly orgs: (collection: Collection) => ReadonlyArray<string>
}

export const membershipOf = (bundles: BundleSource): Membership => ({
  mayHave: (collection, signed) => satisfiesMembership(collection, signed, bundles.current().mspManager),
  orgs: (collection) => memberOrgs(collection, bundles.current().mspManager)
})

/** What a peer has shown, as policies take it. */
export const signedDataOf = ({ identity, message, signature }: PeerSignature): SignedData => ({
  data: message,
  identity,
  signature
})

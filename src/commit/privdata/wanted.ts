/**
 * Which private write sets a validated block needs: pure.
 * Source: ledger-privatedata.md rule 81, traps 24 and 35; gossip/privdata/coordinator.go.
 */
import * as Either from "effect/Either"
import type { MissingPvtData } from "../../ledger/index.js"
import { readWriteSet } from "../../ledger/rwset/index.js"
import { common, msp, protos } from "../../wire/index.js"
import { chaincodeActionOf, openEnvelope, toHex } from "../../wire/protoutil.js"
import type { Validated } from "../stages.js"

/** One collection of one transaction whose private set this peer may have. */
export interface WantedSet {
  readonly txId: string
  readonly transaction: number
  readonly namespace: string
  readonly collection: string
  /** Hex SHA-256 that the set's bytes must have. */
  readonly hash: string
  /** Serialized identities of the endorsers that belong to the collection's organisations: they have it. */
  readonly endorsers: ReadonlyArray<Uint8Array>
}

export interface WantedOfBlock {
  readonly wanted: ReadonlyArray<WantedSet>
  readonly ineligible: ReadonlyArray<MissingPvtData>
  /** Transactions that leave the transient store with this block. */
  readonly transactions: ReadonlyArray<string>
}

export interface WantedOptions {
  /** The collection as committed before this block; undefined when there is none (it is skipped). Throws on I/O. */
  readonly collectionOf: (namespace: string, collection: string) => common.StaticCollectionConfig | undefined
  readonly eligible: (collection: common.StaticCollectionConfig) => boolean
  /** MSP ids of a collection's organisations. */
  readonly memberOrgs: (collection: common.StaticCollectionConfig) => ReadonlyArray<string>
  /** Capability V1_4_2: invalid transactions' data is gathered too. */
  readonly invalidToo: boolean
}

/** Names one set: what was asked for and what came must agree in all of it. */
export const setKey = (set: Pick<WantedSet, "transaction" | "namespace" | "collection" | "hash">): string =>
  `${set.transaction}\u0000${set.namespace}\u0000${set.collection}\u0000${set.hash}`

const endorsersOf = (
  endorsements: ReadonlyArray<protos.Endorsement>,
  orgs: ReadonlyArray<string>
): ReadonlyArray<Uint8Array> =>
  endorsements.flatMap(({ endorser }) => {
    const org = Either.try(() => msp.SerializedIdentity.decode(endorser).mspid)
    return Either.isRight(org) && orgs.includes(org.right) ? [endorser] : []
  })

export const wantedOf = (
  { block, codes }: Pick<Validated, "block" | "codes">,
  options: WantedOptions
): WantedOfBlock => {
  const wanted: Array<WantedSet> = []
  const ineligible: Array<MissingPvtData> = []
  const transactions: Array<string> = []
  for (const [transaction, entry] of (block.data?.data ?? []).entries()) {
    const parts = Either.try(() => {
      const opened = openEnvelope(entry)
      if (opened?.channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION) return undefined
      const action = chaincodeActionOf(opened.payload.data)
      if (action === undefined) return undefined
      return { txId: opened.channelHeader.txId, action, sets: readWriteSet(action.chaincodeAction.results) }
    })
    // what cannot be taken apart has been given its code already
    if (Either.isLeft(parts) || parts.right === undefined) continue
    const { action, sets, txId } = parts.right
    transactions.push(txId)
    if (codes[transaction] !== protos.TxValidationCode.VALID && !options.invalidToo) continue
    for (const { collections, namespace } of sets)
      for (const { collection, hashed, privateHash } of collections) {
        if (hashed.hashedWrites.length === 0 && hashed.metadataWrites.length === 0) continue
        const config = options.collectionOf(namespace, collection)
        if (config === undefined) continue
        if (!options.eligible(config)) {
          ineligible.push({ tx: transaction, namespace, collection, isEligible: false })
          continue
        }
        const endorsers = endorsersOf(action.endorsed.endorsements, options.memberOrgs(config))
        wanted.push({ txId, transaction, namespace, collection, hash: toHex(privateHash), endorsers })
      }
  }
  return { wanted, ineligible, transactions }
}

/**
 * What a block's writes to `lscc` mean for collections: configurations for the history, and collections of which this
 * peer has just become a member. Pure over the state before the block and the block's updates.
 * Source: ledger-privatedata.md rules 61 (3), 76, 96; core/scc/lscc/deployedcc_infoprovider.go, kvledger/coll_elg_notifier.go.
 */
import { ccprovider, common } from "../../wire/index.js"
import type { CommittedState, UpdateBatch } from "../mvcc/index.js"
import type { NsColl } from "../pvtdata/index.js"

/** Whether this peer belongs to a collection with this member policy (rule 77). */
export type Membership = (policy: common.CollectionPolicyConfig) => boolean

export interface Deployment {
  readonly chaincode: string
  /** The package in state after the block, as stored. */
  readonly collections: Uint8Array
}

export interface Deployments {
  /** Chaincodes whose definition or collections the block wrote. */
  readonly updated: ReadonlyArray<string>
  readonly configs: ReadonlyArray<Deployment>
  readonly newlyEligible: ReadonlyArray<NsColl>
}

const lscc = "lscc"
export const noDeployments: Deployments = { updated: [], configs: [], newlyEligible: [] }

/** Key of a chaincode's collections in `lscc`. */
export const collectionsKey = (chaincode: string): string => `${chaincode}~collection`

/** Throws WireError when a definition in state cannot be read, as the reference fails. */
export const deploymentsOf = (updates: UpdateBatch, state: CommittedState, isMember: Membership): Deployments => {
  const writes = updates.public.get(lscc)
  if (writes === undefined || writes.size === 0) return noDeployments
  const updated = new Set<string>()
  for (const key of writes.keys()) {
    if (writes.get(key)?.value === undefined) continue
    const tilde = key.indexOf("~")
    updated.add(tilde < 0 ? key : key.slice(0, tilde))
  }
  const before = (key: string) => state.get(lscc, key)?.value
  const after = (key: string) => {
    const update = writes.get(key)
    return update === undefined ? before(key) : update.value
  }
  const configs: Array<Deployment> = []
  const newlyEligible: Array<NsColl> = []
  for (const chaincode of updated) {
    const definition = after(chaincode)
    const collections = after(collectionsKey(chaincode))
    if (definition === undefined) continue
    ccprovider.ChaincodeData.decode(definition)
    if (collections !== undefined) configs.push({ chaincode, collections })
    if (before(chaincode) === undefined || collections === undefined) continue
    const old = staticConfigs(before(collectionsKey(chaincode)))
    for (const [name, config] of staticConfigs(collections)) {
      const earlier = old.get(name)
      if (earlier?.memberOrgsPolicy === undefined || config.memberOrgsPolicy === undefined) continue
      if (!isMember(earlier.memberOrgsPolicy) && isMember(config.memberOrgsPolicy))
        newlyEligible.push({ namespace: chaincode, collection: name })
    }
  }
  return { updated: [...updated], configs, newlyEligible }
}

/** The static configurations of a package by name; empty for none. Throws WireError. */
export const staticConfigs = (bytes: Uint8Array | undefined): ReadonlyMap<string, common.StaticCollectionConfig> =>
  new Map(
    (bytes === undefined ? [] : common.CollectionConfigPackage.decode(bytes).config).flatMap(
      ({ staticCollectionConfig: config }) => (config === undefined ? [] : [[config.name, config] as const])
    )
  )

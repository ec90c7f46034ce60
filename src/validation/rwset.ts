/**
 * A transaction's read-write set by namespace, as much as validation asks of it.
 * Source: peer-endorse-validate.md 3.10 rules 1 and 4; core/ledger/kvledger/txmgmt/rwsetutil.
 */
import { kvrwset, rwset } from "../wire/index.js"

export interface CollectionWrites {
  readonly collection: string
  readonly hashed: kvrwset.HashedRWSet
}

export interface NamespaceSet {
  readonly namespace: string
  readonly public: kvrwset.KVRWSet
  readonly collections: ReadonlyArray<CollectionWrites>
}

/** In: `ChaincodeAction.results`. Throws WireError: code BAD_RWSET. */
export const readWriteSet = (results: Uint8Array): ReadonlyArray<NamespaceSet> =>
  rwset.TxReadWriteSet.decode(results).nsRwset.map((ns) => ({
    namespace: ns.namespace,
    public: kvrwset.KVRWSet.decode(ns.rwset),
    collections: ns.collectionHashedRwset.map((c) => ({
      collection: c.collectionName,
      hashed: kvrwset.HashedRWSet.decode(c.hashedRwset)
    }))
  }))

/** Which writes count depends on the channel's capabilities (rule 4). */
export const writesTo = (
  set: NamespaceSet,
  capabilities: { readonly privateChannelData: boolean; readonly keyLevelEndorsement: boolean }
): boolean => {
  if (set.public.writes.length > 0) return true
  if (capabilities.privateChannelData)
    for (const { hashed } of set.collections) {
      if (hashed.hashedWrites.length > 0) return true
      if (capabilities.keyLevelEndorsement && hashed.metadataWrites.length > 0) return true
    }
  return capabilities.keyLevelEndorsement && set.public.metadataWrites.length > 0
}

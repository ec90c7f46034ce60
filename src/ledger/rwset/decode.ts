/**
 * A transaction's read-write set taken apart by namespace and collection. Pure.
 * Source: ledger-privatedata.md 4.4; rwsetutil/rwset_proto_util.go.
 */
import { kvrwset, rwset } from "../../wire/index.js"

export interface CollectionSet {
  readonly collection: string
  readonly hashed: kvrwset.HashedRWSet
  /** SHA-256 of the private write set; empty when the collection was only read. */
  readonly privateHash: Uint8Array
}

export interface NamespaceSet {
  readonly namespace: string
  readonly public: kvrwset.KVRWSet
  readonly collections: ReadonlyArray<CollectionSet>
}

/** In: `ChaincodeAction.results`. Throws WireError. */
export const readWriteSet = (results: Uint8Array): ReadonlyArray<NamespaceSet> =>
  rwset.TxReadWriteSet.decode(results).nsRwset.map((ns) => ({
    namespace: ns.namespace,
    public: kvrwset.KVRWSet.decode(ns.rwset),
    collections: ns.collectionHashedRwset.map((c) => ({
      collection: c.collectionName,
      hashed: kvrwset.HashedRWSet.decode(c.hashedRwset),
      privateHash: c.pvtRwsetHash
    }))
  }))

export interface PrivateCollectionSet {
  readonly collection: string
  /** The serialized `KVRWSet`, as hashed. */
  readonly bytes: Uint8Array
  readonly set: kvrwset.KVRWSet
}

export interface PrivateNamespaceSet {
  readonly namespace: string
  readonly collections: ReadonlyArray<PrivateCollectionSet>
}

/** In: a private read-write set. Throws WireError. */
export const privateSets = (set: rwset.TxPvtReadWriteSet): ReadonlyArray<PrivateNamespaceSet> =>
  set.nsPvtRwset.map((ns) => ({
    namespace: ns.namespace,
    collections: ns.collectionPvtRwset.map((c) => ({
      collection: c.collectionName,
      bytes: c.rwset,
      set: kvrwset.KVRWSet.decode(c.rwset)
    }))
  }))

/** SHA-256 of nothing: older peers wrote it for deletes (rule 57). */
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

export const isDelete = (write: kvrwset.KVWrite): boolean => write.isDelete || write.value.length === 0

export const isHashedDelete = (write: kvrwset.KVWriteHash): boolean =>
  write.isDelete || write.valueHash.length === 0 || Buffer.from(write.valueHash).toString("hex") === emptyHash

/**
 * Collects what a simulation reads and writes and gives the read-write set, byte for byte as the reference does. Pure;
 * one builder per simulator.
 * Source: ledger-privatedata.md 3.C (25, 28, 29), 3.E; rwsetutil/rwset_builder.go.
 */
import type { kvrwset as kv } from "../../wire/index.js"
import { kvrwset, rwset } from "../../wire/index.js"
import { compareUtf8, EMPTY, sha256, utf8 } from "../../wire/protoutil.js"

/** When a key was last written: block, then transaction in it. */
export type Version = Pick<kv.Version, "blockNum" | "txNum">

export type Metadata = ReadonlyMap<string, Uint8Array>

/** By key; made with the first entry: most simulations fill two of the kinds below. */
type Entries<V> = Map<string, V> | undefined

interface HashedCollection {
  reads: Entries<kv.KVReadHash>
  writes: Entries<kv.KVWriteHash>
  metadataWrites: Entries<kv.KVMetadataWriteHash>
}

interface PrivateCollection {
  writes: Entries<kv.KVWrite>
  metadataWrites: Entries<kv.KVMetadataWrite>
}

interface Namespace {
  reads: Entries<kv.KVRead>
  writes: Entries<kv.KVWrite>
  metadataWrites: Entries<kv.KVMetadataWrite>
  ranges: Entries<kv.RangeQueryInfo>
  hashed: Entries<HashedCollection>
  private: Entries<PrivateCollection>
}

/** The outcome of a simulation. */
export interface SimulationResults {
  /** `rwset.TxReadWriteSet` bytes: what goes into the transaction. */
  readonly public: Uint8Array
  /** Private write sets in clear; undefined when there are none. */
  readonly private: rwset.TxPvtReadWriteSet | undefined
}

/** A write of nothing is a delete (rule 28). */
const writeOf = (key: string, value: Uint8Array): kv.KVWrite =>
  kvrwset.KVWrite.create({ key, isDelete: value.length === 0, value })

const entriesOf = (metadata: Metadata) =>
  [...metadata]
    .sort(([a], [b]) => compareUtf8(a, b))
    .map(([name, value]) => kvrwset.KVMetadataEntry.create({ name, value }))

const getOrMake = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

/** Names in byte order with what they stand for. */
const sorted = <V>(map: Entries<V>): Array<readonly [string, V]> => {
  if (map === undefined) return []
  const entries = [...map]
  return entries.length < 2 ? entries : entries.sort(([a], [b]) => compareUtf8(a, b))
}

const values = <V>(map: Entries<V>): Array<V> => sorted(map).map(([, value]) => value)

const put = <V>(map: Entries<V>, key: string, value: V): Map<string, V> => (map ?? new Map<string, V>()).set(key, value)

export class RWSetBuilder {
  private readonly namespaces = new Map<string, Namespace>()

  addRead(namespace: string, key: string, version: Version | undefined): void {
    const set = this.namespace(namespace)
    set.reads = put(set.reads, key, kvrwset.KVRead.create({ key, version }))
  }

  addWrite(namespace: string, key: string, value: Uint8Array): void {
    const set = this.namespace(namespace)
    set.writes = put(set.writes, key, writeOf(key, value))
  }

  /** Replaces all metadata of a key; none deletes it. */
  addMetadataWrite(namespace: string, key: string, metadata: Metadata): void {
    const entries = entriesOf(metadata)
    const set = this.namespace(namespace)
    set.metadataWrites = put(set.metadataWrites, key, kvrwset.KVMetadataWrite.create({ key, entries }))
  }

  /** A range query, in the order in which iterators were made; one like an earlier one is left out (rule 39). */
  addRange(namespace: string, info: kv.RangeQueryInfo): void {
    const id = `${info.startKey.length}:${info.startKey}${info.itrExhausted ? "+" : "-"}${info.endKey}`
    const set = this.namespace(namespace)
    if (set.ranges?.has(id) !== true) set.ranges = put(set.ranges, id, info)
  }

  addHashedRead(namespace: string, collection: string, key: string, version: Version | undefined): void {
    const keyHash = sha256(utf8(key))
    const hashed = this.hashed(namespace, collection)
    hashed.reads = put(hashed.reads, key, kvrwset.KVReadHash.create({ keyHash, version }))
  }

  addPrivateWrite(namespace: string, collection: string, key: string, value: Uint8Array): void {
    const write = writeOf(key, value)
    const secret = this.private(namespace, collection)
    const hashed = this.hashed(namespace, collection)
    secret.writes = put(secret.writes, key, write)
    hashed.writes = put(
      hashed.writes,
      key,
      kvrwset.KVWriteHash.create({
        keyHash: sha256(utf8(key)),
        isDelete: write.isDelete,
        valueHash: write.isDelete ? EMPTY : sha256(value)
      })
    )
  }

  /** The private set names the key only: its version must move with the metadata's (rule 29). */
  addPrivateMetadataWrite(namespace: string, collection: string, key: string, metadata: Metadata): void {
    const secret = this.private(namespace, collection)
    const hashed = this.hashed(namespace, collection)
    secret.metadataWrites = put(secret.metadataWrites, key, kvrwset.KVMetadataWrite.create({ key }))
    hashed.metadataWrites = put(
      hashed.metadataWrites,
      key,
      kvrwset.KVMetadataWriteHash.create({ keyHash: sha256(utf8(key)), entries: entriesOf(metadata) })
    )
  }

  /** Serializes everything collected. */
  results(): SimulationResults {
    const namespaces = sorted(this.namespaces)
    const privateHashes = new Map<PrivateCollection, Uint8Array>()
    const nsPvtRwset = namespaces.flatMap(([namespace, set]) => {
      if (set.private === undefined) return []
      const collectionPvtRwset = sorted(set.private).map(([collectionName, collection]) => {
        const bytes = kvrwset.KVRWSet.encode({
          writes: values(collection.writes),
          metadataWrites: values(collection.metadataWrites)
        })
        privateHashes.set(collection, sha256(bytes))
        return { collectionName, rwset: bytes }
      })
      return [{ namespace, collectionPvtRwset }]
    })
    const nsRwset = namespaces.map(([namespace, set]) => ({
      namespace,
      rwset: kvrwset.KVRWSet.encode({
        reads: values(set.reads),
        rangeQueriesInfo: set.ranges === undefined ? [] : [...set.ranges.values()],
        writes: values(set.writes),
        metadataWrites: values(set.metadataWrites)
      }),
      collectionHashedRwset: sorted(set.hashed).map(([collectionName, collection]) => {
        const secret = set.private?.get(collectionName)
        return {
          collectionName,
          hashedRwset: kvrwset.HashedRWSet.encode({
            hashedReads: values(collection.reads),
            hashedWrites: values(collection.writes),
            metadataWrites: values(collection.metadataWrites)
          }),
          pvtRwsetHash: (secret === undefined ? undefined : privateHashes.get(secret)) ?? EMPTY
        }
      })
    }))
    return {
      public: rwset.TxReadWriteSet.encode({ nsRwset }),
      private: nsPvtRwset.length === 0 ? undefined : rwset.TxPvtReadWriteSet.create({ nsPvtRwset })
    }
  }

  private namespace(name: string): Namespace {
    return getOrMake(this.namespaces, name, () => ({
      reads: undefined,
      writes: undefined,
      metadataWrites: undefined,
      ranges: undefined,
      hashed: undefined,
      private: undefined
    }))
  }

  private hashed(namespace: string, collection: string): HashedCollection {
    const set = this.namespace(namespace)
    set.hashed ??= new Map()
    return getOrMake(set.hashed, collection, () => ({ reads: undefined, writes: undefined, metadataWrites: undefined }))
  }

  private private(namespace: string, collection: string): PrivateCollection {
    const set = this.namespace(namespace)
    set.private ??= new Map()
    return getOrMake(set.private, collection, () => ({ writes: undefined, metadataWrites: undefined }))
  }
}

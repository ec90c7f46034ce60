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

interface HashedCollection {
  readonly reads: Map<string, kv.KVReadHash>
  readonly writes: Map<string, kv.KVWriteHash>
  readonly metadataWrites: Map<string, kv.KVMetadataWriteHash>
}

interface PrivateCollection {
  readonly writes: Map<string, kv.KVWrite>
  readonly metadataWrites: Map<string, kv.KVMetadataWrite>
}

interface Namespace {
  readonly reads: Map<string, kv.KVRead>
  readonly writes: Map<string, kv.KVWrite>
  readonly metadataWrites: Map<string, kv.KVMetadataWrite>
  readonly ranges: Map<string, kv.RangeQueryInfo>
  readonly hashed: Map<string, HashedCollection>
  readonly private: Map<string, PrivateCollection>
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
const sorted = <V>(map: ReadonlyMap<string, V>): Array<readonly [string, V]> =>
  [...map].sort(([a], [b]) => compareUtf8(a, b))

const values = <V>(map: ReadonlyMap<string, V>): Array<V> => sorted(map).map(([, value]) => value)

export class RWSetBuilder {
  private readonly namespaces = new Map<string, Namespace>()

  addRead(namespace: string, key: string, version: Version | undefined): void {
    this.namespace(namespace).reads.set(key, kvrwset.KVRead.create({ key, version }))
  }

  addWrite(namespace: string, key: string, value: Uint8Array): void {
    this.namespace(namespace).writes.set(key, writeOf(key, value))
  }

  /** Replaces all metadata of a key; none deletes it. */
  addMetadataWrite(namespace: string, key: string, metadata: Metadata): void {
    const entries = entriesOf(metadata)
    this.namespace(namespace).metadataWrites.set(key, kvrwset.KVMetadataWrite.create({ key, entries }))
  }

  /** A range query, in the order in which iterators were made; one like an earlier one is left out (rule 39). */
  addRange(namespace: string, info: kv.RangeQueryInfo): void {
    const id = `${info.startKey.length}:${info.startKey}${info.itrExhausted ? "+" : "-"}${info.endKey}`
    const { ranges } = this.namespace(namespace)
    if (!ranges.has(id)) ranges.set(id, info)
  }

  addHashedRead(namespace: string, collection: string, key: string, version: Version | undefined): void {
    const keyHash = sha256(utf8(key))
    this.hashed(namespace, collection).reads.set(key, kvrwset.KVReadHash.create({ keyHash, version }))
  }

  addPrivateWrite(namespace: string, collection: string, key: string, value: Uint8Array): void {
    const write = writeOf(key, value)
    this.private(namespace, collection).writes.set(key, write)
    this.hashed(namespace, collection).writes.set(
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
    this.private(namespace, collection).metadataWrites.set(key, kvrwset.KVMetadataWrite.create({ key }))
    this.hashed(namespace, collection).metadataWrites.set(
      key,
      kvrwset.KVMetadataWriteHash.create({ keyHash: sha256(utf8(key)), entries: entriesOf(metadata) })
    )
  }

  /** Serializes everything collected. */
  results(): SimulationResults {
    const namespaces = sorted(this.namespaces)
    const privateHashes = new Map<PrivateCollection, Uint8Array>()
    const nsPvtRwset = namespaces.flatMap(([namespace, set]) => {
      if (set.private.size === 0) return []
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
        rangeQueriesInfo: [...set.ranges.values()],
        writes: values(set.writes),
        metadataWrites: values(set.metadataWrites)
      }),
      collectionHashedRwset: sorted(set.hashed).map(([collectionName, collection]) => {
        const secret = set.private.get(collectionName)
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
      reads: new Map(),
      writes: new Map(),
      metadataWrites: new Map(),
      ranges: new Map(),
      hashed: new Map(),
      private: new Map()
    }))
  }

  private hashed(namespace: string, collection: string): HashedCollection {
    return getOrMake(this.namespace(namespace).hashed, collection, () => ({
      reads: new Map(),
      writes: new Map(),
      metadataWrites: new Map()
    }))
  }

  private private(namespace: string, collection: string): PrivateCollection {
    return getOrMake(this.namespace(namespace).private, collection, () => ({
      writes: new Map(),
      metadataWrites: new Map()
    }))
  }
}

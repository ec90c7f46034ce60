/**
 * What a valid transaction does to state: its writes merged per key with what the key holds already. Pure.
 * Source: ledger-privatedata.md 3.F rules 55-59, traps 7-9; validator/internal/tx_ops_preparation.go, val.go.
 */
import { kvrwset } from "../../wire/index.js"
import { equalBytes, sha256, utf8 } from "../../wire/protoutil.js"
import type { NamespaceSet, PrivateNamespaceSet, Version } from "../rwset/index.js"
import { isDelete, isHashedDelete } from "../rwset/index.js"
import type { UpdateBatch, Updates, VersionedValue } from "./UpdateBatch.js"
import { hashId } from "./UpdateBatch.js"
import type { CommittedState } from "./validate.js"

// The reference adds these in one byte where it means to join them: a key written twice by a hand-made transaction
// comes out as something else (trap 8), on every peer alike, so the arithmetic is part of the protocol.
const UPSERT = 1
const METADATA_UPDATE = 2
const METADATA_DELETE = 4
const DELETE = 8

interface Operation {
  flag: number
  value: Uint8Array | undefined
  metadata: Uint8Array | undefined
}

class Operations {
  readonly byKey = new Map<string, Operation>()

  private at(key: string, flag: number): Operation {
    let operation = this.byKey.get(key)
    if (operation === undefined) {
      operation = { flag: 0, value: undefined, metadata: undefined }
      this.byKey.set(key, operation)
    }
    operation.flag = (operation.flag + flag) & 0xff
    return operation
  }
  write(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.at(key, DELETE)
    else this.at(key, UPSERT).value = value
  }
  metadata(key: string, entries: ReadonlyArray<kvrwset.KVMetadataEntry>): void {
    if (entries.length === 0) this.at(key, METADATA_DELETE)
    else this.at(key, METADATA_UPDATE).metadata = kvrwset.KVMetadataWrite.encode({ entries })
  }
}

/** What a key holds after the block so far; `collection` undefined: a public key, else the hash of a private one. */
const latest = (
  updates: Updates,
  state: CommittedState,
  namespace: string,
  collection: string | undefined,
  key: string
): VersionedValue | undefined =>
  updates.get(key) ??
  (collection === undefined
    ? state.get(namespace, key)
    : state.getHashed(namespace, collection, Buffer.from(key, "latin1")))

/** Rule 56, for the keys of one namespace or collection. */
const merge = (
  operations: Operations,
  updates: Updates,
  state: CommittedState,
  namespace: string,
  collection: string | undefined,
  version: Version
): void => {
  for (const [key, { flag, metadata, value }] of operations.byKey) {
    const deletes = (flag & DELETE) === DELETE
    const upserts = (flag & UPSERT) === UPSERT
    const metadataToo = (flag & (METADATA_UPDATE | METADATA_DELETE)) !== 0
    if (deletes) updates.set(key, { value: undefined, metadata: undefined, version })
    else if (upserts && metadataToo) updates.set(key, { value, metadata, version })
    else if ((flag | UPSERT) === UPSERT) {
      const { metadata: kept } = latest(updates, state, namespace, collection, key) ?? {}
      updates.set(key, { value, metadata: kept, version })
    } else {
      // metadata alone: on a key that is not there, or was deleted in this block, nothing happens (trap 9)
      const held = latest(updates, state, namespace, collection, key)?.value
      if (held !== undefined) updates.set(key, { value: held, metadata, version })
    }
  }
}

/** Writes of a transaction in the clear, and of hashes. */
export const applyWrites = (
  sets: ReadonlyArray<NamespaceSet>,
  state: CommittedState,
  batch: UpdateBatch,
  version: Version
): void => {
  for (const { collections, namespace, public: set } of sets) {
    if (set.writes.length > 0 || set.metadataWrites.length > 0) {
      const operations = new Operations()
      for (const write of set.writes) operations.write(write.key, isDelete(write) ? undefined : write.value)
      for (const write of set.metadataWrites) operations.metadata(write.key, write.entries)
      merge(operations, batch.publicOf(namespace), state, namespace, undefined, version)
    }
    // a hand-made transaction may name a collection twice: its writes are one set all the same
    const byCollection = new Map<string, Operations>()
    for (const { collection, hashed } of collections) {
      if (hashed.hashedWrites.length === 0 && hashed.metadataWrites.length === 0) continue
      const operations = byCollection.get(collection) ?? new Operations()
      byCollection.set(collection, operations)
      for (const write of hashed.hashedWrites)
        operations.write(hashId(write.keyHash), isHashedDelete(write) ? undefined : write.valueHash)
      for (const write of hashed.metadataWrites) operations.metadata(hashId(write.keyHash), write.entries)
    }
    for (const [collection, operations] of byCollection)
      merge(operations, batch.hashedOf(namespace, collection), state, namespace, collection, version)
  }
}

/** Writes of a transaction's private data, once its hashes were found to match (rule 58). */
export const applyPrivateWrites = (
  sets: ReadonlyArray<PrivateNamespaceSet>,
  batch: UpdateBatch,
  version: Version
): void => {
  for (const { collections, namespace } of sets)
    for (const { collection, set } of collections)
      for (const write of set.writes)
        batch.privateOf(namespace, collection).set(write.key, {
          value: isDelete(write) ? undefined : write.value,
          metadata: undefined,
          version
        })
}

/**
 * Rule 59: where only metadata of a private key changed, the private value takes the version of its hash. Called after
 * all transactions of the block, for the private sets of its valid ones.
 */
export const followHashVersions = (
  sets: ReadonlyArray<PrivateNamespaceSet>,
  state: CommittedState,
  batch: UpdateBatch
): void => {
  for (const { collections, namespace } of sets)
    for (const { collection, set } of collections)
      for (const { key } of set.metadataWrites) {
        const hash = batch.hashed
          .get(namespace)
          ?.get(collection)
          ?.get(hashId(sha256(utf8(key))))
        if (hash?.value === undefined) continue
        const held =
          batch.private.get(namespace)?.get(collection)?.get(key) ?? state.getPrivate(namespace, collection, key)
        if (held?.value === undefined) continue
        const { blockNum, txNum } = held.version
        if (blockNum === hash.version.blockNum && txNum === hash.version.txNum) continue
        if (!equalBytes(sha256(held.value), hash.value)) continue
        batch.privateOf(namespace, collection).set(key, { ...held, version: hash.version })
      }
}

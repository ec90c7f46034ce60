/**
 * Which private keys leave state at which block. Every write of a private key or hash is scheduled under the block that
 * expires it; when that block commits, what still has the version of the scheduled write goes, in the same batch. The
 * commit hash does not cover these deletions (rule 65). Keys hold enough to be found again by expiring block, so that
 * writing and clearing is part of the block's batch.
 * Source: ledger-privatedata.md rules 65 and 88, trap 22; txmgmt/pvtstatepurgemgmt.
 */
import { sha256, utf8 } from "../../wire/protoutil.js"
import type { Batch, Environment, Table } from "../lmdb/index.js"
import { after } from "../lmdb/index.js"
import { type CommittedState, hashId, hashOfId, type UpdateBatch, type VersionedValue } from "../mvcc/index.js"
import { type BtlPolicy, neverExpires } from "./Btl.js"
import { asBuffer, u32, u64 } from "./keys.js"

export const purgeTables = { schedule: "purgeschedule" } as const

interface Scheduled {
  readonly committing: bigint
  readonly namespace: string
  readonly collection: string
  readonly keyHash: Uint8Array
  /** Undefined: this peer had the hash only. */
  readonly key: string | undefined
}

const sized = (text: string): Buffer => {
  const bytes = Buffer.from(text)
  return Buffer.concat([u32(bytes.length), bytes])
}

/** Key: expiring block, committing block, names, key hash. Value: 00, or 01 and the key. */
const scheduleKey = (expiring: bigint, at: Omit<Scheduled, "key">): Buffer =>
  Buffer.concat([u64(expiring), u64(at.committing), sized(at.namespace), sized(at.collection), at.keyHash])

const readScheduled = (key: Uint8Array, value: Uint8Array): Scheduled => {
  const bytes = asBuffer(key)
  let p = 16
  const text = (): string => {
    const length = bytes.readUInt32BE(p)
    p += 4 + length
    return bytes.subarray(p - length, p).toString("utf8")
  }
  const namespace = text()
  const collection = text()
  return {
    committing: bytes.readBigUInt64BE(8),
    namespace,
    collection,
    keyHash: bytes.subarray(p),
    key: value[0] === 1 ? asBuffer(value).subarray(1).toString("utf8") : undefined
  }
}

export class PurgeSchedule {
  private readonly table: Table

  constructor(
    private readonly environment: Environment,
    private readonly btl: BtlPolicy
  ) {
    this.table = environment.table(purgeTables.schedule)
  }

  /**
   * Completes a block's batch: schedules its private writes, adds the deletions that the block brings about to
   * `updates`, and clears what it dealt with. `state` is the state before the block.
   */
  apply(batch: Batch, block: bigint, updates: UpdateBatch, state: CommittedState): void {
    this.schedule(batch, updates)
    const due: Array<Scheduled> = []
    const snapshot = this.environment.snapshot()
    try {
      const prefix = u64(block)
      const cursor = snapshot.range(this.table, prefix, after(prefix))
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
        due.push(readScheduled(entry.key, entry.value))
        batch.delete(this.table, entry.key)
      }
    } finally {
      snapshot.close()
    }
    for (const entry of due) this.purge(entry, block, updates, state)
  }

  /** Schedules private writes of old blocks that came late: their hashes are scheduled already, without the key. */
  scheduleOldBlocks(batch: Batch, updates: UpdateBatch): void {
    this.schedule(batch, updates)
  }

  clear(batch: Batch): void {
    batch.clear(this.table)
  }

  private purge(entry: Scheduled, block: bigint, updates: UpdateBatch, state: CommittedState): void {
    const { collection, committing, key, keyHash, namespace } = entry
    const version = { blockNum: block, txNum: neverExpires }
    const gone: VersionedValue = { value: undefined, metadata: undefined, version }
    const privateUpdates = updates.privateOf(namespace, collection)
    const dropKey = () => {
      if (key !== undefined && !privateUpdates.has(key)) privateUpdates.set(key, gone)
    }
    const hashed = state.hashedVersion(namespace, collection, keyHash)
    if (hashed?.blockNum === committing) {
      const hashUpdates = updates.hashedOf(namespace, collection)
      if (!hashUpdates.has(hashId(keyHash))) hashUpdates.set(hashId(keyHash), gone)
      dropKey()
      return
    }
    // the hash was written again since: it is scheduled under its new block; an old value in clear goes now
    if (key === undefined) return
    if (state.getPrivate(namespace, collection, key)?.version.blockNum === committing) dropKey()
  }

  private schedule(batch: Batch, updates: UpdateBatch): void {
    const put = (
      namespace: string,
      collection: string,
      keyHash: Uint8Array,
      key: string | undefined,
      update: VersionedValue
    ) => {
      if (update.value === undefined) return
      const committing = update.version.blockNum
      const expiring = this.btl.expiringBlock(namespace, collection, committing)
      if (expiring === neverExpires) return
      const value = key === undefined ? Uint8Array.of(0) : Buffer.concat([Uint8Array.of(1), utf8(key)])
      batch.put(this.table, scheduleKey(expiring, { committing, namespace, collection, keyHash }), value)
    }
    for (const [namespace, collections] of updates.hashed)
      for (const [collection, hashes] of collections)
        for (const id of hashes.keys()) {
          const update = hashes.get(id)
          if (update !== undefined) put(namespace, collection, hashOfId(id), undefined, update)
        }
    // behind the hashes: where the block has the key in clear, its record replaces the one with the hash alone
    for (const [namespace, collections] of updates.private)
      for (const [collection, values] of collections)
        for (const key of values.keys()) {
          const update = values.get(key)
          if (update !== undefined) put(namespace, collection, sha256(utf8(key)), key, update)
        }
  }
}

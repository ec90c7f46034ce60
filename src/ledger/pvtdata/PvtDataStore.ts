/**
 * Private write sets of a channel by block, what is missing of them, and when they end. `prepare` is durable before the
 * block is (rule 61 step 6), because blocks can be fetched again and private data may not; everything else goes into the
 * batch of the block's commit. Plain synchronous calls.
 * Source: ledger-privatedata.md 3.H, rules 93 and 94; core/ledger/pvtdatastorage.
 */
import { rwset } from "../../wire/index.js"
import { after, Batch, type Environment, type Table } from "../lmdb/index.js"
import { type BtlPolicy, neverExpires } from "./Btl.js"
import { PvtStoreMisuse, PvtStoreOutOfRange } from "./errors.js"
import {
  asBuffer,
  blockOfIneligible,
  dataKey,
  eligibleKey,
  expiryKey,
  expiryPrefix,
  fromInverted,
  ineligibleKey,
  ineligiblePrefix,
  inverted,
  type NsColl,
  readDataKey,
  readEligibleKey,
  readExpiryKey,
  u64
} from "./keys.js"

export const pvtDataTables = {
  data: "pvtdata",
  expiry: "pvtexpiry",
  eligible: "pvtmissing",
  ineligible: "pvtineligible",
  events: "pvteligibility",
  meta: "pvtmeta"
} as const

/** A transaction's private write sets by its index in the block. */
export type TxPvtData = ReadonlyMap<number, rwset.TxPvtReadWriteSet>

/** Private data of a collection that a block's transaction wrote and this peer does not have. */
export interface MissingPvtData extends NsColl {
  readonly tx: number
  /** Whether this peer is a member, so that the reconciler asks for it. */
  readonly isEligible: boolean
}

/** Which collections a caller may see; undefined: all. */
export type CollectionFilter = (namespace: string, collection: string) => boolean

/** Missing transactions by block and collection, newest block first. */
export interface MissingInBlock extends NsColl {
  readonly block: bigint
  readonly txs: ReadonlyArray<number>
}

const nothing = new Uint8Array(0)
const pendingKey = Buffer.from("pending")
const lastKey = Buffer.from("last")
const oldBlocksKey = Buffer.from("oldblocks")

const encodeNumbers = (numbers: Iterable<number>): Uint8Array =>
  Buffer.from(JSON.stringify([...new Set(numbers)].sort((a, b) => a - b)))
const decodeNumbers = (bytes: Uint8Array): ReadonlyArray<number> => {
  const parsed: unknown = JSON.parse(asBuffer(bytes).toString())
  return Array.isArray(parsed) ? parsed.filter((n): n is number => typeof n === "number") : []
}

interface Tables {
  readonly data: Table
  readonly expiry: Table
  readonly eligible: Table
  readonly ineligible: Table
  readonly events: Table
  readonly meta: Table
}

interface MissingList {
  readonly key: Uint8Array
  readonly table: Table
  readonly txs: Array<number>
}

export class PvtDataStore {
  private readonly tables: Tables
  /** Blocks covered: the last committed one + 1. */
  private covered = 0n
  private pending: bigint | undefined
  private oldBlocks: ReadonlyArray<bigint> = []

  constructor(
    private readonly environment: Environment,
    private readonly btl: BtlPolicy
  ) {
    this.tables = {
      data: environment.table(pvtDataTables.data),
      expiry: environment.table(pvtDataTables.expiry),
      eligible: environment.table(pvtDataTables.eligible),
      ineligible: environment.table(pvtDataTables.ineligible),
      events: environment.table(pvtDataTables.events),
      meta: environment.table(pvtDataTables.meta)
    }
    const last = this.readBlock(lastKey)
    this.covered = last === undefined ? 0n : last + 1n
    this.pending = this.readBlock(pendingKey)
    const list = environment.get(this.tables.meta, oldBlocksKey)
    if (list !== undefined) this.oldBlocks = asBuffer(list).toString().split(",").filter(Boolean).map(BigInt)
  }

  /** Blocks whose private data is here or known to be missing (LastCommittedBlockHeight). */
  get height(): bigint {
    return this.covered
  }

  /** A batch of a crash is committed, not rolled back (trap 21). */
  commitPending(): void {
    if (this.pending === undefined) return
    const batch = new Batch()
    const done = this.commit(batch, this.pending)
    this.environment.commit(batch)
    done()
  }

  /**
   * Writes a block's private data, durably, before the block is written. Without anything to keep it does nothing.
   * @throws PvtStoreMisuse when the block is not the next one or another one is pending
   */
  prepare(block: bigint, data: TxPvtData, missing: ReadonlyArray<MissingPvtData>): void {
    if (this.pending !== undefined && this.pending !== block)
      throw new PvtStoreMisuse({ reason: 'A pending batch exists as as result of last invoke to "Prepare" call.' })
    if (block !== this.covered)
      throw new PvtStoreMisuse({ reason: `Expected block number=${this.covered}, received block number=${block}` })
    if (data.size === 0 && missing.length === 0) return
    const batch = new Batch()
    for (const [tx, set] of data)
      for (const ns of set.nsPvtRwset)
        for (const coll of ns.collectionPvtRwset)
          this.putData(batch, block, tx, { namespace: ns.namespace, collection: coll.collectionName }, coll)
    this.putMissing(batch, block, missing)
    batch.put(this.tables.meta, pendingKey, u64(block))
    this.environment.commit(batch)
    this.pending = block
  }

  /** Adds "this block is covered" to the batch of the block; call the result once that is committed. */
  commit(batch: Batch, block: bigint): () => void {
    if (block < this.covered) return () => {}
    batch.delete(this.tables.meta, pendingKey)
    batch.put(this.tables.meta, lastKey, u64(block))
    return () => {
      this.pending = undefined
      this.covered = block + 1n
    }
  }

  // ---- Reads -------------------------------------------------------------------------------------------------------

  /** Private data of a block by transaction; what has expired is hidden even before its purge (rule 72). */
  byBlock(block: bigint, filter?: CollectionFilter): Map<number, rwset.TxPvtReadWriteSet> {
    if (this.covered === 0n) throw new PvtStoreOutOfRange({ reason: "The store is empty" })
    if (block >= this.covered)
      throw new PvtStoreOutOfRange({
        reason: `Last committed block=${this.covered - 1n}, block requested=${block}`
      })
    const found = new Map<number, Map<string, Array<rwset.CollectionPvtReadWriteSet>>>()
    this.each(this.tables.data, u64(block), (key, value) => {
      const at = readDataKey(key)
      if (this.isExpired(at, block) || filter?.(at.namespace, at.collection) === false) return
      const namespaces = found.get(at.tx) ?? new Map<string, Array<rwset.CollectionPvtReadWriteSet>>()
      found.set(at.tx, namespaces)
      const collections = namespaces.get(at.namespace) ?? []
      namespaces.set(at.namespace, collections)
      collections.push(rwset.CollectionPvtReadWriteSet.decode(value))
    })
    return new Map(
      [...found].map(([tx, namespaces]) => [
        tx,
        rwset.TxPvtReadWriteSet.create({
          nsPvtRwset: [...namespaces].map(([namespace, collectionPvtRwset]) => ({ namespace, collectionPvtRwset }))
        })
      ])
    )
  }

  /** Missing data that this peer should have, of the `maxBlocks` newest blocks that miss any (rule 75). */
  missing(maxBlocks: number): ReadonlyArray<MissingInBlock> {
    const found: Array<MissingInBlock> = []
    const blocks = new Set<bigint>()
    if (maxBlocks < 1 || this.covered === 0n) return found
    const snapshot = this.environment.snapshot()
    try {
      // block 0 is never listed
      const cursor = snapshot.range(this.tables.eligible, inverted(this.covered - 1n), inverted(0n))
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
        const at = readEligibleKey(entry.key)
        if (blocks.size === maxBlocks && !blocks.has(at.block)) break
        if (this.isExpired(at, at.block)) continue
        blocks.add(at.block)
        found.push({ ...at, txs: decodeNumbers(entry.value) })
      }
    } finally {
      snapshot.close()
    }
    return found
  }

  // ---- Reconciled data of old blocks (rule 94) ---------------------------------------------------------------------

  /**
   * Stores data that was missing, where it is still awaited and has not expired. The blocks touched are remembered until
   * `oldBlocksApplied`, so that a crash in between leaves state behind for a while only.
   */
  commitOldBlocks(blocks: ReadonlyMap<bigint, TxPvtData>): void {
    if (this.oldBlocks.length > 0)
      throw new PvtStoreMisuse({
        reason: "The lastUpdatedOldBlocksList is set. It means that the stateDB may not be in sync with the pvtStore"
      })
    const batch = new Batch()
    const touched = new Set<bigint>()
    const awaited = new Map<string, { readonly block: bigint; readonly at: NsColl; readonly txs: Set<number> }>()
    for (const [block, data] of blocks)
      for (const [tx, set] of data)
        for (const ns of set.nsPvtRwset)
          for (const coll of ns.collectionPvtRwset) {
            const at = { namespace: ns.namespace, collection: coll.collectionName }
            const expiring = this.btl.expiringBlock(at.namespace, at.collection, block)
            // purged already: neither the data nor the record of its absence is kept any more
            if (expiring !== neverExpires && !this.any(this.tables.expiry, expiryPrefix(expiring, block))) continue
            const id = `${block}\0${at.namespace}\0${at.collection}`
            const list = awaited.get(id) ?? this.awaited(block, at)
            if (list === undefined) continue
            awaited.set(id, list)
            list.txs.delete(tx)
            this.putData(batch, block, tx, at, coll)
            touched.add(block)
          }
    for (const { at, block, txs } of awaited.values()) {
      if (txs.size === 0) batch.delete(this.tables.eligible, eligibleKey(block, at))
      else batch.put(this.tables.eligible, eligibleKey(block, at), encodeNumbers(txs))
    }
    const list = [...touched].sort((a, b) => (a < b ? -1 : 1))
    batch.put(this.tables.meta, oldBlocksKey, Buffer.from(list.join(",")))
    this.environment.commit(batch)
    this.oldBlocks = list
  }

  /** Blocks whose reconciled data may not have reached state yet. */
  get oldBlocksToApply(): ReadonlyArray<bigint> {
    return this.oldBlocks
  }

  /** Adds "state has them" to a batch; call the result once that is committed. */
  oldBlocksApplied(batch: Batch): () => void {
    batch.delete(this.tables.meta, oldBlocksKey)
    return () => {
      this.oldBlocks = []
    }
  }

  // ---- Background work ---------------------------------------------------------------------------------------------

  /** Deletes up to `limit` records that have expired; true when there may be more (rule 74). */
  purge(limit: number): boolean {
    if (this.covered === 0n) return false
    const batch = new Batch()
    let count = 0
    const snapshot = this.environment.snapshot()
    try {
      const cursor = snapshot.range(this.tables.expiry, undefined, u64(this.covered))
      for (let entry = cursor.next(); entry !== undefined && count < limit; entry = cursor.next()) {
        const at = readExpiryKey(entry.key)
        count += 1
        batch.delete(this.tables.expiry, entry.key)
        if (at.kind === "data") batch.delete(this.tables.data, dataKey(at.committing, at.tx, at))
        else {
          batch.delete(this.tables.eligible, eligibleKey(at.committing, at))
          batch.delete(this.tables.ineligible, ineligibleKey(at.committing, at))
        }
      }
    } finally {
      snapshot.close()
    }
    if (count > 0) this.environment.commit(batch)
    return count === limit
  }

  /** Adds an event to the batch of a block: this peer became a member of collections that were there before (rule 76). */
  putEligibility(batch: Batch, block: bigint, collections: ReadonlyArray<NsColl>): void {
    batch.put(this.tables.events, inverted(block), Buffer.from(JSON.stringify(collections)))
  }

  /** Turns up to `limit` ineligible records of pending events into eligible ones; true when there is more to do. */
  processEligibility(limit: number): boolean {
    const batch = new Batch()
    let count = 0
    const snapshot = this.environment.snapshot()
    try {
      const events = snapshot.range(this.tables.events)
      for (let event = events.next(); event !== undefined; event = events.next()) {
        const upTo = fromInverted(asBuffer(event.key), 0)
        for (const at of readCollections(event.value)) {
          const prefix = ineligiblePrefix(at)
          const cursor = snapshot.range(this.tables.ineligible, ineligibleKey(upTo, at), after(prefix))
          for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
            if (count === limit) {
              this.environment.commit(batch)
              return true
            }
            count += 1
            const block = blockOfIneligible(entry.key)
            const key = eligibleKey(block, at)
            const there = snapshot.get(this.tables.eligible, key)
            const txs = [...decodeNumbers(entry.value), ...(there === undefined ? [] : decodeNumbers(there))]
            batch.delete(this.tables.ineligible, entry.key)
            batch.put(this.tables.eligible, key, encodeNumbers(txs))
          }
        }
        batch.delete(this.tables.events, event.key)
      }
    } finally {
      snapshot.close()
    }
    if (batch.size > 0) this.environment.commit(batch)
    return false
  }

  // ---- Private -----------------------------------------------------------------------------------------------------

  private putData(batch: Batch, block: bigint, tx: number, at: NsColl, set: rwset.CollectionPvtReadWriteSet): void {
    batch.put(this.tables.data, dataKey(block, tx, at), rwset.CollectionPvtReadWriteSet.encode(set))
    const expiring = this.btl.expiringBlock(at.namespace, at.collection, block)
    if (expiring !== neverExpires) batch.put(this.tables.expiry, expiryKey(expiring, block, "data", tx, at), nothing)
  }

  private putMissing(batch: Batch, block: bigint, missing: ReadonlyArray<MissingPvtData>): void {
    const lists = new Map<string, MissingList>()
    for (const { collection, isEligible, namespace, tx } of missing) {
      const at = { namespace, collection }
      const table = isEligible ? this.tables.eligible : this.tables.ineligible
      const key = isEligible ? eligibleKey(block, at) : ineligibleKey(block, at)
      const id = `${table.name}\0${namespace}\0${collection}`
      const list: MissingList = lists.get(id) ?? { key, table, txs: [] }
      lists.set(id, list)
      list.txs.push(tx)
      const expiring = this.btl.expiringBlock(namespace, collection, block)
      if (expiring !== neverExpires)
        batch.put(this.tables.expiry, expiryKey(expiring, block, "missing", 0, at), nothing)
    }
    for (const { key, table, txs } of lists.values()) batch.put(table, key, encodeNumbers(txs))
  }

  private awaited(block: bigint, at: NsColl) {
    const bytes = this.environment.get(this.tables.eligible, eligibleKey(block, at))
    return bytes === undefined ? undefined : { block, at, txs: new Set(decodeNumbers(bytes)) }
  }

  private isExpired({ collection, namespace }: NsColl, block: bigint): boolean {
    return this.covered - 1n >= this.btl.expiringBlock(namespace, collection, block)
  }

  private readBlock(key: Uint8Array): bigint | undefined {
    const bytes = this.environment.get(this.tables.meta, key)
    return bytes === undefined ? undefined : asBuffer(bytes).readBigUInt64BE()
  }

  private any(table: Table, prefix: Uint8Array): boolean {
    const snapshot = this.environment.snapshot()
    try {
      return snapshot.range(table, prefix, after(prefix)).next() !== undefined
    } finally {
      snapshot.close()
    }
  }

  private each(table: Table, prefix: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): void {
    const snapshot = this.environment.snapshot()
    try {
      const cursor = snapshot.range(table, prefix, after(prefix))
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) visit(entry.key, entry.value)
    } finally {
      snapshot.close()
    }
  }
}

const readCollections = (bytes: Uint8Array): ReadonlyArray<NsColl> => {
  const parsed: unknown = JSON.parse(asBuffer(bytes).toString())
  return Array.isArray(parsed) ? parsed.filter(isNsColl) : []
}

const isNsColl = (value: unknown): value is NsColl =>
  typeof value === "object" &&
  value !== null &&
  "namespace" in value &&
  "collection" in value &&
  typeof value.namespace === "string" &&
  typeof value.collection === "string"

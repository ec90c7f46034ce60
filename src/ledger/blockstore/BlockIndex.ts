/**
 * The index of a channel's blocks in its LMDB environment: number → place and envelopes, hash → number, transaction
 * id → (block, transaction). The height is a key of its own, written in the same batch, so that index and height never
 * disagree. Sheet rules 3-8.
 */
import { crc32 } from "../../wire/crc32.js"
import type { Batch, Environment, Table } from "../lmdb/index.js"
import type { Place } from "./BlockFiles.js"
import { type ParsedBlock, placesOf, txIdOf } from "./parse.js"

/** Tables that the index needs in its environment. */
export const indexTables = { blocks: "blocks", hashes: "hashes", txIds: "txids", meta: "blockmeta" } as const

export interface TxPlace {
  /** Within the block. */
  readonly offset: number
  readonly length: number
  readonly crc: number
  /** Byte of TRANSACTIONS_FILTER; 0 where the block has none. */
  readonly code: number
}

export interface BlockEntry {
  readonly place: Place
  readonly txCount: number
  readonly tx: (index: number) => TxPlace | undefined
}

export interface TxPosition {
  readonly block: bigint
  readonly tx: number
}

/** What the peer keeps and the orderer does not. */
export interface IndexOptions {
  readonly byHash: boolean
  readonly byTxId: boolean
}

const heightKey = Buffer.from("height")
const lastHashKey = Buffer.from("lasthash")
const lastPreviousKey = Buffer.from("lastprevious")

export const numberKey = (number: bigint): Uint8Array => {
  const key = Buffer.allocUnsafe(8)
  key.writeBigUInt64BE(number)
  return key
}

const entryHead = 20
const txSize = 13

const encodeEntry = (place: Place, block: ParsedBlock, codes: Uint8Array): Uint8Array => {
  const places = placesOf(block)
  const entry = Buffer.allocUnsafe(entryHead + txSize * places.length)
  entry.writeUInt32BE(place.file, 0)
  entry.writeBigUInt64BE(BigInt(place.offset), 4)
  entry.writeUInt32BE(place.length, 12)
  entry.writeUInt32BE(places.length, 16)
  let at = entryHead
  for (const [i, { length, offset }] of places.entries()) {
    entry.writeUInt32BE(offset, at)
    entry.writeUInt32BE(length, at + 4)
    entry.writeUInt32BE(crc32(block.envelopes[i] ?? Buffer.alloc(0)), at + 8)
    entry[at + 12] = codes[i] ?? 0
    at += txSize
  }
  return entry
}

const decodeEntry = (bytes: Uint8Array): BlockEntry => {
  const entry = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const txCount = entry.readUInt32BE(16)
  return {
    place: { file: entry.readUInt32BE(0), offset: Number(entry.readBigUInt64BE(4)), length: entry.readUInt32BE(12) },
    txCount,
    tx: (index) => {
      if (index < 0 || index >= txCount) return undefined
      const at = entryHead + index * txSize
      return {
        offset: entry.readUInt32BE(at),
        length: entry.readUInt32BE(at + 4),
        crc: entry.readUInt32BE(at + 8),
        code: entry[at + 12] ?? 0
      }
    }
  }
}

const decodePosition = (bytes: Uint8Array): TxPosition => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 12)
  return { block: view.getBigUint64(0), tx: view.getUint32(8) }
}

export class BlockIndex {
  private readonly blocks: Table
  private readonly hashes: Table
  private readonly txIds: Table
  private readonly meta: Table

  constructor(
    private readonly environment: Environment,
    readonly options: IndexOptions
  ) {
    this.blocks = environment.table(indexTables.blocks)
    this.hashes = environment.table(indexTables.hashes)
    this.txIds = environment.table(indexTables.txIds)
    this.meta = environment.table(indexTables.meta)
  }

  /** Blocks indexed. */
  height(): bigint {
    const bytes = this.environment.get(this.meta, heightKey)
    return bytes === undefined ? 0n : Buffer.from(bytes).readBigUInt64BE()
  }

  /** Header hashes of the last block indexed and of the one before it; undefined for an empty store. */
  last(): { readonly hash: Uint8Array; readonly previousHash: Uint8Array } | undefined {
    const hash = this.environment.get(this.meta, lastHashKey)
    const previousHash = this.environment.get(this.meta, lastPreviousKey)
    return hash === undefined || previousHash === undefined ? undefined : { hash, previousHash }
  }

  entry(number: bigint): BlockEntry | undefined {
    const bytes = this.environment.get(this.blocks, numberKey(number))
    return bytes === undefined ? undefined : decodeEntry(bytes)
  }

  numberOfHash(hash: Uint8Array): bigint | undefined {
    const bytes = this.environment.get(this.hashes, hash)
    return bytes === undefined ? undefined : Buffer.from(bytes).readBigUInt64BE()
  }

  txPosition(txId: string): TxPosition | undefined {
    return this.environment.read(this.txIds, txId, decodePosition)
  }

  /**
   * Adds a block to a batch. The first occurrence of a transaction id wins, whether or not it was valid (rule 5).
   * @param codes the block's TRANSACTIONS_FILTER
   * @param txIds ids by transaction where the caller knows them already
   * @param seen ids that earlier blocks of the same batch brought; this block's are added
   */
  put(
    batch: Batch,
    place: Place,
    block: ParsedBlock,
    codes: Uint8Array,
    txIds?: ReadonlyArray<string>,
    seen: Set<string> = new Set()
  ): void {
    const number = numberKey(block.number)
    batch.put(this.blocks, number, encodeEntry(place, block, codes))
    if (this.options.byHash) batch.put(this.hashes, block.hash, number)
    if (this.options.byTxId) {
      for (const [tx, envelope] of block.envelopes.entries()) {
        const txId = txIds?.[tx] ?? txIdOf(envelope)
        if (seen.has(txId)) continue
        seen.add(txId)
        if (this.txPosition(txId) !== undefined) continue
        const position = Buffer.allocUnsafe(12)
        position.writeBigUInt64BE(block.number, 0)
        position.writeUInt32BE(tx, 8)
        batch.put(this.txIds, Buffer.from(txId), position)
      }
    }
    batch.put(this.meta, heightKey, numberKey(block.number + 1n))
    batch.put(this.meta, lastHashKey, block.hash)
    batch.put(this.meta, lastPreviousKey, block.previousHash)
  }

  /** Takes the newest block out of the index (rollback), given the block before it. */
  remove(batch: Batch, block: ParsedBlock, before: ParsedBlock | undefined): void {
    batch.delete(this.blocks, numberKey(block.number))
    if (this.options.byHash) batch.delete(this.hashes, block.hash)
    if (this.options.byTxId) {
      for (const [tx, envelope] of block.envelopes.entries()) {
        const txId = txIdOf(envelope)
        const position = this.txPosition(txId)
        if (position !== undefined && position.block === block.number && position.tx === tx)
          batch.delete(this.txIds, Buffer.from(txId))
      }
    }
    batch.put(this.meta, heightKey, numberKey(block.number))
    if (before === undefined) {
      batch.delete(this.meta, lastHashKey)
      batch.delete(this.meta, lastPreviousKey)
    } else {
      batch.put(this.meta, lastHashKey, before.hash)
      batch.put(this.meta, lastPreviousKey, before.previousHash)
    }
  }

  /** Forgets everything; the block files are then indexed again at open. */
  clear(batch: Batch): void {
    for (const table of [this.blocks, this.hashes, this.txIds, this.meta]) batch.clear(table)
  }
}

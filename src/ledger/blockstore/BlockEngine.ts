/**
 * Files, index and waiting readers of one channel, in the steps that its two owners need: the orderer's store appends in
 * one go (`append`); the peer's ledger writes the file, commits the index together with the state, then publishes.
 * A block is visible only after `publish` (sheet rule 10).
 */

import { crc32 } from "node:zlib"
import * as Effect from "effect/Effect"
import { compareBytes } from "../../wire/protoutil.js"
import { Batch, type Environment } from "../lmdb/index.js"
import { type BlockFiles, headerSize, type Place, type ScannedRecord } from "./BlockFiles.js"
import type { BlockEntry, BlockIndex, TxPosition } from "./BlockIndex.js"
import type { BlockchainInfo, BlockIterator, BlockReader, StoredTransaction } from "./BlockStore.js"
import { lastBlockNumber } from "./BlockStore.js"
import {
  AttributeNotIndexed,
  BlockFilesDamaged,
  BlockNumberMismatch,
  NotFoundInIndex,
  PreviousHashMismatch,
  type ReadError,
  StoreFailed
} from "./errors.js"
import { type ParsedBlock, parseBlock } from "./parse.js"
import { makeIterator, Waiters } from "./Waiters.js"

/** Blocks at the tip are kept in memory up to this many bytes: a new block is read by every waiting stream. */
const defaultCacheBytes = 2 * 1024 * 1024
const emptyHash = new Uint8Array(0)
/** Blocks that the orderer's append indexes in one commit. */
const indexedTogether = 64

export class BlockEngine {
  private tip = 0n
  private last: { readonly hash: Uint8Array; readonly previousHash: Uint8Array } | undefined
  private readonly recent = new Map<bigint, Uint8Array>()
  private recentBytes = 0
  readonly waiters = new Waiters()
  readonly reader: BlockReader
  /** Index entries of `append` that are not in the environment yet; the files alone can bring them back. */
  private unwritten = new Batch()
  private readonly unwrittenPlaces = new Map<bigint, Place>()

  constructor(
    readonly channelId: string,
    readonly environment: Environment,
    readonly files: BlockFiles,
    readonly index: BlockIndex,
    private readonly cacheBytes: number = defaultCacheBytes
  ) {
    this.reload()
    this.reader = this.makeReader()
  }

  get height(): bigint {
    return this.tip
  }

  info(): BlockchainInfo {
    return {
      height: this.tip,
      currentBlockHash: this.last?.hash,
      previousBlockHash:
        this.last === undefined || this.last.previousHash.length === 0 ? undefined : this.last.previousHash
    }
  }

  /** Takes height and hashes from the index: at open and after a rollback. */
  reload(): void {
    this.tip = this.index.height()
    this.last = this.index.last()
    this.recent.clear()
    this.recentBytes = 0
  }

  /** Records behind the last indexed block; cuts a torn tail. */
  unindexed(): Generator<ScannedRecord> {
    const entry = this.tip === 0n ? undefined : this.index.entry(this.tip - 1n)
    const from =
      entry === undefined
        ? { file: 0, offset: 0 }
        : { file: entry.place.file, offset: entry.place.offset + headerSize + entry.place.length }
    return this.files.scan(from, this.tip, entry !== undefined)
  }

  /** Rule 1: the block must be the next one and chain to the last. @throws BlockNumberMismatch, PreviousHashMismatch */
  check(block: ParsedBlock): void {
    if (block.number !== this.tip) throw new BlockNumberMismatch({ expected: this.tip, actual: block.number })
    const expected = this.last?.hash ?? emptyHash
    if (compareBytes(block.previousHash, expected) !== 0)
      throw new PreviousHashMismatch({ expected, actual: block.previousHash })
  }

  /** Makes a block that is on disk and in the index visible. */
  publish(block: ParsedBlock): void {
    this.tip = block.number + 1n
    this.last = { hash: block.hash, previousHash: block.previousHash }
    this.recent.set(block.number, block.bytes)
    this.recentBytes += block.bytes.length
    for (const [number, bytes] of this.recent) {
      if (this.recentBytes <= this.cacheBytes || this.recent.size === 1) break
      this.recent.delete(number)
      this.recentBytes -= bytes.length
    }
    this.waiters.wake()
  }

  /**
   * Check, file, index, publish: the orderer's append. Not to be called again before it is done. An index of numbers
   * alone follows in batches (`flush`): its synced commit blocks the thread, and after a kill the files say what it lacks.
   * @throws AppendError
   */
  async append(bytes: Uint8Array): Promise<void> {
    const block = parseBlock(bytes)
    this.check(block)
    const place = await this.files.append(bytes)
    const { byHash, byTxId } = this.index.options
    this.index.put(this.unwritten, place, block, block.metadata[2] ?? emptyHash)
    this.unwrittenPlaces.set(block.number, place)
    if (byHash || byTxId) {
      const cause = this.flush()
      if (cause !== undefined) {
        this.files.cut(place.file, place.offset)
        this.forgetUnwritten()
        throw this.failed("write", cause)
      }
    } else if (this.unwrittenPlaces.size % indexedTogether === 0) this.flush()
    this.publish(block)
  }

  /** Brings the index up to date. Out: why it could not; then the next flush tries again, the blocks are in the files. */
  flush(): unknown {
    if (this.unwrittenPlaces.size === 0) return undefined
    try {
      this.environment.commit(this.unwritten)
    } catch (cause) {
      return cause
    }
    this.forgetUnwritten()
    return undefined
  }

  private forgetUnwritten(): void {
    this.unwritten = new Batch()
    this.unwrittenPlaces.clear()
  }

  /** Indexes what the files hold beyond the index (orderer, or an index that was removed). @throws BlockFilesDamaged */
  catchUp(): number {
    let count = 0
    let batch = new Batch()
    let seen = new Set<string>()
    const flush = () => {
      if (batch.size > 0) this.environment.commit(batch)
      batch = new Batch()
      seen = new Set()
    }
    for (const { place, bytes } of this.unindexed()) {
      const block = this.parseScanned(place, bytes)
      this.index.put(batch, place, block, block.metadata[2] ?? emptyHash, undefined, seen)
      this.publish(block)
      count += 1
      if (batch.size > 5000) flush()
    }
    flush()
    return count
  }

  /** A record of the files as the block that must stand there. @throws BlockFilesDamaged */
  parseScanned(place: Place, bytes: Uint8Array): ParsedBlock {
    try {
      const block = parseBlock(bytes)
      this.check(block)
      return block
    } catch (cause) {
      throw new BlockFilesDamaged({
        channel: this.channelId,
        file: this.files.pathOf(place.file),
        block: this.tip,
        reason: cause instanceof Error ? cause.message : String(cause)
      })
    }
  }

  // ---- Reads in plain functions -----------------------------------------------------------------------------------

  /** @throws NotFoundInIndex */
  entry(number: bigint): BlockEntry {
    const entry = number < this.tip ? this.index.entry(number) : undefined
    if (entry === undefined) throw new NotFoundInIndex({ what: `block [${number}]` })
    return entry
  }

  /** A block's bytes, blocking. @throws NotFoundInIndex, BlockFilesDamaged, StoreFailed */
  blockSync(number: bigint): Uint8Array {
    const place = () => this.unwrittenPlaces.get(number) ?? this.entry(number).place
    return this.recent.get(number) ?? this.files.readSync(place(), number)
  }

  /** Where a transaction id stands; undefined when it is not in the chain. @throws AttributeNotIndexed */
  positionOf(txId: string): TxPosition | undefined {
    if (!this.index.options.byTxId) throw new AttributeNotIndexed({ attribute: "transaction id" })
    const position = this.index.txPosition(txId)
    return position !== undefined && position.block < this.tip ? position : undefined
  }

  /** One transaction, blocking. @throws NotFoundInIndex, BlockFilesDamaged, StoreFailed */
  transactionSync(number: bigint, index: number): StoredTransaction {
    const entry = this.entry(number)
    const tx = entry.tx(index)
    if (tx === undefined) throw new NotFoundInIndex({ what: `transaction [${index}] of block [${number}]` })
    const cached = this.recent.get(number)
    const envelope =
      cached === undefined
        ? this.files.readPartSync(entry.place, tx.offset, tx.length)
        : cached.slice(tx.offset, tx.offset + tx.length)
    if (envelope.length !== tx.length || crc32(envelope) !== tx.crc) {
      throw new BlockFilesDamaged({
        channel: this.channelId,
        file: this.files.pathOf(entry.place.file),
        block: number,
        reason: `transaction [${index}] is not what was written`
      })
    }
    return { envelope, validationCode: tx.code, block: number, index }
  }

  private require(txId: string): TxPosition {
    const position = this.positionOf(txId)
    if (position === undefined) throw new NotFoundInIndex({ what: `transaction [${txId}]` })
    return position
  }

  // ---- The reading side as effects ---------------------------------------------------------------------------------

  private failed(op: StoreFailed["op"], cause: unknown): StoreFailed {
    return cause instanceof StoreFailed ? cause : new StoreFailed({ channel: this.channelId, op, cause })
  }

  private readError(cause: unknown): ReadError {
    return cause instanceof NotFoundInIndex ||
      cause instanceof AttributeNotIndexed ||
      cause instanceof BlockFilesDamaged
      ? cause
      : this.failed("read", cause)
  }

  private makeReader(): BlockReader {
    const attempt = <A>(read: () => A): Effect.Effect<A, ReadError> =>
      Effect.try({ try: read, catch: (cause) => this.readError(cause) })
    const block = (find: () => bigint): Effect.Effect<Uint8Array, ReadError> =>
      Effect.flatMap(attempt(find), (number) => {
        const cached = this.recent.get(number)
        if (cached !== undefined) return Effect.succeed(cached)
        return Effect.flatMap(
          attempt(() => this.unwrittenPlaces.get(number) ?? this.entry(number).place),
          (place) =>
            Effect.tryPromise({ try: () => this.files.read(place, number), catch: (cause) => this.readError(cause) })
        )
      })
    const get = (number: bigint) => block(() => (number === lastBlockNumber && this.tip > 0n ? this.tip - 1n : number))
    return {
      channelId: this.channelId,
      height: () => this.tip,
      info: () => this.info(),
      get,
      getByHash: (hash) =>
        block(() => {
          if (!this.index.options.byHash) throw new AttributeNotIndexed({ attribute: "block hash" })
          const number = this.index.numberOfHash(hash)
          if (number === undefined) throw new NotFoundInIndex({ what: "block hash" })
          return number
        }),
      getByTxId: (txId) => block(() => this.require(txId).block),
      txById: (txId) =>
        attempt(() => {
          const position = this.require(txId)
          return this.transactionSync(position.block, position.tx)
        }),
      txByPosition: (number, index) =>
        attempt(() => {
          if (!this.index.options.byTxId) throw new AttributeNotIndexed({ attribute: "transaction position" })
          return this.transactionSync(number, index)
        }),
      validationCodeByTxId: (txId) =>
        attempt(() => {
          const position = this.require(txId)
          return this.entry(position.block).tx(position.tx)?.code ?? 0
        }),
      iterator: (from): BlockIterator =>
        makeIterator(from, { height: () => this.tip, get: (number) => block(() => number), waiters: this.waiters })
    }
  }
}

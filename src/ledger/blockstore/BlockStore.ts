/**
 * One channel's blocks, kept and served as the bytes that were appended. The orderer appends through this tag; the
 * peer's ledger offers the same reading side (`BlockReader`), where a block shows up only once its state is committed.
 * Media: `BlockStoreProvider` (files), `memory.ts` (the orderer's `ram` ledger and unit tests).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { AppendError, ReadError, StoreFailed } from "./errors.js"

/** Sheet rule 2: both hashes are absent for an empty store, the previous one while there is only block 0. */
export interface BlockchainInfo {
  readonly height: bigint
  readonly currentBlockHash: Uint8Array | undefined
  readonly previousBlockHash: Uint8Array | undefined
}

export interface StoredTransaction {
  /** Envelope as it stands in the block. */
  readonly envelope: Uint8Array
  /** Byte of TRANSACTIONS_FILTER after MVCC. */
  readonly validationCode: number
  readonly block: bigint
  readonly index: number
}

/** Blocks from one number on; sheet rule 9. */
export interface BlockIterator {
  /** The next block, waiting for it without limit; undefined after `close`. One call at a time. */
  readonly next: Effect.Effect<Uint8Array | undefined, ReadError>
  /** Ends the iterator from any fiber. */
  readonly close: Effect.Effect<void>
}

/** `GetBlockByNumber` takes this number for the last block. */
export const lastBlockNumber = 0xffff_ffff_ffff_ffffn

export interface BlockReader {
  readonly channelId: string
  /** Blocks held; also the number that the next block must carry. */
  readonly height: () => bigint
  readonly info: () => BlockchainInfo
  /** A block's stored bytes; `lastBlockNumber` means the last one. */
  readonly get: (number: bigint) => Effect.Effect<Uint8Array, ReadError>
  readonly getByHash: (hash: Uint8Array) => Effect.Effect<Uint8Array, ReadError>
  readonly getByTxId: (txId: string) => Effect.Effect<Uint8Array, ReadError>
  readonly txById: (txId: string) => Effect.Effect<StoredTransaction, ReadError>
  readonly txByPosition: (block: bigint, index: number) => Effect.Effect<StoredTransaction, ReadError>
  readonly validationCodeByTxId: (txId: string) => Effect.Effect<number, ReadError>
  /** Starts at `from`, which may lie beyond the height. */
  readonly iterator: (from: bigint) => BlockIterator
}

export interface BlockStoreShape extends BlockReader {
  /** Appends an encoded block; done when it is on disk. Nothing changes on failure. */
  readonly append: (block: Uint8Array) => Effect.Effect<void, AppendError>
  /** The channel's folder, for what lives and dies with it; undefined for stores in memory. */
  readonly folder: string | undefined
}

export class BlockStore extends Context.Tag("ledger/BlockStore")<BlockStore, BlockStoreShape>() {}

/** The block stores of a node (the orderer's file, json or ram ledgers). */
export interface BlockStoreProviderShape {
  /** Channels that have a store, in byte order. */
  readonly list: Effect.Effect<ReadonlyArray<string>, StoreFailed>
  /** The store of a channel, made when absent; the same object for the same name, open until the provider closes. */
  readonly getOrCreate: (channelId: string) => Effect.Effect<BlockStoreShape, StoreOpenError>
}

/** See errors.ts and ../errors.ts; the text says what to do. */
export type StoreOpenError = Error & { readonly _tag: string }

export class BlockStoreProvider extends Context.Tag("ledger/BlockStoreProvider")<
  BlockStoreProvider,
  BlockStoreProviderShape
>() {}

/** Blocks in memory: the orderer's `ram` ledger, which forgets all but the last `historySize` blocks, and unit tests. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { compareBytes, compareUtf8 } from "../../wire/protoutil.js"
import {
  BlockStore,
  BlockStoreProvider,
  type BlockStoreShape,
  lastBlockNumber,
  type StoredTransaction
} from "./BlockStore.js"
import {
  AttributeNotIndexed,
  BlockMalformed,
  BlockNumberMismatch,
  NotFoundInIndex,
  PreviousHashMismatch,
  type ReadError,
  StoreFailed
} from "./errors.js"
import { type ParsedBlock, parseBlock, txIdOf } from "./parse.js"
import { makeIterator, Waiters } from "./Waiters.js"

export interface MemoryOptions {
  /** RAMLedger.HistorySize; undefined keeps all. */
  readonly historySize?: number
  /** Keep indexes by hash and transaction id, as the peer does. */
  readonly indexed?: boolean
}

/** A store that ends with the process. */
export const makeMemory = (channelId: string, options: MemoryOptions = {}): BlockStoreShape => {
  const blocks = new Map<bigint, ParsedBlock>()
  const numbers = new Map<string, bigint>()
  const positions = new Map<string, { readonly block: bigint; readonly index: number }>()
  const waiters = new Waiters()
  let height = 0n
  const key = (hash: Uint8Array) => Buffer.from(hash).toString("hex")
  const found = (block: ParsedBlock | undefined, what: string): Effect.Effect<ParsedBlock, ReadError> =>
    block === undefined ? Effect.fail(new NotFoundInIndex({ what })) : Effect.succeed(block)
  const indexed = <A>(attribute: string, read: () => Effect.Effect<A, ReadError>): Effect.Effect<A, ReadError> =>
    options.indexed === true ? Effect.suspend(read) : Effect.fail(new AttributeNotIndexed({ attribute }))
  const transaction = (number: bigint, index: number): Effect.Effect<StoredTransaction, ReadError> => {
    const block = blocks.get(number)
    const envelope = block?.envelopes[index]
    if (block === undefined || envelope === undefined) return Effect.fail(new NotFoundInIndex({ what: "transaction" }))
    return Effect.succeed({ envelope, validationCode: block.metadata[2]?.[index] ?? 0, block: number, index })
  }
  const byTxId = <A>(txId: string, read: (block: bigint, index: number) => Effect.Effect<A, ReadError>) =>
    indexed("transaction id", () => {
      const position = positions.get(txId)
      if (position === undefined) return Effect.fail(new NotFoundInIndex({ what: `transaction [${txId}]` }))
      return read(position.block, position.index)
    })
  const get = (number: bigint) =>
    Effect.suspend(() =>
      found(blocks.get(number === lastBlockNumber ? height - 1n : number), `block [${number}]`)
    ).pipe(Effect.map((block) => block.bytes))
  const append = (bytes: Uint8Array): void => {
    const block = parseBlock(bytes)
    if (block.number !== height) throw new BlockNumberMismatch({ expected: height, actual: block.number })
    const expected = blocks.get(height - 1n)?.hash ?? new Uint8Array(0)
    if (compareBytes(block.previousHash, expected) !== 0)
      throw new PreviousHashMismatch({ expected, actual: block.previousHash })
    blocks.set(height, block)
    if (options.indexed === true) {
      numbers.set(key(block.hash), height)
      block.envelopes.forEach((envelope, index) => {
        const txId = txIdOf(envelope)
        if (!positions.has(txId)) positions.set(txId, { block: block.number, index })
      })
    }
    height += 1n
    if (options.historySize !== undefined) blocks.delete(height - 1n - BigInt(Math.max(1, options.historySize)))
    waiters.wake()
  }
  return {
    channelId,
    folder: undefined,
    height: () => height,
    info: () => {
      const last = blocks.get(height - 1n)
      return {
        height,
        currentBlockHash: last?.hash,
        previousBlockHash: last === undefined || last.previousHash.length === 0 ? undefined : last.previousHash
      }
    },
    append: (bytes) =>
      Effect.try({
        try: () => append(Uint8Array.prototype.slice.call(bytes)),
        catch: (cause) =>
          cause instanceof BlockNumberMismatch ||
          cause instanceof PreviousHashMismatch ||
          cause instanceof BlockMalformed
            ? cause
            : new StoreFailed({ channel: channelId, op: "write", cause })
      }),
    get,
    getByHash: (hash) =>
      indexed("block hash", () => {
        const number = numbers.get(key(hash))
        return number === undefined ? Effect.fail(new NotFoundInIndex({ what: "block hash" })) : get(number)
      }),
    getByTxId: (txId) => byTxId(txId, (block) => get(block)),
    txById: (txId) => byTxId(txId, transaction),
    txByPosition: (block, index) => indexed("transaction position", () => transaction(block, index)),
    validationCodeByTxId: (txId) =>
      byTxId(txId, (block, index) => Effect.map(transaction(block, index), (tx) => tx.validationCode)),
    iterator: (from) => makeIterator(from, { height: () => height, get, waiters })
  }
}

/** One store in memory, for unit tests of its users. */
export const layerMemory = (channelId: string, options?: MemoryOptions): Layer.Layer<BlockStore> =>
  Layer.sync(BlockStore, () => makeMemory(channelId, options))

/** The orderer's `ram` ledgers. */
export const layerRam = (options: MemoryOptions): Layer.Layer<BlockStoreProvider> =>
  Layer.sync(BlockStoreProvider, () => {
    const stores = new Map<string, BlockStoreShape>()
    return {
      list: Effect.sync(() => [...stores.keys()].sort(compareUtf8)),
      getOrCreate: (channelId) =>
        Effect.sync(() => {
          const known = stores.get(channelId)
          if (known !== undefined) return known
          const store = makeMemory(channelId, options)
          stores.set(channelId, store)
          return store
        })
    }
  })

/**
 * The `json` ledger: a file a block, readable by people: `<root>/chain_<channel>/block_<20 digits>.json`. Not meant for
 * production; the reference does not sync its files, this one does, for solo's journal counts on what is written.
 * Source: orderer.md 3.9; common/ledger/blockledger/json.
 */

import { mkdirSync, readdirSync } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  AttributeNotIndexed,
  BlockNumberMismatch,
  BlockStoreProvider,
  type BlockStoreShape,
  lastBlockNumber,
  NotFoundInIndex,
  PreviousHashMismatch,
  type ReadError,
  StoreFailed,
  Waiters
} from "../../ledger/blockstore/index.js"
import { makeIterator } from "../../ledger/blockstore/Waiters.js"
import { lockFolder } from "../../ledger/lmdb/index.js"
import { common } from "../../wire/index.js"
import { blockHeaderHash, compareUtf8, equalBytes } from "../../wire/protoutil.js"

// ---- Blocks as protobuf's JSON -------------------------------------------------------------------------------------

interface BlockJson {
  readonly header?: { readonly number?: string; readonly previousHash?: string; readonly dataHash?: string }
  readonly data?: { readonly data?: ReadonlyArray<string> }
  readonly metadata?: { readonly metadata?: ReadonlyArray<string> }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"))

/** Two-space indent, numbers of 64 bits as text, empty fields left out. */
export const blockToJson = (block: common.Block): string => {
  const { data, header, metadata } = block
  const json: BlockJson = {
    ...(header === undefined
      ? {}
      : {
          header: {
            ...(header.number === 0n ? {} : { number: String(header.number) }),
            ...(header.previousHash.length === 0 ? {} : { previousHash: base64(header.previousHash) }),
            ...(header.dataHash.length === 0 ? {} : { dataHash: base64(header.dataHash) })
          }
        }),
    ...(data === undefined ? {} : { data: data.data.length === 0 ? {} : { data: data.data.map(base64) } }),
    ...(metadata === undefined
      ? {}
      : { metadata: metadata.metadata.length === 0 ? {} : { metadata: metadata.metadata.map(base64) } })
  }
  return JSON.stringify(json, null, 2)
}

/** Throws what JSON.parse throws, and on shapes that are no block. */
export const blockFromJson = (text: string): common.Block => {
  const json: BlockJson = JSON.parse(text)
  const { data, header, metadata } = json
  return common.Block.create({
    header: {
      number: BigInt(header?.number ?? "0"),
      previousHash: bytesOf(header?.previousHash ?? ""),
      dataHash: bytesOf(header?.dataHash ?? "")
    },
    data: { data: (data?.data ?? []).map(bytesOf) },
    metadata: { metadata: (metadata?.metadata ?? []).map(bytesOf) }
  })
}

// ---- Store -------------------------------------------------------------------------------------------------------

const fileName = (number: bigint): string => `block_${String(number).padStart(20, "0")}.json`

const headerOf = (block: common.Block) => block.header ?? common.BlockHeader.create()

const open = (channel: string, folder: string): Effect.Effect<BlockStoreShape, StoreFailed> =>
  Effect.gen(function* () {
    const fail = (op: StoreFailed["op"]) => (cause: unknown) => new StoreFailed({ channel, op, cause })
    const read = (number: bigint): Effect.Effect<common.Block, StoreFailed> =>
      Effect.tryPromise({
        try: async () => blockFromJson(await fs.readFile(path.join(folder, fileName(number)), "utf8")),
        catch: fail("read")
      })
    const numbers = yield* Effect.try({
      try: () => {
        mkdirSync(folder, { recursive: true, mode: 0o700 })
        return readdirSync(folder)
          .flatMap((name) => /^block_(\d{20})\.json$/.exec(name)?.[1] ?? [])
          .map(BigInt)
          .sort((a, b) => (a < b ? -1 : 1))
      },
      catch: fail("open")
    })
    const gap = numbers.findIndex((number, i) => number !== BigInt(i))
    if (gap >= 0) return yield* fail("open")(new Error(`Missing block ${gap} in the chain`))
    let height = BigInt(numbers.length)
    let last = height === 0n ? undefined : headerOf(yield* read(height - 1n))
    const waiters = new Waiters()

    const write = async (number: bigint, text: string): Promise<void> => {
      const file = path.join(folder, fileName(number))
      const handle = await fs.open(`${file}.new`, "w", 0o600)
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await fs.rename(`${file}.new`, file)
    }
    const get = (number: bigint): Effect.Effect<Uint8Array, ReadError> => {
      const wanted = number === lastBlockNumber ? height - 1n : number
      return wanted < 0n || wanted >= height
        ? new NotFoundInIndex({ what: `block [${number}]` })
        : Effect.map(read(wanted), (block) => common.Block.encode(block))
    }
    const notIndexed = (attribute: string) => () => new AttributeNotIndexed({ attribute })
    return {
      channelId: channel,
      folder,
      height: () => height,
      info: () => ({
        height,
        currentBlockHash: last === undefined ? undefined : blockHeaderHash(last),
        previousBlockHash: last === undefined || last.previousHash.length === 0 ? undefined : last.previousHash
      }),
      append: (bytes) =>
        Effect.gen(function* () {
          const block = yield* Effect.try({ try: () => common.Block.decode(bytes), catch: fail("write") })
          const header = headerOf(block)
          if (header.number !== height) {
            return yield* new BlockNumberMismatch({ expected: height, actual: header.number })
          }
          const expected = last === undefined ? new Uint8Array() : blockHeaderHash(last)
          if (!equalBytes(header.previousHash, expected)) {
            return yield* new PreviousHashMismatch({ expected, actual: header.previousHash })
          }
          yield* Effect.tryPromise({ try: () => write(header.number, blockToJson(block)), catch: fail("write") })
          last = header
          height += 1n
          waiters.wake()
        }).pipe(Effect.uninterruptible),
      get,
      getByHash: notIndexed("block hash"),
      getByTxId: notIndexed("transaction id"),
      txById: notIndexed("transaction id"),
      txByPosition: notIndexed("transaction position"),
      validationCodeByTxId: notIndexed("transaction id"),
      iterator: (from) => makeIterator(from, { height: () => height, get, waiters })
    }
  })

/** The orderer's `json` ledgers. One process per folder. */
export const layerJson = ({ root }: { readonly root: string }) =>
  Layer.scoped(
    BlockStoreProvider,
    Effect.gen(function* () {
      yield* lockFolder(root)
      const stores = new Map<string, BlockStoreShape>()
      const turn = yield* Effect.makeSemaphore(1)
      return {
        list: Effect.try({
          try: () =>
            readdirSync(root)
              .flatMap((name) => /^chain_(.+)$/.exec(name)?.[1] ?? [])
              .sort(compareUtf8),
          catch: (cause) => new StoreFailed({ channel: "", op: "open", cause })
        }),
        getOrCreate: (channelId) =>
          turn.withPermits(1)(
            Effect.suspend(() => {
              const known = stores.get(channelId)
              if (known !== undefined) return Effect.succeed(known)
              return Effect.tap(open(channelId, path.join(root, `chain_${channelId}`)), (store) =>
                Effect.sync(() => stores.set(channelId, store))
              )
            })
          )
      }
    })
  )

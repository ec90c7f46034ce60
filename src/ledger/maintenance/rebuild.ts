/**
 * The steps of a rebuild: block files looked through before anything is dropped, a damaged end cut off where that is
 * asked for, everything that follows from the blocks dropped. The next open makes it anew (`recover.ts`). Private data
 * stays: the blocks do not hold it (ledger-privatedata.md rule 69).
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { breathe } from "../../runtime/breathe.js"
import { compareBytes, toHex } from "../../wire/protoutil.js"
import { headerSize } from "../blockstore/BlockFiles.js"
import {
  BlockFiles,
  BlockFilesDamaged,
  BlockIndex,
  defaultMaxFileSize,
  indexTables,
  parseBlock,
  StoreFailed
} from "../blockstore/index.js"
import { Batch, type LmdbCommitFailed, type LmdbOpenFailed, openEnvironment } from "../lmdb/index.js"
import { channelFolder, IdStore, idsFolder, idTables } from "../peer/LedgerProvider.js"
import { openStorage } from "../peer/Storage.js"

/** How far a channel's block files can be read. */
export interface FileEnd {
  /** Blocks that are sound and chain. */
  readonly height: bigint
  readonly file: number
  readonly offset: number
  /** What comes behind them; undefined: nothing. */
  readonly damage: BlockFilesDamaged | undefined
  /** The first block, as stored. */
  readonly genesis: Uint8Array | undefined
}

const openFiles = (channel: string, folder: string): Effect.Effect<BlockFiles, StoreFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => BlockFiles.openDir(channel, folder, defaultMaxFileSize),
      catch: (cause) => new StoreFailed({ channel, op: "open", cause })
    }),
    (files) => Effect.sync(() => files.close())
  )

/**
 * Reads all blocks of a folder, check sums, numbers and hashes verified; changes nothing.
 * @param known blocks that the index has: fewer in the files are damage too
 */
export const checkFiles = (
  channel: string,
  folder: string,
  known: bigint,
  progress: (block: bigint, bytesRead: number) => void
): Effect.Effect<FileEnd, StoreFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const files = yield* openFiles(channel, folder)
      const scan = files.scan({ file: 0, offset: 0 }, 0n, false, true)
      let end: FileEnd = { height: 0n, file: 0, offset: 0, damage: undefined, genesis: undefined }
      let previous: Uint8Array = new Uint8Array(0)
      let bytesRead = 0
      const next = (): "more" | "done" => {
        const { done, value } = scan.next()
        if (done === true) {
          if (end.height >= known) return "done"
          const reason = "the file ends before blocks that the index knows"
          throw new BlockFilesDamaged({ channel, file: files.pathOf(end.file), block: end.height, reason })
        }
        const block = parseBlock(value.bytes)
        const reason =
          block.number !== end.height
            ? `the block has number ${block.number}`
            : compareBytes(block.previousHash, previous) !== 0
              ? `its previous hash is ${toHex(block.previousHash)}, not ${toHex(previous)}`
              : undefined
        if (reason !== undefined)
          throw new BlockFilesDamaged({ channel, file: files.pathOf(value.place.file), block: end.height, reason })
        previous = block.hash
        bytesRead += headerSize + value.place.length
        end = {
          height: end.height + 1n,
          file: value.place.file,
          offset: value.place.offset + headerSize + value.place.length,
          damage: undefined,
          genesis: end.genesis ?? value.bytes
        }
        return "more"
      }
      let breathed = performance.now()
      for (;;) {
        const step = yield* Effect.try({ try: next, catch: (cause) => cause }).pipe(
          Effect.catchAll((cause) => {
            if (cause instanceof BlockFilesDamaged) {
              end = { ...end, damage: cause }
              return Effect.succeed("done" as const)
            }
            return Effect.fail(cause instanceof StoreFailed ? cause : new StoreFailed({ channel, op: "read", cause }))
          })
        )
        if (step === "done") return end
        progress(end.height - 1n, bytesRead)
        if (performance.now() - breathed > 10) {
          yield* breathe
          breathed = performance.now()
        }
      }
    })
  )

/** Blocks that an index knows of (`db` of a peer's channel, `index` of an orderer's); undefined when it cannot tell. */
export const indexedHeight = (database: string): Effect.Effect<bigint | undefined> =>
  fs.existsSync(path.join(database, "data.mdb"))
    ? Effect.scoped(
        Effect.flatMap(openEnvironment({ path: database, tables: Object.values(indexTables) }), (environment) =>
          Effect.try(() => new BlockIndex(environment, { byHash: false, byTxId: false }).height())
        )
      ).pipe(Effect.orElseSucceed(() => undefined))
    : Effect.succeed(undefined)

/** Cuts everything behind the sound blocks: the node takes it from others again. */
export const cutFiles = (channel: string, folder: string, end: FileEnd): Effect.Effect<void, StoreFailed> =>
  Effect.scoped(
    Effect.flatMap(openFiles(channel, folder), (files) =>
      Effect.try({
        try: () => files.cut(end.file, end.offset),
        catch: (cause) => (cause instanceof StoreFailed ? cause : new StoreFailed({ channel, op: "write", cause }))
      })
    )
  )

/** Whether history was kept; drops index, state, history, collection configurations and the purge schedule. */
export const dropDerived = (
  channelId: string,
  folder: string
): Effect.Effect<{ readonly history: boolean }, StoreFailed | LmdbOpenFailed | LmdbCommitFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const storage = yield* openStorage({ channelId, folder })
      const history = storage.history.savepoint() !== undefined
      const batch = new Batch()
      for (const part of [storage.state, storage.history, storage.configHistory, storage.purge, storage.engine.index])
        part.clear(batch)
      yield* Effect.try({
        try: () => storage.environment.commit(batch),
        catch: (cause) => (isCommitFailed(cause) ? cause : new StoreFailed({ channel: channelId, op: "write", cause }))
      })
      return { history }
    })
  )

const isCommitFailed = (cause: unknown): cause is LmdbCommitFailed =>
  cause instanceof Error && "_tag" in cause && cause._tag === "LmdbCommitFailed"

/** Moves a database that cannot be opened out of the way; gives its new place. */
export const setAsideDatabase = (channel: string, database: string): Effect.Effect<string, StoreFailed> =>
  Effect.try({
    try: () => {
      let aside = `${database}.damaged`
      for (let i = 1; fs.existsSync(aside); i++) aside = `${database}.damaged${i}`
      fs.renameSync(database, aside)
      return aside
    },
    catch: (cause) => new StoreFailed({ channel, op: "write", cause })
  })

/** Puts a channel that lies in the root into the list of channels, where it is not in there. */
export const listChannel = (
  root: string,
  id: string,
  genesis: Uint8Array
): Effect.Effect<void, LmdbOpenFailed | StoreFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const environment = yield* openEnvironment({ path: idsFolder(root), tables: idTables, maxReaders: 128 })
      yield* Effect.try({
        try: () => {
          const ids = new IdStore(environment)
          if (!ids.has(id) && fs.existsSync(path.join(channelFolder(root, id)))) ids.finish(id, genesis)
        },
        catch: (cause) => new StoreFailed({ channel: id, op: "write", cause })
      })
    })
  )

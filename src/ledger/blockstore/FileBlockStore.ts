/**
 * Block stores on disk for the orderer: `<root>/chains/<channel>/blocks_NNNNNN` and an LMDB index beside them. One
 * process per root; a format number says who wrote it (../format.ts).
 */

import * as fs from "node:fs"
import * as nodePath from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"
import { compareUtf8 } from "../../wire/protoutil.js"
import { claimFolder, refuseGoFolder } from "../format.js"
import { lockFolder, openEnvironment } from "../lmdb/index.js"
import { BlockEngine } from "./BlockEngine.js"
import { BlockFiles, defaultMaxFileSize } from "./BlockFiles.js"
import { BlockIndex, type IndexOptions, indexTables } from "./BlockIndex.js"
import {
  BlockStoreProvider,
  type BlockStoreProviderShape,
  type BlockStoreShape,
  type StoreOpenError
} from "./BlockStore.js"
import { type AppendError, BlockMalformed, BlockNumberMismatch, PreviousHashMismatch, StoreFailed } from "./errors.js"

const log = Log.module("ledger.blockstore")

export interface FileBlockStoreOptions {
  /** FileLedger.Location. */
  readonly root: string
  /** Bytes after which a new block file is begun; 64 MiB unless a test says otherwise. */
  readonly maxFileSize?: number
  readonly index?: IndexOptions
}

const appendError = (channel: string, cause: unknown): AppendError =>
  cause instanceof BlockNumberMismatch ||
  cause instanceof PreviousHashMismatch ||
  cause instanceof BlockMalformed ||
  cause instanceof StoreFailed
    ? cause
    : new StoreFailed({ channel, op: "write", cause })

/** Opens one channel's store in a folder: catches the index up with the files and cuts a torn tail. */
export const openFileBlockStore = (
  channelId: string,
  folder: string,
  options: Omit<FileBlockStoreOptions, "root"> = {}
): Effect.Effect<BlockStoreShape, StoreOpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const environment = yield* openEnvironment({
      path: nodePath.join(folder, "index"),
      tables: Object.values(indexTables),
      maxReaders: 128
    })
    const files = yield* Effect.acquireRelease(
      Effect.try({
        try: () => BlockFiles.openDir(channelId, folder, options.maxFileSize ?? defaultMaxFileSize),
        catch: (cause) => new StoreFailed({ channel: channelId, op: "open", cause })
      }),
      (files) => Effect.sync(() => files.close())
    )
    const engine = yield* Effect.try({
      try: () => {
        const index = new BlockIndex(environment, options.index ?? { byHash: false, byTxId: false })
        const engine = new BlockEngine(channelId, environment, files, index)
        return { engine, added: engine.catchUp() }
      },
      catch: (cause): StoreOpenError =>
        cause instanceof Error && "_tag" in cause && typeof cause._tag === "string"
          ? Object.assign(cause, { _tag: cause._tag })
          : new StoreFailed({ channel: channelId, op: "open", cause })
    })
    if (engine.added > 0) yield* log.info(`channel ${channelId}: indexed ${engine.added} blocks found in the files`)
    yield* Effect.addFinalizer(() => Effect.sync(() => engine.engine.flush()))
    const turn = yield* Effect.makeSemaphore(1)
    return {
      ...engine.engine.reader,
      folder,
      append: (block) =>
        turn.withPermits(1)(
          Effect.uninterruptible(
            Effect.tryPromise({
              try: () => engine.engine.append(block),
              catch: (cause) => appendError(channelId, cause)
            })
          )
        )
    }
  })

const make = (options: FileBlockStoreOptions): Effect.Effect<BlockStoreProviderShape, StoreOpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    yield* refuseGoFolder(options.root)
    yield* lockFolder(options.root)
    yield* claimFolder(options.root, "blocks")
    const chains = nodePath.join(options.root, "chains")
    const stores = new Map<string, BlockStoreShape>()
    const turn = yield* Effect.makeSemaphore(1)
    return {
      list: Effect.try({
        try: () => (fs.existsSync(chains) ? fs.readdirSync(chains).sort(compareUtf8) : []),
        catch: (cause) => new StoreFailed({ channel: "", op: "open", cause })
      }),
      getOrCreate: (channelId) =>
        turn.withPermits(1)(
          Effect.suspend(() => {
            const known = stores.get(channelId)
            if (known !== undefined) return Effect.succeed(known)
            if (!isFolderName(channelId)) {
              const cause = new Error("the channel id is no folder name")
              return Effect.fail(new StoreFailed({ channel: channelId, op: "open", cause }))
            }
            return openFileBlockStore(channelId, nodePath.join(chains, channelId), options).pipe(
              Scope.extend(scope),
              Effect.tap((store) => Effect.sync(() => stores.set(channelId, store)))
            )
          })
        )
    }
  })

/** Channel ids are checked long before; this keeps a mistake there from leaving the root. */
export const isFolderName = (channelId: string): boolean =>
  channelId !== "" && channelId !== "." && channelId !== ".." && !/[/\\\0]/.test(channelId)

/** The orderer's `file` ledgers. Fails when the folder is in use, newer than this program, or a Go node's. */
export const layerFile = (options: FileBlockStoreOptions): Layer.Layer<BlockStoreProvider, StoreOpenError> =>
  Layer.scoped(BlockStoreProvider, make(options))

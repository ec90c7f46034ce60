/** A channel's stores without the node around them: nothing is replayed, no background work runs. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  BlockEngine,
  BlockFiles,
  type BlockFilesDamaged,
  BlockIndex,
  defaultMaxFileSize,
  indexTables,
  StoreFailed
} from "../blockstore/index.js"
import { type LmdbOpenFailed, openEnvironment } from "../lmdb/index.js"
import { openStorage, type Storage, type StorageOptions } from "../peer/Storage.js"

/**
 * Opens the stores of `<root>/channels/<id>`; the root must be locked. Blocks that a crash left behind the index are
 * indexed, as the node does at its start; state and history stay as they are.
 */
export const openStores = (
  options: StorageOptions
): Effect.Effect<Storage, BlockFilesDamaged | StoreFailed | LmdbOpenFailed, Scope.Scope> =>
  Effect.tap(openStorage(options), ({ engine }) => catchUp(engine))

/** The same for an orderer's channel: `<root>/chains/<id>`. */
export const openOrdererStore = (
  channelId: string,
  folder: string
): Effect.Effect<BlockEngine, BlockFilesDamaged | StoreFailed | LmdbOpenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const environment = yield* openEnvironment({
      path: path.join(folder, "index"),
      tables: Object.values(indexTables),
      maxReaders: 128
    })
    const engine = yield* Effect.acquireRelease(
      Effect.try({
        try: () => {
          const files = BlockFiles.openDir(channelId, folder, defaultMaxFileSize)
          return new BlockEngine(channelId, environment, files, new BlockIndex(environment, numbersOnly))
        },
        catch: (cause) => new StoreFailed({ channel: channelId, op: "open", cause })
      }),
      (engine) => Effect.sync(() => engine.files.close())
    )
    yield* catchUp(engine)
    return engine
  })

const numbersOnly = { byHash: false, byTxId: false }

const catchUp = (engine: BlockEngine) =>
  Effect.try({
    try: () => engine.catchUp(),
    catch: (cause) => (isDamage(cause) ? cause : new StoreFailed({ channel: engine.channelId, op: "open", cause }))
  })

const isDamage = (cause: unknown): cause is BlockFilesDamaged =>
  cause instanceof Error && "_tag" in cause && cause._tag === "BlockFilesDamaged"

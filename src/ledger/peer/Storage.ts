/** The stores of one channel over its folder: block files and one LMDB environment. */

import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { common } from "../../wire/index.js"
import {
  BlockEngine,
  BlockFiles,
  BlockIndex,
  defaultMaxFileSize,
  indexTables,
  StoreFailed
} from "../blockstore/index.js"
import { ConfigHistory, configHistoryTables } from "../confighistory/index.js"
import { HistoryDb, historyTables } from "../history/index.js"
import { type Environment, type EnvironmentOptions, type LmdbOpenFailed, openEnvironment } from "../lmdb/index.js"
import { BtlPolicy, PurgeSchedule, PvtDataStore, purgeTables, pvtDataTables } from "../pvtdata/index.js"
import type { RichQueries, StateSnapshot } from "../simulator/index.js"
import { StateDb, stateTables } from "../statedb/index.js"
import { collectionsKey, staticConfigs } from "./deployments.js"

export interface Storage {
  readonly environment: Environment
  readonly files: BlockFiles
  readonly engine: BlockEngine
  readonly state: StateDb
  readonly history: HistoryDb
  readonly configHistory: ConfigHistory
  readonly pvtData: PvtDataStore
  readonly purge: PurgeSchedule
}

export interface StorageOptions {
  readonly channelId: string
  readonly folder: string
  readonly maxFileSize?: number
  readonly sync?: EnvironmentOptions["sync"]
  readonly richQueries?: (snapshot: StateSnapshot) => RichQueries
}

const tables = [indexTables, stateTables, historyTables, configHistoryTables, pvtDataTables, purgeTables].flatMap(
  (group) => Object.values(group)
)

/** Opens a channel's stores as they are; `recover.ts` brings them to one height. */
export const openStorage = (
  options: StorageOptions
): Effect.Effect<Storage, StoreFailed | LmdbOpenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, folder } = options
    const environment = yield* openEnvironment({
      path: path.join(folder, "db"),
      tables,
      ...(options.sync === undefined ? {} : { sync: options.sync })
    })
    const files = yield* Effect.acquireRelease(
      Effect.try({
        try: () => BlockFiles.openDir(channelId, folder, options.maxFileSize ?? defaultMaxFileSize),
        catch: (cause) => new StoreFailed({ channel: channelId, op: "open", cause })
      }),
      (files) => Effect.sync(() => files.close())
    )
    return yield* Effect.try({
      try: (): Storage => {
        const index = new BlockIndex(environment, { byHash: true, byTxId: true })
        const engine = new BlockEngine(channelId, environment, files, index)
        const state = new StateDb(environment, options.richQueries)
        const btl = new BtlPolicy((namespace, collection) => blockToLive(state, namespace, collection))
        return {
          environment,
          files,
          engine,
          state,
          history: new HistoryDb(
            environment,
            (block, tx) => engine.transactionSync(block, tx),
            (snapshot, namespace, key) => state.youngestOf(snapshot, namespace, key)
          ),
          configHistory: new ConfigHistory(environment, () => engine.height),
          pvtData: new PvtDataStore(environment, btl),
          purge: new PurgeSchedule(environment, btl)
        }
      },
      catch: (cause) => new StoreFailed({ channel: channelId, op: "open", cause })
    })
  })

/** A collection's block_to_live in committed state; undefined when it is not defined. */
const blockToLive = (state: StateDb, namespace: string, collection: string): bigint | undefined => {
  const snapshot = state.snapshot()
  try {
    return staticConfigs(snapshot.get("lscc", collectionsKey(namespace))?.value).get(collection)?.blockToLive
  } finally {
    snapshot.release()
  }
}

/** The id of the channel that a block's first transaction names; undefined when it names none. Throws WireError. */
export const channelIdOf = (block: common.Block): string | undefined => {
  const [first] = block.data?.data ?? []
  if (first === undefined) return undefined
  const { header } = common.Payload.decode(common.Envelope.decode(first).payload)
  return header === undefined ? undefined : common.ChannelHeader.decode(header.channelHeader).channelId
}

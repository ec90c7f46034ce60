/**
 * `ledger rebuild`: indexes, state and history anew from a channel's blocks. Private data and what is known to be
 * missing of it stay: blocks do not hold it. With `cut`, blocks from the first damaged one on are dropped; the node
 * takes them from others when it starts.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { openLedger } from "../../ledger/index.js"
import {
  checkFiles,
  cutFiles,
  dropDerived,
  indexedHeight,
  listChannel,
  openOrdererStore,
  setAsideDatabase
} from "../../ledger/maintenance/index.js"
import type { ToolIo } from "../ToolIo.js"
import { holdFolder, placeOf, rootOf, type Where } from "./chains.js"
import { LedgerToolFailed } from "./errors.js"
import type { ChannelPlace, LedgerRoot } from "./folders.js"
import { membershipOf } from "./membership.js"
import { progressBar } from "./progress.js"

export interface RebuildOptions extends Where {
  /** Drop blocks from the first damaged one on. */
  readonly cut?: boolean | undefined
  /** Keep a history index; undefined: as it was. */
  readonly history?: boolean | undefined
  /** The peer's `localMspId`: needed only when its database is lost, with the private data in it. */
  readonly mspId?: string | undefined
}

export interface RebuildResult {
  readonly channel: string
  readonly height: bigint
  /** The first block that was cut off. */
  readonly cutFrom: bigint | undefined
  /** Where a database that could not be opened lies now. */
  readonly setAside: string | undefined
}

const failed = ({ message: reason }: { readonly message: string }) => new LedgerToolFailed({ reason, remedy: "" })

/** The block files are sound, or are made so. `database`: where the index lies. */
const sound = (io: ToolIo, { folder, id }: ChannelPlace, database: string, cut: boolean) =>
  Effect.scoped(
    Effect.gen(function* () {
      const files = fs.readdirSync(folder).filter((name) => name.startsWith("blocks_"))
      if (files.length === 0)
        return yield* new LedgerToolFailed({ reason: `${folder} holds no block files`, remedy: "" })
      const progress = yield* progressBar(io, `check ${id}`)
      const bytes = files.reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0)
      const known = yield* indexedHeight(path.join(folder, database))
      const end = yield* Effect.mapError(
        checkFiles(id, folder, known ?? 0n, (_block, read) => progress.at(read, bytes)),
        failed
      )
      if (end.damage === undefined) return { end, cutFrom: undefined }
      if (end.height === 0n)
        return yield* new LedgerToolFailed({
          reason: end.damage.message,
          remedy: "not one block is left: remove the channel's folder and join the channel again"
        })
      // behind what the index knows lies at most a write that a crash cut: the node drops it at its start too
      const torn = known !== undefined && end.height >= known
      if (!cut && !torn)
        return yield* new LedgerToolFailed({
          reason: end.damage.message,
          remedy: `restore the file, or give --cut: blocks from [${end.height}] on are dropped and the node takes them from others again`
        })
      yield* Effect.mapError(cutFiles(id, folder, end), failed)
      return { end, cutFrom: torn ? undefined : end.height }
    })
  )

const rebuildPeer = (
  io: ToolIo,
  root: LedgerRoot,
  place: ChannelPlace,
  options: RebuildOptions
): Effect.Effect<RebuildResult, LedgerToolFailed> =>
  Effect.gen(function* () {
    const { folder, id } = place
    const { cutFrom, end } = yield* sound(io, place, "db", options.cut === true)
    const dropped = yield* dropDerived(id, folder).pipe(
      Effect.map(({ history }) => ({ history, setAside: undefined })),
      Effect.catchAll((error) =>
        error._tag === "LmdbOpenFailed" ? begunAnew(place, options, error.message) : Effect.fail(failed(error))
      )
    )
    const { mspId } = options
    const height = yield* Effect.scoped(
      Effect.gen(function* () {
        const progress = yield* progressBar(io, `rebuild ${id}`)
        const ledger = yield* openLedger(id, folder, {
          historyEnabled: options.history ?? dropped.history,
          progress: (_channel, block, total) => progress.at(block + 1n, total),
          ...(mspId === undefined ? {} : { isMember: () => membershipOf(mspId) })
        })
        return ledger.height()
      })
    ).pipe(Effect.mapError(failed))
    if (end.genesis !== undefined) yield* Effect.mapError(listAgain(root, place, end.genesis), failed)
    return { channel: id, height, cutFrom, setAside: dropped.setAside }
  })

/** A database that cannot be opened is moved away: the next open makes an empty one. */
const begunAnew = (
  { folder, id }: ChannelPlace,
  options: RebuildOptions,
  reason: string
): Effect.Effect<{ readonly history: boolean; readonly setAside: string | undefined }, LedgerToolFailed> =>
  options.mspId === undefined
    ? Effect.fail(
        new LedgerToolFailed({
          reason,
          remedy:
            "the database is lost, and the private data in it: give --msp-id (the peer's localMspId), so that it is noted as missing and asked of other peers"
        })
      )
    : setAsideDatabase(id, path.join(folder, "db")).pipe(
        Effect.map((setAside) => ({ history: true, setAside })),
        Effect.mapError(failed)
      )

/** The list of channels is a database too: when it cannot be opened, it is begun anew from the channels' first blocks. */
const listAgain = (root: LedgerRoot, { id }: ChannelPlace, genesis: Uint8Array) =>
  listChannel(root.root, id, genesis).pipe(
    Effect.catchTag("LmdbOpenFailed", () =>
      Effect.zipRight(setAsideDatabase(id, path.join(root.root, "provider")), listChannel(root.root, id, genesis))
    )
  )

const rebuildOrderer = (
  io: ToolIo,
  place: ChannelPlace,
  options: RebuildOptions
): Effect.Effect<RebuildResult, LedgerToolFailed> =>
  Effect.gen(function* () {
    const { folder, id } = place
    const { cutFrom } = yield* sound(io, place, "index", options.cut === true)
    yield* Effect.try({
      try: () => fs.rmSync(path.join(folder, "index"), { recursive: true, force: true }),
      catch: (cause) => new LedgerToolFailed({ reason: `cannot remove the index: ${String(cause)}`, remedy: "" })
    })
    const height = yield* Effect.scoped(Effect.map(openOrdererStore(id, folder), (engine) => engine.height)).pipe(
      Effect.mapError(failed)
    )
    return { channel: id, height, cutFrom, setAside: undefined }
  })

/** One channel, or all of a folder. */
export const rebuild = (
  io: ToolIo,
  options: RebuildOptions
): Effect.Effect<ReadonlyArray<RebuildResult>, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const root = yield* rootOf(io, options.ledger)
      if (root.format === "go")
        return yield* new LedgerToolFailed({
          reason: `${root.root} was written by a Go node`,
          remedy: "`peer node reset` rebuilds it there; ledger import makes a ledger of this program from its blocks"
        })
      yield* holdFolder(root)
      const places = options.channel === undefined ? root.channels : [yield* placeOf(root, options.channel)]
      return yield* Effect.forEach(places, (place) =>
        root.owner === "peer" ? rebuildPeer(io, root, place, options) : rebuildOrderer(io, place, options)
      )
    })
  )

/** Channels of a node that does not run, opened for reading: ours under the folder's lock, a Go node's as they lie. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type FolderLocked, type LmdbOpenFailed, lockFolder, type ParsedBlock, parseBlock } from "../../ledger/index.js"
import { openOrdererStore, openStores, type Storage } from "../../ledger/maintenance/index.js"
import type { ToolIo } from "../ToolIo.js"
import { LedgerToolFailed, textOf } from "./errors.js"
import { type ChannelPlace, findLedger, goNodeIn, type LedgerRoot } from "./folders.js"
import { GoChain } from "./goBlocks.js"

/** One channel's blocks. */
export interface ChainReader {
  readonly channelId: string
  readonly height: bigint
  /** From a number on; plain and synchronous. Throws what names channel, file and block when one cannot be read. */
  readonly read: (from: bigint) => Generator<ParsedBlock, void>
  /** State, history and indexes: of our peers only. */
  readonly storage: Storage | undefined
  /** What a person should know of the files. */
  readonly notes: ReadonlyArray<string>
}

const damaged = (channel: string, text: string): LedgerToolFailed =>
  new LedgerToolFailed({
    reason: text,
    remedy: `\`ledger rebuild --channel ${channel}\` makes state and indexes anew; with --cut also where blocks are damaged`
  })

/** Refuses folders whose node runs; the lock is held until the scope ends. */
export const holdFolder = (root: LedgerRoot): Effect.Effect<void, LedgerToolFailed, Scope.Scope> => {
  if (root.format === "go")
    return Effect.suspend(() => {
      const pid = goNodeIn(root)
      if (pid === undefined) return Effect.void
      const reason = `a Go node works in ${root.root} (process ${pid})`
      return Effect.fail(new LedgerToolFailed({ reason, remedy: "stop it first" }))
    })
  return lockFolder(root.root).pipe(
    Effect.mapError((error: FolderLocked | LmdbOpenFailed) =>
      error._tag === "FolderLocked"
        ? new LedgerToolFailed({
            reason: `the ledgers in ${root.root} are in use: the node runs, or another command works on them`,
            remedy: "stop the node first; `peer` and the SDKs show the blocks of a node that runs"
          })
        : new LedgerToolFailed({ reason: error.message, remedy: "" })
    )
  )
}

/** Opens one channel of a folder that is held. */
export const openChain = (
  root: LedgerRoot,
  { folder, id }: ChannelPlace
): Effect.Effect<ChainReader, LedgerToolFailed, Scope.Scope> => {
  if (root.format === "go")
    return Effect.map(
      Effect.acquireRelease(
        Effect.try({
          try: () => new GoChain(id, folder),
          catch: (cause) => new LedgerToolFailed({ reason: textOf(cause), remedy: "" })
        }),
        (chain) => Effect.sync(() => chain.close())
      ),
      (chain) => ({
        channelId: id,
        height: chain.height,
        read: (from) => chain.read(from),
        storage: undefined,
        notes:
          chain.tornBytes === 0
            ? []
            : [
                `the last ${chain.tornBytes} bytes of its block files are an unfinished write, as a crash leaves it: left out`
              ]
      })
    )
  const opened = openOurs(root, id, folder).pipe(Effect.mapError((error) => damaged(id, error.message)))
  return Effect.map(opened, ({ engine, storage }) => ({
    channelId: id,
    height: engine.height,
    *read(from) {
      for (let number = from; number < engine.height; number++) yield parseBlock(engine.blockSync(number))
    },
    storage,
    notes: notesOf(storage)
  }))
}

/** What our own stores need: blocks by number, and of a peer the rest. */
const openOurs = (
  root: LedgerRoot,
  id: string,
  folder: string
): Effect.Effect<{ readonly engine: Storage["engine"]; readonly storage: Storage | undefined }, Error, Scope.Scope> =>
  root.owner === "peer"
    ? Effect.map(openStores({ channelId: id, folder }), (storage) => ({ engine: storage.engine, storage }))
    : Effect.map(openOrdererStore(id, folder), (engine) => ({ engine, storage: undefined }))

/** State behind the blocks: the node was killed between writing a block and its state. */
const notesOf = (storage: Storage | undefined): ReadonlyArray<string> => {
  if (storage === undefined) return []
  const savepoint = storage.state.savepoint()
  const behind = storage.engine.height - (savepoint === undefined ? 0n : savepoint + 1n)
  if (behind === 0n) return []
  return [
    behind > 0n
      ? `state is ${behind} block(s) behind the block files: the node brings it up at its next start, \`ledger rebuild\` does too`
      : `state is ${-behind} block(s) ahead of the block files: \`ledger rebuild\` makes it anew`
  ]
}

/** What all commands take to find a channel. */
export interface Where {
  readonly ledger: string
  readonly channel?: string | undefined
}

/** The root that a person named; `network` folders and relative paths included. */
export const rootOf = (io: Pick<ToolIo, "cwd">, given: string): Effect.Effect<LedgerRoot, LedgerToolFailed> =>
  findLedger(path.resolve(io.cwd, given))

/** The channel asked for, or the only one. */
export const placeOf = (root: LedgerRoot, channel: string | undefined): Effect.Effect<ChannelPlace, LedgerToolFailed> =>
  Effect.suspend(() => {
    const { channels } = root
    const names = channels.map(({ id }) => id).join(", ")
    const [first] = channels
    if (first === undefined)
      return Effect.fail(new LedgerToolFailed({ reason: `${root.root} holds no channel yet`, remedy: "" }))
    if (channel === undefined)
      return channels.length === 1
        ? Effect.succeed(first)
        : Effect.fail(
            new LedgerToolFailed({
              reason: `${root.root} holds several channels`,
              remedy: `choose one with --channel: ${names}`
            })
          )
    const found = channels.find(({ id }) => id === channel)
    return found === undefined
      ? Effect.fail(
          new LedgerToolFailed({ reason: `${root.root} has no channel ${channel}`, remedy: `it has ${names}` })
        )
      : Effect.succeed(found)
  })

/** Finds, holds and opens one channel for the scope. */
export const openWhere = (
  io: Pick<ToolIo, "cwd">,
  where: Where
): Effect.Effect<ChainReader & { readonly root: LedgerRoot }, LedgerToolFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const root = yield* rootOf(io, where.ledger)
    const place = yield* placeOf(root, where.channel)
    yield* holdFolder(root)
    return { ...(yield* openChain(root, place)), root }
  })

/**
 * `peer node reset` and `peer node rollback`: blocks cut off while the node does not run. What follows from blocks goes
 * with them and is built again at the next start; private data stays, because the blocks do not hold it. A file per
 * channel remembers the height before, until it is reached again: no proposals are answered meanwhile.
 * Source: ledger-privatedata.md rule 69, 5.1; kvledger/reset.go, rollback.go, fsblkstorage/reset.go, rollback.go.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"
import { compareUtf8 } from "../../wire/protoutil.js"
import { parseBlock } from "../blockstore/index.js"
import { claimFolder } from "../format.js"
import { Batch, lockFolder } from "../lmdb/index.js"
import { LedgerFailed, type ProviderError } from "./errors.js"
import { openStorage, type Storage } from "./Storage.js"

const log = Log.module("kvledger")
const heightFile = "__preResetHeight"
/** Blocks whose index entries go in one commit, as in the reference. */
const together = 10

/** The channel or the block to roll back to is not as it must be. */
export class RollbackRefused extends Data.TaggedError("RollbackRefused")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

const folderOf = (root: string, id: string): string => path.join(root, "channels", id)

const channelsOf = (root: string): Array<string> => {
  const dir = path.join(root, "channels")
  return fs.existsSync(dir) ? fs.readdirSync(dir).sort(compareUtf8) : []
}

/** Rolls one channel back so that `target` is its last block. */
export const rollbackLedger = (
  root: string,
  id: string,
  target: bigint
): Effect.Effect<void, ProviderError | RollbackRefused> =>
  exclusive(
    root,
    Effect.gen(function* () {
      if (!channelsOf(root).includes(id))
        return yield* new RollbackRefused({ reason: `ledgerID [${id}] does not exist` })
      yield* cutChannel(root, id, (height) =>
        target < height - 1n
          ? Effect.succeed(target)
          : new RollbackRefused({
              reason: `target block number [${target}] should be less than the biggest block number [${height - 1n}]`
            })
      )
      yield* log.info(`The channel [${id}] has been successfully rolled back to the block number [${target}]`)
    })
  )

/** Takes every channel back to its first block. */
export const resetLedgers = (root: string): Effect.Effect<void, ProviderError> =>
  exclusive(
    root,
    Effect.gen(function* () {
      for (const id of channelsOf(root)) yield* cutChannel(root, id, () => Effect.succeed(0n))
      yield* log.info("All channel ledgers have been successfully reset to the genesis block")
    })
  )

/** Heights that channels had before a reset or rollback and have to reach again, by channel. */
export const preResetHeights = (root: string): Effect.Effect<ReadonlyMap<string, bigint>, LedgerFailed> =>
  Effect.try({
    try: () =>
      new Map(
        channelsOf(root).flatMap((id) => {
          const height = readHeight(folderOf(root, id))
          return height === undefined ? [] : [[id, height] as const]
        })
      ),
    catch: (cause) => new LedgerFailed({ channel: "", op: "heights before the reset", cause })
  })

/** Forgets them: every channel has reached its own. */
export const clearPreResetHeights = (root: string): Effect.Effect<void, LedgerFailed> =>
  Effect.try({
    try: () => {
      for (const id of channelsOf(root)) fs.rmSync(path.join(folderOf(root, id), heightFile), { force: true })
    },
    catch: (cause) => new LedgerFailed({ channel: "", op: "heights before the reset", cause })
  })

// ---- Private -----------------------------------------------------------------------------------------------------

const exclusive = <A, E>(root: string, work: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E | ProviderError> =>
  Effect.scoped(
    Effect.zipRight(Effect.zipRight(lockFolder(root), claimFolder(root, "ledgers")), Effect.uninterruptible(work))
  )

const readHeight = (folder: string): bigint | undefined => {
  const name = path.join(folder, heightFile)
  if (!fs.existsSync(name)) return undefined
  const text = fs.readFileSync(name, "utf8").trim()
  if (!/^\d+$/.test(text)) throw new Error(`${name} holds no height: [${text}]`)
  return BigInt(text)
}

const cutChannel = <E>(
  root: string,
  id: string,
  target: (height: bigint) => Effect.Effect<bigint, E>
): Effect.Effect<void, E | ProviderError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = folderOf(root, id)
      const attempt = <A>(op: string, run: () => A) =>
        Effect.try({ try: run, catch: (cause) => new LedgerFailed({ channel: id, op, cause }) })
      const storage = yield* openStorage({ channelId: id, folder })
      yield* attempt("index", () => storage.engine.catchUp())
      const { height } = storage.engine
      if (height === 0n) return
      const last = yield* target(height)
      yield* attempt("height before the reset", () => {
        const known = readHeight(folder) ?? 0n
        if (height > known) fs.writeFileSync(path.join(folder, heightFile), String(height), { flush: true })
      })
      yield* log.info(`[${id}] dropping state, history and configuration history; cutting blocks behind [${last}]`)
      yield* attempt("databases", () => dropDerived(storage))
      yield* attempt("blocks", () => cutBlocks(storage, last))
    })
  )

/** State, configuration history, bookkeeping, history: all of it comes back from the blocks. */
export const dropDerived = (storage: Storage): void => {
  const batch = new Batch()
  storage.state.clear(batch)
  storage.configHistory.clear(batch)
  storage.purge.clear(batch)
  storage.history.clear(batch)
  storage.environment.commit(batch)
}

/** Index first: what the files hold beyond it is indexed again at open, the other way round would be damage. */
const cutBlocks = ({ engine, environment, files }: Storage, last: bigint): void => {
  let end: { readonly file: number; readonly offset: number } | undefined
  for (let number = engine.height - 1n; number > last; ) {
    const batch = new Batch()
    for (let i = 0; i < together && number > last; i++, number--) {
      end = engine.entry(number).place
      engine.index.remove(batch, parseBlock(engine.blockSync(number)), parseBlock(engine.blockSync(number - 1n)))
    }
    environment.commit(batch)
  }
  if (end !== undefined) files.cut(end.file, end.offset)
  engine.reload()
}

/**
 * Brings a channel's stores to one height at open: block files lead; index, private store, state and history follow.
 * Source: ledger-privatedata.md rules 11, 66, 67, 71; kv_ledger.go recoverDBs, ledgerstorage/store.go init.
 */
import * as Effect from "effect/Effect"
import { breathe } from "../../runtime/breathe.js"
import * as Log from "../../runtime/Log.js"
import { common, WireError } from "../../wire/index.js"
import { chaincodeActionOf } from "../../wire/protoutil.js"
import { parseBlock } from "../blockstore/index.js"
import { Batch } from "../lmdb/index.js"
import type { MissingPvtData, TxPvtData } from "../pvtdata/index.js"
import { readWriteSet } from "../rwset/index.js"
import { TxSimulator } from "../simulator/index.js"
import type { Membership } from "./deployments.js"
import { collectionsKey, staticConfigs } from "./deployments.js"
import { LedgerFailed, type LedgerOpenError, StateAhead } from "./errors.js"
import { BlockPreparation } from "./prepare.js"
import type { TxProcessors } from "./processors.js"
import type { Storage } from "./Storage.js"
import { codesOf } from "./storedBlock.js"
import { batchOf } from "./write.js"

const log = Log.module("kvledger")

export interface RecoverOptions {
  readonly channelId: string
  readonly historyEnabled: boolean
  readonly processors: TxProcessors
  readonly isMember: Membership
  /** Told after each block of a long replay; for progress bars. */
  readonly progress?: (block: bigint, height: bigint) => void
}

/** Runs to the end before the ledger is seen by anyone. */
export const recover = (storage: Storage, options: RecoverOptions): Effect.Effect<void, LedgerOpenError> =>
  Effect.gen(function* () {
    const { channelId } = options
    const attempt = <A>(op: string, run: () => A): Effect.Effect<A, LedgerOpenError> =>
      Effect.try({ try: run, catch: (cause) => asOpenError(channelId, op, cause) })

    yield* attempt("private data of the last block", () => storage.pvtData.commitPending())
    const added = yield* attempt("index", () => storage.engine.catchUp())
    if (added > 0) yield* log.info(`[${channelId}] indexed ${added} blocks found in the block files`)
    const { height } = storage.engine
    yield* attempt("height", () => {
      checkAhead("state", storage.state.savepoint(), height)
      if (options.historyEnabled) checkAhead("history", storage.history.savepoint(), height)
    })
    yield* attempt("history", () => {
      // the state that was dropped took the youngest history with it
      if (next(storage.state.savepoint()) >= next(storage.history.savepoint())) return
      const batch = new Batch()
      storage.history.clear(batch)
      storage.environment.commit(batch)
    })
    const stateFrom = next(storage.state.savepoint())
    const historyFrom = options.historyEnabled ? next(storage.history.savepoint()) : height
    let from = stateFrom
    if (historyFrom < from) from = historyFrom
    if (from < height)
      yield* log.info(`[${channelId}] Recommitting lost blocks - firstBlockNum=${from}, lastBlockNum=${height - 1n}`)
    let breathed = performance.now()
    for (let number = from; number < height; number++) {
      yield* attempt(`replay of block [${number}]`, () => {
        replay(
          storage,
          number,
          { state: number >= stateFrom, history: number >= historyFrom && options.historyEnabled },
          options
        )
      })
      options.progress?.(number, height)
      if (performance.now() - breathed > 10) {
        yield* breathe
        breathed = performance.now()
      }
    }
  })

const next = (savepoint: bigint | undefined): bigint => (savepoint === undefined ? 0n : savepoint + 1n)

const checkAhead = (database: "state" | "history", savepoint: bigint | undefined, blockHeight: bigint): void => {
  if (next(savepoint) > blockHeight) throw new StateAhead({ database, height: next(savepoint), blockHeight })
}

const asOpenError = (channel: string, op: string, cause: unknown): LedgerOpenError => {
  if (cause instanceof Error && "_tag" in cause && isOpenError(cause)) return cause
  return new LedgerFailed({ channel, op, cause })
}

const openErrors = new Set(["BlockFilesDamaged", "StoreFailed", "LmdbCommitFailed", "StateAhead", "BlockRefused"])
const isOpenError = (cause: Error & { readonly _tag: unknown }): cause is LedgerOpenError & Error =>
  typeof cause._tag === "string" && openErrors.has(cause._tag)

/** One stored block again, with its stored flags and the private data that is here. */
const replay = (
  storage: Storage,
  number: bigint,
  parts: { readonly state: boolean; readonly history: boolean },
  options: RecoverOptions
): void => {
  const block = parseBlock(storage.engine.blockSync(number))
  const state = storage.state.snapshot()
  try {
    if (number >= storage.pvtData.height) {
      // a block without its private data: the database is older than the block files
      const missing = missingOf(storage, block.envelopes, codesOf(block), options.isMember)
      storage.pvtData.prepare(number, new Map(), missing)
      const covered = new Batch()
      const done = storage.pvtData.commit(covered, number)
      storage.environment.commit(covered)
      done()
    }
    const preparation = new BlockPreparation({
      channel: options.channelId,
      block,
      codes: codesOf(block),
      pvtData: parts.state ? storage.pvtData.byBlock(number) : noData,
      state,
      validate: false,
      processors: options.processors,
      newSimulator: (txId) => TxSimulator.make(storage.state.snapshot(), txId),
      keyValueFault: () => undefined
    })
    preparation.step(() => true)
    const { batch } = batchOf(
      storage,
      block,
      preparation.finish(),
      state,
      { place: undefined, ...parts },
      options.isMember
    )
    storage.environment.commit(batch)
  } finally {
    state.release()
  }
}

const noData: TxPvtData = new Map()

/** Every private write set that the block's transactions name, as missing. */
const missingOf = (
  storage: Storage,
  envelopes: ReadonlyArray<Uint8Array>,
  codes: Uint8Array,
  isMember: Membership
): ReadonlyArray<MissingPvtData> => {
  const state = storage.state.snapshot()
  try {
    return envelopes.flatMap((envelope, tx) => {
      if (codes[tx] !== 0) return []
      return privateNames(envelope).flatMap(({ collection, namespace }) => {
        const config = staticConfigs(state.get("lscc", collectionsKey(namespace))?.value).get(collection)
        if (config?.memberOrgsPolicy === undefined) return []
        return [{ tx, namespace, collection, isEligible: isMember(config.memberOrgsPolicy) }]
      })
    })
  } finally {
    state.release()
  }
}

const privateNames = (
  bytes: Uint8Array
): ReadonlyArray<{ readonly namespace: string; readonly collection: string }> => {
  try {
    const payload = common.Payload.decode(common.Envelope.decode(bytes).payload)
    if (payload.header === undefined) return []
    const { type } = common.ChannelHeader.decode(payload.header.channelHeader)
    const action = type === common.HeaderType.ENDORSER_TRANSACTION ? chaincodeActionOf(payload.data) : undefined
    if (action === undefined) return []
    return readWriteSet(action.chaincodeAction.results).flatMap(({ collections, namespace }) =>
      collections.filter((c) => c.privateHash.length > 0).map(({ collection }) => ({ namespace, collection }))
    )
  } catch (cause) {
    if (cause instanceof WireError) return []
    throw cause
  }
}

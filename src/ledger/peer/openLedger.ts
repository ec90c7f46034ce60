/**
 * A channel's ledger over its stores: the commit of a block in the reference's order, reads, background work.
 * Source: ledger-privatedata.md 3.G; kvledger/kv_ledger.go.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { breathe } from "../../runtime/breathe.js"
import * as Log from "../../runtime/Log.js"
import { disabled, type MetricsShape } from "../../runtime/Metrics.js"
import { toHex } from "../../wire/protoutil.js"
import {
  BlockMalformed,
  BlockNumberMismatch,
  type ParsedBlock,
  PreviousHashMismatch,
  parseBlock,
  StoreFailed
} from "../blockstore/index.js"
import { ConfigNotYetAvailable } from "../confighistory/index.js"
import type { CouchInstance } from "../couchdb/index.js"
import { LmdbCommitFailed, type LmdbOpenFailed } from "../lmdb/index.js"
import { commitHash as hashOf } from "../mvcc/index.js"
import { PvtStoreMisuse, PvtStoreOutOfRange, type TxPvtData } from "../pvtdata/index.js"
import { QueryExecutor, type RichQueries, type StateSnapshot, TxSimulator } from "../simulator/index.js"
import type { Membership } from "./deployments.js"
import { BlockRefused, type CommitError, LedgerFailed, type LedgerOpenError } from "./errors.js"
import { type LedgerMetrics, makeLedgerMetrics } from "./metrics.js"
import { commitOldBlocks, reapplyOldBlocks } from "./oldBlocks.js"
import type { CommitInput, Committed, PeerLedgerShape } from "./PeerLedger.js"
import { BlockPreparation, type PreparedBlock } from "./prepare.js"
import { defaultProcessors, type TxProcessors } from "./processors.js"
import { recover } from "./recover.js"
import { StateGate } from "./StateGate.js"
import { openStorage, type Storage } from "./Storage.js"
import { openCouch, useDatabase } from "./stateDatabase.js"
import { commitHashOf, storedBlock } from "./storedBlock.js"
import { batchOf } from "./write.js"

const log = Log.module("kvledger")
const notValidated = 254
const noData: TxPvtData = new Map()

/** What all ledgers of a peer share; defaults as in sheet 2.1. */
export interface LedgerOptions {
  /** `ledger.history.enableHistoryDatabase`. */
  readonly historyEnabled?: boolean
  /** `ledger.pvtdataStore.purgeInterval`, blocks. */
  readonly purgeInterval?: number
  /** `ledger.pvtdataStore.collElgProcMaxDbBatchSize`, records. */
  readonly eligibilityBatchSize?: number
  /** `ledger.pvtdataStore.collElgProcDbBatchesInterval`, milliseconds. */
  readonly eligibilityPause?: number
  /** Bytes after which a new block file is begun. */
  readonly maxFileSize?: number
  /** When the database's commits reach the disk; `close` is for imports, which start over after a crash. */
  readonly sync?: "commit" | "close"
  readonly processors?: TxProcessors
  /** Whether this peer belongs to a collection of a channel; nobody does unless it is given. */
  readonly isMember?: (channelId: string) => Membership
  /** CouchDB as the state database (`ledger.state.stateDatabase`); the built-in one otherwise. */
  readonly couchDB?: CouchInstance
  /** Rich queries over the built-in database (`ledger.state.embeddedRichQueries`). */
  readonly richQueries?: (snapshot: StateSnapshot) => RichQueries
  readonly metrics?: MetricsShape
  /** Told after each block of a replay at open. */
  readonly progress?: (channelId: string, block: bigint, height: bigint) => void
}

/** Opens, recovers, and starts the background work; all of it ends with the scope. */
export const openLedger = (
  channelId: string,
  folder: string,
  options: LedgerOptions
): Effect.Effect<PeerLedgerShape, LedgerOpenError | LmdbOpenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const storage = yield* openStorage({
      channelId,
      folder,
      ...(options.maxFileSize === undefined ? {} : { maxFileSize: options.maxFileSize }),
      ...(options.sync === undefined ? {} : { sync: options.sync }),
      ...(options.richQueries === undefined ? {} : { richQueries: options.richQueries })
    })
    const isMember = options.isMember?.(channelId) ?? (() => false)
    const processors = options.processors ?? defaultProcessors
    const historyEnabled = options.historyEnabled ?? false
    const { progress } = options
    yield* useDatabase(channelId, storage, options.couchDB)
    yield* recover(storage, {
      channelId,
      historyEnabled,
      processors,
      isMember,
      ...(progress === undefined
        ? {}
        : { progress: (block: bigint, height: bigint) => progress(channelId, block, height) })
    })
    const fail = (op: string, cause: unknown) => new LedgerFailed({ channel: channelId, op, cause })
    yield* Effect.try({
      try: () => reapplyOldBlocks(storage),
      catch: (cause) => fail("private data of old blocks", cause)
    })
    const couch = options.couchDB === undefined ? undefined : yield* openCouch(channelId, storage, options.couchDB)
    const gate = couch === undefined ? undefined : new StateGate()
    /** Brings to CouchDB what was committed before it is made known; nobody simulates meanwhile. */
    const shared: CommitParts["shared"] = (work, known) => {
      const kept = Effect.tap(work, Effect.sync(known))
      if (couch === undefined || gate === undefined) return kept
      const caughtUp = Effect.mapError(couch.catchUp, (cause) => fail("CouchDB", cause))
      return gate.exclusive(work.pipe(Effect.zipLeft(caughtUp), Effect.tap(Effect.sync(known))))
    }
    const ledger = new Ledger(channelId, storage, {
      isMember,
      shared,
      processors,
      historyEnabled,
      metrics: makeLedgerMetrics(options.metrics ?? disabled)(channelId)
    })
    yield* Effect.try({ try: () => ledger.start(), catch: (cause) => fail("last block", cause) })
    const background = yield* backgroundWork(channelId, storage, options)
    const turn = yield* Effect.makeSemaphore(1)
    const exclusive = <A, E>(work: Effect.Effect<A, E>) => turn.withPermits(1)(Effect.uninterruptible(work))
    const attempt = <A>(op: string, run: () => A) => Effect.try({ try: run, catch: (cause) => fail(op, cause) })
    return {
      ...storage.engine.reader,
      commit: (input) => exclusive(Effect.tap(ledger.commit(input), ({ number }) => background.committed(number))),
      newTxSimulator: (txId) => {
        if (gate === undefined) return attempt("simulator", () => TxSimulator.make(storage.state.snapshot(), txId))
        return Effect.uninterruptibleMask((restore) =>
          Effect.zipRight(
            restore(gate.enter),
            attempt("simulator", () =>
              TxSimulator.make(
                storage.state.snapshot(() => gate.leave()),
                txId
              )
            ).pipe(Effect.tapError(() => Effect.sync(() => gate.leave())))
          )
        )
      },
      newQueryExecutor: attempt("query executor", () => new QueryExecutor(storage.state.snapshot(), undefined)),
      newHistoryQueryExecutor: Effect.suspend(() =>
        historyEnabled
          ? Effect.succeed(storage.history.queryExecutor())
          : Effect.fail(fail("history", new Error("history database not enabled")))
      ),
      hasTransaction: (txId) => storage.engine.positionOf(txId) !== undefined,
      isPvtDataCovered: (block) => block < storage.pvtData.height,
      pvtDataByNumber: (block, filter) =>
        Effect.try({
          try: () => storage.pvtData.byBlock(block, filter),
          catch: (cause) => (cause instanceof PvtStoreOutOfRange ? cause : fail("private data", cause))
        }),
      missingPvtData: (maxBlocks) =>
        attempt("missing private data", () =>
          storage.pvtData.height > storage.engine.height ? [] : storage.pvtData.missing(maxBlocks)
        ),
      commitPvtDataOfOldBlocks: (blocks) =>
        exclusive(
          shared(
            Effect.try({
              try: () => commitOldBlocks(storage, blocks),
              catch: (cause) => asCommitError(channelId, "private data of old blocks", cause)
            }),
            () => {}
          )
        ),
      stateDatabase: storage.state.database,
      createIndex: (namespace, collection, definition) =>
        couch === undefined
          ? Effect.void
          : Effect.mapError(couch.createIndex(namespace, collection, definition), (cause) => fail("index", cause)),
      mostRecentCollectionConfigBelow: (block, chaincode) =>
        attempt("collection configuration", () => storage.configHistory.mostRecentBelow(block, chaincode)),
      collectionConfigAt: (block, chaincode) =>
        Effect.try({
          try: () => storage.configHistory.at(block, chaincode),
          catch: (cause) => (cause instanceof ConfigNotYetAvailable ? cause : fail("collection configuration", cause))
        })
    }
  })

const asCommitError = (channel: string, op: string, cause: unknown): CommitError =>
  cause instanceof BlockRefused ||
  cause instanceof BlockNumberMismatch ||
  cause instanceof PreviousHashMismatch ||
  cause instanceof BlockMalformed ||
  cause instanceof StoreFailed ||
  cause instanceof PvtStoreMisuse ||
  cause instanceof LmdbCommitFailed ||
  cause instanceof LedgerFailed
    ? cause
    : new LedgerFailed({ channel, op, cause })

// ---- Commit ------------------------------------------------------------------------------------------------------

interface CommitParts {
  /** Runs what commits to the state, and then `known` when whatever else holds the state has it too. */
  readonly shared: <A, E>(work: Effect.Effect<A, E>, known: () => void) => Effect.Effect<A, E | LedgerFailed>
  readonly isMember: Membership
  readonly processors: TxProcessors
  readonly historyEnabled: boolean
  readonly metrics: LedgerMetrics
}

class Ledger {
  /** Hash of the last block's updates; undefined: unknown, then none is computed (rule 64). */
  private lastHash: Uint8Array | undefined

  constructor(
    private readonly channelId: string,
    private readonly storage: Storage,
    private readonly parts: CommitParts
  ) {}

  /** Takes the commit hash from the last stored block. Throws when that cannot be read. */
  start(): void {
    const { engine } = this.storage
    this.parts.metrics.height(engine.height)
    if (engine.height === 0n) return
    this.lastHash = commitHashOf(parseBlock(engine.blockSync(engine.height - 1n)).metadata)
  }

  commit(input: CommitInput): Effect.Effect<Committed, CommitError> {
    const { channelId, parts, storage } = this
    let number: bigint | undefined
    const fail = (op: string, cause: unknown): CommitError => {
      const error = asCommitError(channelId, op, cause)
      // a fault of the medium does not know the block that it hit
      return number !== undefined && (error instanceof StoreFailed || error instanceof LmdbCommitFailed)
        ? new LedgerFailed({ channel: channelId, op: `block [${number}] cannot be written`, cause: error })
        : error
    }
    const attempt = <A>(op: string, run: () => A) => Effect.try({ try: run, catch: (cause) => fail(op, cause) })
    const self = this
    return Effect.gen(function* () {
      const began = performance.now()
      const { block, covered, pvtData } = yield* attempt("block", () => self.accept(input))
      number = block.number
      const state = yield* attempt("state", () => storage.state.snapshot())
      return yield* Effect.gen(function* () {
        const preparation = new BlockPreparation({
          channel: channelId,
          block,
          codes: input.codes,
          pvtData,
          state,
          validate: true,
          processors: parts.processors,
          newSimulator: (txId) => TxSimulator.make(storage.state.snapshot(), txId),
          keyValueFault: (key, value) => state.keyValueFault(key, value)
        })
        for (;;) {
          const until = performance.now() + 2
          if (yield* attempt("validation", () => preparation.step(() => performance.now() < until))) break
          yield* breathe
        }
        const prepared = yield* attempt("validation", () => preparation.finish())
        const hash = self.nextHash(block.number, prepared)
        const stored = yield* attempt("block", () => storedBlock(block, prepared.codes, hash))
        const processed = performance.now()
        if (!covered)
          yield* attempt("private data", () => storage.pvtData.prepare(block.number, pvtData, input.missing ?? []))
        const prepared2 = performance.now()
        const place = yield* Effect.tryPromise({
          try: () => storage.files.append(stored.bytes),
          catch: (cause) => fail("block file", cause)
        })
        const written = performance.now()
        const commit = attempt("database", () => {
          try {
            const { batch, deployments } = batchOf(
              storage,
              stored,
              prepared,
              state,
              { place, state: true, history: parts.historyEnabled },
              parts.isMember
            )
            const pvtDone = storage.pvtData.commit(batch, block.number)
            // the blocks bring it back (recover.ts), except that CouchDB must not be ahead
            if (storage.state.database === "CouchDB") storage.environment.commit(batch)
            else storage.environment.commitLater(batch)
            pvtDone()
            return deployments
          } catch (cause) {
            storage.files.cut(place.file, place.offset)
            throw cause
          }
        })
        const deployments = yield* parts.shared(commit, () => {
          self.lastHash = hash ?? self.lastHash
          storage.engine.publish(stored)
        })
        const ended = performance.now()
        const seconds = (from: number, to: number) => (to - from) / 1000
        parts.metrics.height(storage.engine.height)
        parts.metrics.committed(
          {
            processing: seconds(began, processed),
            blockAndPvtData: seconds(processed, written),
            block: seconds(prepared2, written),
            state: seconds(written, ended)
          },
          prepared.txs
        )
        yield* log
          .at("CommitWithPvtData")
          .info(
            `[${channelId}] Committed block [${block.number}] with ${block.envelopes.length} transaction(s) in ${Math.floor(ended - began)}ms (state_validation=${Math.floor(processed - began)}ms block_and_pvtdata_commit=${Math.floor(written - processed)}ms state_commit=${Math.floor(ended - written)}ms) commitHash=[${hash === undefined ? "" : toHex(hash)}]`
          )
        return {
          number: block.number,
          block: stored.bytes,
          codes: prepared.codes,
          txs: prepared.txs,
          commitHash: hash,
          updatedChaincodes: deployments.updated
        }
      }).pipe(Effect.ensuring(Effect.sync(() => state.release())))
    })
  }

  /** The block if it is the next one, with the private data to use: the private store's own where it is ahead. */
  private accept(input: CommitInput): {
    readonly block: ParsedBlock
    readonly covered: boolean
    readonly pvtData: TxPvtData
  } {
    const { pvtData, engine } = this.storage
    const block = parseBlock(input.block)
    engine.check(block)
    if (input.codes.length !== block.envelopes.length || input.codes.includes(notValidated)) {
      const cause = new Error("its transactions have not all been validated")
      throw new BlockRefused({ channel: this.channelId, block: block.number, tx: undefined, cause })
    }
    const covered = block.number < pvtData.height
    return { block, covered, pvtData: covered ? pvtData.byBlock(block.number) : (input.pvtData ?? noData) }
  }

  /** Rule 64: from block 1 on, and only while the hash before is known. */
  private nextHash(number: bigint, { codes, updates }: PreparedBlock): Uint8Array | undefined {
    return number === 1n || this.lastHash !== undefined
      ? hashOf(codes, updates, this.lastHash ?? new Uint8Array(0))
      : undefined
  }
}

// ---- Background --------------------------------------------------------------------------------------------------

/** Purge of expired private data, and records that became eligible: in portions, between other work (rules 74, 76). */
const backgroundWork = (
  channelId: string,
  storage: Storage,
  options: LedgerOptions
): Effect.Effect<{ readonly committed: (block: bigint) => Effect.Effect<void> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const interval = positive(options.purgeInterval, 100)
    const batchSize = positive(options.eligibilityBatchSize, 5000)
    const pause = positive(options.eligibilityPause, 1000)
    const wake = yield* Queue.sliding<void>(1)
    const purgeDue = yield* Ref.make(false)
    const portion = (work: () => boolean) =>
      Effect.try(work).pipe(
        Effect.catchAll((error) =>
          Effect.as(log.warning(`[${channelId}] Could not clean up private data: ${String(error.cause)}`), false)
        )
      )
    const round = Effect.gen(function* () {
      while (yield* portion(() => storage.pvtData.processEligibility(batchSize))) yield* Effect.sleep(pause)
      if (!(yield* Ref.getAndSet(purgeDue, false))) return
      while (yield* portion(() => storage.pvtData.purge(1000))) yield* breathe
    })
    yield* Queue.offer(wake, undefined) // what an earlier run left undone
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(wake), round)))
    return {
      committed: (block) =>
        Effect.gen(function* () {
          if (block % BigInt(interval) === 0n) yield* Ref.set(purgeDue, true)
          yield* Queue.offer(wake, undefined)
        })
    }
  })

const positive = (value: number | undefined, otherwise: number): number =>
  value === undefined || value <= 0 ? otherwise : value

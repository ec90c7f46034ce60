/**
 * The commit line of one channel: verified → validated → committed, one block after the other, heights without gap.
 *
 * Two blocks may be in it at once. While block n is being committed, block n+1 is verified and its signatures are under
 * way: these depend on the configuration alone. Verdicts on n+1 wait for the commit of n, because they read its state
 * (definitions, key-level policies, transaction ids). Behind a block with a config transaction nothing is verified
 * before that block is validated, for it may change who orders and who signs.
 *
 * Source: peer-endorse-validate.md 3.7 rules 6-7, 3.9 rule 11; gossip/state/state.go, gossip/privdata/coordinator.go.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { type Bundle, type BundleSource, blockSignedData, verifyBlock } from "../channelconfig/index.js"
import type { Committed, TxPvtData } from "../ledger/index.js"
import { blockValidation, verifyAhead } from "../policy/index.js"
import * as Log from "../runtime/Log.js"
import { textOf } from "../runtime/Stage.js"
import { annotate } from "../runtime/span.js"
import { common } from "../wire/index.js"
import { openEnvelope } from "../wire/protoutil.js"
import { BlockRefused, CommitStopped } from "./errors.js"
import type { BlockPrivateData, ReceivedBlock, Validated, Verified } from "./stages.js"

/** The step before the commit, as src/validation's TxValidator has it. `P` is a block whose signatures are under way. */
export interface BlockValidator<P> {
  readonly prepare: (block: {
    readonly number: bigint
    readonly entries: ReadonlyArray<Uint8Array>
  }) => Effect.Effect<P>
  /** A `TxValidationCode` for each entry, or why none can be given. */
  readonly validate: (prepared: P) => Effect.Effect<Uint8Array, unknown>
}

/** What a channel gives its commit line. */
export interface CommitSupport<P> {
  readonly channelId: string
  readonly bundles: BundleSource
  readonly validator: BlockValidator<P>
  /** Blocks committed so far. */
  readonly height: () => bigint
  /** Gathers the private data of a validated block (PrivateDataCoordinator); `received` came with the block. */
  readonly privateData: (block: Validated, received: TxPvtData) => Effect.Effect<BlockPrivateData, unknown>
  /** Applies the rules of state and writes block, state and history in one step. */
  readonly commit: (block: Validated, data: BlockPrivateData) => Effect.Effect<Committed, unknown>
  /** After the commit; failures are logged only. */
  readonly committed: (block: Committed, data: BlockPrivateData) => Effect.Effect<void, unknown>
  /** Told how long each step of a block took, seconds; for metrics. */
  readonly took?: (step: CommitStep, seconds: number) => void
}

/** What is timed: validation, the commit, what follows it, all three with the gathering of private data. */
export type CommitStep = "validate" | "commit" | "purge" | "store"

/** A block whose orderers' signatures were checked under one configuration; under another they are checked again. */
export interface VouchedBlock extends ReceivedBlock {
  readonly _tag: "Vouched"
  readonly bundle: Bundle
  /** Holds a config transaction. */
  readonly config: boolean
}

export interface CommitPipeline {
  /**
   * Takes in the next block; waits while the line is full. A refused block changes nothing. Calls come one after the
   * other, in the order of the blocks. `received` is private data that came with it.
   */
  readonly submit: (
    block: Uint8Array | VouchedBlock,
    received?: TxPvtData
  ) => Effect.Effect<void, BlockRefused | CommitStopped>
  /** Whether a block, next or not, comes from the orderers by the configuration in force; changes nothing. */
  readonly verify: (bytes: Uint8Array) => Effect.Effect<VouchedBlock, BlockRefused | CommitStopped>
  /** The number that the next block must carry: committed blocks and those in the line. */
  readonly next: () => bigint
  /** Each commit from the subscription on; slow subscribers lose the oldest and read the ledger by number. */
  readonly commits: Effect.Effect<Queue.Dequeue<Committed>, never, Scope.Scope>
  /** Waits until that many blocks are committed. */
  readonly reached: (height: bigint) => Effect.Effect<void, CommitStopped>
  /** Fails when the channel can commit no more; never succeeds. */
  readonly failure: Effect.Effect<never, CommitStopped>
}

const log = Log.module("committer", "commit")

const none: TxPvtData = new Map()

/** Verified blocks that wait for the one being committed: enough to keep the thread pool busy, little in memory. */
const WAITING = 4

/** Whether a block holds a config transaction. */
export const isConfigBlock = (block: common.Block): boolean => {
  for (const entry of block.data?.data ?? []) if (isConfig(entry)) return true
  return false
}

const isConfig = (entry: Uint8Array): boolean => {
  try {
    return openEnvelope(entry)?.channelHeader.type === common.HeaderType.CONFIG
  } catch {
    return false
  }
}

/** Whether a failure, or what it comes from, is that of a full disk. */
const diskIsFull = (reason: unknown): boolean => /ENOSPC|no space left/i.test(textOf(reason))

export const makeCommitPipeline = <P>(support: CommitSupport<P>): Effect.Effect<CommitPipeline, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { bundles, channelId, validator } = support
    const stopped = yield* Deferred.make<never, CommitStopped>()
    const waiting = yield* Queue.bounded<readonly [Verified<P>, TxPvtData]>(WAITING)
    const commits = yield* PubSub.sliding<Committed>(64)
    yield* Effect.addFinalizer(() => Effect.zipRight(Queue.shutdown(waiting), PubSub.shutdown(commits)))
    let next = support.height()
    /** Completes when the last block with a config transaction has been validated. */
    let inForce: Effect.Effect<void, CommitStopped> = Effect.void
    const pendingConfig = new Map<bigint, Deferred.Deferred<void>>()

    // ---- Verify ----

    const refuse = (reason: string, block?: bigint) => new BlockRefused({ channel: channelId, block, reason })

    const receive = (bytes: Uint8Array): Effect.Effect<ReceivedBlock, BlockRefused> =>
      Effect.gen(function* () {
        const block = yield* Effect.try({
          try: () => common.Block.decode(bytes),
          catch: (error) => refuse(`failed to decode: ${textOf(error)}`)
        })
        if (block.header === undefined) return yield* refuse("header must be different from nil")
        const { number } = block.header
        const [first] = block.data?.data ?? []
        const claimed = first === undefined ? undefined : Either.getOrUndefined(Either.try(() => openEnvelope(first)))
        if (claimed?.channelHeader.channelId !== channelId)
          return yield* refuse(
            `invalid channel id: the block is of channel [${claimed?.channelHeader.channelId ?? ""}]`,
            number
          )
        return { number, bytes, block }
      })

    /** The orderers' signatures against the configuration in force, which is given back. */
    const signaturesHold = ({ block, number }: ReceivedBlock): Effect.Effect<Bundle, BlockRefused> =>
      Effect.gen(function* () {
        const bundle = bundles.current()
        const set = Either.getOrElse(blockSignedData(block), () => [])
        const policy = bundle.policyManager.getPolicy(blockValidation)
        const verify = yield* Effect.promise(() => verifyAhead(policy.verifications(set)))
        const verdict = verifyBlock(bundle, block, verify)
        if (Either.isLeft(verdict)) return yield* refuse(verdict.left.message, number)
        return bundle
      })

    const verify = (bytes: Uint8Array): Effect.Effect<VouchedBlock, BlockRefused | CommitStopped> =>
      Effect.gen(function* () {
        const received = yield* receive(bytes)
        yield* Effect.raceFirst(inForce, Deferred.await(stopped))
        const bundle = yield* signaturesHold(received)
        return { ...received, _tag: "Vouched" as const, bundle, config: isConfigBlock(received.block) }
      })

    const submit = (
      given: Uint8Array | VouchedBlock,
      privateData: TxPvtData = none
    ): Effect.Effect<void, BlockRefused | CommitStopped> =>
      Effect.gen(function* () {
        const received = given instanceof Uint8Array ? yield* receive(given) : given
        const { block, bytes, number } = received
        if (number !== next) return yield* refuse(`expected block number [${next}]`, number)
        yield* Effect.raceFirst(inForce, Deferred.await(stopped))
        if (!("bundle" in received) || received.bundle !== bundles.current()) yield* signaturesHold(received)
        const prepared = yield* validator.prepare({ number, entries: block.data?.data ?? [] })
        const config = given instanceof Uint8Array ? isConfigBlock(block) : given.config
        if (config) {
          const done = yield* Deferred.make<void>()
          pendingConfig.set(number, done)
          inForce = Deferred.await(done)
        }
        next = number + 1n
        const verified: Verified<P> = { number, bytes, block, _tag: "Verified", prepared, config }
        yield* Effect.raceFirst(Queue.offer(waiting, [verified, privateData]), Deferred.await(stopped))
      }).pipe(Effect.withSpan("CommitPipeline.submit", { captureStackTrace: false }))

    // ---- Validate and commit ----

    const stop = (block: bigint, cause: Cause.Cause<unknown>) => {
      const reason = Cause.squash(cause)
      const remedy = diskIsFull(reason) ? "make room on the disk of peer.fileSystemPath" : "remove the cause"
      return new CommitStopped({
        channel: channelId,
        block,
        reason: textOf(reason),
        remedy: `the channel has stopped, others go on; ${remedy} and restart the peer: the block will be delivered again`,
        cause: reason
      })
    }

    const took = (step: CommitStep, from: number, to: number) => support.took?.(step, (to - from) / 1000)

    const one = ([verified, received]: readonly [Verified<P>, TxPvtData]): Effect.Effect<void, CommitStopped> =>
      Effect.gen(function* () {
        const { block, bytes, number, prepared } = verified
        const started = yield* Clock.currentTimeMillis
        const codes = yield* validator.validate(prepared)
        const judged = yield* Clock.currentTimeMillis
        took("validate", started, judged)
        yield* log.at("Validate").info(`[${channelId}] Validated block [${number}] in ${judged - started}ms`)
        const done = pendingConfig.get(number)
        if (done !== undefined) {
          pendingConfig.delete(number)
          yield* Deferred.succeed(done, undefined)
        }
        const validated: Validated = { _tag: "Validated", number, bytes, block, codes }
        const data = yield* support.privateData(validated, received)
        const gathered = yield* Clock.currentTimeMillis
        // a commit once begun is finished: interruption waits for the disk
        const committed = yield* Effect.uninterruptible(support.commit(validated, data)).pipe(
          Effect.withSpan("PeerLedger.commit", { captureStackTrace: false })
        )
        yield* annotate(() => ({ transactions: committed.txs.map(({ txId }) => txId).join(" ") }))
        const written = yield* Clock.currentTimeMillis
        took("commit", gathered, written)
        took("store", started, written)
        yield* PubSub.publish(commits, committed)
        yield* support
          .committed(committed, data)
          .pipe(
            Effect.catchAllCause((cause) =>
              log.warning(`[${channelId}] after the commit of block [${number}]`, { error: Cause.pretty(cause) })
            )
          )
        took("purge", written, yield* Clock.currentTimeMillis)
      }).pipe(
        Effect.withSpan("CommitPipeline.commit", {
          captureStackTrace: false,
          attributes: { channel: channelId, block: String(verified.number) }
        }),
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.fail(stop(verified.number, cause))
        )
      )

    yield* Queue.take(waiting).pipe(
      Effect.flatMap(one),
      Effect.forever,
      Effect.catchAll((error) =>
        Effect.zipRight(log.error(error.message, { remedy: error.remedy }), Deferred.fail(stopped, error))
      ),
      Effect.forkScoped
    )

    const reached = (height: bigint): Effect.Effect<void, CommitStopped> =>
      Effect.scoped(
        Effect.gen(function* () {
          const subscription = yield* PubSub.subscribe(commits)
          while (support.height() < height) yield* Effect.raceFirst(Queue.take(subscription), Deferred.await(stopped))
        })
      )

    return {
      submit,
      verify,
      next: () => next,
      commits: PubSub.subscribe(commits),
      reached,
      failure: Deferred.await(stopped)
    }
  })

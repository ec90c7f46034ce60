/**
 * Solo: one process orders a channel. Messages are recorded in the journal, acknowledged once they are on disk there,
 * and cut into blocks by one loop in the journal's order; after a kill the loop begins with what no block holds.
 * Source: orderer.md 3.7 (solo), issue 5 part 7; orderer/consensus/solo/consensus.go.
 */
import * as path from "node:path"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Log from "../../../runtime/Log.js"
import { type Batch, BlockCutter } from "../../blockcutter/BlockCutter.js"
import { contentSize } from "../../msgprocessor/envelope.js"
import { ordererOf } from "../../msgprocessor/filters.js"
import { type Message, readMessage } from "../../msgprocessor/Message.js"
import type { BlockRefused } from "../../multichannel/errors.js"
import type { Chain, ConsenterShape, ConsenterSupport, Ordering } from "../Chain.js"
import { ConsenterFailed, NotReady } from "../errors.js"
import type { JournalFailed } from "./errors.js"
import type { Journal, JournalInput } from "./Journal.js"
import { openJournal } from "./Journal.js"
import type { JournalEntry } from "./journalFormat.js"
import { volatileJournal } from "./volatileJournal.js"

const log = Log.module("orderer.consensus.solo")

/** Bytes of envelopes taken in and not yet in a written block; new ones wait beyond it. */
const backlogBytes = 64 * 1024 * 1024

type Event =
  | { readonly _tag: "Entries"; readonly entries: ReadonlyArray<JournalEntry> }
  | { readonly _tag: "Timer"; readonly generation: number }

/** The consenter named `solo`. */
export const soloConsenter: ConsenterShape = { chain: (support) => makeChain(support) }

const failedWith = (channelId: string) => (cause: { readonly message: string }) =>
  new ConsenterFailed({ channelId, detail: cause.message, cause })

const makeChain = (support: ConsenterSupport): Effect.Effect<Chain, ConsenterFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, cutterMetrics, health, processor, writer } = support
    const scope = yield* Effect.scope
    const events = yield* Queue.unbounded<Event>()
    const sink = (entries: ReadonlyArray<JournalEntry>) => {
      Queue.unsafeOffer(events, { _tag: "Entries", entries })
    }
    const journal: Journal =
      support.folder === undefined
        ? volatileJournal(sink)
        : yield* Effect.mapError(
            openJournal({
              folder: path.join(support.folder, "solo"),
              chain: support.firstBlockHash,
              height: Number(support.height()),
              sink
            }),
            failedWith(channelId)
          )
    let halted = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        halted = true
      })
    )

    // ---- Back-pressure ----
    let backlog = 0
    let room: Deferred.Deferred<void> | undefined
    const release = (bytes: number) => {
      backlog -= bytes
      if (backlog < backlogBytes && room !== undefined) {
        Deferred.unsafeDone(room, Effect.void)
        room = undefined
      }
    }
    const waitForRoom: Effect.Effect<void> = Effect.suspend(() => {
      if (backlog < backlogBytes) return Effect.void
      room ??= Deferred.unsafeMake<void>(FiberId.none)
      return Effect.zipRight(Deferred.await(room), waitForRoom)
    })

    // ---- Taking messages ----
    const probing = journal.probe.pipe(
      Effect.retry(Schedule.spaced("1 second")),
      Effect.zipRight(
        Effect.suspend(() =>
          health.recover("journal") ? log.info(`[channel: ${channelId}] the journal can be written again`) : Effect.void
        )
      ),
      Effect.ignore
    )
    const sizeOf = (inputs: ReadonlyArray<JournalInput>) =>
      inputs.reduce((sum, { envelope }) => sum + envelope.length, 0)
    const recover = yield* FiberSet.makeRuntime<never>()
    /** What callers hear when the journal could not be written. */
    const unrecorded = (bytes: number, failure: JournalFailed): NotReady => {
      release(bytes)
      if (halted) return new NotReady({ detail: "Exiting" })
      if (health.fail("journal", failure.message)) {
        recover(Effect.zipRight(log.error(`[channel: ${channelId}] ${failure.message}`), probing))
      }
      return new NotReady({ detail: `cannot enqueue: ${failure.message}` })
    }
    const take = (inputs: ReadonlyArray<JournalInput>): Effect.Effect<void, NotReady> =>
      Effect.gen(function* () {
        if (halted) return yield* new NotReady({ detail: "Exiting" })
        if (health.reason !== undefined) return yield* new NotReady({ detail: `cannot enqueue: ${health.reason}` })
        yield* waitForRoom
        const bytes = sizeOf(inputs)
        backlog += bytes
        yield* Effect.mapError(journal.append(inputs), (failure) => unrecorded(bytes, failure))
      })
    const takeNow = (inputs: ReadonlyArray<JournalInput>, done: (refused: NotReady | undefined) => void): boolean => {
      if (halted || health.reason !== undefined || backlog >= backlogBytes) return false
      const bytes = sizeOf(inputs)
      backlog += bytes
      journal.record(inputs, (failure) => done(failure && unrecorded(bytes, failure)))
      return true
    }
    const input =
      (kind: JournalInput["kind"]) =>
      ({ message, sequence }: Ordering): JournalInput => ({
        kind,
        configSequence: sequence,
        envelope: message.canonical
      })
    const normal = input("normal")

    // ---- Cutting blocks ----
    const cutter = new BlockCutter<JournalEntry>()
    let timer: { readonly generation: number; readonly fiber: Fiber.RuntimeFiber<void> } | undefined
    let generations = 0
    const stopTimer = Effect.suspend(() => {
      if (timer === undefined) return Effect.void
      const { fiber } = timer
      timer = undefined
      return Effect.asVoid(Fiber.interruptFork(fiber))
    })
    const startTimer = Effect.gen(function* () {
      const generation = ++generations
      const expire = Effect.zipRight(
        Effect.sleep(ordererOf(support.bundle()).batchTimeoutMs),
        Queue.offer(events, { _tag: "Timer", generation })
      )
      timer = { generation, fiber: yield* Effect.forkIn(Effect.asVoid(expire), scope) }
    })

    const around = (consumed: number, bytes: number) => {
      const block = Number(writer.lastNumber()) + 1
      let recorded = journal.cut(block, consumed)
      return {
        before: Effect.catchAll(
          Effect.suspend(() => recorded),
          (failure) => {
            recorded = journal.cut(block, consumed) // the next attempt waits for this one
            return Effect.fail(failure)
          }
        ),
        after: () => {
          journal.written(consumed)
          release(bytes)
        }
      }
    }
    const writeBatch = (batch: Batch<JournalEntry>, now: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        cutterMetrics.filled((now - batch.since) / 1000)
        const entries = batch.items.map(({ envelope }) => envelope)
        const consumed = batch.items[batch.items.length - 1]?.sequence ?? 0
        const bytes = entries.reduce((sum, { length }) => sum + length, 0)
        return writer.write(entries, undefined, around(consumed, bytes))
      })
    const cutPending = Effect.gen(function* () {
      const batch = cutter.cut()
      if (batch !== undefined) yield* writeBatch(batch, yield* Clock.currentTimeMillis)
      return batch !== undefined
    })
    const discard = (kind: string, entry: JournalEntry, reason: string) =>
      Effect.suspend(() => {
        release(entry.envelope.length)
        return log.warning(`[channel: ${channelId}] Discarding bad ${kind} message: ${reason}`)
      })

    /** The reason why a message judged under an older config is not valid any more. */
    const rejudge = (entry: JournalEntry): string | undefined => {
      if (entry.configSequence >= support.bundle().sequence) return undefined
      const message = readMessage(entry.envelope)
      if (Either.isLeft(message)) return message.left
      const verdict = processor.processNormal(message.right)
      return Either.isLeft(verdict) ? verdict.left.message : undefined
    }
    const orderNormal = (entry: JournalEntry, now: number): Effect.Effect<void> => {
      const bad = rejudge(entry)
      if (bad !== undefined) return discard("normal", entry, bad)
      const size = contentSize(entry.envelope)
      const { batches, pending } = cutter.ordered(entry, size, ordererOf(support.bundle()).batchSize, now)
      if (batches.length === 0 && pending === (timer !== undefined)) return Effect.void
      return Effect.gen(function* () {
        for (const batch of batches) yield* writeBatch(batch, now)
        if (timer !== undefined && !pending) yield* stopTimer
        else if (timer === undefined && pending) yield* startTimer
      })
    }
    const orderConfig = (entry: JournalEntry) =>
      Effect.gen(function* () {
        const received = readMessage(entry.envelope)
        if (Either.isLeft(received)) return yield* discard("config", entry, received.left)
        let message: Message = received.right
        if (entry.configSequence < support.bundle().sequence) {
          const anew = Either.flatMap(processor.processConfig(message), (made) =>
            Either.mapLeft(readMessage(made.message.canonical), (detail) => ({ message: detail }))
          )
          if (Either.isLeft(anew)) return yield* discard("config", entry, anew.left.message)
          message = anew.right
        }
        yield* cutPending
        yield* writer.writeConfig(message, undefined, around(entry.sequence, entry.envelope.length))
        yield* stopTimer
      })

    /** Most entries only wait for their block to fill: no step of the fiber for those. */
    const orderAll = (
      entries: ReadonlyArray<JournalEntry>,
      from: number,
      now: number
    ): Effect.Effect<void, BlockRefused> => {
      for (let i = from; i < entries.length; i++) {
        const entry = entries[i]
        if (entry === undefined) break
        const step = entry.kind === "config" ? orderConfig(entry) : orderNormal(entry, now)
        if (step !== Effect.void)
          return Effect.zipRight(
            step,
            Effect.suspend(() => orderAll(entries, i + 1, now))
          )
      }
      return Effect.void
    }
    const handle = (event: Event): Effect.Effect<void, BlockRefused> => {
      if (event._tag === "Entries") {
        return Effect.flatMap(Clock.currentTimeMillis, (now) => orderAll(event.entries, 0, now))
      }
      if (timer?.generation !== event.generation) return Effect.void
      timer = undefined
      return Effect.flatMap(cutPending, (cut) =>
        cut ? Effect.void : log.warning("Batch timer expired with no pending requests, this might indicate a bug")
      )
    }
    const loop = Effect.forever(Effect.flatMap(Queue.take(events), handle)).pipe(
      Effect.catchAllCause((cause) => {
        if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
        const reason = Cause.squash(cause)
        const text = `ordering has stopped: ${reason instanceof Error ? reason.message : String(reason)}`
        health.fail("consensus", text)
        return log.fatal(`[channel: ${channelId}] ${text}`, { error: Cause.pretty(cause) })
      })
    )

    return {
      start: Effect.gen(function* () {
        if (journal.replay.length > 0) {
          yield* log.info(`[channel: ${channelId}] Replaying ${journal.replay.length} messages that no block holds`)
          backlog += journal.replay.reduce((sum, { envelope }) => sum + envelope.length, 0)
          sink(journal.replay)
        }
        yield* Effect.forkIn(loop, scope)
      }),
      waitReady: Effect.void,
      order: (messages) => take(messages.map(normal)),
      orderNow: (messages, done) => takeNow(messages.map(normal), done),
      configure: (config) => take([input("config")(config)]),
      errored: () => health.errored(),
      health: Effect.sync(() => health.reason)
    }
  })

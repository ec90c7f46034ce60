/**
 * The loop that turns a topic's records into blocks: performs what `KafkaProcess` says, runs the batch timer, and holds
 * records back while the blocks before them cannot be written.
 * Source: orderer.md 3.8 rules 10, 12-20; orderer/consensus/kafka/chain.go (processMessagesToBlocks).
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { breathe } from "../../../runtime/breathe.js"
import * as Log from "../../../runtime/Log.js"
import { ordererOf } from "../../msgprocessor/filters.js"
import type { Message } from "../../msgprocessor/Message.js"
import type { ConsenterSupport } from "../Chain.js"
import type { KafkaFailed } from "./errors.js"
import { encodeOffsets, regularMessage, timeToCutMessage } from "./messages.js"
import type { KafkaMetrics } from "./metrics.js"
import type { TopicRecord } from "./PartitionConsumer.js"
import type { Poster } from "./Poster.js"
import { type KafkaAction, type KafkaOffsets, KafkaProcess } from "./process.js"
import { kafkaSupport } from "./support.js"

const log = Log.module("orderer.consensus.kafka")

/** Bytes of records read and not yet processed; reading waits beyond it. */
const backlogBytes = 4 * 1024 * 1024
/** Records between two breaths. */
const breath = 64
/** Pause before a record of ours is posted again that could not be posted. */
const again = Schedule.spaced("1 second")

export interface RecordLoopOptions {
  readonly support: ConsenterSupport
  /** From the last block. */
  readonly offsets: KafkaOffsets
  readonly poster: Poster
  /** Blocks or opens the way in (WaitReady). */
  readonly setGate: (blocked: boolean) => void
  readonly metrics: KafkaMetrics
}

export interface RecordLoop {
  /** Takes the next records; settles when there is room for more. */
  readonly deliver: (records: ReadonlyArray<TopicRecord>) => Promise<void>
  /** Returns when the loop has ended for good, with the reason. */
  readonly run: Effect.Effect<string>
}

type Event =
  | { readonly _tag: "Records"; readonly records: ReadonlyArray<TopicRecord>; readonly bytes: number }
  | { readonly _tag: "Timer"; readonly generation: number }

const sizeOf = (records: ReadonlyArray<TopicRecord>): number =>
  records.reduce((sum, { value }) => sum + value.length, 0)

export const makeRecordLoop = (options: RecordLoopOptions): Effect.Effect<RecordLoop, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { metrics, offsets, poster, setGate, support } = options
    const { channelId, cutterMetrics, writer } = support
    const scope = yield* Effect.scope
    const at = (text: string) => `[channel: ${channelId}] ${text}`
    const machine = new KafkaProcess<Message>(kafkaSupport(support), offsets, writer.lastNumber())
    const events = yield* Queue.unbounded<Event>()
    setGate(machine.ingressBlocked)

    // ---- Records come in ----
    let backlog = 0
    let room: { readonly promise: Promise<void>; readonly open: () => void } | undefined
    const deliver: RecordLoop["deliver"] = (records) => {
      const bytes = sizeOf(records)
      backlog += bytes
      Queue.unsafeOffer(events, { _tag: "Records", records, bytes })
      if (backlog < backlogBytes) return Promise.resolve()
      if (room === undefined) {
        let open = () => {}
        room = { promise: new Promise((resolve) => (open = resolve)), open: () => open() }
      }
      return room.promise
    }
    const release = (bytes: number) => {
      backlog -= bytes
      if (backlog >= backlogBytes || room === undefined) return
      room.open()
      room = undefined
    }

    // ---- Batch timer ----
    let timer: { readonly generation: number; readonly fiber: Fiber.RuntimeFiber<void> } | undefined
    let generations = 0
    const setTimer = Effect.suspend((): Effect.Effect<void> => {
      if (timer !== undefined && !machine.timerRunning) {
        const { fiber } = timer
        timer = undefined
        return Effect.asVoid(Fiber.interruptFork(fiber))
      }
      if (timer !== undefined || !machine.timerRunning) return Effect.void
      const generation = ++generations
      const expire = Effect.sleep(ordererOf(support.bundle()).batchTimeoutMs).pipe(
        Effect.zipRight(Queue.offer(events, { _tag: "Timer", generation })),
        Effect.asVoid
      )
      return Effect.map(Effect.forkIn(expire, scope), (fiber) => {
        timer = { generation, fiber }
      })
    })
    /** What is pending must not wait for the next message: the post is repeated while it makes sense. */
    const postTimeToCut = (number: bigint) =>
      poster.post([timeToCutMessage(number)]).pipe(
        Effect.tapError(({ message }) => log.error(at(`cannot post time-to-cut message = ${message}`))),
        Effect.retry({ schedule: again, while: () => machine.lastCutBlockNumber + 1n === number }),
        Effect.ignore
      )
    const expired = Effect.suspend(() => {
      timer = undefined
      if (!machine.timerRunning) return Effect.void
      const number = machine.timerExpired()
      return Effect.zipRight(
        log.debug(at(`Time-to-cut block [${number}] timer expired`)),
        Effect.asVoid(Effect.forkIn(postTimeToCut(number), scope))
      )
    })

    // ---- Posting again ----
    /** Normal messages on their way back to the topic: no later block is written before they are there. */
    let resubmissions: Array<Deferred.Deferred<void>> = []
    const resubmit = (value: Uint8Array): Effect.Effect<void, KafkaFailed> =>
      poster.post([value]).pipe(
        Effect.tapError(({ message }) => log.error(at(`error re-submitting message because = ${message}`))),
        Effect.retry({ schedule: again, while: ({ kind }) => kind === undefined || kind === "NOT_ENOUGH_REPLICAS" })
      )
    const awaitResubmissions = Effect.suspend(() => {
      if (resubmissions.length === 0) return Effect.void
      const all = resubmissions
      resubmissions = []
      return Effect.forEach(all, Deferred.await, { discard: true })
    })

    // ---- Actions ----
    const around = (persisted: bigint) => ({
      before: Effect.void,
      after: () => metrics.lastOffsetPersisted(channelId, persisted)
    })
    /** The reason why the loop ends, if it does. */
    const perform = (action: KafkaAction<Message>, offset: bigint, now: number): Effect.Effect<string | undefined> =>
      Effect.gen(function* () {
        switch (action._tag) {
          case "WriteBlock": {
            yield* awaitResubmissions
            cutterMetrics.filled((now - action.batch.since) / 1000)
            const entries = action.batch.items.map(({ canonical }) => canonical)
            yield* writer.write(entries, encodeOffsets(action.offsets), around(action.offsets.lastOffsetPersisted))
            return undefined
          }
          case "WriteConfigBlock": {
            yield* awaitResubmissions
            const { envelope, offsets: made } = action
            return yield* Effect.match(
              writer.writeConfig(envelope, encodeOffsets(made), around(made.lastOffsetPersisted)),
              { onSuccess: () => undefined, onFailure: ({ message }) => message }
            )
          }
          case "Resubmit": {
            const { envelope, kind, originalOffset, sequence } = action
            const value = regularMessage(kind, envelope.canonical, sequence, originalOffset)
            if (kind === "normal") {
              const done = yield* Deferred.make<void>()
              resubmissions.push(done)
              yield* Effect.forkIn(Effect.intoDeferred(Effect.ignore(resubmit(value)), done), scope)
              return undefined
            }
            yield* awaitResubmissions
            yield* Effect.match(resubmit(value), {
              onSuccess: () => machine.configResubmitted(offset),
              onFailure: () => {}
            })
            setGate(machine.ingressBlocked)
            return undefined
          }
          case "UnblockIngress":
            setGate(machine.ingressBlocked)
            return undefined
          case "Compatibility":
            yield* log.warning(at("This orderer is running in compatibility mode"))
            return undefined
          case "Dropped":
            yield* log.warning(at(`Error when processing incoming message of type REGULAR = ${action.reason}`))
            return undefined
          case "Undecodable":
            yield* log.error(at(action.reason))
            return undefined
          case "Fatal":
            return action.reason
        }
      })
    const process = (records: ReadonlyArray<TopicRecord>) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        let sinceBreath = 0
        for (const { offset, value } of records) {
          for (const action of machine.consume(offset, value, now)) {
            const ending = yield* perform(action, offset, now)
            if (ending !== undefined) return ending
          }
          if (machine.timerRunning !== (timer !== undefined)) yield* setTimer
          if (++sinceBreath % breath === 0) yield* breathe
        }
        yield* awaitResubmissions
        return undefined
      })
    const handle = (event: Event): Effect.Effect<string | undefined> =>
      event._tag === "Records"
        ? Effect.ensuring(
            process(event.records),
            Effect.sync(() => release(event.bytes))
          )
        : Effect.as(event.generation === timer?.generation ? expired : Effect.void, undefined)

    return {
      deliver,
      run: Effect.gen(function* () {
        for (;;) {
          const ending = yield* handle(yield* Queue.take(events))
          if (ending !== undefined) return ending
        }
      })
    }
  })

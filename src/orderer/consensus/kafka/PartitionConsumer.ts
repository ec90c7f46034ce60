/**
 * Reads a channel's topic from a wanted offset on, every record once and in order. kafkajs reads through a consumer
 * group, starts where the group committed, and when that is out of range starts anywhere else without a word. Here each
 * consumer has a group of its own, commits nothing and is told where to go on whenever it (re)joins its group; records
 * that were seen are dropped; and what the library does when an offset is out of range ends the consumer.
 * Source: orderer.md 3.8 rules 6 and 11, trap 20; issue 5 part 8; orderer/consensus/kafka/chain.go.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { EachBatchPayload } from "kafkajs"
import { closing } from "../../../runtime/closing.js"
import { type ClientOptions, calling, consumerConfig, goodbye, makeClient } from "./client.js"
import { KafkaFailed, OffsetOutOfRange } from "./errors.js"
import { partition, startOffset } from "./topic.js"

export interface TopicRecord {
  readonly offset: bigint
  /** A slice of the brokers' answer. */
  readonly value: Uint8Array
}

/** Where reading goes on; kept from one consumer to the next. */
export interface Position {
  /** Offset of the next record wanted; the oldest there is (`oldestOffset`) before the first. */
  next: bigint
}

export interface PartitionConsumerOptions extends ClientOptions {
  readonly brokers: ReadonlyArray<string>
  readonly topic: string
  readonly position: Position
  /** Takes records; settles when there is room for more. Never rejects. */
  readonly deliver: (records: ReadonlyArray<TopicRecord>) => Promise<void>
  /** An answer to a fetch came. Called often. */
  readonly onAlive: () => void
  /** A connection was lost or a request had no answer; the library tries again by itself. */
  readonly onTrouble: (reason: string) => void
}

/** Why a consumer ended: the library gave up (another may be opened), or a broker refused the wanted offset. */
export type ConsumerEnded = KafkaFailed | OffsetOutOfRange

export interface PartitionConsumer {
  /** Fails when the consumer has ended. */
  readonly ended: Effect.Effect<never, ConsumerEnded>
  /** Whether it waits for room: no sign of life is to be expected. */
  readonly isBlocked: () => boolean
}

/** Joining a group of its own takes the brokers' initial delay (3 s unless configured), not more. */
const joinLimit = "30 seconds"
const heartbeatMs = 3000

const nothing = new Uint8Array()

/** Whether the promise settles within `ms`. */
const settlesWithin = (promise: Promise<void>, ms: number): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms)
    const done = () => {
      clearTimeout(timer)
      resolve(true)
    }
    promise.then(done, done)
  })

/** Brokers that have just been started, or set up, know no coordinator for groups at first. */
const lacksCoordinator = (ended: ConsumerEnded): boolean =>
  ended._tag === "KafkaFailed" && ended.cause instanceof Error && ended.cause.name === "KafkaJSGroupCoordinatorNotFound"

/** Opens a consumer; it reads when this returns, and closes with the scope. Waits for the group's coordinator. */
export const openPartitionConsumer = (
  options: PartitionConsumerOptions
): Effect.Effect<PartitionConsumer, ConsumerEnded, Scope.Scope> =>
  Effect.gen(function* () {
    const parent = yield* Effect.scope
    const attempt = Effect.gen(function* () {
      const own = yield* Scope.fork(parent, parent.strategy)
      return yield* Scope.extend(openOnce(options), own).pipe(
        Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void))
      )
    })
    return yield* Effect.retry(attempt, {
      while: lacksCoordinator,
      schedule: Schedule.upTo(Schedule.spaced(options.settings.retry.metadata.retryBackoff), joinLimit)
    })
  })

const openOnce = (options: PartitionConsumerOptions): Effect.Effect<PartitionConsumer, ConsumerEnded, Scope.Scope> =>
  Effect.gen(function* () {
    const { brokers, deliver, onAlive, onTrouble, position, settings, topic, traffic } = options
    const run = Runtime.runPromise(yield* Effect.runtime())
    position.next = yield* startOffset(options, brokers, topic, position.next)

    const joined = yield* Deferred.make<void>()
    const ended = yield* Deferred.make<never, ConsumerEnded>()
    const end = (reason: ConsumerEnded) => {
      Deferred.unsafeDone(ended, Effect.fail(reason))
    }
    let closed = false
    let close = () => {}
    const whenClosed = new Promise<void>((resolve) => {
      close = () => {
        closed = true
        resolve()
      }
    })
    const { connections, kafka } = yield* makeClient(options, brokers, (broker) => {
      if (!closed) onTrouble(`connection to ${broker} lost`)
    })
    const consumer = yield* Effect.acquireRelease(
      Effect.sync(() => kafka.consumer(consumerConfig(topic, settings))),
      (made) => {
        close()
        connections.closing()
        return closing("kafka consumer", () => made.disconnect(), goodbye)
      }
    )

    // ---- Positions ----
    const seek = () => consumer.seek({ topic, partition, offset: String(position.next) })
    /** The records still wanted of a batch; ends the consumer when the topic cannot continue the chain. */
    const wantedOf = async ({ messages }: EachBatchPayload["batch"]): Promise<ReadonlyArray<TopicRecord>> => {
      const records: Array<TopicRecord> = []
      for (const { offset: text, value } of messages) {
        const offset = BigInt(text)
        if (offset >= position.next) records.push({ offset, value: value ?? nothing })
      }
      if (records.length === messages.length && records[0]?.offset === position.next) return records
      // seen ones, or a gap: both may be well, so the brokers decide; if they refuse, so they will the next consumer
      const verdict = await run(Effect.either(startOffset(options, brokers, topic, position.next)))
      if (Either.isLeft(verdict)) {
        end(new KafkaFailed({ op: "consume", detail: verdict.left.message, cause: verdict.left }))
        throw verdict.left
      }
      if (records.length === 0) seek()
      return records
    }
    let blocked = false
    const eachBatch = async ({ batch, heartbeat, resolveOffset }: EachBatchPayload): Promise<void> => {
      if (closed || batch.partition !== partition) return
      const records = await wantedOf(batch)
      const last = records[records.length - 1]
      if (last === undefined || closed) return
      position.next = last.offset + 1n
      const room = deliver(records)
      blocked = true
      try {
        while (!(await settlesWithin(Promise.race([room, whenClosed]), heartbeatMs))) await heartbeat()
      } finally {
        blocked = false
      }
      if (!closed) resolveOffset(batch.lastOffset())
    }

    // ---- What the library tells ----
    yield* Effect.sync(() => {
      const { CRASH, GROUP_JOIN, REQUEST, REQUEST_TIMEOUT } = consumer.events
      consumer.on(GROUP_JOIN, ({ payload }) => {
        if (closed) return
        if (payload.memberAssignment[topic]?.includes(partition)) {
          seek() // before the first fetch after the join, which would start at the group's offset
          Deferred.unsafeDone(joined, Effect.void)
        } else end(new KafkaFailed({ op: "join", detail: "another member of the consumer's group has the partition" }))
      })
      consumer.on(REQUEST, ({ payload }) => {
        traffic.request(payload)
        if (payload.apiName === "Fetch") onAlive()
        // nothing here commits: it is the library on its way to another offset
        if (payload.apiName === "OffsetCommit") outOfRange()
      })
      consumer.on(REQUEST_TIMEOUT, ({ payload }) => {
        if (!closed) onTrouble(`${payload.apiName} request to ${payload.broker} timed out`)
      })
      consumer.on(CRASH, ({ payload }) => {
        if (!closed) end(new KafkaFailed({ op: "consume", detail: payload.error.message, cause: payload.error }))
      })
    })
    const outOfRange = () => {
      if (closed) return
      close() // whatever it reads from now on is not what is wanted
      end(new OffsetOutOfRange({ topic, wanted: position.next, oldest: undefined, newest: undefined }))
    }

    // ---- Opening ----
    yield* calling("connect", () => consumer.connect())
    yield* calling("subscribe", () => consumer.subscribe({ topics: [topic], fromBeginning: true }))
    yield* calling("run", () => consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch }))
    yield* Effect.raceFirst(Deferred.await(joined), Deferred.await(ended)).pipe(
      Effect.timeoutFail({
        duration: joinLimit,
        onTimeout: () => new KafkaFailed({ op: "join", detail: "could not join the consumer's group in time" })
      })
    )
    return { ended: Deferred.await(ended), isBlocked: () => blocked }
  })

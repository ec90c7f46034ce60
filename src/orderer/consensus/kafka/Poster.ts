/**
 * Posts records to a channel's topic: those that wait go together, one request at a time, so that they stay in order. A
 * client that broke is replaced with the next request.
 * Source: orderer.md 3.8 rules 1 and 2; orderer/consensus/kafka/chain.go (enqueue), Shopify/sarama's producer.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type { Producer } from "kafkajs"
import { closing, closingEffect } from "../../../runtime/closing.js"
import { type ClientOptions, calling, goodbye, makeClient, producerConfig } from "./client.js"
import { KafkaFailed } from "./errors.js"

/** Bytes of one request; below the limit that brokers have for it unless they are told otherwise, 1 MiB. */
const requestBytes = 800 * 1024
/** Records of one request; the library's work grows with their square. */
const requestRecords = 1000
/** A record's own framing, at most. */
const framing = 64
/** Bytes on their way to the brokers; more wait outside. */
const backlogBytes = 64 * 1024 * 1024

export interface Poster {
  /** Connects; posting does it too. */
  readonly connect: Effect.Effect<void, KafkaFailed>
  /** Posts records in this order; done when all in-sync replicas have them. When it fails some may be there. */
  readonly post: (values: ReadonlyArray<Uint8Array>) => Effect.Effect<void, KafkaFailed>
}

/** Records whose poster waits. */
interface Posting {
  remaining: number
  readonly bytes: number
  readonly done: Deferred.Deferred<void, KafkaFailed>
}
interface Entry {
  readonly value: Uint8Array
  readonly posting: Posting
}

const key = "0" // the partition's number, as the reference has it

const messageOf = ({ value }: Entry) => ({
  key,
  value: Buffer.from(value.buffer, value.byteOffset, value.byteLength)
})

const isTooLarge = ({ kind }: KafkaFailed): boolean => kind === "MESSAGE_TOO_LARGE" || kind === "RECORD_LIST_TOO_LARGE"
const isLost = ({ kind }: KafkaFailed): boolean => kind === undefined

/** How many entries from `start` go into one request. */
const requestEnd = (entries: ReadonlyArray<Entry>, start: number): number => {
  let end = start
  let bytes = 0
  for (let entry = entries[end]; entry !== undefined; entry = entries[++end]) {
    bytes += entry.value.length + framing
    if (end > start && (bytes > requestBytes || end - start >= requestRecords)) break
  }
  return end
}

/** In: the topic, and its brokers as the channel's config has them now. Ends with the scope; what waits then fails. */
export const makePoster = (
  options: ClientOptions,
  brokers: () => ReadonlyArray<string>,
  topic: string
): Effect.Effect<Poster, never, Scope.Scope> =>
  Effect.gen(function* () {
    const parent = yield* Effect.scope
    const scope = yield* Scope.fork(parent, parent.strategy) // of the clients: closes after what is posted at the end
    const entries = yield* Queue.unbounded<Entry>()
    let halted = false

    // ---- The client ----
    let current: { readonly producer: Producer; readonly scope: Scope.CloseableScope } | undefined
    const open = Effect.gen(function* () {
      const { kafka, connections } = yield* makeClient(options, brokers())
      const producer = yield* Effect.acquireRelease(
        Effect.sync(() => kafka.producer(producerConfig(options.settings))),
        (made) => {
          connections.closing()
          return closing("kafka producer", () => made.disconnect(), goodbye)
        }
      )
      producer.on(producer.events.REQUEST, ({ payload }) => options.traffic.request(payload))
      yield* calling("connect", () => producer.connect())
      return producer
    })
    const producer = Effect.suspend(() => {
      if (current !== undefined) return Effect.succeed(current.producer)
      return Effect.gen(function* () {
        const own = yield* Scope.fork(scope, scope.strategy)
        const made = yield* Scope.extend(open, own).pipe(
          Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void))
        )
        current = { producer: made, scope: own }
        return made
      })
    })
    const drop = Effect.suspend(() => {
      if (current === undefined) return Effect.void
      const { scope: own } = current
      current = undefined
      return Effect.asVoid(Effect.forkIn(Scope.close(own, Exit.void), scope))
    })

    // ---- Who waits ----
    let backlog = 0
    let waiting = 0
    let room: Deferred.Deferred<void> | undefined
    let idle: Deferred.Deferred<void> | undefined
    const wake = (deferred: Deferred.Deferred<void> | undefined) => {
      if (deferred !== undefined) Deferred.unsafeDone(deferred, Effect.void)
      return undefined
    }
    const finish = (posting: Posting, outcome: Effect.Effect<void, KafkaFailed>) => {
      if (posting.remaining === 0) return
      posting.remaining = 0
      Deferred.unsafeDone(posting.done, outcome)
      backlog -= posting.bytes
      waiting -= 1
      if (backlog < backlogBytes) room = wake(room)
      if (waiting === 0) idle = wake(idle)
    }
    const posted = (done: ReadonlyArray<Entry>) => {
      for (const { posting } of done) {
        if (posting.remaining > 1) posting.remaining -= 1
        else finish(posting, Effect.void)
      }
    }
    const failed = (lost: Iterable<Entry>, error: KafkaFailed) => {
      for (const { posting } of lost) finish(posting, Effect.fail(error))
    }
    const waitForRoom: Effect.Effect<void> = Effect.suspend(() => {
      if (backlog < backlogBytes) return Effect.void
      room ??= Deferred.unsafeMake<void>(FiberId.none)
      return Effect.zipRight(Deferred.await(room), waitForRoom)
    })

    // ---- Sending ----
    const request = (batch: ReadonlyArray<Entry>): Effect.Effect<void, KafkaFailed> =>
      Effect.flatMap(producer, (made) =>
        calling("produce", () => made.send({ topic, acks: -1, timeout: 10_000, messages: batch.map(messageOf) }))
      ).pipe(
        Effect.tap(() => {
          const bytes = batch.reduce((sum, { value }) => sum + value.length, 0)
          options.traffic.produced(topic, batch.length, bytes)
          posted(batch)
        })
      )
    /** The reason why those behind are not tried any more, if so. */
    const send = (batch: ReadonlyArray<Entry>): Effect.Effect<KafkaFailed | undefined> =>
      Effect.matchEffect(request(batch), {
        onSuccess: () => Effect.succeed(undefined),
        onFailure: (error) => {
          if (!isTooLarge(error)) return isLost(error) ? Effect.as(drop, error) : Effect.succeed(error)
          if (batch.length > 1) return sendAll(batch, batch.length >> 1)
          failed(batch, error)
          return Effect.succeed(undefined)
        }
      })
    const sendAll = (all: ReadonlyArray<Entry>, most: number): Effect.Effect<KafkaFailed | undefined> =>
      Effect.gen(function* () {
        for (let start = 0; start < all.length; ) {
          const end = Math.min(requestEnd(all, start), start + most)
          // what belongs to a posting that failed already nobody waits for
          const batch = all.slice(start, end).filter(({ posting }) => posting.remaining > 0)
          const error = batch.length === 0 ? undefined : yield* send(batch)
          if (error !== undefined) return error
          start = end
        }
        return undefined
      })
    let taken: ReadonlyArray<Entry> = []
    const giveUp = (error: KafkaFailed) =>
      Effect.map(Queue.takeAll(entries), (others) => {
        failed(taken, error)
        failed(others, error)
      })
    const pump = Effect.gen(function* () {
      taken = [...(yield* Queue.takeBetween(entries, 1, 8 * requestRecords))]
      const error = yield* sendAll(taken, requestRecords)
      // those that came meanwhile have waited as long as this one was tried
      if (error !== undefined) yield* giveUp(error)
    })
    yield* Effect.addFinalizer(() => giveUp(new KafkaFailed({ op: "produce", detail: "the chain was halted" })))
    yield* Effect.forkScoped(Effect.forever(pump))
    yield* Effect.addFinalizer(() => {
      halted = true
      if (waiting === 0) return Effect.void
      idle = Deferred.unsafeMake<void>(FiberId.none)
      return closingEffect(`posting to topic ${topic}`, Deferred.await(idle), goodbye)
    })

    return {
      connect: Effect.asVoid(producer),
      post: (values) =>
        Effect.gen(function* () {
          yield* waitForRoom
          if (halted) return yield* new KafkaFailed({ op: "produce", detail: "the chain was halted" })
          if (values.length === 0) return
          const posting: Posting = {
            remaining: values.length,
            bytes: values.reduce((sum, { length }) => sum + length, 0),
            done: Deferred.unsafeMake<void, KafkaFailed>(FiberId.none)
          }
          backlog += posting.bytes
          waiting += 1
          for (const value of values) Queue.unsafeOffer(entries, { value, posting })
          yield* Deferred.await(posting.done)
        })
    }
  })

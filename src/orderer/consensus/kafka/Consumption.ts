/**
 * Keeps a channel's topic being read: a consumer that ended is followed by another, at the next record wanted. When
 * reading fails for longer than ReadTimeout the channel cannot vouch for its height: it is errored until a record comes,
 * and a CONNECT is posted so that one will come.
 * Source: orderer.md 3.8 rule 11; orderer/consensus/kafka/chain.go (processMessagesToBlocks).
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Log from "../../../runtime/Log.js"
import type { KafkaSettings } from "./client.js"
import { KafkaFailed, type OffsetOutOfRange } from "./errors.js"
import type { ConsumerEnded, PartitionConsumer } from "./PartitionConsumer.js"

const log = Log.module("orderer.consensus.kafka")

/** Signs of life and of trouble, from the consumer's callbacks and the chain's loop. */
export interface ReadingSigns {
  readonly alive: () => void
  readonly trouble: (reason: string) => void
  /** Records came. */
  readonly received: () => void
}

export interface ConsumptionOptions {
  readonly channelId: string
  readonly retry: KafkaSettings["retry"]
  /** Opens a consumer at the next record wanted. */
  readonly open: (signs: ReadingSigns) => Effect.Effect<PartitionConsumer, ConsumerEnded, Scope.Scope>
  /** Posts a CONNECT, tried until it is posted. */
  readonly connect: Effect.Effect<void>
  readonly onErrored: (reason: string) => void
  readonly onAvailable: () => void
}

export interface Consumption {
  /** Opens the first consumer; may be tried again when it fails. */
  readonly begin: Effect.Effect<void, ConsumerEnded>
  /** Goes on for ever after `begin`; fails when the topic cannot continue the chain. */
  readonly keep: Effect.Effect<never, OffsetOutOfRange>
  readonly received: () => void
}

/** A broker that was just elected may know less than it has: only this many refusals in a row are believed. */
const refusals = 3

export const makeConsumption = (options: ConsumptionOptions): Effect.Effect<Consumption, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, retry } = options
    const parent = yield* Effect.scope
    const scope = yield* Scope.fork(parent, parent.strategy) // of the consumers: they close after those who read stopped
    const troubles = yield* Queue.sliding<string>(1)
    let answers = 0
    let resumed: Deferred.Deferred<void> | undefined
    let record: Deferred.Deferred<void> | undefined
    const done = (deferred: Deferred.Deferred<void> | undefined) => {
      if (deferred !== undefined) Deferred.unsafeDone(deferred, Effect.void)
    }
    const signs: ReadingSigns = {
      alive: () => {
        answers += 1
        done(resumed)
      },
      trouble: (reason) => {
        Queue.unsafeOffer(troubles, reason)
      },
      received: () => {
        done(resumed)
        done(record)
      }
    }

    // ---- Consumers, one after the other ----
    interface Opened {
      readonly consumer: PartitionConsumer
      readonly scope: Scope.CloseableScope
    }
    let current: Opened | undefined
    let renew = yield* Deferred.make<never, KafkaFailed>()
    const open: Effect.Effect<Opened, ConsumerEnded> = Effect.gen(function* () {
      const own = yield* Scope.fork(scope, scope.strategy)
      const consumer = yield* Scope.extend(options.open(signs), own).pipe(
        Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void))
      )
      renew = yield* Deferred.make<never, KafkaFailed>()
      current = { consumer, scope: own }
      return current
    })
    const pause = Effect.sleep(retry.consumer.retryBackoff)
    const reopen: Effect.Effect<Opened, OffsetOutOfRange> = Effect.gen(function* () {
      for (let refused = 0; ; ) {
        yield* pause
        const opened = yield* Effect.either(open)
        if (opened._tag === "Right") return opened.right
        signs.trouble(opened.left.message)
        refused = opened.left._tag === "OffsetOutOfRange" ? refused + 1 : 0
        if (opened.left._tag === "OffsetOutOfRange" && refused === refusals) return yield* opened.left
      }
    })
    const supervise: Effect.Effect<never, OffsetOutOfRange> = Effect.gen(function* () {
      for (let opened = current ?? (yield* reopen); ; opened = yield* reopen) {
        const reason = yield* Effect.flip(Effect.raceFirst(opened.consumer.ended, Deferred.await(renew)))
        current = undefined
        if (reason._tag === "KafkaFailed") signs.trouble(reason.message)
        yield* Scope.close(opened.scope, Exit.void)
        if (reason._tag === "OffsetOutOfRange") return yield* reason
      }
    })

    // ---- Errored and available ----
    const grace = retry.networkTimeouts.readTimeout
    const silence: Effect.Effect<never> = Effect.gen(function* () {
      for (let seen = answers; ; seen = answers) {
        yield* Effect.sleep(grace)
        if (answers === seen && current !== undefined && !current.consumer.isBlocked()) {
          signs.trouble(`no answer from the brokers for ${Duration.format(grace)}`)
        }
      }
    })
    const watch = Effect.gen(function* () {
      const reason = yield* Queue.take(troubles)
      resumed = Deferred.unsafeMake<void>(FiberId.none)
      yield* log.error(`[channel: ${channelId}] Error during consumption: ${reason}`)
      yield* log.warning(`[channel: ${channelId}] Deliver sessions will be dropped if consumption errors continue.`)
      const inTime = yield* Deferred.await(resumed).pipe(
        Effect.as(true),
        Effect.timeoutTo({ duration: grace, onSuccess: (ok) => ok, onTimeout: () => false })
      )
      if (inTime) yield* log.warning(`[channel: ${channelId}] Consumption will resume.`)
      else {
        record = Deferred.unsafeMake<void>(FiberId.none)
        options.onErrored(reason)
        yield* log.warning(`[channel: ${channelId}] Closed the errorChan`)
        Deferred.unsafeDone(renew, Effect.fail(new KafkaFailed({ op: "consume", detail: reason })))
        yield* Effect.raceFirst(Deferred.await(record), Effect.zipRight(options.connect, Effect.never))
        record = undefined
        options.onAvailable()
        yield* log.info(`[channel: ${channelId}] Marked consenter as available again`)
      }
      resumed = undefined
      yield* Queue.takeAll(troubles)
    })

    return {
      begin: Effect.asVoid(open),
      keep: Effect.raceFirst(supervise, Effect.raceFirst(Effect.forever(watch), silence)),
      received: signs.received
    }
  })

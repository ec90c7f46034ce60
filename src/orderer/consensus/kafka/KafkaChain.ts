/**
 * One channel ordered through Kafka: what clients send is posted to the channel's topic, and the topic's records, the
 * same for every orderer, are made into blocks.
 * Source: orderer.md 3.8; orderer/consensus/kafka/chain.go.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Log from "../../../runtime/Log.js"
import { ordererOf } from "../../msgprocessor/filters.js"
import type { Chain, ConsenterSupport, Ordering } from "../Chain.js"
import { ConsenterFailed, NotReady } from "../errors.js"
import { makeConsumption } from "./Consumption.js"
import type { ClientOptions } from "./client.js"
import { connectMessage, decodeOffsets, regularMessage } from "./messages.js"
import type { KafkaMetrics } from "./metrics.js"
import { openPartitionConsumer, type Position } from "./PartitionConsumer.js"
import { makePoster } from "./Poster.js"
import { makeRecordLoop } from "./RecordLoop.js"
import { startPhase } from "./startPhase.js"
import { partition } from "./topic.js"

const log = Log.module("orderer.consensus.kafka")

/** What all chains of a node share. */
export interface KafkaNode extends ClientOptions {
  readonly metrics: KafkaMetrics
}

const starting = "backing Kafka cluster has not completed booting; try again later"
const fewerReplicas = "kafka server: Messages are rejected since there are fewer in-sync replicas than required."

/** In: the value of the last block's ORDERER slot. The chain halts with the scope, in any state. */
export const makeKafkaChain = (
  node: KafkaNode,
  support: ConsenterSupport,
  metadata: Uint8Array
): Effect.Effect<Chain, ConsenterFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, health } = support
    const at = (text: string) => `[channel: ${channelId}] ${text}`
    const offsets = yield* Effect.mapError(decodeOffsets(metadata), (cause) => {
      const detail = "Ledger may be corrupted:cannot unmarshal orderer metadata in most recent block"
      return new ConsenterFailed({ channelId, detail, cause })
    })
    const scope = yield* Effect.scope
    const brokers = () => ordererOf(support.bundle()).kafkaBrokers
    node.metrics.lastOffsetPersisted(channelId, offsets.lastOffsetPersisted)

    // ---- State ----
    let phase: "made" | "starting" | "open" | "halted" = "made"
    /** Why this chain does nothing more, though the node goes on. */
    let failure: string | undefined
    let replicas: ReadonlyArray<number> = []
    /** There while Broadcast waits for a resubmitted config. */
    let gate: Deferred.Deferred<void> | undefined
    const setGate = (blocked: boolean) => {
      if (blocked) gate ??= Deferred.unsafeMake<void>(FiberId.none)
      else if (gate !== undefined) {
        Deferred.unsafeDone(gate, Effect.void)
        gate = undefined
      }
    }
    health.fail("kafka", starting) // Deliver sees an error until the chain is open
    const end = (text: string, error?: string) => {
      failure = text
      health.fail("consensus", text)
      return log.fatal(at(text), error === undefined ? {} : { error })
    }

    // ---- Parts ----
    const poster = yield* makePoster(node, brokers, channelId)
    const loop = yield* makeRecordLoop({ support, offsets, poster, setGate, metrics: node.metrics })
    const position: Position = { next: offsets.lastOffsetPersisted + 1n }
    const consumption = yield* makeConsumption({
      channelId,
      retry: node.settings.retry,
      open: (signs) =>
        Effect.suspend(() =>
          openPartitionConsumer({
            ...node,
            brokers: brokers(),
            topic: channelId,
            position,
            deliver: (records) => {
              signs.received()
              return loop.deliver(records)
            },
            onAlive: signs.alive,
            onTrouble: signs.trouble
          })
        ),
      connect: poster
        .post([connectMessage()])
        .pipe(Effect.retry(Schedule.spaced(node.settings.retry.shortInterval)), Effect.ignore),
      onErrored: (reason) => {
        health.fail("kafka", `the topic cannot be read: ${reason}`)
      },
      onAvailable: () => {
        health.recover("kafka")
      }
    })

    // ---- Life ----
    const process = Effect.gen(function* () {
      const ending = yield* Effect.raceFirst(
        Effect.map(loop.run, (reason) => reason),
        Effect.map(Effect.flip(consumption.keep), ({ message }) => `Unrecoverable error during consumption: ${message}`)
      )
      yield* log.warning(at(ending))
      yield* end(`Consenter for channel exiting: ${ending}`)
    })
    const life = Effect.gen(function* () {
      replicas = yield* startPhase({ ...node, channelId, brokers, poster, consumption, position })
      phase = "open"
      health.recover("kafka")
      yield* log.info(at("Start phase completed successfully"))
      yield* process
    }).pipe(
      Effect.catchTag("RetriesExhausted", ({ detail }) => end(detail)),
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.failCause(cause) : end("ordering has stopped", Cause.pretty(cause))
      )
    )
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        const was = phase
        phase = "halted"
        setGate(false)
        return was === "made" ? Effect.void : log.info(at("Halting of chain requested"))
      })
    )

    // ---- Messages ----
    const enqueue = (values: ReadonlyArray<Uint8Array>): Effect.Effect<void, NotReady> =>
      Effect.suspend(() => {
        const refuse = new NotReady({ detail: "cannot enqueue" })
        if (phase === "halted") {
          return Effect.zipRight(log.warning(at("consenter for this channel has been halted")), refuse)
        }
        if (phase !== "open") {
          const text = "Will not enqueue, consenter for this channel hasn't started yet"
          return Effect.zipRight(log.warning(at(text)), refuse)
        }
        return Effect.catchAll(poster.post(values), ({ message }) =>
          Effect.zipRight(log.error(at(`cannot enqueue envelope because = ${message}`)), refuse)
        )
      })
    const valueOf =
      (kind: "normal" | "config") =>
      ({ message, sequence }: Ordering) =>
        regularMessage(kind, message.canonical, sequence, 0n)
    const waitReady: Effect.Effect<void, NotReady> = Effect.suspend(() => {
      if (phase === "halted") return new NotReady({ detail: "consenter for this channel has been halted" })
      if (phase !== "open") return new NotReady({ detail: failure === undefined ? starting : failure })
      return gate === undefined ? Effect.void : Effect.zipRight(Deferred.await(gate), waitReady)
    })
    /** Posts a CONNECT; only too few replicas are the health check's matter, as in the reference. */
    const probe = Effect.suspend(() =>
      phase === "open" ? Effect.either(poster.post([connectMessage()])) : Effect.succeed(Either.right(undefined))
    ).pipe(
      Effect.flatMap((posted) => {
        if (Either.isRight(posted)) return Effect.succeed(undefined)
        const { kind, message } = posted.left
        const text = kind === "NOT_ENOUGH_REPLICAS" ? fewerReplicas : message
        return Effect.as(
          log.warning(at(`Cannot post CONNECT message = ${text}`)),
          kind === "NOT_ENOUGH_REPLICAS" ? `[replica ids: [${replicas.join(" ")}]]: ${text}` : undefined
        )
      })
    )

    return {
      start: Effect.gen(function* () {
        if (phase !== "made") return
        phase = "starting"
        const text = `Starting chain with last persisted offset ${offsets.lastOffsetPersisted} and last recorded block [${support.height() - 1n}]`
        yield* log.info(at(text))
        yield* Effect.forkIn(life, scope)
      }),
      waitReady,
      order: (messages) => enqueue(messages.map(valueOf("normal"))),
      configure: (config) => enqueue([valueOf("config")(config)]),
      errored: () => health.errored(),
      healthComponent: `${channelId}/${partition}`,
      health: Effect.suspend(() => {
        const reason = health.reasonBeside("kafka") // a topic that cannot be read for now is not the node's fault
        return reason === undefined ? probe : Effect.succeed(reason)
      })
    }
  })

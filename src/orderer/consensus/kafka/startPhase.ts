/**
 * What a chain does before it is open, each step under the retry scheme: topic, producer, CONNECT, consumer at the next
 * record wanted, replicas.
 * Source: orderer.md 3.8 rules 4-8; orderer/consensus/kafka/chain.go (startThread).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Log from "../../../runtime/Log.js"
import type { Consumption } from "./Consumption.js"
import type { ClientOptions } from "./client.js"
import { RetriesExhausted } from "./errors.js"
import { connectMessage } from "./messages.js"
import type { Position } from "./PartitionConsumer.js"
import type { Poster } from "./Poster.js"
import { retrying } from "./retry.js"
import { createsTopics, ensureTopic, isHopeless, replicaIds } from "./topic.js"

const log = Log.module("orderer.consensus.kafka")

export interface StartOptions extends ClientOptions {
  readonly channelId: string
  /** The brokers in the channel's config. */
  readonly brokers: () => ReadonlyArray<string>
  readonly poster: Poster
  readonly consumption: Consumption
  readonly position: Position
}

/** Gives the numbers of the brokers that keep the topic. A step that failed to the end is the failure. */
export const startPhase = (options: StartOptions): Effect.Effect<ReadonlyArray<number>, RetriesExhausted> =>
  Effect.gen(function* () {
    const { channelId, consumption, position, poster, settings } = options
    const at = (text: string) => `[channel: ${channelId}] ${text}`
    const step = <A, E extends Error>(what: string, attempt: Effect.Effect<A, E>) => {
      let told = false
      return retrying(settings.retry, Effect.zipRight(log.debug(at(what)), attempt), (error, nextIn) => {
        const wait = Duration.format(Duration.millis(nextIn))
        if (told) return log.debug(at(`Need to retry because process failed = ${error.message}`))
        told = true
        return log.warning(at(`${what}: failed = ${error.message}; trying again in ${wait}`))
      })
    }
    /** The reference dies here; so does the channel. */
    const orEnd =
      (what: string) =>
      <A, E extends Error>(self: Effect.Effect<A, E>) =>
        Effect.mapError(self, ({ message }) => new RetriesExhausted({ detail: `${what} = ${message}` }))

    if (createsTopics(settings.version)) {
      yield* log.info(at("Setting up the topic for this channel..."))
      const made = Effect.suspend(() => ensureTopic(options, options.brokers(), channelId))
      // an answer that will not change ends the attempts
      const ensured = Effect.catchIf(made, isHopeless, (error) => Effect.succeed(error))
      const outcome = yield* Effect.either(step(`Creating Kafka topic [${channelId}]`, ensured))
      const failure =
        outcome._tag === "Left" ? outcome.left : typeof outcome.right === "boolean" ? undefined : outcome.right
      // the brokers may create it by themselves
      if (failure !== undefined) yield* log.info(at(`failed to create Kafka topic = ${failure.message}`))
    }
    yield* log.info(at("Setting up the producer for this channel..."))
    yield* orEnd("Cannot set up producer")(step("Connecting to the Kafka cluster", poster.connect))
    yield* log.info(at("Producer set up successfully"))

    yield* log.info(at("About to post the CONNECT message..."))
    const connect = Effect.suspend(() => poster.post([connectMessage()]))
    yield* orEnd("Cannot post CONNECT message")(step("Attempting to post the CONNECT message...", connect))
    yield* log.info(at("CONNECT message posted successfully"))

    yield* log.info(at(`Setting up the channel consumer for this channel (start offset: ${position.next})...`))
    yield* orEnd("Cannot set up channel consumer")(step("Connecting to the Kafka cluster", consumption.begin))
    yield* log.info(at("Channel consumer set up successfully"))

    const replicas = Effect.suspend(() => replicaIds(options, options.brokers(), channelId))
    const what = "Getting list of Kafka brokers replicating the channel"
    return yield* orEnd("failed to get replica IDs")(step(what, replicas))
  })

/**
 * Kafka clients with the settings of orderer.yaml. kafkajs agrees on request versions with each broker, so Kafka.Version
 * only decides whether topics are created; WriteTimeout has no counterpart.
 * Source: orderer.md 2.3, 3.8 rules 1-3; orderer/consensus/kafka/config.go.
 */
import { randomUUID } from "node:crypto"
import * as tls from "node:tls"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { Admin, Kafka, KafkaConfig, RetryOptions } from "kafkajs"
import type { OrdererValues } from "../../../config/index.js"
import { closing } from "../../../runtime/closing.js"
import * as Log from "../../../runtime/Log.js"
import { Connections, type OnLost } from "./connections.js"
import { type KafkaFailed, KafkaTlsInvalid, kafkaFailed } from "./errors.js"
import type { Traffic } from "./metrics.js"

/** The section Kafka of orderer.yaml. */
export type KafkaSettings = OrdererValues["kafka"]

const clientLog = Log.module("orderer.consensus.kafka.sarama") // the name that log specs know

/** What all clients of a node share. */
export interface ClientOptions {
  readonly settings: KafkaSettings
  readonly traffic: Traffic
}

/** One client: a Kafka object and its sockets. */
export interface Client {
  readonly kafka: Kafka
  readonly connections: Connections
}

/** How long a client may take to say goodbye before its sockets are broken. */
export const goodbye = Duration.seconds(2)

const constantly = (times: number, pause: Duration.Duration): RetryOptions => {
  const ms = Math.max(Duration.toMillis(pause), 1)
  return { retries: times, initialRetryTime: ms, maxRetryTime: ms, factor: 0, multiplier: 1 }
}

/** The client's certificate and the brokers' authorities; checked at the node's start. */
export const tlsOptions = (
  settings: KafkaSettings
): Either.Either<tls.ConnectionOptions | undefined, KafkaTlsInvalid> => {
  if (!settings.tls.enabled) return Either.right(undefined)
  const { certificate: cert, privateKey: key, rootCAs } = settings.tls
  const options: tls.ConnectionOptions = { cert, key, ca: [...rootCAs], minVersion: "TLSv1.2" }
  return Either.try({
    try: () => {
      tls.createSecureContext(options)
      return options
    },
    catch: (error) =>
      new KafkaTlsInvalid({
        detail: `Unable to decode Kafka.TLS's key pair or root certificates: ${error instanceof Error ? error.message : String(error)}`
      })
  })
}

const configOf = (options: ClientOptions, brokers: ReadonlyArray<string>, connections: Connections): KafkaConfig => {
  const { settings } = options
  const { metadata, networkTimeouts } = settings.retry
  const ssl = Either.getOrThrow(tlsOptions(settings))
  return {
    brokers: [...brokers],
    clientId: "sarama",
    connectionTimeout: Duration.toMillis(networkTimeouts.dialTimeout),
    requestTimeout: Duration.toMillis(networkTimeouts.readTimeout),
    authenticationTimeout: Duration.toMillis(networkTimeouts.readTimeout),
    socketFactory: connections.factory,
    retry: constantly(metadata.retryMax, metadata.retryBackoff),
    ...(ssl === undefined ? {} : { ssl }),
    ...(settings.saslPlain.enabled
      ? {
          sasl: {
            mechanism: "plain" as const,
            username: settings.saslPlain.user,
            password: settings.saslPlain.password
          }
        }
      : {})
  }
}

/** A client for the channel's brokers. Its sockets are broken with the scope: what was made of it must close before. */
export const makeClient = (
  options: ClientOptions,
  brokers: ReadonlyArray<string>,
  onLost?: OnLost
): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.gen(function* () {
    const log = yield* clientLog.sync
    const connections = yield* Effect.acquireRelease(
      Effect.sync(() => new Connections(options.traffic, onLost)),
      (made) => Effect.sync(() => made.destroy())
    )
    // loaded with the first chain: a node without Kafka starts sooner
    const { default: kafkajs } = yield* Effect.promise(() => import("kafkajs"))
    const kafka = new kafkajs.Kafka({
      ...configOf(options, brokers, connections),
      // the log spec decides, and may change at any time
      logLevel: kafkajs.logLevel.DEBUG,
      logCreator:
        () =>
        ({ label, log: { message, ...rest }, namespace }) => {
          if (!log.enabled("debug")) return
          const error = typeof rest.error === "string" ? ` (${rest.error})` : ""
          log.debug(`[${namespace}] ${label === "DEBUG" ? "" : `${label} `}${message}${error}`)
        }
    })
    return { kafka, connections }
  })

/** Runs a call of the library. */
export const calling = <A>(op: string, call: () => Promise<A>): Effect.Effect<A, KafkaFailed> =>
  Effect.tryPromise({ try: call, catch: kafkaFailed(op) })

/** A connected admin client for one use. */
export const withAdmin = <A, E>(
  options: ClientOptions,
  brokers: ReadonlyArray<string>,
  use: (admin: Admin) => Effect.Effect<A, E>
): Effect.Effect<A, E | KafkaFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { kafka, connections } = yield* makeClient(options, brokers)
      const admin = yield* Effect.acquireRelease(
        Effect.sync(() => kafka.admin()),
        (made) => {
          connections.closing()
          return closing("kafka admin client", () => made.disconnect(), goodbye)
        }
      )
      yield* Effect.sync(() => admin.on("admin.network.request", ({ payload }) => options.traffic.request(payload)))
      yield* calling("connect", () => admin.connect())
      return yield* use(admin)
    })
  )

/** Settings of producers. */
export const producerConfig = ({ retry: { producer } }: KafkaSettings) => ({
  createPartitioner: () => () => 0,
  allowAutoTopicCreation: true,
  maxInFlightRequests: 1,
  retry: constantly(producer.retryMax, producer.retryBackoff)
})

/**
 * Settings of a consumer. kafkajs reads through consumer groups only: each consumer gets a group that nobody else has,
 * so that it is alone in it and a killed node's membership is in nobody's way.
 */
export const consumerConfig = (channelId: string, { retry: { metadata } }: KafkaSettings) => ({
  groupId: `fabric-orderer-${channelId}-${randomUUID()}`,
  allowAutoTopicCreation: true,
  minBytes: 1,
  maxBytesPerPartition: 1024 * 1024,
  maxWaitTimeInMs: 250,
  readUncommitted: true,
  retry: { ...constantly(metadata.retryMax, metadata.retryBackoff), restartOnFailure: () => Promise.resolve(false) }
})

/**
 * A channel's topic: made if it is not there, what it holds, who keeps it.
 * Source: orderer.md 3.8 rules 5 and 6, 23; orderer/consensus/kafka/chain.go.
 */
import * as Effect from "effect/Effect"
import type { Admin } from "kafkajs"
import { type ClientOptions, calling, withAdmin } from "./client.js"
import { KafkaFailed, OffsetOutOfRange } from "./errors.js"

/** A channel's topic has this partition and no other. */
export const partition = 0

/** Kafka's "oldest there is", as a start offset. */
export const oldestOffset = -2n

const levelOf = (version: string): ReadonlyArray<number> => version.split(".").map(Number)

/** Kafka.Version from which the reference creates topics. */
export const createsTopics = (version: string): boolean => {
  const [major = 0, minor = 0, patch = 0] = levelOf(version)
  return major > 0 || minor > 10 || (minor === 10 && patch >= 1)
}

/** Topic creation is given up: another attempt gets the same answer. */
const invalidTopic = "INVALID_TOPIC_EXCEPTION"

/** Creates the topic unless there is one. True when it was made here. */
export const ensureTopic = (
  options: ClientOptions,
  brokers: ReadonlyArray<string>,
  topic: string
): Effect.Effect<boolean, KafkaFailed> =>
  withAdmin(options, brokers, (admin) => {
    const { replicationFactor } = options.settings.topic
    const create = calling("create topic", () =>
      admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor }], timeout: 3000 })
    )
    const look = calling("topic metadata", () => admin.fetchTopicMetadata({ topics: [topic] }))
    return Effect.matchEffect(look, {
      onSuccess: () => Effect.succeed(false),
      // a broker that answers anything else knows the topic
      onFailure: (error) => {
        if (error.kind === "UNKNOWN_TOPIC_OR_PARTITION") return create
        return error.kind === undefined ? error : Effect.succeed(false)
      }
    })
  })

/** Whether it is no use to try again. */
export const isHopeless = (error: KafkaFailed): boolean => error.kind === invalidTopic

/** The offsets between which reading may start. */
export interface OffsetRange {
  readonly oldest: bigint
  /** That of the record to come. */
  readonly newest: bigint
}

const rangeOf = (admin: Admin, topic: string): Effect.Effect<OffsetRange, KafkaFailed> =>
  Effect.flatMap(
    calling("topic offsets", () => admin.fetchTopicOffsets(topic)),
    (offsets) => {
      const found = offsets.find((each) => each.partition === partition)
      return found === undefined
        ? new KafkaFailed({ op: "topic offsets", detail: `topic ${topic} has no partition ${partition}` })
        : Effect.succeed({ oldest: BigInt(found.low), newest: BigInt(found.high) })
    }
  )

/** Where reading that wants to start at `wanted` starts; never anywhere else but for "oldest". */
export const startOffset = (
  options: ClientOptions,
  brokers: ReadonlyArray<string>,
  topic: string,
  wanted: bigint
): Effect.Effect<bigint, KafkaFailed | OffsetOutOfRange> =>
  withAdmin(options, brokers, (admin) =>
    Effect.flatMap(rangeOf(admin, topic), ({ newest, oldest }) => {
      if (wanted === oldestOffset) return Effect.succeed(oldest)
      return wanted >= oldest && wanted <= newest
        ? Effect.succeed(wanted)
        : new OffsetOutOfRange({ topic, wanted, oldest, newest })
    })
  )

/** The numbers of the brokers that keep the topic; also told to the metrics. */
export const replicaIds = (
  options: ClientOptions,
  brokers: ReadonlyArray<string>,
  topic: string
): Effect.Effect<ReadonlyArray<number>, KafkaFailed> =>
  withAdmin(options, brokers, (admin) =>
    Effect.gen(function* () {
      const cluster = yield* calling("cluster metadata", () => admin.describeCluster())
      options.traffic.know(cluster.brokers)
      const { topics } = yield* calling("topic metadata", () => admin.fetchTopicMetadata({ topics: [topic] }))
      const found = topics[0]?.partitions.find(({ partitionId }) => partitionId === partition)
      if (found === undefined) {
        return yield* new KafkaFailed({
          op: "topic metadata",
          detail: `topic ${topic} has no partition ${partition}`
        })
      }
      return found.replicas
    })
  )

/** A test's own hands on the broker: topics read and written without an orderer. Not a test. */
import * as Effect from "effect/Effect"
import type { Admin, Producer } from "kafkajs"
import kafkajs from "kafkajs"
import { orderer } from "../../../src/wire/index.js"

const clientOf = (address: string) =>
  new kafkajs.Kafka({ brokers: [address], clientId: "test", logLevel: kafkajs.logLevel.NOTHING })

export const usingAdmin = <A>(address: string, use: (admin: Admin) => Promise<A>): Effect.Effect<A> =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const admin = clientOf(address).admin()
      await admin.connect()
      return admin
    }),
    (admin) => Effect.promise(() => use(admin)),
    (admin) => Effect.promise(() => admin.disconnect())
  )

const usingProducer = <A>(address: string, use: (producer: Producer) => Promise<A>): Effect.Effect<A> =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const producer = clientOf(address).producer({ createPartitioner: () => () => 0 })
      await producer.connect()
      return producer
    }),
    (producer) => Effect.promise(() => use(producer)),
    (producer) => Effect.promise(() => producer.disconnect())
  )

/** Posts values as another orderer would. */
export const postValues = (address: string, topic: string, values: ReadonlyArray<Uint8Array>) =>
  usingProducer(address, (producer) =>
    producer.send({ topic, acks: -1, messages: values.map((value) => ({ key: "0", value: Buffer.from(value) })) })
  )

/** Oldest offset, and that of the record to come. */
export const rangeOf = (address: string, topic: string) =>
  usingAdmin(address, async (admin) => {
    const [range] = await admin.fetchTopicOffsets(topic)
    return { oldest: BigInt(range?.low ?? 0), newest: BigInt(range?.high ?? 0) }
  })

/** Deletes all records below an offset. */
export const truncate = (address: string, topic: string, offset: bigint) =>
  usingAdmin(address, async (admin) => {
    await admin.fetchTopicOffsets(topic) // makes the library know the topic
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] })
  })

export interface Dumped {
  readonly offset: bigint
  readonly key: string | undefined
  readonly value: Buffer
  readonly message: orderer.KafkaMessage
}

const decoded = (value: Uint8Array): orderer.KafkaMessage => {
  try {
    return orderer.KafkaMessage.decode(value)
  } catch {
    return orderer.KafkaMessage.create()
  }
}

/** All records of a topic; one that cannot be decoded has no message. */
export const dump = (address: string, topic: string): Effect.Effect<ReadonlyArray<Dumped>> =>
  Effect.gen(function* () {
    const { newest, oldest } = yield* rangeOf(address, topic)
    const records: Array<Dumped> = []
    if (newest === oldest) return records
    yield* Effect.acquireUseRelease(
      Effect.sync(() =>
        clientOf(address).consumer({
          groupId: `dump-${topic}-${Math.random()}`,
          maxWaitTimeInMs: 50,
          readUncommitted: true
        })
      ),
      (consumer) =>
        Effect.promise(async () => {
          await consumer.connect()
          await consumer.subscribe({ topics: [topic], fromBeginning: true })
          await new Promise<void>((resolve) => {
            void consumer.run({
              autoCommit: false,
              eachMessage: async ({ message }) => {
                const value = message.value ?? Buffer.alloc(0)
                const offset = BigInt(message.offset)
                const key = message.key?.toString()
                records.push({ offset, key, value, message: decoded(value) })
                if (offset >= newest - 1n) resolve()
              }
            })
          })
        }),
      (consumer) => Effect.promise(() => consumer.disconnect())
    )
    return records
  })

/** What kafkajs must not do to a chain: lose its place after a rejoin, or start anywhere else (issue 5 part 8). */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import kafkajs from "kafkajs"
import { connectMessage, regularMessage } from "../../../src/orderer/consensus/kafka/messages.js"
import { Traffic } from "../../../src/orderer/consensus/kafka/metrics.js"
import {
  openPartitionConsumer,
  type Position,
  type TopicRecord
} from "../../../src/orderer/consensus/kafka/PartitionConsumer.js"
import { ensureTopic, oldestOffset } from "../../../src/orderer/consensus/kafka/topic.js"
import { Broker, layer as brokerLayer } from "../../kafka/broker.js"
import { missing } from "../../kafka/missing.js"
import { onBroker } from "../../kafka/suite.js"
import { broadcastOne, temporaryFolder, waitForHeight } from "../support/node.js"
import {
  blocksOf,
  createChannel,
  freshName,
  genesis,
  settings,
  startKafkaNode,
  statusOf,
  textMessage,
  until,
  untilLogged,
  untilOpen
} from "./support.js"
import { dump, postValues, rangeOf, truncate, usingAdmin } from "./topic.js"

const values = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => regularMessage("normal", Buffer.from(String(from + i)), 0n, 0n))
const numbers = (records: ReadonlyArray<TopicRecord>) => records.map(({ offset }) => Number(offset))
const upTo = (end: number) => Array.from({ length: end }, (_, i) => i)

describe.skipIf(missing !== undefined)("reading a topic", () => {
  onBroker(brokerLayer(), (it) => {
    /** A topic, and a consumer on it whose records a test takes when it likes. */
    const topic = Effect.gen(function* () {
      const { address } = yield* Broker
      const name = freshName("topic")
      const client = { settings: settings(), traffic: new Traffic(() => 0) }
      yield* ensureTopic(client, [address], name)
      const records: Array<TopicRecord> = []
      const gate = { open: true, waiting: () => {} }
      const open = (position: Position) =>
        openPartitionConsumer({
          ...client,
          brokers: [address],
          topic: name,
          position,
          deliver: (more) => {
            records.push(...more)
            if (gate.open) return Promise.resolve()
            return new Promise((resolve) => {
              gate.waiting = resolve
            })
          },
          onAlive: () => {},
          onTrouble: () => {}
        })
      return { address, name, records, gate, open }
    })
    const groupOf = (address: string, name: string) =>
      usingAdmin(address, async (admin) => {
        const { groups } = await admin.listGroups()
        return groups.map(({ groupId }) => groupId).filter((id) => id.startsWith(`fabric-orderer-${name}-`))
      })
    /** Joins a group as another member, so that it rebalances, and leaves it again. */
    const intrude = (address: string, groupId: string, name: string) =>
      Effect.promise(async () => {
        const client = new kafkajs.Kafka({ brokers: [address], logLevel: kafkajs.logLevel.NOTHING })
        const consumer = client.consumer({ groupId, maxWaitTimeInMs: 50 })
        await consumer.connect()
        await consumer.subscribe({ topics: [name] })
        await new Promise<void>((resolve) => {
          consumer.on("consumer.group_join", () => resolve())
          void consumer.run({ eachMessage: () => Promise.resolve() })
        })
        // it says goodbye only when all have joined anew; the one that lost its partition does not
        await Promise.race([consumer.disconnect(), new Promise((resolve) => setTimeout(resolve, 500))])
      })

    it.scoped("gets every record once and in order, from the oldest or a given one; nothing is committed", () =>
      Effect.gen(function* () {
        const { address, name, open, records } = yield* topic
        yield* postValues(address, name, values(0, 50))
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* open({ next: oldestOffset })
            yield* until(() => records.length === 50)
            yield* postValues(address, name, values(50, 60))
            yield* until(() => records.length === 60)
            const [group = ""] = yield* groupOf(address, name)
            const committed = yield* usingAdmin(address, (admin) =>
              admin.fetchOffsets({ groupId: group, topics: [name] })
            )
            expect(committed[0]?.partitions.map(({ offset }) => offset)).toEqual(["-1"])
          })
        )
        expect(numbers(records)).toEqual(upTo(60))
        records.length = 0
        yield* open({ next: 57n })
        yield* until(() => records.length === 3)
        expect(numbers(records)).toEqual([57, 58, 59])
        expect(Buffer.from(records[0]?.value ?? []).includes("57")).toBe(true)
      })
    )

    it.scoped("an offset that the topic does not have is an error at the opening, never another place", () =>
      Effect.gen(function* () {
        const { address, name, open } = yield* topic
        yield* postValues(address, name, values(0, 20))
        const beyond = yield* Effect.flip(open({ next: 21n }))
        expect(beyond.message).toContain("outside the range of offsets maintained by the server")
        expect(beyond.message).toContain("wanted 21, there are 0 to 20")
        yield* truncate(address, name, 10n)
        expect((yield* Effect.flip(open({ next: 9n })))._tag).toBe("OffsetOutOfRange")
        const { records } = yield* topic
        expect(records).toEqual([])
      })
    )

    it.scoped("an offset that vanishes while reading is the consumer's end: nothing is read from elsewhere", () =>
      Effect.gen(function* () {
        const { address, gate, name, open, records } = yield* topic
        yield* postValues(address, name, values(0, 10))
        gate.open = false
        const position = { next: oldestOffset }
        const consumer = yield* open(position)
        yield* until(() => records.length === 10)
        // it waits for room; meanwhile what comes next is deleted
        yield* postValues(address, name, values(10, 30))
        yield* truncate(address, name, 20n)
        gate.open = true
        gate.waiting()
        const ended = yield* Effect.flip(consumer.ended)
        expect(ended._tag).toBe("OffsetOutOfRange")
        yield* postValues(address, name, values(30, 40))
        yield* Effect.sleep("600 millis") // two fetches
        expect(numbers(records)).toEqual(upTo(10))
        expect(position.next).toBe(10n)
      })
    )

    it.scoped("a rejoin of the group goes on at the next record, without a gap or a record twice", () =>
      Effect.gen(function* () {
        const { address, name, open, records } = yield* topic
        const position = { next: oldestOffset }
        let posted = 0
        yield* Effect.scoped(
          Effect.gen(function* () {
            const consumer = yield* open(position)
            const [group = ""] = yield* groupOf(address, name)
            yield* Effect.forkScoped(
              Effect.forever(
                Effect.suspend(() => postValues(address, name, values(posted, posted + 5))).pipe(
                  Effect.tap(() => {
                    posted += 5
                  })
                )
              )
            )
            yield* until(() => records.length >= 10)
            yield* intrude(address, group, name)
            // the other member may have got the partition: then this consumer ends, and its successor goes on
            const seen = records.length
            yield* Effect.raceFirst(
              Effect.flip(consumer.ended),
              until(() => records.length >= seen + 50)
            )
          })
        )
        yield* open(position)
        yield* until(() => records.length >= posted)
        expect(numbers(records)).toEqual(upTo(records.length))
      })
    )

    it.scoped("a chain under rebalances of its group loses and doubles nothing", () =>
      Effect.gen(function* () {
        const { address } = yield* Broker
        const channelId = freshName("sys")
        const first = genesis({ channelId, brokers: [address], count: 3, timeout: "100ms" })
        const node = yield* startKafkaNode({ folder: yield* temporaryFolder, genesis: first })
        yield* untilOpen(node)
        const texts: Array<string> = []
        const sending = yield* Effect.fork(
          Effect.forever(
            Effect.gen(function* () {
              const text = `message ${texts.length}`
              const answer = yield* broadcastOne(node.client, yield* textMessage(channelId, text))
              if (answer?.status === 200) texts.push(text)
            })
          )
        )
        // a consumer that lost its partition is followed by one with another group
        const known: Array<string> = []
        for (let i = 0; i < 3; i++) {
          for (const id of yield* groupOf(address, channelId)) if (!known.includes(id)) known.push(id)
          yield* intrude(address, known[known.length - 1] ?? "", channelId)
          const height = () => node.registrar.channel(channelId)?.ledger.height() ?? 0n
          const reached = height()
          yield* until(() => height() > reached + 5n)
        }
        yield* Fiber.interrupt(sending)
        yield* broadcastOne(node.client, yield* textMessage(channelId, "last"))
        const all = [...texts, "last"]
        const textsIn = Effect.map(blocksOf(node, channelId), (blocks) =>
          blocks
            .slice(1)
            .flatMap((block) => (block.data?.data ?? []).map((entry) => Buffer.from(entry).toString("latin1")))
        )
        const found = yield* Effect.repeat(Effect.delay(textsIn, "20 millis"), {
          until: (entries) => entries.some((entry) => entry.includes("last"))
        })
        expect(all.filter((text) => !found.some((entry) => entry.includes(text)))).toEqual([])
        expect(found.length).toBe((yield* dump(address, channelId)).filter(({ message }) => message.regular).length)
      })
    )

    it.scoped(
      "a topic that was cut off ends that chain at its start, one made anew ends it while it runs; others go on",
      () =>
        Effect.gen(function* () {
          const { address } = yield* Broker
          const channelId = freshName("sys")
          const first = genesis({ channelId, brokers: [address] })
          const folder = yield* temporaryFolder
          const [cut, fresh] = [freshName("app"), freshName("app")]
          const gone = "The requested offset is outside the range of offsets maintained by the server"
          yield* Effect.scoped(
            Effect.gen(function* () {
              const node = yield* startKafkaNode({ folder, genesis: first })
              yield* untilOpen(node)
              for (const name of [cut, fresh]) {
                yield* createChannel(node, name)
                yield* untilLogged(node, `[channel: ${name}] Start phase completed successfully`)
                yield* broadcastOne(node.client, yield* textMessage(name, "one", "user1"))
                yield* waitForHeight(node, name, 2n)
              }
              // while it runs
              yield* usingAdmin(address, (admin) => admin.deleteTopics({ topics: [fresh] }))
              yield* untilLogged(node, `[channel: ${fresh}] Error during consumption`)
              const client = { settings: settings(), traffic: new Traffic(() => 0) }
              yield* Effect.retry(ensureTopic(client, [address], fresh), { times: 20 })
              yield* untilLogged(node, "Unrecoverable error during consumption")
              expect(yield* node.registrar.channel(fresh)?.chain.health ?? Effect.void).toContain(gone)
              expect((yield* statusOf(node, fresh, false, "user1")).deliverStatus).toBe(503)
              expect((yield* statusOf(node, fresh, true, "user1")).deliverStatus).toBe(200)
              expect((yield* statusOf(node, cut, false, "user1")).deliverStatus).toBe(200)
            })
          )
          yield* postValues(address, cut, [connectMessage(), connectMessage()])
          yield* truncate(address, cut, (yield* rangeOf(address, cut)).newest)
          const times = { ORDERER_KAFKA_RETRY_SHORTTOTAL: "400ms", ORDERER_KAFKA_RETRY_LONGINTERVAL: "200ms" }
          const soon = settings({ ...times, ORDERER_KAFKA_RETRY_LONGTOTAL: "400ms" })
          const node = yield* startKafkaNode({ folder, genesis: first, settings: soon })
          yield* untilLogged(node, `[channel: ${cut}] Cannot set up channel consumer = kafka server: ${gone}`)
          expect(yield* node.registrar.channel(cut)?.chain.health ?? Effect.void).toContain(gone)
          const answer = yield* broadcastOne(node.client, yield* textMessage(cut, "two", "user1"))
          expect(answer?.status).toBe(503)
          expect(answer?.info).toContain("Cannot set up channel consumer")
          expect(yield* broadcastOne(node.client, yield* textMessage(channelId, "text"))).toEqual({
            status: 200,
            info: ""
          })
        }),
      60_000
    )
  })
})

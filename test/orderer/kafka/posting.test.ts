/** Posting to a real topic: order, sizes, brokers that answer nonsense, nothing or too late. */
import * as net from "node:net"
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Traffic } from "../../../src/orderer/consensus/kafka/metrics.js"
import { makePoster } from "../../../src/orderer/consensus/kafka/Poster.js"
import { ensureTopic } from "../../../src/orderer/consensus/kafka/topic.js"
import { Broker, layer as brokerLayer } from "../../kafka/broker.js"
import { missing } from "../../kafka/missing.js"
import { startProxy } from "../../kafka/proxy.js"
import { onBroker } from "../../kafka/suite.js"
import { freshName, settings } from "./support.js"
import { dump, usingAdmin } from "./topic.js"

const valueOf = (number: number, size: number) => Buffer.from(`${number} `.padEnd(size, "x"))
const numbersOf = (records: ReadonlyArray<{ readonly value: Buffer }>) =>
  records.map(({ value }) => Number.parseInt(value.toString("latin1", 0, 10), 10))

describe.skipIf(missing !== undefined)("posting to a topic", () => {
  onBroker(brokerLayer(), (it) => {
    const topic = (at?: string) =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const name = freshName("topic")
        const client = { settings: settings(), traffic: new Traffic(() => 0) }
        yield* ensureTopic(client, [broker.address], name)
        const poster = yield* makePoster(client, () => [at ?? broker.address], name)
        return { address: broker.address, client, name, poster }
      })

    it.scoped("keeps the order of one poster over requests; what waits goes together", () =>
      Effect.gen(function* () {
        const { address, name, poster } = yield* topic()
        const total = 5000
        const postings = Array.from({ length: 100 }, (_, i) =>
          poster.post(Array.from({ length: total / 100 }, (_, k) => valueOf(i * 50 + k, 600)))
        )
        yield* Effect.all(postings, { concurrency: "unbounded" })
        const found = numbersOf(yield* dump(address, name))
        expect(found).toEqual(Array.from({ length: total }, (_, i) => i))
      })
    )

    it.scoped("a request that the broker finds too large is split; only the message that is too large fails", () =>
      Effect.gen(function* () {
        const { address, name, poster } = yield* topic()
        yield* usingAdmin(address, (admin) =>
          admin.alterConfigs({
            validateOnly: false,
            resources: [{ type: 2, name, configEntries: [{ name: "max.message.bytes", value: "20000" }] }]
          })
        )
        const outcomes = yield* Effect.all(
          Array.from({ length: 40 }, (_, i) => Effect.either(poster.post([valueOf(i, i === 17 ? 30_000 : 3000)]))),
          { concurrency: "unbounded" }
        )
        const failures = outcomes.flatMap((outcome, i) => (Either.isLeft(outcome) ? [[i, outcome.left.kind]] : []))
        expect(failures).toEqual([[17, "MESSAGE_TOO_LARGE"]])
        expect(numbersOf(yield* dump(address, name))).toEqual(
          Array.from({ length: 40 }, (_, i) => i).filter((i) => i !== 17)
        )
        // alone and small it goes on
        yield* poster.post([valueOf(40, 10)])
      })
    )

    it.scoped("a broker that keeps quiet fails the post after the request's limit; the next goes through anew", () =>
      Effect.gen(function* () {
        const { proxied } = yield* Broker
        const proxy = yield* startProxy(proxied.port, proxied.target)
        const { address, name, poster } = yield* topic(proxied.address)
        yield* poster.post([valueOf(0, 10)])
        proxy.quiet = true
        const [one, two] = yield* Effect.all(
          [Effect.flip(poster.post([valueOf(1, 10)])), Effect.flip(poster.post([valueOf(2, 10)]))],
          { concurrency: 2 }
        )
        expect([one.message, two.message].join()).toContain("timed out")
        proxy.quiet = false
        proxy.cut()
        yield* poster.post([valueOf(3, 10)])
        expect(numbersOf(yield* dump(address, name))).toEqual([0, 3])
      })
    )

    it.scoped("what waits at a halt fails, and the halt is short", () =>
      Effect.gen(function* () {
        const { proxied } = yield* Broker
        const proxy = yield* startProxy(proxied.port, proxied.target)
        const scope = yield* Scope.make()
        const { poster } = yield* Scope.extend(topic(proxied.address), scope)
        yield* poster.post([valueOf(0, 10)])
        proxy.quiet = true
        const waiting = yield* Effect.fork(Effect.flip(poster.post([valueOf(1, 10)])))
        yield* Effect.sleep("50 millis")
        const started = performance.now()
        yield* Scope.close(scope, Exit.void)
        expect((yield* Fiber.join(waiting)).message).toBe("the chain was halted")
        expect(performance.now() - started).toBeLessThan(8000)
        expect((yield* Effect.flip(poster.post([valueOf(2, 10)]))).message).toBe("the chain was halted")
      })
    )

    it.scoped("something that is not Kafka is an error, whatever it says", () =>
      Effect.gen(function* () {
        const answers = [
          Buffer.alloc(64),
          Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
          Buffer.from([0xff, 0xff, 0xff, 0xf0, 1, 2, 3, 4]),
          Buffer.from([0, 0, 0, 2, 0, 0]),
          Buffer.from([0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0])
        ]
        for (const answer of answers) {
          const server = yield* Effect.acquireRelease(
            Effect.async<net.Server>((resume) => {
              const made = net.createServer((socket) => {
                socket.on("error", () => {})
                socket.on("data", () => socket.write(answer))
              })
              made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
            }),
            (made) => Effect.sync(() => void made.close())
          )
          const at = server.address()
          const client = {
            settings: settings({ ORDERER_KAFKA_RETRY_METADATA_RETRYMAX: "0" }),
            traffic: new Traffic(() => 0)
          }
          const poster = yield* makePoster(
            client,
            () => [`127.0.0.1:${typeof at === "object" ? at?.port : 0}`],
            "topic"
          )
          expect((yield* Effect.flip(poster.post([valueOf(0, 10)])))._tag).toBe("KafkaFailed")
        }
      })
    )
  })
})

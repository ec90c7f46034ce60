/** The broker is away, comes, goes and comes back; orderers live on (checks 22 and 23). */
import { describe, expect } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { common } from "../../../src/wire/index.js"
import { Broker, layerStopped } from "../../kafka/broker.js"
import { missing } from "../../kafka/missing.js"
import { onBroker } from "../../kafka/suite.js"
import { broadcastOne, deliverAll, seekMessage, signerOf, temporaryFolder, waitForHeight } from "../support/node.js"
import {
  blocksOf,
  freshName,
  genesis,
  startKafkaNode,
  statusOf,
  textMessage,
  untilLogged,
  untilOpen
} from "./support.js"

const success = { status: 200, info: "" }
const untilEnd = 2n ** 64n - 1n

describe.skipIf(missing !== undefined)("a broker that comes and goes", () => {
  onBroker(layerStopped(), (it) => {
    it.scoped(
      "start without it, its coming, its loss and its return, without a restart of the orderer",
      () =>
        Effect.gen(function* () {
          const broker = yield* Broker
          const channelId = freshName("sys")
          const first = genesis({ channelId, brokers: [broker.address] })
          const node = yield* startKafkaNode({ folder: yield* temporaryFolder, genesis: first })
          const send = (text: string) =>
            Effect.flatMap(textMessage(channelId, text), (bytes) => broadcastOne(node.client, bytes))
          const reader = yield* signerOf("ordererAdmin")
          const follow = (bestEffort: boolean) =>
            Effect.fork(
              deliverAll(
                node.client,
                seekMessage(reader, channelId, "newest", untilEnd, bestEffort ? { bestEffort } : {})
              )
            )

          // not there yet: it serves, and says what it waits for
          yield* untilLogged(node, "trying again in")
          expect(yield* send("too early")).toEqual({
            status: 503,
            info: "backing Kafka cluster has not completed booting; try again later"
          })
          expect(yield* statusOf(node, channelId)).toEqual({ deliverStatus: 503, delivered: 0 })
          expect(yield* statusOf(node, channelId, true)).toEqual({ deliverStatus: 200, delivered: 1 })

          // it comes
          yield* broker.start
          yield* untilOpen(node)
          expect(yield* send("one")).toEqual(success)
          yield* waitForHeight(node, channelId, 2n)
          expect(yield* statusOf(node, channelId)).toEqual({ deliverStatus: 200, delivered: 1 })

          // it goes
          const strict = yield* follow(false)
          const patient = yield* follow(true)
          const mark = node.log.length
          const gone = yield* Clock.currentTimeMillis
          yield* broker.stop
          expect(yield* send("lost")).toEqual({ status: 503, info: "cannot enqueue" })
          expect((yield* Fiber.join(strict)).status).toBe(common.Status.SERVICE_UNAVAILABLE)
          expect((yield* Clock.currentTimeMillis) - gone).toBeGreaterThan(1900) // ReadTimeout
          expect(yield* statusOf(node, channelId)).toEqual({ deliverStatus: 503, delivered: 0 })
          expect(yield* send("lost too")).toEqual({ status: 503, info: "cannot enqueue" })
          // what cannot be read for now is no fault of the node
          expect(yield* node.registrar.channel(channelId)?.chain.health ?? Effect.void).toBe(undefined)

          // it returns
          yield* broker.start
          yield* untilLogged(node, "Marked consenter as available again", mark)
          expect(yield* Effect.repeat(send("two"), { until: (answer) => answer?.status === 200 })).toEqual(success)
          yield* waitForHeight(node, channelId, 3n)
          expect(yield* statusOf(node, channelId)).toEqual({ deliverStatus: 200, delivered: 1 })
          yield* Fiber.interrupt(patient)
          const texts = (yield* blocksOf(node, channelId))
            .slice(1)
            .flatMap((block) =>
              (block.data?.data ?? []).map((entry) =>
                Buffer.from(common.Payload.decode(common.Envelope.decode(entry).payload).data).toString()
              )
            )
          // a refused message may have come through, an acknowledged one must
          expect(texts.filter((text) => !text.startsWith("lost"))).toEqual(["one", "two"])
          const lines = node.log.slice(mark).join("")
          expect(lines).toContain("Error during consumption: ")
          expect(lines).toContain("Deliver sessions will be dropped if consumption errors continue.")

          // halted while it is away, and during the retries of a start
          yield* broker.stop
          const began = yield* Clock.currentTimeMillis
          yield* Effect.scoped(
            Effect.gen(function* () {
              const other = yield* startKafkaNode({ folder: yield* temporaryFolder, genesis: first })
              yield* untilLogged(other, "trying again in")
            })
          )
          expect((yield* Clock.currentTimeMillis) - began).toBeLessThan(10_000)
        }),
      120_000
    )
  })
})

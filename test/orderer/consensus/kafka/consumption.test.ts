/** When a channel is errored and available again (3.8 rule 11), on a clock that stands still. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import {
  type Consumption,
  makeConsumption,
  type ReadingSigns
} from "../../../../src/orderer/consensus/kafka/Consumption.js"
import { KafkaFailed, OffsetOutOfRange } from "../../../../src/orderer/consensus/kafka/errors.js"
import type { ConsumerEnded } from "../../../../src/orderer/consensus/kafka/PartitionConsumer.js"
import { settings } from "../../kafka/support.js"

const lost = new KafkaFailed({ op: "consume", detail: "broker gone" })
const outOfRange = new OffsetOutOfRange({ topic: "c", wanted: 9n, oldest: 0n, newest: 3n })

/** Consumption over consumers that a test ends at will: ReadTimeout 2 s, pause before the next consumer 200 ms. */
const make = Effect.gen(function* () {
  const events: Array<string> = []
  const opened: Array<{ readonly ended: Deferred.Deferred<never, ConsumerEnded>; readonly signs: ReadingSigns }> = []
  const refusals: Array<ConsumerEnded> = []
  let blocked = false
  const consumption: Consumption = yield* makeConsumption({
    channelId: "c",
    retry: settings().retry,
    open: (signs) =>
      Effect.gen(function* () {
        const refusal = refusals.shift()
        if (refusal !== undefined) {
          events.push("refused")
          return yield* refusal
        }
        const ended = yield* Deferred.make<never, ConsumerEnded>()
        opened.push({ ended, signs })
        events.push("opened")
        yield* Effect.addFinalizer(() => Effect.sync(() => events.push("closed")))
        return { ended: Deferred.await(ended), isBlocked: () => blocked }
      }),
    connect: Effect.sync(() => void events.push("connect")),
    onErrored: (reason) => events.push(`errored: ${reason}`),
    onAvailable: () => events.push("available")
  })
  yield* consumption.begin
  const keeping = yield* Effect.fork(consumption.keep)
  const newest = () => {
    const found = opened[opened.length - 1]
    if (found === undefined) throw new Error("no consumer")
    return found
  }
  const pass = (ms: number) => TestClock.adjust(ms)
  yield* pass(0)
  return {
    events,
    refusals,
    keeping,
    consumption,
    block: (value: boolean) => {
      blocked = value
    },
    pass,
    signs: () => newest().signs,
    /** Lets answers come every 100 ms. */
    alive: (ms: number) =>
      Effect.gen(function* () {
        for (let at = 0; at < ms; at += 100) {
          newest().signs.alive()
          yield* pass(100)
        }
      }),
    end: (reason: ConsumerEnded) => Deferred.fail(newest().ended, reason)
  }
})

describe("consumption", () => {
  it.scoped("trouble that passes within ReadTimeout is nothing", () =>
    Effect.gen(function* () {
      const { alive, events, pass, signs } = yield* make
      signs().trouble("connection lost")
      yield* pass(1900)
      yield* alive(5000)
      signs().trouble("connection lost again")
      yield* pass(1000)
      signs().received()
      yield* alive(5000)
      expect(events).toEqual(["opened"])
    })
  )
  it.scoped("after ReadTimeout the channel is errored until a record comes, and a CONNECT is posted", () =>
    Effect.gen(function* () {
      const { alive, consumption, events, pass, signs } = yield* make
      signs().trouble("connection lost")
      yield* pass(2000)
      expect(events.slice(0, 3)).toEqual(["opened", "errored: connection lost", "connect"])
      yield* alive(3000) // answers alone do not help
      expect(events).not.toContain("available")
      consumption.received()
      yield* pass(0)
      expect(events[events.length - 1]).toBe("available")
    })
  )
  it.scoped("a consumer that ended is followed by another after the pause", () =>
    Effect.gen(function* () {
      const { alive, end, events, pass, refusals } = yield* make
      refusals.push(lost, lost)
      yield* end(lost)
      yield* pass(0)
      expect(events).toEqual(["opened", "closed"])
      yield* pass(600)
      yield* alive(3000)
      expect(events).toEqual(["opened", "closed", "refused", "refused", "opened"])
    })
  )
  it.scoped("silence is trouble, unless reading waits for room", () =>
    Effect.gen(function* () {
      const { block, events, pass } = yield* make
      block(true)
      yield* pass(20_000)
      expect(events).toEqual(["opened"])
      block(false)
      yield* pass(4000)
      expect(events[1]).toBe("errored: no answer from the brokers for 2s")
      yield* pass(1000)
      expect(events.slice(2).sort()).toEqual(["closed", "connect", "opened"]) // a fresh consumer is tried
    })
  )
  it.scoped("a broker's refusal of the offset is the end; one at opening is believed the third time", () =>
    Effect.gen(function* () {
      const first = yield* make
      yield* first.end(outOfRange)
      expect((yield* Effect.flip(Fiber.join(first.keeping)))._tag).toBe("OffsetOutOfRange")

      const second = yield* make
      second.refusals.push(outOfRange, outOfRange, lost, outOfRange, outOfRange, outOfRange)
      yield* second.end(lost)
      yield* second.pass(1100)
      expect(second.events.filter((event) => event === "refused").length).toBe(5)
      yield* second.pass(200)
      expect((yield* Effect.flip(Fiber.join(second.keeping))).message).toContain("wanted 9, there are 0 to 3")
    })
  )
})

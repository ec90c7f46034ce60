import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { retrying } from "../../../../src/orderer/consensus/kafka/retry.js"

const times = {
  shortInterval: Duration.seconds(5),
  shortTotal: Duration.seconds(12),
  longInterval: Duration.seconds(30),
  longTotal: Duration.minutes(1)
}

/** Records when each attempt is made, in seconds; `failures` of them fail. */
const attempts = (failures: number, takes = 0) => {
  const made: Array<number> = []
  return {
    made,
    attempt: Effect.gen(function* () {
      made.push((yield* Clock.currentTimeMillis) / 1000)
      yield* Effect.sleep(takes)
      return made.length > failures ? "done" : yield* Effect.fail(new Error(`attempt ${made.length}`))
    })
  }
}

describe("retry scheme (3.8 rule 4)", () => {
  it.effect("one attempt when it works at once", () =>
    Effect.gen(function* () {
      const { attempt, made } = attempts(0)
      expect(yield* retrying(times, attempt)).toBe("done")
      expect(made).toEqual([0])
    })
  )
  it.effect("short intervals for the short total, then at once, then long intervals for the long total", () =>
    Effect.gen(function* () {
      const { attempt, made } = attempts(100)
      const fiber = yield* Effect.fork(Effect.flip(retrying(times, attempt)))
      yield* TestClock.adjust("10 minutes")
      const error = yield* Fiber.join(fiber)
      expect(made).toEqual([0, 5, 10, 12, 42])
      expect(error.message).toBe("attempt 5")
      expect(yield* Clock.currentTimeMillis).toBe(600_000)
    })
  )
  it.effect("works on a later attempt, and tells of those before", () =>
    Effect.gen(function* () {
      const { attempt, made } = attempts(4)
      const told: Array<string> = []
      const fiber = yield* Effect.fork(
        retrying(times, attempt, ({ message }, nextIn) => Effect.sync(() => told.push(`${message}, ${nextIn}`)))
      )
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(fiber)).toBe("done")
      expect(made).toEqual([0, 5, 10, 12, 42])
      expect(told).toEqual(["attempt 1, 5000", "attempt 2, 5000", "attempt 4, 30000"])
    })
  )
  it.effect("an attempt longer than the interval is followed by the next at once", () =>
    Effect.gen(function* () {
      const { attempt, made } = attempts(2, 7000)
      const fiber = yield* Effect.fork(retrying({ ...times, shortTotal: Duration.minutes(5) }, attempt))
      yield* TestClock.adjust("5 minutes")
      expect(yield* Fiber.join(fiber)).toBe("done")
      expect(made).toEqual([0, 12, 19])
    })
  )
  it.effect("no short interval is an error before any attempt", () =>
    Effect.gen(function* () {
      const { attempt, made } = attempts(0)
      const error = yield* Effect.flip(retrying({ ...times, shortInterval: Duration.zero }, attempt))
      expect([error.message, made]).toEqual(["illegal value", []])
    })
  )
  it.effect("interruption ends it while it waits", () =>
    Effect.gen(function* () {
      const { attempt, made } = attempts(100)
      const fiber = yield* Effect.fork(retrying(times, attempt))
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      expect(made).toEqual([0, 5])
    })
  )
})

import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Reloading } from "../../src/transport/index.js"

describe("looking at certificate files again", () => {
  it.effect("is done once an interval, first after one, until the scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      let looks = 0
      const once = Effect.sync(() => {
        looks += 1
      })
      yield* Scope.extend(Reloading.every(Duration.seconds(10), once), scope)
      yield* TestClock.adjust("9999 millis")
      expect(looks).toBe(0)
      yield* TestClock.adjust("1 millis")
      expect(looks).toBe(1)
      for (let interval = 2; interval <= 5; interval++) {
        yield* TestClock.adjust("10 seconds")
        expect(looks).toBe(interval)
      }
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 minute")
      expect(looks).toBe(5)
    })
  )
  it.scoped("is never done with an interval of zero", () =>
    Effect.gen(function* () {
      let looks = 0
      yield* Reloading.every(
        Duration.zero,
        Effect.sync(() => {
          looks += 1
        })
      )
      yield* TestClock.adjust("1 day")
      expect(looks).toBe(0)
    })
  )
})

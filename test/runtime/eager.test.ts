import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { andThen, using } from "../../src/runtime/eager.js"

describe("andThen", () => {
  it.effect("goes on at once from what is known, and waits for what is not", () =>
    Effect.gen(function* () {
      const steps: Array<number> = []
      const step = (n: number) => {
        steps.push(n)
        return Effect.succeed(n + 1)
      }
      const known = andThen(Effect.succeed(1), step)
      expect(steps).toEqual([1])
      const waiting = andThen(
        Effect.sync(() => 5),
        step
      )
      expect(steps).toEqual([1])
      expect([yield* known, yield* waiting]).toEqual([2, 6])
      expect(steps).toEqual([1, 5])
      expect(yield* Effect.exit(andThen(Effect.fail("no"), step))).toEqual(Exit.fail("no"))
    })
  )
})

describe("using", () => {
  /** A resource that counts how often it was let go. */
  const resource = () => ({ released: 0 })
  type Resource = ReturnType<typeof resource>
  const release = (held: Resource) => {
    held.released += 1
  }
  const ends: ReadonlyArray<
    readonly [string, (held: Resource) => Effect.Effect<string, string>, Exit.Exit<string, string>]
  > = [
    ["known success", () => Effect.succeed("a"), Exit.succeed("a")],
    ["known failure", () => Effect.fail("b"), Exit.fail("b")],
    ["success later", () => Effect.as(Effect.sleep(1), "c"), Exit.succeed("c")],
    ["failure later", () => Effect.zipRight(Effect.sleep(1), Effect.fail("d")), Exit.fail("d")],
    ["a defect later", () => Effect.zipRight(Effect.sleep(1), Effect.die("e")), Exit.die("e")],
    [
      "a throw",
      () => {
        throw "f"
      },
      Exit.die("f")
    ]
  ]
  for (const acquired of ["known", "later"] as const)
    for (const [name, use, expected] of ends)
      it.live(`lets go once: acquired ${acquired}, ${name}`, () =>
        Effect.gen(function* () {
          const held = resource()
          const acquire = acquired === "known" ? Effect.succeed(held) : Effect.as(Effect.sleep(1), held)
          expect(yield* Effect.exit(using(acquire, use, release))).toEqual(expected)
          expect(held.released).toBe(1)
        })
      )

  it.live("lets go when it is interrupted", () =>
    Effect.gen(function* () {
      const held = resource()
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        using(Effect.succeed(held), () => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never), release)
      )
      yield* Deferred.await(begun)
      expect(held.released).toBe(0)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(fiber))).toBe(true)
      expect(held.released).toBe(1)
    })
  )

  it.live("is not interrupted between acquiring and using", () =>
    Effect.gen(function* () {
      const held = resource()
      const acquiring = yield* Deferred.make<void>()
      const given = yield* Deferred.make<Resource>()
      const fiber = yield* Effect.fork(
        using(
          Effect.zipRight(Deferred.succeed(acquiring, undefined), Deferred.await(given)),
          () => Effect.never,
          release
        )
      )
      yield* Deferred.await(acquiring)
      const ended = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(given, held)
      expect(Exit.isInterrupted(yield* Fiber.join(ended))).toBe(true)
      expect(held.released).toBe(1)
    })
  )

  it.effect("releases nothing that was not acquired", () =>
    Effect.gen(function* () {
      const failed = using(
        Effect.fail("none"),
        () => Effect.void,
        () => expect.unreachable()
      )
      expect(yield* Effect.exit(failed)).toEqual(Exit.fail("none"))
    })
  )
})

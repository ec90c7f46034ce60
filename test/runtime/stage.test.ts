import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { assert, describe, it } from "vitest"
import { closing } from "../../src/runtime/closing.js"
import * as Program from "../../src/runtime/Program.js"
import { StageFailed, StageJournal, stage } from "../../src/runtime/Stage.js"
import * as Vital from "../../src/runtime/Vital.js"

class A extends Context.Tag("test/A")<A, string>() {}
class B extends Context.Tag("test/B")<B, string>() {}
class Broken extends Data.TaggedError("Broken")<{ readonly port: number }> {
  override get message() {
    return `port ${this.port} is taken`
  }
}

const journal = () => {
  const events: Array<string> = []
  const layer = Layer.succeed(StageJournal, {
    acquired: (s) => events.push(`+${s}`),
    released: (s) => events.push(`-${s}`)
  })
  return { events, layer }
}

const remedy = { remedy: "choose another port" }
const a = stage("A", remedy)(Layer.succeed(A, "a"))
const b = stage(
  "B",
  remedy
)(
  Layer.effect(
    B,
    Effect.map(A, (text) => `${text}b`)
  )
)

describe("stages", () => {
  it("are released in the exact reverse of their acquisition", async () => {
    const { events, layer } = journal()
    const live = b.pipe(Layer.provideMerge(a), Layer.provide(layer))
    assert.equal(await Effect.runPromise(Effect.provide(B, live)), "ab")
    assert.deepEqual(events, ["+A", "+B", "-B", "-A"])
  })
  it("release what was acquired before a failing stage and report it", async () => {
    const { events, layer } = journal()
    const broken = stage("Broken", { ...remedy, exitCode: 2 })(Layer.fail(new Broken({ port: 7050 })))
    const live = broken.pipe(Layer.provideMerge(b), Layer.provideMerge(a), Layer.provide(layer))
    const exit = await Effect.runPromiseExit(Effect.provide(Effect.void, live))
    assert.deepEqual(events, ["+A", "+B", "-B", "-A"])
    assert.isTrue(Exit.isFailure(exit))
    if (Exit.isFailure(exit)) {
      const failed = Cause.squash(exit.cause)
      assert.instanceOf(failed, StageFailed)
      assert.include(failed, { stage: "Broken", exitCode: 2, message: "Broken: port 7050 is taken" })
      assert.equal(
        Program.report(exit.cause, false),
        "Error: stage Broken failed\n  cause:  port 7050 is taken\n  remedy: choose another port\n"
      )
      assert.include(Program.report(exit.cause, true), "stage.test.ts")
    }
  })
  it("turn a defect into a report too", async () => {
    const broken = stage("D", remedy)(Layer.effectDiscard(Effect.die(new Error("bug"))))
    const failed = await Effect.runPromise(Effect.flip(Layer.build(broken).pipe(Effect.scoped)))
    assert.equal(failed.message, "D: bug")
  })
})

describe("vital loops", () => {
  const outcome = (loop: Effect.Effect<unknown, unknown>) =>
    Effect.gen(function* () {
      const vital = yield* Vital.Vital
      yield* vital.fork("delivery client", loop)
      return yield* Effect.flip(vital.failure)
    }).pipe(Effect.scoped, Effect.provide(Vital.layer), Effect.runPromise)

  it.each([
    ["failure", Effect.fail("no"), "no"],
    ["defect", Effect.die(new Error("bug")), "bug"],
    ["return", Effect.void, "loop returned"]
  ])("end the node on %s", async (_, loop, text) => {
    const failed = await outcome(loop)
    assert.equal(failed.task, "delivery client")
    assert.include(failed.message, text)
  })
  it("do not when they are interrupted by shutdown", async () => {
    const program = Effect.gen(function* () {
      const vital = yield* Vital.Vital
      const started = yield* Deferred.make<void>()
      yield* Effect.scoped(
        Effect.zipRight(
          vital.fork("loop", Effect.zipRight(Deferred.succeed(started, undefined), Effect.never)),
          Deferred.await(started)
        )
      )
      return yield* Effect.raceFirst(Effect.as(vital.failure, "failed"), Effect.as(Effect.sleep(5), "still up"))
    })
    assert.equal(await Effect.runPromise(Effect.provide(program, Vital.layer)), "still up")
  })
})

describe("closing", () => {
  it("is bounded even inside a release", async () => {
    const never = closing("a hanging thing", () => new Promise(() => {}), "10 millis")
    await Effect.runPromise(Effect.scoped(Effect.acquireRelease(Effect.void, () => never)))
  })
})

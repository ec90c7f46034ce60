/**
 * Vital loops: named fibers whose end ends the node (anchors B6). A plain `forkScoped` fiber that fails is only logged
 * at debug level and the node would run on without it.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/** A loop that must not end has ended. */
export class TaskFailed extends Data.TaggedError("TaskFailed")<{
  readonly task: string
  readonly cause: Cause.Cause<unknown>
}> {
  override get message() {
    return `${this.task} ended: ${Cause.pretty(this.cause)}`
  }
}

export class Vital extends Context.Tag("runtime/Vital")<
  Vital,
  {
    /** Runs `loop` in the scope of the caller; its failure, defect or return is the node's failure. */
    readonly fork: <A, E, R>(task: string, loop: Effect.Effect<A, E, R>) => Effect.Effect<void, never, R | Scope.Scope>
    /** Reports a failure found outside any fiber (process guard). */
    readonly fail: (task: string, cause: Cause.Cause<unknown>) => Effect.Effect<void>
    /** Fails with the first loop that ended; never succeeds. */
    readonly failure: Effect.Effect<never, TaskFailed>
  }
>() {}

export const layer: Layer.Layer<Vital> = Layer.effect(
  Vital,
  Effect.gen(function* () {
    const first = yield* Deferred.make<never, TaskFailed>()
    const fail = (task: string, cause: Cause.Cause<unknown>) =>
      Effect.asVoid(Deferred.fail(first, new TaskFailed({ task, cause })))
    const report = (task: string) => (exit: Exit.Exit<unknown, unknown>) => {
      if (Exit.isInterrupted(exit)) return Effect.void // interruption is shutdown
      return fail(task, Exit.isFailure(exit) ? exit.cause : Cause.die(new Error("loop returned")))
    }
    return Vital.of({
      fork: (task, loop) => loop.pipe(Effect.onExit(report(task)), Effect.forkScoped, Effect.asVoid),
      fail,
      failure: Deferred.await(first)
    })
  })
)

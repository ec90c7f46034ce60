/**
 * Turns what escapes every handler (an exception in a raw callback, a rejection nobody awaits) into the node's failure,
 * so that the Layers are released instead of the process dying with open files (anchors C6). For programs; nodes that
 * share a process with others (tests, embedded networks) leave the process alone.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import { Vital } from "./Vital.js"

export const layer: Layer.Layer<never, never, Vital> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const vital = yield* Vital
    const run = Runtime.runFork(yield* Effect.runtime<never>())
    const guard = (task: string) => (error: unknown) => {
      run(vital.fail(task, Cause.die(error)))
    }
    const onException = guard("uncaught exception")
    const onRejection = guard("unhandled rejection")
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        process.on("uncaughtException", onException)
        process.on("unhandledRejection", onRejection)
      }),
      () =>
        Effect.sync(() => {
          process.off("uncaughtException", onException)
          process.off("unhandledRejection", onRejection)
        })
    )
  })
)

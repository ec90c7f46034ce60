/**
 * A startup stage: a named Layer whose failure is one readable report and whose acquisition and release are recorded.
 * Source: design.md sections 2-4.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Log from "./Log.js"

/** A stage could not be acquired. What was acquired before it has been released when this is seen. */
export class StageFailed extends Data.TaggedError("StageFailed")<{
  readonly stage: string
  /** The stage's own tagged error, or the defect that broke it. */
  readonly reason: unknown
  /** What a person can do about it. */
  readonly remedy: string
  /** The reference's exit code where scripts depend on it, otherwise 1. */
  readonly exitCode: number
  /** Where it happened; printed only when the log spec says debug. */
  readonly trace: string
}> {
  override get message() {
    return `${this.stage}: ${textOf(this.reason)}`
  }
}

/**
 * The message of anything thrown or failed with, never empty: Node's errors of several attempts at one connection, for
 * example, have no message of their own.
 */
export const textOf = (reason: unknown): string => {
  if (!(reason instanceof Error)) return String(reason) || "no reason given"
  if (reason.message !== "") return reason.message
  if (reason instanceof AggregateError && reason.errors.length > 0)
    return [...new Set(reason.errors.map((error) => textOf(error)))].join("; ")
  return "code" in reason && typeof reason.code === "string" ? reason.code : reason.name
}

/** Told of every stage as it is acquired and released; the default keeps nothing. */
export class StageJournal extends Context.Reference<StageJournal>()("runtime/Stage/StageJournal", {
  defaultValue: (): StageEvents => ({ acquired: () => {}, released: () => {} })
}) {}

export interface StageEvents {
  /** The stage is complete. */
  readonly acquired: (stage: string) => void
  /** Its release begins. */
  readonly releasing?: (stage: string) => void
  /** Everything that it held is given back. */
  readonly released: (stage: string) => void
  /**
   * Runs inside a stage when all of it is there and before it counts as acquired. For tests: what fails, dies or waits
   * here is the stage's own failure, defect or slowness.
   */
  readonly acquiring?: (stage: string) => Effect.Effect<void, unknown>
}

export interface StageOptions {
  /** One sentence for the person who reads the failure. */
  readonly remedy: string
  /** Exit code of the program when this stage fails; 1 unless the reference differs. */
  readonly exitCode?: number
}

const log = Log.module("stage")

/** Names a layer as a stage. The layer is built in the stage's scope, apart from others: share nothing inside it. */
export const stage =
  (name: string, options: StageOptions) =>
  <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, StageFailed, R> =>
    Layer.scopedContext(
      Effect.gen(function* () {
        const journal = yield* StageJournal
        let acquired = false
        // added before anything that the stage acquires: runs when all of that is released
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (acquired) journal.released(name)
          })
        )
        const context = yield* Layer.build(layer).pipe(
          Effect.tap(() => journal.acquiring?.(name) ?? Effect.void),
          Effect.withSpan(`stage ${name}`, { captureStackTrace: false }),
          Effect.catchAllCause((cause) => Effect.failCause(refail(name, options, cause)))
        )
        acquired = true
        journal.acquired(name)
        yield* log.at(name).debug("acquired")
        yield* Effect.addFinalizer(() =>
          Effect.zipRight(
            log.at(name).debug("releasing"),
            Effect.sync(() => journal.releasing?.(name))
          )
        )
        return context
      })
    )

const refail = <E>(name: string, options: StageOptions, cause: Cause.Cause<E>): Cause.Cause<StageFailed> => {
  const interrupted = Cause.interruptOption(cause)
  if (Option.isSome(interrupted) && Cause.isInterruptedOnly(cause)) return Cause.interrupt(interrupted.value)
  const reason = Cause.squash(cause)
  if (reason instanceof StageFailed) return Cause.fail(reason)
  return Cause.fail(
    new StageFailed({
      stage: name,
      reason,
      remedy: options.remedy,
      exitCode: options.exitCode ?? 1,
      trace: Cause.pretty(cause, { renderErrorCause: true })
    })
  )
}

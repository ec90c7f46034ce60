/**
 * Spans on hot paths: free when nobody traces. Effect's own `withSpan` makes a span and a new context for every call
 * even when no tracer listens, which costs more than the work of a small call.
 */
import * as Context from "effect/Context"
import { liveServices } from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** The tracer that is in force when nobody has set one: its spans go nowhere. */
const nowhere = Context.get(liveServices, Tracer.Tracer)

/** Runs the effect in a span of that name when a tracer is set, as it is otherwise. */
export const span =
  (name: string, attributes: () => Record<string, unknown> = none) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Exclude<R, Tracer.ParentSpan>> =>
    Effect.withFiberRuntime<A, E, R | Exclude<R, Tracer.ParentSpan>>((fiber) =>
      fiber.currentTracer === nowhere
        ? effect
        : Effect.withSpan(effect, name, { captureStackTrace: false, attributes: attributes() })
    )

const none = (): Record<string, unknown> => ({})

/** Adds to the span that is open, when a tracer is set. */
export const annotate = (attributes: () => Record<string, unknown>): Effect.Effect<void> =>
  annotated(attributes, Effect.void)

/** Adds to the span that is open, when a tracer is set, and goes on with the effect. */
export const annotated = <A, E, R>(
  attributes: () => Record<string, unknown>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime<A, E, R>((fiber) =>
    fiber.currentTracer === nowhere ? effect : Effect.zipRight(Effect.annotateCurrentSpan(attributes()), effect)
  )

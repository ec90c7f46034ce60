/**
 * Effects that are known already, as `Effect.succeed` and `Effect.fail` make them, go on without the runtime: on a hot
 * path most steps are of that kind, and only those that wait cost what waiting costs. For use inside a running effect,
 * where what `next` does is due now.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

const known = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Exit<A, E> => Exit.isExit(effect)

/** `Effect.flatMap`, done at once where the effect has come to its value. */
export const andThen = <A, E, R, B, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  next: (value: A) => Effect.Effect<B, E2, R2>
): Effect.Effect<B, E | E2, R | R2> => {
  if (!known(effect)) return Effect.flatMap(effect, next)
  return Exit.isSuccess(effect) ? next(effect.value) : Exit.failCause(effect.cause)
}

/** Whether the effect has come to its value; it then cannot fail. */
export const isSuccess = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, never> =>
  known(effect) && Exit.isSuccess(effect)

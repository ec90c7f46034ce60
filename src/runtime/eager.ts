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

/**
 * `Effect.acquireUseRelease` with a release that is plain and does not fail. In a few steps of the runtime where `use` has
 * to wait, in none of its own where it is done at once.
 */
export const using = <A, E, R, B, E2, R2>(
  acquire: Effect.Effect<A, E, R>,
  use: (resource: A) => Effect.Effect<B, E2, R2>,
  release: (resource: A) => void
): Effect.Effect<B, E | E2, R | R2> =>
  Effect.uninterruptibleMask((restore) =>
    andThen(acquire, (resource) => {
      let used: Effect.Effect<B, E2, R2>
      try {
        used = use(resource)
      } catch (defect) {
        release(resource)
        throw defect
      }
      const done = (exit: Exit.Exit<B, E2>): Exit.Exit<B, E2> => {
        release(resource)
        return exit
      }
      if (known(used)) return done(used)
      return Effect.matchCauseEffect(restore(used), {
        onFailure: (cause) => done(Exit.failCause(cause)),
        onSuccess: (value) => done(Exit.succeed(value))
      })
    })
  )

/** Whether the effect has come to its value; it then cannot fail. */
export const isSuccess = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Exit.Success<A, never> =>
  known(effect) && Exit.isSuccess(effect)

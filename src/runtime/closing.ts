/** Bounded releases: a slow close is cut off and named, never waited for without end (anchors B4, C3). */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Log from "./Log.js"

const log = Log.module("runtime.closing")

/** Runs a release within `limit`; a failure or a late end becomes a log line that names `what`. */
export const closingEffect = <E, R>(
  what: string,
  close: Effect.Effect<unknown, E, R>,
  limit: Duration.DurationInput = "5 seconds"
): Effect.Effect<void, never, R> =>
  close.pipe(
    Effect.interruptible, // inside a release a timeout cuts nothing short without this
    Effect.timeout(limit),
    Effect.catchAllCause((cause) => log.warning(`could not close ${what}`, { error: Cause.pretty(cause) })),
    Effect.asVoid
  )

/** The same for a promise-returning close. */
export const closing = (
  what: string,
  close: () => Promise<unknown>,
  limit?: Duration.DurationInput
): Effect.Effect<void> => closingEffect(what, Effect.tryPromise(close), limit)

/** Giving the thread back to Node. */
import * as Effect from "effect/Effect"

/**
 * Hands the thread back to Node once, so that sockets and timers run. `Effect.yieldNow` does not (anchors C9): long
 * loops call this on a budget of 5 to 10 ms.
 */
export const breathe: Effect.Effect<void> = Effect.async<void>((resume) => {
  const handle = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(handle))
})

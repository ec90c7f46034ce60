/** Effects given back by handlers: a stream waits for them one after the other. */
import * as Effect from "effect/Effect"

export const inOrder = (waits: ReadonlyArray<Effect.Effect<void>>): Effect.Effect<void> | undefined => {
  if (waits.length < 2) return waits[0]
  return Effect.forEach(waits, (wait) => wait, { discard: true })
}

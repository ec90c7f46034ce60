/** Waiting for days and weeks. Node's timers end at 24 days, and Effect's sleep beyond that never wakes. */
import * as Effect from "effect/Effect"

const DAY = 86_400_000

/** Sleeps for `milliseconds`, however many. */
export const longSleep = (milliseconds: number): Effect.Effect<void> =>
  milliseconds <= DAY
    ? Effect.sleep(Math.max(0, milliseconds))
    : Effect.zipRight(
        Effect.sleep(DAY),
        Effect.suspend(() => longSleep(milliseconds - DAY))
      )

/**
 * The retry scheme of a chain's start: at once, then every short interval for a while, once more at once, then every
 * long interval for longer, then failure.
 * Source: orderer.md 3.8 rule 4; orderer/consensus/kafka/retry.go.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { RetriesExhausted } from "./errors.js"

/** Kafka.Retry's intervals. */
export interface RetryTimes {
  readonly shortInterval: Duration.Duration
  readonly shortTotal: Duration.Duration
  readonly longInterval: Duration.Duration
  readonly longTotal: Duration.Duration
}

/** Told of each attempt that failed and is followed by another in `nextIn` milliseconds. */
export type OnFailure<E> = (error: E, nextIn: number) => Effect.Effect<void>

const phase = <A, E extends Error, R>(
  attempt: Effect.Effect<A, E, R>,
  interval: number,
  total: number,
  onFailure: OnFailure<E>
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    let result = yield* Effect.either(attempt)
    let due = yield* Clock.currentTimeMillis
    const end = due + total
    while (Either.isLeft(result)) {
      const now = yield* Clock.currentTimeMillis
      due = Math.max(due + interval, now) // an attempt longer than the interval is followed by the next at once
      if (due >= end) {
        yield* Effect.sleep(Math.max(end - now, 0))
        return yield* Effect.fail(result.left)
      }
      yield* onFailure(result.left, due - now)
      yield* Effect.sleep(due - now)
      result = yield* Effect.either(attempt)
    }
    return result.right
  })

/** Tries until it works or all times are used up; interruption (a halt) ends it at once. */
export const retrying = <A, E extends Error, R>(
  times: RetryTimes,
  attempt: Effect.Effect<A, E, R>,
  onFailure: OnFailure<E> = () => Effect.void
): Effect.Effect<A, E | RetriesExhausted, R> => {
  const ms = Duration.toMillis
  if (ms(times.shortInterval) <= 0) return new RetriesExhausted({ detail: "illegal value" })
  return phase(attempt, ms(times.shortInterval), ms(times.shortTotal), onFailure).pipe(
    Effect.catchAll(() => phase(attempt, ms(times.longInterval), ms(times.longTotal), onFailure))
  )
}

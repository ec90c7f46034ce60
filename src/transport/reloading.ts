/** Certificates that change while a node runs: what both programs' reload stages share. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { sameBytes } from "../crypto/der.js"
import type { ModuleLog } from "../runtime/Log.js"
import type { KeyPair } from "./tls.js"

export const samePair = (one: KeyPair, other: KeyPair): boolean =>
  sameBytes(one.certificate, other.certificate) && sameBytes(one.key, other.key)

export interface OldKept {
  /** Handles a failed reload of `what`: the old one stays, which is told once as long as the reason is the same. */
  readonly of: (what: string) => (error: { readonly message: string }) => Effect.Effect<void>
  /** After a reload that worked the next failure is news again. */
  readonly forget: () => void
}

/** Half of a pair may be there and the other half on its way: a pair that cannot be used is told once, not every time. */
export const oldKept = (log: ModuleLog): OldKept => {
  const told = new Map<string, string>()
  return {
    of:
      (what) =>
      ({ message }) =>
        Effect.suspend(() => {
          const text = `${what} is not reloaded, the old one stays: ${message}`
          if (text === told.get(what)) return Effect.void
          told.set(what, text)
          return log.warning(text)
        }),
    forget: () => told.clear()
  }
}

/** Runs `once` that often until the scope closes, for the first time after one interval; never with an interval of zero. */
export const every = <R>(
  interval: Duration.Duration,
  once: Effect.Effect<void, never, R>
): Effect.Effect<void, never, R | Scope.Scope> => {
  const pause = Duration.toMillis(interval)
  if (pause <= 0) return Effect.void
  return Effect.asVoid(Effect.forkScoped(Effect.delay(Effect.repeat(once, Schedule.spaced(pause)), pause)))
}

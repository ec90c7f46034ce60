/**
 * Health checks by component, run one after the other.
 * Source: fabric-lib-go healthz; operations-cli.md 1.4.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { textOf } from "../runtime/Stage.js"
import { CheckerExists } from "./errors.js"

/** Succeeds while the component is well; the failure's text is the reason that callers see. */
export type HealthCheck = Effect.Effect<void, unknown>

export interface FailedCheck {
  readonly component: string
  readonly reason: string
}

export class Checks {
  private readonly checkers = new Map<string, HealthCheck>()

  /** Registers a component's check for as long as the scope lives. */
  register(component: string, check: HealthCheck): Effect.Effect<void, CheckerExists, Scope.Scope> {
    const { checkers } = this
    return Effect.suspend(() => {
      if (checkers.has(component)) return new CheckerExists({ component })
      return Effect.acquireRelease(
        Effect.sync(() => checkers.set(component, check)),
        () => Effect.sync(() => checkers.delete(component))
      )
    }).pipe(Effect.asVoid)
  }

  /** The components that are not well. A check that dies counts as failed. */
  readonly run: Effect.Effect<ReadonlyArray<FailedCheck>> = Effect.suspend(() =>
    Effect.forEach([...this.checkers], ([component, check]) =>
      check.pipe(
        Effect.as([]),
        Effect.catchAllCause((cause) => {
          if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
          return Effect.succeed([{ component, reason: textOf(Cause.squash(cause)) }])
        })
      )
    )
  ).pipe(Effect.map((results) => results.flat()))
}

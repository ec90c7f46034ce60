/** How the gateway names what failed. */
import * as Effect from "effect/Effect"
import { textOf } from "../../runtime/Stage.js"
import { StepFailed } from "../errors.js"

/** Any failure as the failure of a step; one that names its step already stays as it is. */
export const failing =
  (step: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StepFailed, R> =>
    Effect.mapError(effect, (cause) => {
      if (cause instanceof StepFailed) return cause
      return new StepFailed({ step, reason: textOf(cause), cause })
    })

/** Time that a chaincode may take to be built and started. */
export const LONG = "5 minutes"

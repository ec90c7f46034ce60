/** The built-in validation plugin, `DefaultValidation` (peer-endorse-validate.md 3.11 rule 1). */
import * as Effect from "effect/Effect"
import type { ValidationPluginFactory } from "../plugin.js"
import { chaincodePolicyOnly, keyLevelPolicies } from "./keyLevel.js"
import { lsccInvocationHolds } from "./lscc.js"

export const defaultValidation: ValidationPluginFactory = () => ({
  // at once: a verdict that is there already costs the validator no fiber step
  validate: (input) => {
    const failure = input.capabilities.v13Validation ? keyLevelPolicies(input) : chaincodePolicyOnly(input)
    if (failure !== undefined) return Effect.fail(failure)
    return input.namespace === "lscc" ? lsccInvocationHolds(input) : Effect.void
  }
})

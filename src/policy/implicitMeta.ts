/** Implicit meta policies: a count over the same-named policies of the direct sub-groups (rules 52 to 54). Pure. */
import * as Either from "effect/Either"
import { common } from "../wire/index.js"
import { ImplicitMetaFailed, PolicyTextInvalid } from "./errors.js"
import { collectVerifications, type IdentityDeserializer, type PreparedPolicy, PreparedSet } from "./Policy.js"

/** An implicit meta policy, with what it asks for. */
export interface ImplicitMetaPolicy extends PreparedPolicy {
  readonly _tag: "ImplicitMetaPolicy"
  readonly definition: common.ImplicitMetaPolicy
  readonly subPolicy: string
  readonly threshold: number
}

/** How many sub-policies must hold. No sub-groups: none; an unknown rule number: none, whatever the count. */
export const thresholdOf = (rule: number, subPolicies: number): number => {
  if (subPolicies === 0) return 0
  switch (rule) {
    case common.ImplicitMetaPolicy_Rule.ANY:
      return 1
    case common.ImplicitMetaPolicy_Rule.ALL:
      return subPolicies
    case common.ImplicitMetaPolicy_Rule.MAJORITY:
      return Math.floor(subPolicies / 2) + 1
    default:
      return 0
  }
}

/**
 * In: the decoded definition, and for every direct sub-group its policy of that name (one that always fails where the
 * sub-group has none: it still counts).
 */
export const implicitMeta = (
  definition: common.ImplicitMetaPolicy,
  subPolicies: ReadonlyArray<PreparedPolicy>,
  deserializer: IdentityDeserializer
): ImplicitMetaPolicy => {
  const threshold = thresholdOf(definition.rule, subPolicies.length)
  /** Satisfied sub-policies, counted until the threshold is met; threshold 0 wants none of them satisfied. */
  const count = (prepared: PreparedSet): number => {
    let satisfied = 0
    for (const policy of subPolicies) {
      if (!policy.holds(prepared)) continue
      satisfied++
      if (satisfied === threshold) return satisfied
    }
    return satisfied
  }
  const policy: ImplicitMetaPolicy = {
    _tag: "ImplicitMetaPolicy",
    definition,
    subPolicy: definition.subPolicy,
    threshold,
    holds: (prepared) => count(prepared) === threshold,
    mark: (prepared, wanted) => {
      for (const sub of subPolicies) sub.mark(prepared, wanted)
    },
    evaluate: (set, verify) => {
      const satisfied = count(new PreparedSet(deserializer, set, verify))
      return satisfied === threshold
        ? Either.right(undefined)
        : Either.left(new ImplicitMetaFailed({ satisfied, required: threshold, subPolicy: definition.subPolicy }))
    },
    verifications: (set) => collectVerifications(new PreparedSet(deserializer, set), policy)
  }
  return policy
}

const ruleNames: ReadonlyMap<string, number> = new Map([
  ["ANY", common.ImplicitMetaPolicy_Rule.ANY],
  ["ALL", common.ImplicitMetaPolicy_Rule.ALL],
  ["MAJORITY", common.ImplicitMetaPolicy_Rule.MAJORITY]
])

/** Reads the text form, such as `MAJORITY Admins`. */
export const parseImplicitMeta = (text: string): Either.Either<common.ImplicitMetaPolicy, PolicyTextInvalid> => {
  const words = text.split(" ")
  const [ruleName, subPolicy] = words
  if (words.length !== 2 || ruleName === undefined || subPolicy === undefined) {
    return Either.left(
      new PolicyTextInvalid({ detail: `expected two space separated tokens, but got ${words.length}` })
    )
  }
  const rule = ruleNames.get(ruleName)
  if (rule === undefined) {
    return Either.left(
      new PolicyTextInvalid({ detail: `unknown rule type '${ruleName}', expected ALL, ANY, or MAJORITY` })
    )
  }
  return Either.right(common.ImplicitMetaPolicy.create({ subPolicy, rule }))
}

/** The inverse of `parseImplicitMeta`; `undefined` for a rule number without a name. */
export const printImplicitMeta = (policy: common.ImplicitMetaPolicy): string | undefined => {
  for (const [name, rule] of ruleNames) if (rule === policy.rule) return `${name} ${policy.subPolicy}`
  return undefined
}

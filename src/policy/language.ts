/**
 * The endorsement policy language, both ways: AND(…), OR(…), OutOf(n, …) over 'MSP.role' principals
 * (identity-policy-config rules 47 to 50; common/cauthdsl/policyparser.go). Pure.
 */
import * as Either from "effect/Either"
import { common } from "../wire/index.js"
import { nOutOf, rolePrincipal, signedBy } from "./builder.js"
import { PolicyTextInvalid } from "./errors.js"
import { evaluate, type Fn, text, type Value } from "./expression.js"

const roles: ReadonlyMap<string, number> = new Map([
  ["admin", common.MSPRole_MSPRoleType.ADMIN],
  ["member", common.MSPRole_MSPRoleType.MEMBER],
  ["client", common.MSPRole_MSPRoleType.CLIENT],
  ["peer", common.MSPRole_MSPRoleType.PEER],
  ["orderer", common.MSPRole_MSPRoleType.ORDERER]
])
const principalPattern = /^([a-zA-Z0-9.-]+)[.](admin|member|client|peer|orderer)$/

const refuse = (detail: string) => Either.left(new PolicyTextInvalid({ detail }))

/** Go's name of a value's dynamic type, as the reference's texts show it. */
const goType = (value: Value<unknown>): string =>
  value._tag === "text"
    ? "string"
    : value._tag === "number"
      ? "float64"
      : value._tag === "boolean"
        ? "bool"
        : "*common.SignaturePolicy"

const operand = <A>(value: Value<A>): Either.Either<string, PolicyTextInvalid> =>
  value._tag !== "text"
    ? refuse(`Unexpected type ${goType(value)}`)
    : Either.right(principalPattern.test(value.text) ? `'${value.text}'` : value.text)

/** First pass: every gate becomes text of one lower-case form, `outof(n, …)`. */
const outOfText = (args: ReadonlyArray<Value<never>>): Either.Either<Value<never>, PolicyTextInvalid> => {
  const [count, ...rest] = args
  if (count === undefined || rest.length === 0) {
    return refuse(`Expected at least two arguments to NOutOf. Given ${args.length}`)
  }
  let out = "outof("
  if (count._tag === "number") out += String(Math.trunc(count.number))
  else if (count._tag === "text") out += count.text
  else return refuse(`Unexpected type ${goType(count)}`)
  for (const value of rest) {
    const shown = operand(value)
    if (Either.isLeft(shown)) return Either.left(shown.left)
    out += `, ${shown.right}`
  }
  return Either.right(text(`${out})`))
}

const spellings = (names: ReadonlyArray<string>, fn: Fn<never>): ReadonlyArray<readonly [string, Fn<never>]> =>
  names.map((name) => [name, fn] as const)

const gates: ReadonlyMap<string, Fn<never>> = new Map([
  ...spellings(["And", "and", "AND"], (args) => outOfText([{ _tag: "number", number: args.length }, ...args])),
  ...spellings(["Or", "or", "OR"], (args) => outOfText([{ _tag: "number", number: 1 }, ...args])),
  ...spellings(["OutOf", "outof", "OUTOF"], outOfText)
])

/** Second pass: numbers settle to whole ones; what was quoted becomes a number here. */
const settle: Fn<never> = (args) => {
  let out = "outof("
  for (const [i, value] of args.entries()) {
    if (i > 0) out += ", "
    if (value._tag === "number") {
      out += String(Math.trunc(value.number))
      continue
    }
    const shown = operand(value)
    if (Either.isLeft(shown)) return Either.left(shown.left)
    out += shown.right
  }
  return Either.right(text(`${out})`))
}

/** Third pass: builds the policy; inner gates are built, and their identities numbered, before the gate around them. */
const build =
  (identities: Array<common.MSPPrincipal>): Fn<common.SignaturePolicy> =>
  (args) => {
    if (args.length < 2) return refuse(`At least 3 arguments expected, got ${args.length + 1}`)
    const [count, ...operands] = args
    if (count?._tag !== "number") {
      return refuse(`Unrecognized type, expected a number, got ${count === undefined ? "<nil>" : goType(count)}`)
    }
    const t = Math.trunc(count.number)
    if (t < 0 || t > operands.length + 1) {
      return refuse(`Invalid t-out-of-n predicate, t ${t}, n ${operands.length}`)
    }
    const rules: Array<common.SignaturePolicy> = []
    for (const value of operands) {
      if (value._tag === "custom") {
        rules.push(value.custom)
        continue
      }
      if (value._tag !== "text") {
        return refuse(`Unrecognized type, expected a principal or a policy, got ${goType(value)}`)
      }
      const [, mspId, role] = principalPattern.exec(value.text) ?? []
      const code = roles.get(role ?? "")
      if (mspId === undefined || code === undefined) return refuse(`Error parsing principal ${value.text}`)
      rules.push(signedBy(identities.length))
      identities.push(rolePrincipal(mspId, code))
    }
    return Either.right({ _tag: "custom", custom: nOutOf(t, rules) })
  }

const none: ReadonlyMap<string, never> = new Map<string, never>()

/**
 * Compiles policy text to the envelope that goes into a chaincode definition or a channel configuration.
 * In: text such as `AND('Org1MSP.peer', OutOf(1, 'Org2MSP.member', "Org3MSP.admin"))`.
 * Out: the envelope, version 0, identities in the reference's order. Errors: the reference's texts.
 */
export const parsePolicy = (policy: string): Either.Either<common.SignaturePolicyEnvelope, PolicyTextInvalid> => {
  const first = evaluate<never>(policy, gates, none)
  if (Either.isLeft(first)) return Either.left(first.left)
  if (first.right?._tag !== "text") return refuse(`invalid policy string '${policy}'`)
  const second = evaluate<never>(first.right.text, new Map([["outof", settle]]), none)
  if (Either.isLeft(second)) return Either.left(second.left)
  if (second.right?._tag !== "text") return refuse(`invalid policy string '${policy}'`)
  const identities: Array<common.MSPPrincipal> = []
  const third = evaluate(second.right.text, new Map([["outof", build(identities)]]), none)
  if (Either.isLeft(third)) return Either.left(third.left)
  if (third.right?._tag !== "custom") return refuse(`invalid policy string '${policy}'`)
  return Either.right(common.SignaturePolicyEnvelope.create({ version: 0, rule: third.right.custom, identities }))
}

const roleNames: ReadonlyMap<number, string> = new Map([...roles].map(([name, code]) => [code, name] as const))

const printPrincipal = (principal: common.MSPPrincipal | undefined): Either.Either<string, PolicyTextInvalid> => {
  if (principal === undefined) return refuse("identity index out of range")
  if (principal.principalClassification !== common.MSPPrincipal_Classification.ROLE) {
    return refuse("only role principals can be written in the policy language")
  }
  let role: common.MSPRole
  try {
    role = common.MSPRole.decode(principal.principal)
  } catch (error) {
    return refuse(`principal is no role: ${error instanceof Error ? error.message : String(error)}`)
  }
  const shown = `${role.mspIdentifier}.${roleNames.get(role.role) ?? role.role}`
  return principalPattern.test(shown) ? Either.right(`'${shown}'`) : refuse(`principal ${shown} cannot be written`)
}

const printRule = (
  rule: common.SignaturePolicy,
  identities: ReadonlyArray<common.MSPPrincipal>,
  depth: number
): Either.Either<string, PolicyTextInvalid> => {
  if (depth > 500) return refuse("policy is nested more than 500 levels deep")
  if (rule.signedBy !== undefined) return printPrincipal(identities[rule.signedBy])
  const gate = rule.nOutOf
  if (gate === undefined || gate.rules.length === 0) return refuse("a gate without operands cannot be written")
  if (gate.n < 0 || gate.n > gate.rules.length + 1) {
    return refuse(`Invalid t-out-of-n predicate, t ${gate.n}, n ${gate.rules.length}`)
  }
  const operands: Array<string> = []
  for (const operand of gate.rules) {
    const shown = printRule(operand, identities, depth + 1)
    if (Either.isLeft(shown)) return shown
    operands.push(shown.right)
  }
  const list = operands.join(", ")
  if (gate.n === 1) return Either.right(`OR(${list})`)
  return Either.right(gate.n === operands.length ? `AND(${list})` : `OutOf(${gate.n}, ${list})`)
}

/**
 * Writes an envelope in the policy language: `parsePolicy` of the result means the same, and is the same envelope when
 * that one came from `parsePolicy`.
 * Errors: what the language has no words for (principals that are no roles, gates without operands, a bare leaf,
 * MSP ids with other characters).
 */
export const printPolicy = (policy: common.SignaturePolicyEnvelope): Either.Either<string, PolicyTextInvalid> => {
  if (policy.rule?.nOutOf === undefined) return refuse("a policy without a gate cannot be written")
  return printRule(policy.rule, policy.identities, 0)
}

/**
 * Signature policies: compiled once, evaluated for every transaction and block (identity-policy-config rules 42 to 46;
 * common/cauthdsl/cauthdsl.go). The evaluation order is consensus: a gate asks all its rules in order and never stops
 * early, and each satisfied leaf uses up the first fitting signer. Do not optimise it into a matching. Pure.
 */
import * as Either from "effect/Either"
import type { Identity } from "../msp/index.js"
import { common } from "../wire/index.js"
import { PolicyMalformed, SignaturePolicyFailed } from "./errors.js"
import { collectVerifications, type IdentityDeserializer, type PreparedPolicy, PreparedSet } from "./Policy.js"

/** Whether the (sub-)policy holds; marks the signers it used. On false the caller discards the marks. */
type Evaluator = (prepared: PreparedSet, used: Uint8Array) => boolean

const malformed = (detail: string) => Either.left(new PolicyMalformed({ detail }))

/** Nesting that no policy reaches and the stack bears. */
const maxDepth = 1000

/**
 * A principal with the verdicts on the identities seen so far: a verdict depends on the MSPs alone, which are fixed for
 * a compiled policy. Entries go with their identities, which the MSPs' bounded caches hold.
 */
class Leaf {
  private readonly verdicts = new WeakMap<Identity, boolean>()
  constructor(
    private readonly principal: common.MSPPrincipal,
    private readonly deserializer: IdentityDeserializer
  ) {}

  fits(identity: Identity): boolean {
    let verdict = this.verdicts.get(identity)
    if (verdict === undefined) {
      verdict = Either.isRight(this.deserializer.satisfiesPrincipal(identity, this.principal))
      this.verdicts.set(identity, verdict)
    }
    return verdict
  }

  readonly evaluate: Evaluator = (prepared, used) => {
    const { identities } = prepared
    for (let i = 0; i < identities.length; i++) {
      const identity = identities[i]
      if (used[i] === 1 || identity === undefined || !this.fits(identity)) continue
      if (!prepared.signatureHolds(i)) continue
      used[i] = 1
      return true
    }
    return false
  }
}

const gate =
  (n: number, rules: ReadonlyArray<Evaluator>): Evaluator =>
  (prepared, used) => {
    let satisfied = 0
    const attempt = new Uint8Array(used.length)
    for (const rule of rules) {
      attempt.set(used)
      if (rule(prepared, attempt)) {
        satisfied++
        used.set(attempt)
      }
    }
    return satisfied >= n
  }

const compile = (
  policy: common.SignaturePolicy | undefined,
  identities: ReadonlyArray<common.MSPPrincipal>,
  leaves: Map<common.MSPPrincipal, Leaf>,
  deserializer: IdentityDeserializer,
  depth: number
): Either.Either<Evaluator, PolicyMalformed> => {
  if (policy === undefined) return malformed("Empty policy element")
  if (depth > maxDepth) return malformed(`policy is nested more than ${maxDepth} levels deep`)
  if (policy.nOutOf !== undefined) {
    const rules: Array<Evaluator> = []
    for (const rule of policy.nOutOf.rules) {
      const compiled = compile(rule, identities, leaves, deserializer, depth + 1)
      if (Either.isLeft(compiled)) return compiled
      rules.push(compiled.right)
    }
    return Either.right(gate(policy.nOutOf.n, rules))
  }
  if (policy.signedBy !== undefined) {
    const principal = policy.signedBy < 0 ? undefined : identities[policy.signedBy]
    if (principal === undefined) {
      return malformed(
        `identity index out of range, requested ${policy.signedBy}, but identities length is ${identities.length}`
      )
    }
    const leaf = leaves.get(principal) ?? new Leaf(principal, deserializer)
    leaves.set(principal, leaf)
    return Either.right(leaf.evaluate)
  }
  return malformed("Unknown type: <nil>:<nil>")
}

/** A compiled signature policy and the envelope it came from. */
export interface SignaturePolicy extends PreparedPolicy {
  readonly _tag: "SignaturePolicy"
  readonly envelope: common.SignaturePolicyEnvelope
}

/**
 * Compiles an envelope already decoded. Like the reference, the version is not looked at here (rule 42).
 * Errors: the reference's compile texts.
 */
export const fromEnvelope = (
  envelope: common.SignaturePolicyEnvelope,
  deserializer: IdentityDeserializer
): Either.Either<SignaturePolicy, PolicyMalformed> => {
  const byPrincipal = new Map<common.MSPPrincipal, Leaf>()
  const compiled = compile(envelope.rule, envelope.identities, byPrincipal, deserializer, 0)
  if (Either.isLeft(compiled)) return Either.left(compiled.left)
  const evaluator = compiled.right
  const leaves = [...byPrincipal.values()]
  const holds = (prepared: PreparedSet): boolean => evaluator(prepared, new Uint8Array(prepared.identities.length))
  const policy: SignaturePolicy = {
    _tag: "SignaturePolicy",
    envelope,
    holds,
    mark: (prepared, wanted) => {
      for (const [i, identity] of prepared.identities.entries()) {
        if (leaves.some((leaf) => leaf.fits(identity))) wanted[i] = 1
      }
    },
    evaluate: (set, verify) =>
      holds(new PreparedSet(deserializer, set, verify))
        ? Either.right(undefined)
        : Either.left(new SignaturePolicyFailed()),
    verifications: (set) => collectVerifications(new PreparedSet(deserializer, set), policy)
  }
  return Either.right(policy)
}

/**
 * Compiles the bytes of a `common.SignaturePolicyEnvelope`, as chaincode definitions and configurations carry them.
 * Errors: bytes that do not decode, a version other than 0, and the compile texts.
 */
export const fromEnvelopeBytes = (
  bytes: Uint8Array,
  deserializer: IdentityDeserializer
): Either.Either<SignaturePolicy, PolicyMalformed> => {
  let envelope: common.SignaturePolicyEnvelope
  try {
    envelope = common.SignaturePolicyEnvelope.decode(bytes)
  } catch (error) {
    return malformed(`Error unmarshaling to SignaturePolicy: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (envelope.version !== 0) {
    return malformed(`This evaluator only understands messages of version 0, but version was ${envelope.version}`)
  }
  return fromEnvelope(envelope, deserializer)
}

/** Either form; see `fromEnvelope` and `fromEnvelopeBytes`. */
export const fromSignaturePolicyEnvelope = (
  policy: Uint8Array | common.SignaturePolicyEnvelope,
  deserializer: IdentityDeserializer
): Either.Either<SignaturePolicy, PolicyMalformed> =>
  policy instanceof Uint8Array ? fromEnvelopeBytes(policy, deserializer) : fromEnvelope(policy, deserializer)

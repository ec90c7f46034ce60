/** Compiled policies of a channel, kept by their bytes: the same few are asked for with every transaction. */
import * as Either from "effect/Either"
import type { IdentityDeserializer } from "../msp/index.js"
import type { SignedData, Verify } from "../policy/index.js"
import { fromEnvelopeBytes } from "../policy/index.js"
import { PolicyFailure } from "./errors.js"

type Compiled = ReturnType<typeof fromEnvelopeBytes>

/** More different policies than any channel has; key-level ones are the client's choice, so there is a bound. */
const LIMIT = 1000

export class PolicyCache {
  private readonly compiled = new Map<string, Compiled>()

  /** One cache per configuration: MSPs are part of what is compiled. */
  constructor(private readonly deserializer: IdentityDeserializer) {}

  /** Why `set` does not satisfy the policy; undefined when it does. Bytes that are no policy fail too. */
  evaluate(policy: Uint8Array, set: ReadonlyArray<SignedData>, verify: Verify): PolicyFailure | undefined {
    const compiled = this.policyOf(policy)
    if (Either.isLeft(compiled)) return new PolicyFailure({ reason: compiled.left.message })
    const verdict = compiled.right.evaluate(set, verify)
    return Either.isLeft(verdict) ? new PolicyFailure({ reason: verdict.left.message }) : undefined
  }

  private policyOf(policy: Uint8Array): Compiled {
    const key = Buffer.from(policy.buffer, policy.byteOffset, policy.byteLength).toString("latin1")
    const known = this.compiled.get(key)
    if (known !== undefined) return known
    const made = fromEnvelopeBytes(Uint8Array.from(policy), this.deserializer)
    if (this.compiled.size >= LIMIT) this.compiled.clear()
    this.compiled.set(key, made)
    return made
  }
}

/** Expected failures of the policy folder, as values; texts are the reference's, because clients show them. */
import * as Data from "effect/Data"

/** A signature policy whose gates are not met by the signature set (identity-policy-config rule 46). */
export class SignaturePolicyFailed extends Data.TaggedError("SignaturePolicyFailed")<Record<never, never>> {
  override get message(): string {
    return "signature set did not satisfy policy"
  }
}

/** An implicit meta policy with too few satisfied sub-policies (rule 53). */
export class ImplicitMetaFailed extends Data.TaggedError("ImplicitMetaFailed")<{
  readonly satisfied: number
  readonly required: number
  readonly subPolicy: string
}> {
  override get message(): string {
    return `implicit policy evaluation failed - ${this.satisfied} sub-policies were satisfied, but this policy requires ${this.required} of the '${this.subPolicy}' sub-policies to be satisfied`
  }
}

/** A name that leads to no policy: whoever evaluates it is refused (rule 56). */
export class NoSuchPolicy extends Data.TaggedError("NoSuchPolicy")<{ readonly name: string }> {
  override get message(): string {
    return `No such policy: '${this.name}'`
  }
}

/** Why an evaluation refused. */
export type PolicyError = SignaturePolicyFailed | ImplicitMetaFailed | NoSuchPolicy

/** A policy definition that cannot be evaluated (rules 42 and 55). */
export class PolicyMalformed extends Data.TaggedError("PolicyMalformed")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

/** Text that is no sentence of the policy language (rules 47 to 50) or of its implicit meta form (rule 54). */
export class PolicyTextInvalid extends Data.TaggedError("PolicyTextInvalid")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

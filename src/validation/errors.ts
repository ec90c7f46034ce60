/** Failures of validation. Outcomes that the protocol knows are codes (`protos.TxValidationCode`), never failures. */
import * as Data from "effect/Data"
import type { SignedData } from "../policy/index.js"

/** A message that is not what it must be; the text is the reference's. */
export class MessageInvalid extends Data.TaggedError("MessageInvalid")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/**
 * No verdict can be given on a block: state cannot be read, a plugin is missing or failed, a config transaction does
 * not apply. Nothing of the block is written and the channel stops (peer-endorse-validate.md 3.9 rule 10).
 */
export class ValidationHalted extends Data.TaggedError("ValidationHalted")<{
  readonly channel: string
  readonly block: bigint
  /** Index of the transaction in the block. */
  readonly transaction: number
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return `[${this.channel}] validation of block [${this.block}] stopped at transaction ${this.transaction}: ${this.reason}`
  }
}

/** The policy that was not satisfied, where and by which signatures. */
export interface RefusedPolicy {
  /** `common.SignaturePolicyEnvelope`. */
  readonly policy: Uint8Array
  readonly set: ReadonlyArray<SignedData>
  /** For a policy of a single key; private keys by their hash in hex. */
  readonly collection?: string
  readonly key?: string
}

/** What a validation plugin says of a transaction that it refuses: code ENDORSEMENT_POLICY_FAILURE. */
export class PolicyFailure extends Data.TaggedError("PolicyFailure")<{
  readonly reason: string
  /** For explanations; plugins may leave it out. */
  readonly refused?: RefusedPolicy
}> {
  override get message() {
    return this.reason
  }
}

/** What a validation plugin says when it cannot decide: the channel stops. */
export class ExecutionFailure extends Data.TaggedError("ExecutionFailure")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

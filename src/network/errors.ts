/** What can go wrong with a developer's network: one line each, with what to do. */
import * as Data from "effect/Data"

/** The request cannot be done as it was made. */
export class NetworkRefused extends Data.TaggedError("NetworkRefused")<{
  readonly reason: string
  readonly remedy: string
}> {
  override get message() {
    return `${this.reason} (${this.remedy})`
  }
}

/** A step of bringing the network up failed. */
export class StepFailed extends Data.TaggedError("StepFailed")<{
  readonly step: string
  readonly reason: string
  readonly cause: unknown
}> {
  override get message() {
    return `${this.step}: ${this.reason}`
  }
}

/** A node's process ended, or did not answer in time. */
export class NodeFailed extends Data.TaggedError("NodeFailed")<{
  readonly node: string
  readonly reason: string
  /** Where its log lies. */
  readonly log: string
}> {
  override get message() {
    return `${this.node} ${this.reason}; see ${this.log}`
  }
}

/** A transaction was ordered, but the peers took it for invalid: it changed nothing. */
export class TransactionInvalid extends Data.TaggedError("TransactionInvalid")<{
  readonly txId: string
  readonly block: bigint
  /** Name of the validation code: `MVCC_READ_CONFLICT`, … */
  readonly code: string
}> {
  override get message() {
    return `transaction ${this.txId} was invalidated in block ${this.block}: ${this.code}`
  }
}

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

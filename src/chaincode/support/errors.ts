/** Failures of launching and executing. Their messages are the reference's texts, composed from the inside out. */
import * as Data from "effect/Data"

/** A chaincode could not be launched, or what to launch is not known. */
export class LaunchFailed extends Data.TaggedError("LaunchFailed")<{
  readonly chaincode: string
  readonly reason: string
}> {
  override get message() {
    return this.reason
  }
}

/** An execution came to no answer: it ran already, ran out of time, or the stream broke. */
export class ExecutionFailed extends Data.TaggedError("ExecutionFailed")<{
  readonly txId: string
  /** Why, for those who count and explain. */
  readonly kind: "exists" | "timeout" | "stream" | "proposal" | "launch" | "answer"
  readonly reason: string
}> {
  override get message() {
    return this.reason
  }
  /** The same failure with something in front of its text. */
  within(prefix: string): ExecutionFailed {
    return new ExecutionFailed({ txId: this.txId, kind: this.kind, reason: `${prefix}: ${this.reason}` })
  }
}

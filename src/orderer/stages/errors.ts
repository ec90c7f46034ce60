/** Failures of startup stages; texts are the reference's where it has one. */
import * as Data from "effect/Data"

/** A stage of the start that cannot be acquired; what to do about it stands with the stage. */
export class StartFailed extends Data.TaggedError("StartFailed")<{
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.detail
  }
}

export { textOf } from "../../runtime/Stage.js"

/** Failures of the translation between messages and JSON; texts follow the reference's. */
import * as Data from "effect/Data"

/** A message or a JSON document that does not translate. `detail` names the messages on the way. */
export class ProtolatorError extends Data.TaggedError("ProtolatorError")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

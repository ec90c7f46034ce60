/** Failures of the operations service. */
import * as Data from "effect/Data"

/** It could not be started; `reason` has Go's form (`listen tcp A: bind: address already in use`). */
export class OperationsFailed extends Data.TaggedError("OperationsFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** A component has a checker already. */
export class CheckerExists extends Data.TaggedError("CheckerExists")<{ readonly component: string }> {
  override get message() {
    return `'${this.component}' is already registered`
  }
}

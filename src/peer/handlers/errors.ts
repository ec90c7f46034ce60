/** Failures of the handlers library. */
import * as Data from "effect/Data"

/** A handler that the configuration names cannot be had; the texts are the reference's. */
export class HandlerUnusable extends Data.TaggedError("HandlerUnusable")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

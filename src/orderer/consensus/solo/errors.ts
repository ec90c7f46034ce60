/** Failures of solo's journal. */
import * as Data from "effect/Data"

/** The journal's medium failed: nothing of the call was recorded, later calls try again. */
export class JournalFailed extends Data.TaggedError("JournalFailed")<{
  readonly op: "open" | "read" | "write" | "create" | "remove"
  readonly path: string
  readonly cause: unknown
}> {
  override get message() {
    return `journal ${this.path}: ${this.op} failed: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/** The folder holds the journal of another chain, or something else altogether. */
export class JournalForeign extends Data.TaggedError("JournalForeign")<{ readonly path: string }> {
  override get message() {
    return `journal ${this.path} does not belong to this channel's chain`
  }
}

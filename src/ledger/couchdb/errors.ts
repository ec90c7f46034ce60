/** Errors of CouchDB as the state database; texts as the reference logs them. */
import * as Data from "effect/Data"

/** CouchDB did not do what it was asked, also after all retries. */
export class CouchFailed extends Data.TaggedError("CouchFailed")<{
  readonly reason: string
  /** HTTP status; undefined when no answer came. */
  readonly status?: number
}> {
  override get message() {
    return this.reason
  }
}

/** Why a benchmark ends without its figures. */
import * as Data from "effect/Data"

/** The service did not take or give what a benchmark counts on. */
export class BenchmarkFailed extends Data.TaggedError("BenchmarkFailed")<{ readonly detail: string }> {
  override get message() {
    return this.detail
  }
}

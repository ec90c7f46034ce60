import * as Data from "effect/Data"

/** A request that is answered with a gRPC error; the text is the reference's. */
export class RequestRefused extends Data.TaggedError("RequestRefused")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** A query that cannot be answered; the text of its result, or the cause behind it. */
export class QueryFailed extends Data.TaggedError("QueryFailed")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

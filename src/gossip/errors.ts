import * as Data from "effect/Data"

/** A peer could not be reached or authenticated; `reason` is the reference's text where it has one (section 5). */
export class CommFailed extends Data.TaggedError("CommFailed")<{ readonly endpoint: string; readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** A send by criteria that reached too few peers. */
export class SendFailed extends Data.TaggedError("SendFailed")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

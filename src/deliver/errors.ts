/** Failures inside a Deliver request; the client sees their status only, the log their text. */
import * as Data from "effect/Data"

/** A request that is answered with a status and no block; `detail` goes to the log. */
export class RequestRefused extends Data.TaggedError("RequestRefused")<{
  /** common.Status */
  readonly status: number
  readonly detail: string
}> {
  override get message() {
    return this.detail
  }
}

/** The policy of the channel refuses the request's signer. */
export class AccessDenied extends Data.TaggedError("AccessDenied")<{ readonly detail: string }> {
  override get message() {
    return this.detail
  }
}

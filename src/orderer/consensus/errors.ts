/** Failures of consensus. */
import * as Data from "effect/Data"

/** The message was not taken; the client may send it again. `detail` is the reference's text where it has one. */
export class NotReady extends Data.TaggedError("NotReady")<{ readonly detail: string }> {
  override get message() {
    return this.detail
  }
}

/** The config asks for a mechanism that this node does not have (etcdraft, or a name nobody knows). */
export class ConsenterUnknown extends Data.TaggedError("ConsenterUnknown")<{
  readonly channelId: string
  readonly type: string
  /** Those that it has. */
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    return `Error retrieving consenter of type: ${this.type} (channel ${this.channelId} asks for it, this orderer has ${this.known.join(" and ")})`
  }
}

/** A channel's chain cannot be made or started. */
export class ConsenterFailed extends Data.TaggedError("ConsenterFailed")<{
  readonly channelId: string
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message() {
    return `[channel: ${this.channelId}] ${this.detail}`
  }
}

/** Failures of the peer's own parts. Texts are the reference's where clients, scripts or logs match on them. */
import * as Data from "effect/Data"

/** A caller may not do what it asks for. The text says which check refused (peer-endorse-validate.md 3.1). */
export class AccessRefused extends Data.TaggedError("AccessRefused")<{
  readonly reason: string
  /** What to look at: the policy or principal that was not satisfied; kept for the log, never sent. */
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

/** A proposal that is refused before anything runs: the call fails with gRPC Unknown and this text (3.4 rule 6). */
export class ProposalRejected extends Data.TaggedError("ProposalRejected")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

/** A proposal that could not be simulated or endorsed: a ProposalResponse of status 500 with this text (3.4 rule 13). */
export class EndorsementFailed extends Data.TaggedError("EndorsementFailed")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

/** A channel could not be created or opened. */
export class ChannelFailed extends Data.TaggedError("ChannelFailed")<{
  readonly channel: string
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

/** A setting that the peer cannot start with; the text is the reference's. */
export class SettingInvalid extends Data.TaggedError("SettingInvalid")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

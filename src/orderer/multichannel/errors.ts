/** Failures of a channel's ledger and writer. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** A channel's block store did not do as asked; `cause` is its error. What was not written may be written again. */
export class LedgerFailed extends Data.TaggedError("LedgerFailed")<{ readonly cause: Error }> {
  override get message() {
    return this.cause.message
  }
  static readonly refail = <A, E extends Error, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, LedgerFailed, R> =>
    Effect.mapError(self, (cause) => new LedgerFailed({ cause }))
}

/** A block that cannot be written, however often one tries: the chain's input or state is wrong. */
export class BlockRefused extends Data.TaggedError("BlockRefused")<{
  readonly channelId: string
  readonly detail: string
}> {
  override get message() {
    return `[channel: ${this.channelId}] ${this.detail}`
  }
}

/** A channel that cannot be brought up from its ledger. */
export class ChannelInvalid extends Data.TaggedError("ChannelInvalid")<{
  readonly channelId: string
  readonly detail: string
}> {
  override get message() {
    return this.detail
  }
}

/** Failures of the commit line. A refused block is dropped; everything else stops the channel, not the node. */
import * as Data from "effect/Data"

/** A block that does not follow, or was not made by the channel's ordering service: dropped, nothing has changed. */
export class BlockRefused extends Data.TaggedError("BlockRefused")<{
  readonly channel: string
  readonly block: bigint | undefined
  readonly reason: string
}> {
  override get message() {
    return `[${this.channel}] block [${this.block ?? "?"}] refused: ${this.reason}`
  }
}

/** The channel can commit nothing any more; the block named was not committed. */
export class CommitStopped extends Data.TaggedError("CommitStopped")<{
  readonly channel: string
  readonly block: bigint
  readonly reason: string
  /** What a person can do. */
  readonly remedy: string
  readonly cause: unknown
}> {
  override get message() {
    return `[${this.channel}] Cannot commit block [${this.block}] to the ledger due to ${this.reason}`
  }
}

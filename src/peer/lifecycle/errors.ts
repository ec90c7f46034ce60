/** What can go wrong when the peer looks up which chaincode a channel has. */
import * as Data from "effect/Data"

/** A channel's state could not be read, or holds a record that is none. */
export class DefinitionsUnreadable extends Data.TaggedError("DefinitionsUnreadable")<{
  readonly channel: string
  readonly cause: unknown
}> {
  override get message() {
    return this.cause instanceof Error ? this.cause.message : String(this.cause)
  }
}

import * as Data from "effect/Data"

/** A block that was not taken into the buffer; the text is the reference's where it has one. */
export class PayloadRefused extends Data.TaggedError("PayloadRefused")<{
  readonly channel: string
  readonly number: bigint
  readonly reason: string
}> {
  override get message(): string {
    return this.reason
  }
}

/** The one error of this folder. Plain, not an Effect type: wire is used in hot loops and knows no Effect. */

/**
 * Bytes that are not a message, or values that no message can hold. The text is the one that Go's library
 * (golang/protobuf 1.3) gives where it has one. `_tag` lets `Effect.catchTag` match it once a caller has wrapped it.
 */
export class WireError extends Error {
  readonly _tag = "WireError"
  override readonly name = "WireError"
}

/** Expected failures of channel configuration, as values; texts are the reference's, because clients match on them. */
import * as Data from "effect/Data"

/**
 * A configuration, or a change of one, that is refused. `detail` is the reference's text with all its prefixes.
 * `cause` is kept where a caller decides by it (a policy that was not satisfied).
 */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly detail: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}

/** Puts the reference's `outer: inner` prefix before an error. */
export const wrap =
  (outer: string) =>
  (inner: { readonly message: string }): ConfigError =>
    new ConfigError({ detail: `${outer}: ${inner.message}`, cause: inner })

/** A required capability that this software does not have: the node must stop rather than go on (rule 65b). */
export class CapabilityUnsupported extends Data.TaggedError("CapabilityUnsupported")<{
  readonly level: "Channel" | "Orderer" | "Application"
  readonly capability: string
}> {
  override get message(): string {
    return `${this.level} capability ${this.capability} is required but not supported`
  }
}

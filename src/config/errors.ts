/** Failures of configuration: which key, where it was set, what was found, what was wanted; the reference's text beside. */
import * as Data from "effect/Data"

/** Where a value comes from. */
export type Origin =
  | { readonly source: "env"; readonly name: string }
  | { readonly source: "file"; readonly file: string; readonly line: number }
  | { readonly source: "override" }
  | { readonly source: "default" }

/** `core.yaml:12`, `CORE_PEER_ID`, `default`. */
export const originText = (origin: Origin): string => {
  switch (origin.source) {
    case "env":
      return origin.name
    case "file":
      return `${origin.file}:${origin.line}`
    default:
      return origin.source
  }
}

/** One fault of one key. */
export interface ConfigIssue {
  /** As written in the file: `General.TLS.Enabled`. */
  readonly key: string
  readonly origin: Origin
  /** The value as text; secrets are masked. */
  readonly found: string
  /** What would have been right. */
  readonly want: string
  /** What the reference prints for this fault. */
  readonly reference: string
}

/** `General.ListenPort (orderer.yaml:7): found "x", want a whole number from 0 to 65535`. */
export const issueText = ({ found, key, origin, want }: ConfigIssue): string =>
  `${key} (${originText(origin)}): found ${found}, want ${want}`

/** Values that cannot be used. All faults of the file and the environment are told at once. */
export class ConfigInvalid extends Data.TaggedError("ConfigInvalid")<{
  readonly file: string
  readonly issues: ReadonlyArray<ConfigIssue>
  /** The reference's whole text, which scripts know. */
  readonly reference: string
  /** True where the reference panics (exit code 2) instead of reporting (1). */
  readonly panic: boolean
}> {
  override get message() {
    return [this.reference, ...this.issues.map((issue) => `  ${issueText(issue)}`)].join("\n")
  }
}

/** The file cannot be found, read or parsed; `reason` is the reference's text. */
export class ConfigUnreadable extends Data.TaggedError("ConfigUnreadable")<{
  /** Undefined when none was found. */
  readonly file: string | undefined
  readonly line: number | undefined
  readonly reason: string
}> {
  override get message() {
    return this.reason
  }
}

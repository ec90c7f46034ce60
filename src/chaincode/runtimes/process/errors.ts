/** What can go wrong while a process is prepared. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { textOf } from "../../../runtime/Stage.js"

/** A file or folder of the launcher could not be read or written. */
export class DiskFailed extends Data.TaggedError("DiskFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** The package cannot be laid out on disk. */
export class UnpackFailed extends Data.TaggedError("UnpackFailed")<{ readonly reason: string }> {
  override get message() {
    return `cannot unpack the chaincode package: ${this.reason}`
  }
}

/** A tool (npm, go, …) ended badly; `output` is the end of what it printed. */
export class ToolFailed extends Data.TaggedError("ToolFailed")<{
  readonly command: string
  readonly exitCode: number
  readonly output: string
}> {
  override get message() {
    const output = this.output.trim()
    return `"${this.command}" ended with ${this.exitCode}${output === "" ? "" : `: ${output}`}`
  }
}

/** File work; every failure is a `DiskFailed` with the system's text. */
export const disk = <A>(work: () => Promise<A>): Effect.Effect<A, DiskFailed> =>
  Effect.tryPromise({ try: work, catch: (error) => new DiskFailed({ reason: textOf(error) }) })

/** How commands fail: with the text that stands behind `Error: `. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** The program ends with 1 and this text on stderr. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly text: string
  /** The arguments were wrong: the usage text follows. */
  readonly usage?: boolean
  /** With `--explain`: what follows the text. */
  readonly explanation?: ReadonlyArray<string>
}> {
  override get message() {
    return this.text
  }
}

/** The program ends with this status and without a text: the log or the output has said it. */
export class Ended extends Data.TaggedError("Ended")<{ readonly status: number }> {
  override get message() {
    return `ended with status ${this.status}`
  }
}

/** Wrong arguments. */
export const misused = (text: string): CommandFailed => new CommandFailed({ text, usage: true })

export const failed = (text: string): CommandFailed => new CommandFailed({ text })

/** Any failure with a message becomes the command's, behind `prefix`. */
export const failing =
  (prefix = "") =>
  <A, E extends { readonly message: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, CommandFailed, R> =>
    Effect.mapError(effect, (error) => new CommandFailed({ text: `${prefix}${error.message}` }))

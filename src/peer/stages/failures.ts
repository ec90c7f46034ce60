/** Failures of stages that no other folder names; the texts are the reference's. */
import * as Data from "effect/Data"

/** A file of the configuration cannot be used, an address cannot be read, a handler is unknown. */
export class StartRefused extends Data.TaggedError("StartRefused")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** Puts the reference's words before a failure's text. */
export const within =
  (words: string) =>
  (cause: { readonly message: string }): StartRefused =>
    new StartRefused({ reason: `${words}${cause.message}` })

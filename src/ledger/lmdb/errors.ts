/** Failures of the medium. The caller cannot mend them: the channel (or the start) ends with the text. */
import * as Data from "effect/Data"

const text = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The environment of a folder could not be opened. */
export class LmdbOpenFailed extends Data.TaggedError("LmdbOpenFailed")<{
  readonly path: string
  readonly cause: unknown
}> {
  override get message() {
    return `cannot open the LMDB environment at ${this.path}: ${text(this.cause)}`
  }
}

/** A write transaction failed and was rolled back as a whole. */
export class LmdbCommitFailed extends Data.TaggedError("LmdbCommitFailed")<{
  readonly path: string
  readonly cause: unknown
}> {
  override get message() {
    return `cannot commit to the LMDB environment at ${this.path}: ${text(this.cause)}`
  }
}

/**
 * Another process works on the folder. The first words are the reference's (sheet 5.1), so that scripts find them.
 */
export class FolderLocked extends Data.TaggedError("FolderLocked")<{
  readonly path: string
}> {
  override get message() {
    return `as another peer node command is executing, wait for that command to complete its execution or terminate it before retrying: lock is already acquired on file ${this.path}`
  }
}

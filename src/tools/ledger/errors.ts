/** What the ledger tools cannot do, said to a person. */
import * as Data from "effect/Data"

export const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The command ends with this text and exit code 1. */
export class LedgerToolFailed extends Data.TaggedError("LedgerToolFailed")<{
  readonly reason: string
  /** What the person can do; empty where nothing is to be said. */
  readonly remedy: string
}> {
  override get message() {
    return this.remedy === "" ? this.reason : `${this.reason}\n  ${this.remedy}`
  }
}

/** A Go node's block files are not what a Go node writes. */
export class GoBlocksDamaged extends Data.TaggedError("GoBlocksDamaged")<{
  readonly channel: string
  readonly file: string
  readonly offset: number
  readonly block: bigint
  readonly reason: string
}> {
  override get message() {
    return `channel ${this.channel}: block [${this.block}] in ${this.file} at byte ${this.offset} is damaged: ${this.reason}`
  }
}

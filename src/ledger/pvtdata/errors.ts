/** Errors of the private data store; texts: ledger-privatedata.md 5.2. */
import * as Data from "effect/Data"

/** The call does not fit the store's standing: a mistake of the caller. */
export class PvtStoreMisuse extends Data.TaggedError("PvtStoreMisuse")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** The block has not been committed to the store. */
export class PvtStoreOutOfRange extends Data.TaggedError("PvtStoreOutOfRange")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

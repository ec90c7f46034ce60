/**
 * History as chaincode reaches it: without the database every question is refused, not the transaction.
 * Source: NewHistoryQueryExecutor and GetHistoryForKey in core/ledger/kvledger/history of the reference.
 */
import * as Effect from "effect/Effect"
import type { HistoryQueryExecutor } from "../../chaincode/context.js"
import type { PeerLedgerShape } from "../../ledger/index.js"

const withoutDatabase: HistoryQueryExecutor = {
  getHistoryForKey: () => {
    throw new Error("history database not enabled")
  }
}

/** In: a ledger, and whether `ledger.history.enableHistoryDatabase` says that it keeps history. */
export const historyOf = (
  ledger: Pick<PeerLedgerShape, "newHistoryQueryExecutor">,
  enabled: boolean
): Effect.Effect<HistoryQueryExecutor, { readonly message: string }> =>
  enabled ? ledger.newHistoryQueryExecutor : Effect.succeed(withoutDatabase)

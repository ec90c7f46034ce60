/** What a simulation reads from a ledger over CouchDB. Not a test. */
import * as Effect from "effect/Effect"
import type { PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import type { StateIterator, TxSimulator } from "../../../src/ledger/simulator/index.js"
import { text } from "../support.js"

const entries = (iterator: StateIterator) =>
  Effect.gen(function* () {
    const found: Array<readonly [key: string, value: string]> = []
    for (;;) {
      yield* iterator.prepare?.(101) ?? Effect.void
      const result = iterator.next()
      if (result === undefined) return found
      found.push([result.key, text(result.value)])
    }
  })

/** All that an iterator of a new simulation gives, as text. */
export const asked = (ledger: PeerLedgerShape, ask: (simulator: TxSimulator) => StateIterator) =>
  Effect.acquireUseRelease(
    ledger.newTxSimulator("query"),
    (simulator) => Effect.suspend(() => entries(ask(simulator))),
    (simulator) => Effect.sync(() => simulator.done())
  )

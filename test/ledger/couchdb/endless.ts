/**
 * An endless chain of JSON documents for CouchDB, the same on every run: block n writes and deletes documents, public
 * and private. Used by the process that gets killed and by the one that looks afterwards.
 */
import * as Effect from "effect/Effect"
import type { CouchInstance } from "../../../src/ledger/couchdb/index.js"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { byHand, commitOne, commitTxs, deploy, genesis } from "../peer/chain.js"

export const openCouchEndless = (root: string, couchDB: CouchInstance) =>
  Effect.gen(function* () {
    const provider = yield* makeLedgerProvider({ root, couchDB, historyEnabled: true, isMember: () => () => true })
    return (yield* provider.exists("ch")) ? yield* provider.open("ch") : yield* provider.create(genesis())
  })

/** Keys that blocks write; few enough for one answer of a server without bookmarks. */
const KEYS = 40

/** The block that belongs at the ledger's height. */
export const commitNextDocuments = (ledger: PeerLedgerShape): Effect.Effect<unknown, unknown> =>
  Effect.suspend(() => {
    const n = Number(ledger.height())
    if (n === 1) return commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]]))
    const json = (i: number) => Buffer.from(JSON.stringify({ block: n, i, owner: `o${(n + i) % 3}` }))
    return commitTxs(
      ledger,
      Array.from({ length: 1 + (n % 4) }, (_, i) => ({
        txId: `tx${n}-${i}`,
        results: byHand((builder) => {
          for (let k = 0; k < 3; k++) builder.addWrite("cc", `key${(n * 7 + i * 3 + k) % KEYS}`, json(i))
          builder.addWrite(n % 2 === 0 ? "cc" : "dd", `key${(n * 5 + i) % KEYS}`, new Uint8Array(0))
          builder.addWrite("dd", `d${(n + i) % KEYS}`, json(i))
          builder.addPrivateWrite("cc", "coll", `p${(n + i) % KEYS}`, json(i))
        })
      }))
    )
  })

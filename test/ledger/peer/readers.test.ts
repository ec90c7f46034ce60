/** Simulations that read while blocks are committed: each sees one block's state to its end, and no half of a block. */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { EMPTY } from "../../../src/wire/protoutil.js"
import { run, tempDir, text, utf8 } from "../support.js"
import { byHand, commitOne, commitTxs, deploy, genesis } from "./chain.js"

const blocks = 60
const keys = Array.from({ length: 20 }, (_, i) => `k${String(i).padStart(2, "0")}`)

/** One block: every key, each written by a transaction of its own, and a private one. All have the block's number. */
const commitNumber = (ledger: PeerLedgerShape) => {
  const number = utf8(String(ledger.height()))
  return commitTxs(
    ledger,
    keys.map((key, i) => ({
      txId: `t${ledger.height()}-${i}`,
      results: byHand((builder) => {
        builder.addWrite("cc", key, number)
        if (i === 7) builder.addPrivateWrite("cc", "coll", "secret", number)
      })
    }))
  )
}

/** What a reader finds, by key, by range and in private data: one number each where it sees whole blocks. */
const numbersIn = (ledger: PeerLedgerShape, pauses: number) =>
  Effect.acquireUseRelease(
    ledger.newTxSimulator("reader"),
    (sim) =>
      Effect.gen(function* () {
        const found = new Set<string>()
        for (let round = 0; round <= pauses; round++) {
          found.add(text(sim.getState("cc", keys[round % keys.length] ?? "") ?? EMPTY))
          const iterator = sim.getStateRange("cc", "", "")
          for (let entry = iterator.next(); entry !== undefined; entry = iterator.next()) {
            found.add(text(entry.value))
            if (entry.key === keys[9]) yield* Effect.sleep(1) // a block may come in the middle of a scan
          }
          iterator.close()
          found.add(text(sim.getPrivateData("cc", "coll", "secret") ?? EMPTY))
        }
        return [...found]
      }),
    (sim) => Effect.sync(() => sim.done())
  )

describe("readers", () => {
  it("on a snapshot see one block's state while others are committed, and hold none of them up", () =>
    run(
      Effect.gen(function* () {
        const provider = yield* makeLedgerProvider({ root: path.join(yield* tempDir, "ledgersData") })
        const ledger = yield* provider.create(genesis())
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]]))
        yield* commitNumber(ledger)
        let reads = 0
        const seen = new Set<string>()
        const reader = (pauses: number) =>
          Effect.gen(function* () {
            while (Number(ledger.height()) < blocks) {
              const least = Number(ledger.height()) - 1
              const found = yield* numbersIn(ledger, pauses)
              expect(found.length, found.join()).toBe(1)
              expect(Number(found[0])).toBeGreaterThanOrEqual(least)
              seen.add(found[0] ?? "")
              reads++
            }
          })
        // one that never ends while the blocks come: it must neither move nor keep them out
        const oldest = yield* ledger.newTxSimulator("oldest")
        const writer = Effect.gen(function* () {
          while (Number(ledger.height()) < blocks) {
            yield* commitNumber(ledger)
            yield* Effect.sleep(0)
          }
        })
        yield* Effect.all([writer, ...[0, 1, 3].map(reader)], { concurrency: "unbounded" })
        expect(keys.map((key) => text(oldest.getState("cc", key) ?? EMPTY))).toEqual(keys.map(() => "2"))
        oldest.done()
        expect(reads).toBeGreaterThan(10)
        expect(seen.size).toBeGreaterThan(3)
      })
    ))
})

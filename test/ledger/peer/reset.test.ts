/** Reset and rollback offline, and the way back up (acceptance 12). */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import {
  clearPreResetHeights,
  makeLedgerProvider,
  type PeerLedgerShape,
  preResetHeights,
  resetLedgers,
  rollbackLedger
} from "../../../src/ledger/peer/index.js"
import { inScope, run, tempDir } from "../support.js"
import { chainA, decidedBefore, filterOf } from "../vectors.js"
import { commitNext, openEndless } from "./endless.js"
import { everything, tables } from "./tables.js"

const closed = <A>(root: string, use: (ledger: PeerLedgerShape) => Effect.Effect<A, unknown>) =>
  Effect.promise(async () => {
    const opened = await inScope(openEndless(root))
    try {
      return await Effect.runPromise(use(opened.value))
    } finally {
      await opened.close()
    }
  })
const upTo = (root: string, height: bigint) =>
  closed(root, (ledger) =>
    Effect.gen(function* () {
      while (ledger.height() < height) yield* commitNext(ledger)
    })
  )

describe("rollback", () => {
  it("refuses what is not there", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        yield* upTo(root, 5n)
        expect((yield* Effect.flip(rollbackLedger(root, "no", 1n))).message).toBe("ledgerID [no] does not exist")
        for (const target of [4n, 9n])
          expect((yield* Effect.flip(rollbackLedger(root, "ch", target))).message).toBe(
            `target block number [${target}] should be less than the biggest block number [4]`
          )
        const other = yield* Effect.promise(() => inScope(openEndless(root)))
        expect((yield* Effect.flip(rollbackLedger(root, "ch", 1n)))._tag).toBe("FolderLocked")
        yield* Effect.promise(other.close)
        expect((yield* preResetHeights(root)).size).toBe(0)
      })
    ))

  it("and catching up again leave what there was, private data included", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        yield* upTo(root, 27n)
        const before = yield* everything(root)
        yield* rollbackLedger(root, "ch", 9n)
        expect(yield* preResetHeights(root)).toEqual(new Map([["ch", 27n]]))
        yield* closed(root, (ledger) =>
          Effect.gen(function* () {
            expect(ledger.height()).toBe(10n)
            expect(ledger.isPvtDataCovered(20n)).toBe(true)
            expect(yield* ledger.missingPvtData(50)).toEqual([])
            expect((yield* Effect.flip(ledger.txById("tx15-1")))._tag).toBe("NotFoundInIndex")
            expect((yield* ledger.txById("tx9-1")).block).toBe(9n)
          })
        )
        // a lower height does not replace the higher one
        yield* rollbackLedger(root, "ch", 3n)
        expect(yield* preResetHeights(root)).toEqual(new Map([["ch", 27n]]))
        yield* upTo(root, 27n)
        const after = yield* everything(root)
        for (const table of tables) {
          // what had expired by the height before is not taken into state again, as in the reference
          if (table === "privatestate" || table === "purgeschedule") continue
          expect(after.get(table), `table ${table}`).toEqual(before.get(table))
        }
        yield* clearPreResetHeights(root)
        expect((yield* preResetHeights(root)).size).toBe(0)
      })
    ))

  it("that was cut short is taken up by the next start", () =>
    run(
      Effect.gen(function* () {
        const base = yield* tempDir
        const [root, copy] = [path.join(base, "a"), path.join(base, "b")]
        yield* upTo(root, 12n)
        fs.cpSync(root, copy, { recursive: true, filter: (name) => path.basename(name) !== "LOCK" })
        yield* rollbackLedger(copy, "ch", 4n)
        // index cut, files not
        for (const name of fs.readdirSync(path.join(root, "channels", "ch")).filter((n) => n.startsWith("blocks_")))
          fs.copyFileSync(path.join(root, "channels", "ch", name), path.join(copy, "channels", "ch", name))
        yield* closed(copy, (ledger) => Effect.sync(() => expect(ledger.height()).toBe(12n)))
        const [a, b] = [yield* everything(root), yield* everything(copy)]
        for (const table of ["blocks", "hashes", "txids", "state", "hashedstate", "history"])
          expect(b.get(table), table).toEqual(a.get(table))
      })
    ))
})

describe("reset", () => {
  it("goes to the first block; the recorded chain then gives the same commit hashes", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const fed = chainA("orderer")
        const stored = chainA("peer")
        const feed = (ledger: PeerLedgerShape) =>
          Effect.gen(function* () {
            for (let n = Number(ledger.height()); n < fed.length; n++) {
              const expected = stored[n] ?? new Uint8Array(0)
              const codes = decidedBefore(filterOf(expected))
              const { block } = yield* ledger.commit({ block: fed[n] ?? new Uint8Array(0), codes })
              expect(Buffer.from(block).equals(Buffer.from(expected)), `block ${n}`).toBe(true)
            }
          })
        yield* Effect.scoped(
          Effect.flatMap(makeLedgerProvider({ root }), (provider) =>
            Effect.flatMap(provider.create(fed[0] ?? new Uint8Array(0)), feed)
          )
        )
        yield* resetLedgers(root)
        expect([...(yield* preResetHeights(root)).values()]).toEqual([BigInt(fed.length)])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const provider = yield* makeLedgerProvider({ root })
            const ledger = yield* provider.open("mychannel")
            expect(ledger.height()).toBe(1n)
            yield* feed(ledger)
          })
        )
      })
    ))
})

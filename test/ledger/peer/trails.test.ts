/** The youngest history of a key, which its state record keeps: complete and in order whatever happens to either. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Batch } from "../../../src/ledger/lmdb/index.js"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { openStorage } from "../../../src/ledger/peer/Storage.js"
import {
  decodeTrail,
  encodeTrail,
  mergePositions,
  type Position,
  trailLength
} from "../../../src/ledger/statedb/index.js"
import { decodeValue, encodeValue, plainRecord, trailOf, withTrail } from "../../../src/ledger/statedb/value.js"
import { run, tempDir, text, utf8 } from "../support.js"
import { byHand, commitTxs, genesis, query } from "./chain.js"

const order = (a: Position, b: Position) => (a.block < b.block ? -1 : a.block > b.block ? 1 : a.tx - b.tx)
const positions = fc
  .uniqueArray(fc.tuple(fc.bigInt(0n, 2n ** 40n), fc.nat(70_000)), { selector: ([b, t]) => `${b}/${t}`, maxLength: 40 })
  .map((pairs) => pairs.map(([block, tx]): Position => ({ block, tx })).sort(order))

describe("trails", () => {
  it("come back as they were written, before any record", () => {
    const bytes = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(
        positions,
        bytes,
        fc.option(bytes),
        fc.bigInt(0n, 2n ** 64n - 1n),
        (trail, value, metadata, blockNum) => {
          const version = { blockNum, txNum: 3n }
          const record = encodeValue(value, metadata ?? undefined, version)
          expect(trailOf(record)).toBeUndefined()
          const held = { version, metadata: metadata ?? undefined, value }
          const plainly = (found: ReturnType<typeof decodeValue>) => ({
            ...found,
            metadata: found.metadata && Uint8Array.from(found.metadata),
            value: Uint8Array.from(found.value)
          })
          expect(plainly(decodeValue(record))).toEqual(held)
          const both = withTrail(encodeTrail(trail), record)
          expect(decodeTrail(trailOf(both) ?? utf8("none"))).toEqual(trail)
          expect(Buffer.from(plainRecord(both)).equals(record)).toBe(true)
          expect(plainly(decodeValue(both))).toEqual(held)
        }
      )
    )
  })

  it("merge with what the table has, each position once", () => {
    fc.assert(
      fc.property(positions, fc.func(fc.nat(2)), (every, where) => {
        const left = every.filter((p) => where(p) !== 0)
        const right = every.filter((p) => where(p) !== 1)
        expect([...mergePositions(left, right)]).toEqual(every)
      })
    )
  })
})

const opened = <A, E>(root: string, historyEnabled: boolean, use: (ledger: PeerLedgerShape) => Effect.Effect<A, E>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const provider = yield* makeLedgerProvider({ root, historyEnabled })
      const ledger = (yield* provider.exists("ch")) ? yield* provider.open("ch") : yield* provider.create(genesis())
      return yield* use(ledger)
    })
  )

/** A block that writes the key twice, or deletes it; and one write to another key. Says what history is to hold. */
const blockOf = (ledger: PeerLedgerShape, expected: Array<string>) => {
  const n = Number(ledger.height())
  const values = n % 17 === 0 ? [""] : [`${n}a`, `${n}b`]
  expected.push(...values.map((value, i) => `t${n}-${i}:${value}`))
  const one = (txId: string, key: string, value: string) => ({
    txId,
    results: byHand((builder) => builder.addWrite("cc", key, utf8(value)))
  })
  return commitTxs(ledger, [...values.map((value, i) => one(`t${n}-${i}`, "k", value)), one(`o${n}`, "k2", "x")])
}

const historyOf = (ledger: PeerLedgerShape) =>
  Effect.map(ledger.newHistoryQueryExecutor, (executor) => {
    const iterator = executor.getHistoryForKey("cc", "k")
    const found: Array<string> = []
    for (let change = iterator.next(); change !== undefined; change = iterator.next())
      found.push(`${change.txId}:${change.isDelete ? "" : text(change.value)}`)
    return found
  })

describe("the history of a key that is written often", () => {
  it("is whole: over full trails, deletes, restarts, times without history, and a state that was dropped", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const expected: Array<string> = []
        const blocks = (ledger: PeerLedgerShape, count: number) =>
          Effect.forEach(Array.from({ length: count }), () => blockOf(ledger, expected))
        const whole = (ledger: PeerLedgerShape) =>
          Effect.map(historyOf(ledger), (found) => expect(found).toEqual(expected))

        yield* opened(root, true, (ledger) => Effect.zipRight(blocks(ledger, trailLength + 10), whole(ledger)))
        yield* opened(root, true, (ledger) => Effect.zipRight(blocks(ledger, 3), whole(ledger)))
        yield* opened(root, false, (ledger) => blocks(ledger, 12)) // with a delete among them
        yield* opened(root, true, (ledger) =>
          Effect.zipRight(whole(ledger), Effect.zipRight(blocks(ledger, 2), whole(ledger)))
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const storage = yield* openStorage({ channelId: "ch", folder: path.join(root, "channels", "ch") })
            expect(storage.state.savepoint()).toBeDefined()
            const batch = new Batch()
            storage.state.clear(batch)
            storage.environment.commit(batch)
          })
        )
        yield* opened(root, true, (ledger) =>
          Effect.gen(function* () {
            yield* whole(ledger)
            yield* blocks(ledger, 20)
            yield* whole(ledger)
            const value = yield* query(ledger, (sim) => text(sim.getState("cc", "k") ?? utf8("absent")))
            expect(value).toBe(expected.at(-1)?.split(":")[1])
          })
        )
      })
    ))

  it("is read from a ledger of the format before, which is marked as the new one", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const expected: Array<string> = []
        yield* opened(root, false, (ledger) =>
          Effect.forEach(Array.from({ length: 5 }), () => blockOf(ledger, expected))
        )
        const mark = path.join(root, "FORMAT")
        fs.writeFileSync(mark, "fabric-effect ledgers 1\n")
        yield* opened(root, true, (ledger) =>
          Effect.gen(function* () {
            expect(yield* historyOf(ledger)).toEqual(expected) // entries of the table alone
            yield* blockOf(ledger, expected)
            expect(yield* historyOf(ledger)).toEqual(expected)
          })
        )
        expect(fs.readFileSync(mark, "utf8")).toBe("fabric-effect ledgers 2\n")
        fs.writeFileSync(mark, "fabric-effect ledgers 3\n")
        const refusal = yield* Effect.flip(opened(root, true, () => Effect.void))
        expect(String(refusal)).toContain("has format [fabric-effect ledgers 3]")
      })
    ))
})

/** Private data on one peer: versions, block-to-live, missing data, reconciliation, eligibility, crashes. */

import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { type LedgerOptions, makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import type { TxSimulator } from "../../../src/ledger/simulator/index.js"
import { protos, type rwset } from "../../../src/wire/index.js"
import { EMPTY, sha256, toHex } from "../../../src/wire/protoutil.js"
import { inScope, run, tempDir, text, utf8 } from "../support.js"
import { byHand, commitOne, commitTxs, deploy, genesis, nextBlock, query, simulate } from "./chain.js"

const isMember: NonNullable<LedgerOptions["isMember"]> = () => (policy) =>
  policy.signaturePolicy?.identities.some(({ principal }) => text(principal) === "org1") === true

const open = (root: string, options: LedgerOptions = {}) =>
  Effect.gen(function* () {
    const provider = yield* makeLedgerProvider({ root, isMember, purgeInterval: 1, ...options })
    return (yield* provider.exists("ch")) ? yield* provider.open("ch") : yield* provider.create(genesis())
  })

const fresh = (options?: LedgerOptions) =>
  Effect.flatMap(tempDir, (dir) => open(path.join(dir, "ledgersData"), options))

const put =
  (key: string, value: string, collection = "coll") =>
  (sim: TxSimulator) =>
    sim.setPrivateData("cc", collection, key, utf8(value))

const privateOf = (ledger: PeerLedgerShape, key: string, collection = "coll") =>
  query(ledger, (sim) => {
    try {
      return text(sim.getPrivateData("cc", collection, key) ?? utf8("absent"))
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  })
const hashOf = (ledger: PeerLedgerShape, key: string, collection = "coll") =>
  query(ledger, (sim) => toHex(sim.getPrivateDataHash("cc", collection, key) ?? EMPTY))

const other = (ledger: PeerLedgerShape, id: string) =>
  commitOne(ledger, id, (sim) => sim.setState("cc", "other", utf8(id)))

/** Waits for background work by its effect. */
const until = <A>(read: Effect.Effect<A, unknown>, holds: (value: A) => boolean): Effect.Effect<A, unknown> =>
  Effect.flatMap(read, (value) =>
    holds(value)
      ? Effect.succeed(value)
      : Effect.delay(
          Effect.suspend(() => until(read, holds)),
          "2 millis"
        )
  )

describe("private values", () => {
  it("are read where value and hash agree; others know the hash (acceptance 14)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh()
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]]))
        yield* commitOne(ledger, "t1", put("k", "v"))
        yield* commitOne(ledger, "t2", put("secret", "x"), { withPrivate: false })
        expect(yield* privateOf(ledger, "k")).toBe("v")
        expect(yield* privateOf(ledger, "none")).toBe("absent")
        expect(yield* hashOf(ledger, "k")).toBe(toHex(sha256(utf8("v"))))
        expect(yield* hashOf(ledger, "secret")).toBe(toHex(sha256(utf8("x"))))
        expect(yield* privateOf(ledger, "secret")).toBe(
          "private data matching public hash version is not available. Public hash version = {BlockNum: 3, TxNum: 0}, Private data version = <nil>"
        )
        expect(yield* privateOf(ledger, "k", "no")).toContain("collection [no] not defined")
      })
    ))

  it("follow the version of their hash when only metadata changes (rule 59)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh()
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]]))
        yield* commitOne(ledger, "t1", put("k", "v"))
        yield* commitOne(ledger, "t2", (sim) =>
          sim.setPrivateDataMetadata("cc", "coll", "k", new Map([["m", utf8("1")]]))
        )
        expect(yield* privateOf(ledger, "k")).toBe("v")
        yield* commitOne(ledger, "t3", (sim) => sim.deletePrivateData("cc", "coll", "k"))
        expect(yield* privateOf(ledger, "k")).toBe("absent")
        expect(yield* hashOf(ledger, "k")).toBe("")
      })
    ))

  it("are kept out of state for invalid transactions, yet stored (trap 36)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh()
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]]))
        const committed = yield* commitOne(ledger, "t1", put("k", "v"), {
          code: protos.TxValidationCode.ENDORSEMENT_POLICY_FAILURE
        })
        expect(yield* privateOf(ledger, "k")).toBe("absent")
        expect((yield* ledger.pvtDataByNumber(committed.number)).size).toBe(1)
        expect((yield* Effect.flip(ledger.pvtDataByNumber(9n))).message).toBe(
          "Last committed block=2, block requested=9"
        )
      })
    ))

  it("that do not fit their hash stop the commit (rule 58)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh()
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]]))
        const good = yield* simulate(ledger, "t1", put("k", "v"))
        const bad = yield* simulate(ledger, "t1", put("k", "w"))
        const error = yield* Effect.flip(
          commitTxs(ledger, [{ txId: "t1", results: { public: good.public, private: bad.private } }])
        )
        expect(error.message).toContain("Hash of pvt data for collection [cc:coll] does not match")
        expect(ledger.height()).toBe(2n)
        yield* commitTxs(ledger, [{ txId: "t1", results: good }])
        expect(yield* privateOf(ledger, "k")).toBe("v")
      })
    ))

  it("of collections that are not defined are taken in without an end (trap 35)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh()
        const results = byHand((builder) => builder.addPrivateWrite("cc", "ghost", "k", utf8("v")))
        const committed = yield* commitTxs(ledger, [{ txId: "t", results }])
        expect([...committed.codes]).toEqual([0])
      })
    ))
})

describe("block-to-live (acceptance 13)", () => {
  it("BTL 1: readable after b+1, gone after b+2; a rewrite in b+1 lives until b+3", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh()
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 1n]])) // 1
        const first = yield* simulate(ledger, "t2", (sim) => {
          put("k", "v")(sim)
          put("again", "1")(sim)
        })
        yield* commitTxs(ledger, [{ txId: "t2", results: first }]) // b = 2
        yield* commitOne(ledger, "t3", put("again", "2")) // b+1
        expect(yield* privateOf(ledger, "k")).toBe("v")
        const reader = (key: string) => (sim: TxSimulator) => {
          sim.getPrivateDataHash("cc", "coll", key)
          sim.setState("cc", `saw ${key}`, utf8("1"))
        }
        // read before b+2: valid in b+2 (against what is not purged yet), not in b+3
        const inTime = yield* simulate(ledger, "t4", reader("k"))
        const late = yield* simulate(ledger, "t5", reader("k"))
        const four = yield* commitTxs(ledger, [{ txId: "t4", results: inTime }]) // b+2
        expect([...four.codes]).toEqual([0])
        expect(yield* privateOf(ledger, "k")).toBe("absent")
        expect(yield* hashOf(ledger, "k")).toBe("")
        expect(yield* privateOf(ledger, "again")).toBe("2")
        const five = yield* commitTxs(ledger, [{ txId: "t5", results: late }]) // b+3
        expect([...five.codes]).toEqual([protos.TxValidationCode.MVCC_READ_CONFLICT])
        expect(yield* privateOf(ledger, "again")).toBe("absent")
        expect(yield* hashOf(ledger, "again")).toBe("")
      })
    ))

  it("a key written in the expiring block itself stays; metadata prolongs a key's life (rule 88)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh()
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 1n]]))
        const first = yield* simulate(ledger, "t2", (sim) => {
          put("k", "v")(sim)
          put("m", "v")(sim)
        })
        yield* commitTxs(ledger, [{ txId: "t2", results: first }]) // 2
        yield* commitOne(ledger, "t3", (sim) =>
          sim.setPrivateDataMetadata("cc", "coll", "m", new Map([["x", utf8("1")]]))
        ) // 3
        yield* commitOne(ledger, "t4", put("k", "w")) // 4 = expiry of block 2
        expect(yield* privateOf(ledger, "k")).toBe("w")
        expect(yield* privateOf(ledger, "m")).toBe("v")
        yield* other(ledger, "t5")
        expect(yield* privateOf(ledger, "m")).toBe("absent")
        yield* other(ledger, "t6")
        expect(yield* privateOf(ledger, "k")).toBe("absent")
      })
    ))

  it("does not enter the commit hash (rule 65), and the stored sets go from the disk", () =>
    run(
      Effect.gen(function* () {
        const withData = yield* fresh()
        const without = yield* fresh({ purgeInterval: 1000 })
        for (const ledger of [withData, without]) {
          yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 1n]]))
          yield* commitOne(ledger, "t2", put("k", "v"), { withPrivate: ledger === withData })
        }
        for (let n = 3; n < 8; n++) {
          const [a, b] = [yield* other(withData, `t${n}`), yield* other(without, `t${n}`)]
          expect(toHex(a.commitHash ?? EMPTY)).toBe(toHex(b.commitHash ?? EMPTY))
          expect(a.commitHash).toBeDefined()
        }
        // hidden at once (rule 72)
        expect((yield* withData.pvtDataByNumber(2n)).size).toBe(0)
        expect((yield* without.missingPvtData(10)).length).toBe(0)
      })
    ))

  it("purges the stored sets in the background", async () => {
    await run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(open(root)))
        const ledger = first.value
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 1n]]))
        yield* commitOne(ledger, "t2", put("k", "v".repeat(5000)))
        yield* commitOne(ledger, "t3", put("l", "w"), { withPrivate: false })
        for (let n = 4; n < 8; n++) yield* other(ledger, `t${n}`)
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* Effect.promise(first.close)
        const left = yield* Effect.scoped(
          Effect.gen(function* () {
            const { openEnvironment } = yield* Effect.promise(() => import("../../../src/ledger/lmdb/index.js"))
            const names = ["pvtdata", "pvtexpiry", "pvtmissing", "purgeschedule"]
            const environment = yield* openEnvironment({
              path: path.join(root, "channels", "ch", "db"),
              tables: [...names, ...Array.from({ length: 20 }, (_, i) => `spare${i}`)]
            })
            return names.map((name) => [...environment.table(name).store.getKeys({})].length)
          })
        )
        expect(left).toEqual([0, 0, 0, 0])
      })
    )
  })
})

describe("missing data", () => {
  const setup = (options?: LedgerOptions) =>
    Effect.gen(function* () {
      const ledger = yield* fresh(options)
      yield* commitOne(ledger, "deploy", (sim) =>
        deploy(sim, "cc", [
          ["coll", 0n],
          ["foreign", 0n, "org2"]
        ])
      )
      return ledger
    })
  const old = (block: bigint, tx: number, set: rwset.TxPvtReadWriteSet | undefined) =>
    new Map([[block, new Map(set === undefined ? [] : [[tx, set] as const])]])

  it("is listed newest block first, eligible only, and reconciled (rules 75, 94)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* setup()
        const two = yield* simulate(ledger, "t2", put("k", "old"))
        yield* commitTxs(ledger, [{ txId: "t2", results: two, withPrivate: false }])
        const three = yield* simulate(ledger, "t3", put("k", "new"))
        yield* commitTxs(ledger, [{ txId: "t3", results: three, withPrivate: false }])
        yield* commitOne(ledger, "t4", put("f", "x", "foreign"), { withPrivate: false, eligible: false })
        const expected = (block: bigint) => ({ namespace: "cc", collection: "coll", block, txs: [0] })
        expect(yield* ledger.missingPvtData(10)).toEqual([expected(3n), expected(2n)])
        expect(yield* ledger.missingPvtData(1)).toEqual([expected(3n)])
        // wrong data is refused and reported (acceptance 18)
        const wrong = yield* ledger.commitPvtDataOfOldBlocks(old(2n, 0, three.private))
        expect(wrong.map(({ block, collection, tx }) => [block, tx, collection])).toEqual([[2n, 0, "coll"]])
        expect((yield* ledger.missingPvtData(10)).length).toBe(2)
        // an old value: stored, but state does not go back
        expect(yield* ledger.commitPvtDataOfOldBlocks(old(2n, 0, two.private))).toEqual([])
        expect(yield* privateOf(ledger, "k")).toContain("not available")
        expect(yield* ledger.missingPvtData(10)).toEqual([expected(3n)])
        yield* ledger.commitPvtDataOfOldBlocks(old(3n, 0, three.private))
        expect(yield* privateOf(ledger, "k")).toBe("new")
        expect(yield* ledger.missingPvtData(10)).toEqual([])
        expect((yield* ledger.pvtDataByNumber(2n)).size).toBe(1)
        // what nobody awaits is left alone
        yield* ledger.commitPvtDataOfOldBlocks(old(3n, 0, three.private))
      })
    ))

  it("takes the hash's version when metadata moved on, and leaves deleted keys deleted", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* setup()
        const two = yield* simulate(ledger, "t2", (sim) => {
          put("k", "v")(sim)
          put("gone", "v")(sim)
        })
        yield* commitTxs(ledger, [{ txId: "t2", results: two, withPrivate: false }])
        yield* commitOne(ledger, "t3", (sim) => {
          sim.setPrivateDataMetadata("cc", "coll", "k", new Map([["m", utf8("1")]]))
          sim.deletePrivateData("cc", "coll", "gone")
        })
        yield* ledger.commitPvtDataOfOldBlocks(old(2n, 0, two.private))
        expect(yield* privateOf(ledger, "k")).toBe("v")
        expect(yield* privateOf(ledger, "gone")).toBe("absent")
      })
    ))

  it("becomes eligible when an upgrade makes this peer a member (rule 76), also after a restart", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(open(root, { eligibilityBatchSize: 2, eligibilityPause: 1 })))
        const ledger = first.value
        yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["foreign", 0n, "org2"]]))
        for (let n = 2; n < 8; n++)
          yield* commitOne(ledger, `t${n}`, put("f", `${n}`, "foreign"), { withPrivate: false, eligible: false })
        expect(yield* ledger.missingPvtData(10)).toEqual([])
        yield* commitOne(ledger, "upgrade", (sim) => deploy(sim, "cc", [["foreign", 0n, "org1"]]))
        yield* Effect.promise(first.close)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const again = yield* open(root)
            const missing = yield* until(again.missingPvtData(10), (list) => list.length === 6)
            expect(missing.map(({ block }) => block)).toEqual([7n, 6n, 5n, 4n, 3n, 2n])
            // configurations of the past (rule 96)
            const below = yield* again.mostRecentCollectionConfigBelow(8n, "cc")
            expect(below?.committingBlock).toBe(1n)
            expect((yield* again.mostRecentCollectionConfigBelow(9n, "cc"))?.committingBlock).toBe(8n)
            expect(yield* again.mostRecentCollectionConfigBelow(1n, "cc")).toBeUndefined()
            expect(yield* again.mostRecentCollectionConfigBelow(9n, "c")).toBeUndefined()
            expect((yield* again.collectionConfigAt(8n, "cc"))?.committingBlock).toBe(8n)
            expect(yield* again.collectionConfigAt(7n, "cc")).toBeUndefined()
            expect((yield* Effect.flip(again.collectionConfigAt(9n, "cc"))).message).toBe(
              "The maximum block number committed [8] is less than the requested block number [9]"
            )
          })
        )
      })
    ))
})

describe("crashes around private data (rules 61, 66)", () => {
  it("private data that was prepared without its block is kept and used when the block comes (traps 20, 21)", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(open(root)))
        yield* commitOne(first.value, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]]))
        const results = yield* simulate(first.value, "t2", put("k", "v"))
        // make the append fail after the private data is down, as a full disk would
        const dir = path.join(root, "channels", "ch")
        const block = nextBlock(first.value, [])
        yield* Effect.promise(first.close)
        const second = yield* Effect.promise(() => inScope(open(root, { maxFileSize: 1 })))
        fs.writeFileSync(path.join(dir, "blocks_000001"), "")
        const error = yield* Effect.flip(commitTxs(second.value, [{ txId: "t2", results }]))
        expect(error._tag).toBe("LedgerFailed")
        expect(error.message).toContain("block [2] cannot be written")
        expect(error).toHaveProperty("cause._tag", "StoreFailed")
        expect(second.value.height()).toBe(2n)
        yield* Effect.promise(second.close)
        fs.rmSync(path.join(dir, "blocks_000001"))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const ledger = yield* open(root)
            expect(ledger.height()).toBe(2n)
            expect(ledger.isPvtDataCovered(2n)).toBe(true)
            expect(yield* ledger.missingPvtData(5)).toEqual([])
            // the block comes again, without its private data
            yield* commitTxs(ledger, [{ txId: "t2", results, withPrivate: false }])
            expect(yield* privateOf(ledger, "k")).toBe("v")
            expect(ledger.isPvtDataCovered(3n)).toBe(false)
            expect(block.length).toBeGreaterThan(0)
          })
        )
      })
    ))

  it("a database that is gone: blocks replayed, private data recorded as missing where this peer is a member", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(open(root)))
        yield* commitOne(first.value, "deploy", (sim) =>
          deploy(sim, "cc", [
            ["coll", 0n],
            ["foreign", 0n, "org2"]
          ])
        )
        const results = yield* simulate(first.value, "t2", (sim) => {
          put("k", "v")(sim)
          put("f", "v", "foreign")(sim)
        })
        yield* commitTxs(first.value, [{ txId: "t2", results }])
        yield* Effect.promise(first.close)
        fs.rmSync(path.join(root, "channels", "ch", "db"), { recursive: true })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const ledger = yield* open(root)
            expect(ledger.height()).toBe(3n)
            expect(yield* hashOf(ledger, "k")).toBe(toHex(sha256(utf8("v"))))
            expect((yield* ledger.missingPvtData(5)).map(({ block, collection }) => [block, collection])).toEqual([
              [2n, "coll"]
            ])
            yield* ledger.commitPvtDataOfOldBlocks(
              new Map([[2n, new Map(results.private === undefined ? [] : [[0, results.private] as const])]])
            )
            expect(yield* privateOf(ledger, "k")).toBe("v")
          })
        )
      })
    ))
})

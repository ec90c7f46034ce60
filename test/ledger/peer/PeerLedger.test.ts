/** The ledger's promises on real LMDB: commit, visibility, history, restarts, creation. */

import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import type { BlockchainInfo } from "../../../src/ledger/blockstore/index.js"
import {
  LedgerProvider,
  layerLedgerProvider,
  makeLedgerProvider,
  type PeerLedgerShape
} from "../../../src/ledger/peer/index.js"
import { prometheus } from "../../../src/runtime/Metrics.js"
import { common, protos } from "../../../src/wire/index.js"
import { EMPTY, newBlock } from "../../../src/wire/protoutil.js"
import { inScope, run, tempDir, text, utf8 } from "../support.js"
import { byHand, commitOne, commitTxs, endorserTx, genesis, nextBlock, query, simulate } from "./chain.js"

const make = (root: string, historyEnabled = true) =>
  Effect.flatMap(makeLedgerProvider({ root, historyEnabled }), (provider) => provider.create(genesis()))
const reopen = (root: string, historyEnabled = true) =>
  Effect.flatMap(makeLedgerProvider({ root, historyEnabled }), (provider) => provider.open("ch"))

const fresh = Effect.flatMap(tempDir, (dir) => make(path.join(dir, "ledgersData")))

const historyOf = (ledger: PeerLedgerShape, key: string) =>
  Effect.map(ledger.newHistoryQueryExecutor, (executor) => {
    const iterator = executor.getHistoryForKey("cc", key)
    const changes: Array<string> = []
    for (let change = iterator.next(); change !== undefined; change = iterator.next())
      changes.push(`${change.txId}:${change.isDelete ? "deleted" : text(change.value)}`)
    return changes
  })

describe("commit", () => {
  it("puts writes into state, and an empty value deletes (acceptance 8)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh
        yield* commitOne(ledger, "t1", (sim) => {
          sim.setState("cc", "a", utf8("1"))
          sim.setState("cc", "b", utf8("2"))
          sim.setState("cc", "a\0long".padEnd(3000, "x"), utf8("3"))
        })
        yield* commitOne(ledger, "t2", (sim) => sim.setState("cc", "a", EMPTY))
        const values = yield* query(ledger, (sim) => [sim.getState("cc", "a"), text(sim.getState("cc", "b") ?? EMPTY)])
        expect(values).toEqual([undefined, "2"])
        expect(yield* historyOf(ledger, "a")).toEqual(["t1:1", "t2:deleted"])
        expect(yield* historyOf(ledger, "nothing")).toEqual([])
      })
    ))

  it("keeps history ascending, apart for keys with zero bytes, without invalid and metadata writes (rule 97)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh
        yield* commitOne(ledger, "t1", (sim) => {
          sim.setState("cc", "k", utf8("1"))
          sim.setState("cc", "k\0", utf8("other"))
          sim.setState("cc", "k\0\0\0\0\0\0\0\0\x02", utf8("other"))
        })
        const conflicting = yield* simulate(ledger, "t3", (sim) => {
          sim.getState("cc", "k")
          sim.setState("cc", "k", utf8("3"))
        })
        const two = yield* simulate(ledger, "t2", (sim) => sim.setState("cc", "k", utf8("2")))
        const committed = yield* commitTxs(ledger, [
          { txId: "t2", results: two },
          { txId: "t3", results: conflicting }
        ])
        expect([...committed.codes]).toEqual([0, protos.TxValidationCode.MVCC_READ_CONFLICT])
        yield* commitOne(ledger, "t4", (sim) => sim.setStateMetadata("cc", "k", new Map([["m", utf8("x")]])))
        yield* commitOne(ledger, "t5", (sim) => sim.deleteState("cc", "k"))
        expect(yield* historyOf(ledger, "k")).toEqual(["t1:1", "t2:2", "t5:deleted"])
        expect(yield* historyOf(ledger, "k\0")).toEqual(["t1:other"])
      })
    ))

  it("marks what is no action and what is no read-write set (rule 50)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh
        const noAction = common.Envelope.encode({
          payload: common.Payload.encode({
            header: {
              channelHeader: common.ChannelHeader.encode({ type: common.HeaderType.ENDORSER_TRANSACTION, txId: "x" }),
              signatureHeader: EMPTY
            },
            data: protos.Transaction.encode({ actions: [] })
          })
        })
        const envelopes = [noAction, endorserTx("y", utf8("\xff\xff\xff")), endorserTx("z", EMPTY)]
        const block = nextBlock(ledger, envelopes)
        const committed = yield* ledger.commit({ block, codes: new Uint8Array(3) })
        expect([...committed.codes]).toEqual([
          protos.TxValidationCode.NIL_TXACTION,
          protos.TxValidationCode.INVALID_OTHER_REASON,
          0
        ])
        expect(committed.txs.map(({ txId, type }) => [txId, type])).toEqual([
          ["x", 3],
          ["y", 3],
          ["z", 3]
        ])
        expect((yield* ledger.txById("y")).validationCode).toBe(protos.TxValidationCode.INVALID_OTHER_REASON)
      })
    ))

  it("refuses blocks that are not next, do not chain, were not validated, or cannot be read, and stays as it was", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh
        const tx = endorserTx("t", byHand((b) => b.addWrite("cc", "k", utf8("v"))).public)
        const good = nextBlock(ledger, [tx])
        const wrongNumber = common.Block.encode(newBlock(7n, EMPTY, [tx]))
        const wrongHash = common.Block.encode(newBlock(1n, utf8("?"), [tx]))
        const unreadable = nextBlock(ledger, [utf8("garbage")])
        const refusals: ReadonlyArray<readonly [Uint8Array, ReadonlyArray<number>, string]> = [
          [wrongNumber, [0], "BlockNumberMismatch"],
          [wrongHash, [0], "PreviousHashMismatch"],
          [good, [], "BlockRefused"],
          [good, [254], "BlockRefused"],
          [unreadable, [0], "BlockRefused"],
          [utf8("no block"), [], "BlockMalformed"]
        ]
        for (const [block, codes, tag] of refusals) {
          const error = yield* Effect.flip(ledger.commit({ block, codes: Uint8Array.from(codes) }))
          expect(error._tag).toBe(tag)
          expect(ledger.height()).toBe(1n)
        }
        const named = yield* Effect.flip(ledger.commit({ block: unreadable, codes: Uint8Array.of(0) }))
        expect(named.message).toMatch(/channel ch: block \[1\] transaction \[0\]/)
        yield* ledger.commit({ block: good, codes: Uint8Array.of(0) })
        expect(text((yield* query(ledger, (sim) => sim.getState("cc", "k"))) ?? EMPTY)).toBe("v")
      })
    ))

  it("shows a block only with its state: an event is followed by reads of it, 300 times (acceptance 21)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh
        const iterator = ledger.iterator(1n)
        const reader = yield* Effect.fork(
          Effect.gen(function* () {
            for (let n = 1; n <= 300; n++) {
              const block = common.Block.decode((yield* iterator.next) ?? EMPTY)
              const number = block.header?.number ?? 0n
              const seen = yield* query(ledger, (sim) => text(sim.getState("cc", "n") ?? EMPTY))
              expect(Number(seen)).toBeGreaterThanOrEqual(Number(number))
            }
          })
        )
        for (let n = 1; n <= 300; n++) {
          const results = byHand((builder) => builder.addWrite("cc", "n", utf8(String(n))))
          yield* commitTxs(ledger, [{ txId: `t${n}`, results }])
          yield* Effect.yieldNow()
        }
        yield* Fiber.join(reader)
      })
    ))

  it("serialises commits that are asked for at once", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* fresh
        const block = nextBlock(ledger, [])
        const outcomes = yield* Effect.all(
          Array.from({ length: 5 }, () => Effect.exit(ledger.commit({ block, codes: EMPTY }))),
          { concurrency: "unbounded" }
        )
        expect(outcomes.filter((exit) => exit._tag === "Success").length).toBe(1)
        expect(ledger.height()).toBe(2n)
      })
    ))

  it("counts what it committed under Fabric's names (acceptance 25)", () =>
    run(
      Effect.gen(function* () {
        const metrics = prometheus()
        const root = path.join(yield* tempDir, "ledgersData")
        const provider = yield* makeLedgerProvider({ root, metrics })
        const ledger = yield* provider.create(genesis())
        yield* commitOne(ledger, "t", (sim) => sim.setState("cc", "k", utf8("v")))
        const body = (yield* metrics.exposition)?.body ?? ""
        expect(body).toContain('ledger_blockchain_height{channel="ch"} 2')
        expect(body).toContain(
          'ledger_transaction_count{channel="ch",transaction_type="ENDORSER_TRANSACTION",chaincode="cc:1",validation_code="VALID"} 1'
        )
        for (const name of [
          "ledger_blockstorage_commit_time",
          "ledger_block_processing_time",
          "ledger_blockstorage_and_pvtdata_commit_time",
          "ledger_statedb_commit_time"
        ])
          expect(body).toContain(`${name}_bucket{le="0.015",channel="ch"}`)
      })
    ))
})

describe("restart", () => {
  const fill = (ledger: PeerLedgerShape) =>
    Effect.gen(function* () {
      for (let n = 1; n <= 6; n++) {
        const first = yield* simulate(ledger, `a${n}`, (sim) => {
          sim.getState("cc", "counter")
          sim.setState("cc", "counter", utf8(String(n)))
          sim.setStateMetadata("cc", `m${n}`, new Map([["x", utf8("1")]]))
        })
        const second = yield* simulate(ledger, `b${n}`, (sim) => {
          sim.getState("cc", "counter")
          sim.setState("cc", `k${n}`, utf8("v"))
        })
        yield* commitTxs(ledger, [
          { txId: `a${n}`, results: first },
          { txId: `b${n}`, results: second }
        ])
      }
    })
  const dump = (ledger: PeerLedgerShape) =>
    query(ledger, (sim) => {
      const iterator = sim.getStateRange("cc", "", "")
      const entries: Array<string> = []
      for (let entry = iterator.next(); entry !== undefined; entry = iterator.next()) {
        const metadata = [...sim.getStateMetadata("cc", entry.key)].map(([name, value]) => `${name}=${text(value)}`)
        entries.push(`${entry.key}=${text(entry.value)} ${metadata.join()}`)
      }
      // versions, too: they are in the read set
      return [entries, Buffer.from(sim.getTxSimulationResults().public).toString("hex")]
    })

  it("finds everything again, and rebuilds state, history and index when they are gone (acceptance 11)", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(make(root)))
        yield* fill(first.value)
        const before = yield* dump(first.value)
        const hashes = ({ currentBlockHash, height, previousBlockHash }: BlockchainInfo) => [
          height,
          ...[currentBlockHash, previousBlockHash].map((hash) => Buffer.from(hash ?? EMPTY).toString("hex"))
        ]
        const info = hashes(first.value.info())
        const history = yield* historyOf(first.value, "counter")
        const last = yield* first.value.get(6n)
        expect(history.length).toBe(6)
        yield* Effect.promise(first.close)
        for (const damage of [
          () => {},
          () => fs.rmSync(path.join(root, "channels", "ch", "db"), { recursive: true })
        ]) {
          damage()
          yield* Effect.scoped(
            Effect.gen(function* () {
              const ledger = yield* reopen(root)
              expect(yield* dump(ledger)).toEqual(before)
              expect(hashes(ledger.info())).toEqual(info)
              expect(yield* historyOf(ledger, "counter")).toEqual(history)
              expect(Buffer.from(yield* ledger.get(6n)).equals(Buffer.from(last))).toBe(true)
              expect((yield* ledger.txById("b3")).validationCode).toBe(protos.TxValidationCode.MVCC_READ_CONFLICT)
            })
          )
        }
      })
    ))

  it("builds history when it is enabled later, and says when it is off (acceptance 20)", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(make(root, false)))
        yield* fill(first.value)
        const error = yield* Effect.flip(first.value.newHistoryQueryExecutor)
        expect(error.message).toContain("history database not enabled")
        yield* Effect.promise(first.close)
        yield* Effect.scoped(
          Effect.gen(function* () {
            expect((yield* historyOf(yield* reopen(root), "counter")).length).toBe(6)
          })
        )
      })
    ))

  it("refuses state that is ahead of the blocks (rule 67)", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(make(root)))
        yield* fill(first.value)
        yield* Effect.promise(first.close)
        const file = path.join(root, "channels", "ch", "blocks_000000")
        fs.truncateSync(file, fs.statSync(file).size - 100)
        const error = yield* Effect.flip(Effect.scoped(reopen(root)))
        expect(error.message).toMatch(/channel ch: block \[6\] in .*the file ends before/)
      })
    ))
})

describe("LedgerProvider", () => {
  const broken = (root: string) => Effect.flip(Effect.scoped(makeLedgerProvider({ root })))

  it("creates once, lists in byte order, opens what is there (rule 68)", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const program = Effect.gen(function* () {
          const provider = yield* LedgerProvider
          expect(yield* provider.list).toEqual([])
          yield* Effect.scoped(provider.create(genesis()))
          expect(yield* provider.list).toEqual(["ch"])
          expect(yield* provider.exists("ch")).toBe(true)
          expect((yield* Effect.flip(Effect.scoped(provider.create(genesis())))).message).toBe(
            "LedgerID already exists"
          )
          expect((yield* Effect.flip(Effect.scoped(provider.open("no")))).message).toBe("LedgerID does not exist")
          expect((yield* Effect.flip(Effect.scoped(provider.create(utf8("zz")))))._tag).toBe("GenesisInvalid")
          const ledger = yield* provider.open("ch")
          expect(ledger.height()).toBe(1n)
          expect((yield* Effect.flip(Effect.scoped(provider.open("ch"))))._tag).toBe("LedgerOpen")
          expect((yield* broken(root))._tag).toBe("FolderLocked")
        })
        yield* Effect.scoped(program).pipe(Effect.provide(layerLedgerProvider({ root })))
      })
    ))

  it("after a crash in creation: nothing, or the whole channel (acceptance 23)", () =>
    run(
      Effect.gen(function* () {
        const base = yield* tempDir
        // the flag without a block: as left between flag and block 0
        const early = path.join(base, "early")
        const first = yield* Effect.promise(() => inScope(makeLedgerProvider({ root: early })))
        yield* Effect.promise(first.close)
        yield* flagConstruction(early, "ch")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const provider = yield* makeLedgerProvider({ root: early })
            expect(yield* provider.list).toEqual([])
            expect((yield* provider.create(genesis())).height()).toBe(1n)
          })
        )
        // block 0 without the id in the list
        const late = path.join(base, "late")
        const second = yield* Effect.promise(() => inScope(make(late)))
        yield* Effect.promise(second.close)
        yield* flagConstruction(late, "ch")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const provider = yield* makeLedgerProvider({ root: late })
            expect(yield* provider.list).toEqual(["ch"])
            expect((yield* provider.open("ch")).height()).toBe(1n)
          })
        )
        // more than the first block: refused
        const worse = path.join(base, "worse")
        const third = yield* Effect.promise(() => inScope(make(worse)))
        yield* commitOne(third.value, "t", (sim) => sim.setState("cc", "k", utf8("v")))
        yield* Effect.promise(third.close)
        yield* flagConstruction(worse, "ch")
        expect((yield* broken(worse)).message).toContain("under construction flag is set")
      })
    ))
})

/** Puts the list of ids back to where a crash would have left it. */
const flagConstruction = (root: string, id: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { Batch, openEnvironment } = yield* Effect.promise(() => import("../../../src/ledger/lmdb/index.js"))
      const environment = yield* openEnvironment({ path: path.join(root, "provider"), tables: ["ids", "meta"] })
      const batch = new Batch()
      batch.clear(environment.table("ids"))
      batch.put(environment.table("meta"), utf8("construction"), utf8(id))
      environment.commit(batch)
    })
  )

/** Random simulations and blocks against the naive model: reads, ranges, MVCC, phantoms, metadata, private data, history. */

import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { RangeResults, readWriteSet, type SimulationResults } from "../../../src/ledger/rwset/index.js"
import type { TxSimulator } from "../../../src/ledger/simulator/index.js"
import { EMPTY, sha256, toHex } from "../../../src/wire/protoutil.js"
import { run, tempDir, text, utf8 } from "../support.js"
import { commitOne, commitTxs, deploy, genesis, query, simulate } from "./chain.js"
import { keys, Model, type Op, type Simulated, type V } from "./model.js"

const long = process.env.FABRIC_EFFECT_LONG === "1"

const key = (k: number) => keys[k] ?? ""
const shownMetadata = (metadata: ReadonlyMap<string, Uint8Array>) =>
  JSON.stringify([...metadata].map(([name, value]) => `${name}=${text(value)}`).sort())
const metadata = (names: ReadonlyArray<string>) => new Map(names.map((name) => [name, utf8(`of ${name}`)]))

/** The same operations on the real simulator; gives what the caller was told. */
const perform = (sim: TxSimulator, ops: ReadonlyArray<Op>): Array<string> => {
  const told: Array<string> = []
  const value = (bytes: Uint8Array | undefined) => told.push(bytes === undefined ? "undefined" : text(bytes))
  for (const op of ops) {
    if (op.t === "get") value(sim.getState("cc", key(op.k)))
    else if (op.t === "getMeta") told.push(shownMetadata(sim.getStateMetadata("cc", key(op.k))))
    else if (op.t === "put") sim.setState("cc", key(op.k), utf8(op.v))
    else if (op.t === "del") sim.deleteState("cc", key(op.k))
    else if (op.t === "meta") sim.setStateMetadata("cc", key(op.k), metadata(op.m))
    else if (op.t === "range") {
      const iterator = sim.getStateRange("cc", key(op.a), key(op.b))
      const results: Array<string> = []
      for (let i = 0; i < op.n; i++) {
        const entry = iterator.next()
        if (entry === undefined) break
        results.push(`${entry.key}=${text(entry.value)}`)
      }
      if (op.n % 2 === 0) iterator.close()
      told.push(results.join())
    } else if (op.t === "pput") sim.setPrivateData("cc", "coll", key(op.k), utf8(op.v))
    else if (op.t === "pdel") sim.deletePrivateData("cc", "coll", key(op.k))
    else if (op.t === "pmeta") sim.setPrivateDataMetadata("cc", "coll", key(op.k), metadata(op.m))
    else if (op.t === "pget") value(sim.getPrivateData("cc", "coll", key(op.k)))
    else {
      const hash = sim.getPrivateDataHash("cc", "coll", key(op.k))
      told.push(hash === undefined ? "undefined" : toHex(hash))
    }
  }
  return told
}

// ---- Comparing ---------------------------------------------------------------------------------------------------

const version = (v: { readonly blockNum: bigint; readonly txNum: bigint } | undefined): V | undefined =>
  v === undefined ? undefined : { block: Number(v.blockNum), tx: Number(v.txNum) }
const sortedKeys = (map: ReadonlyMap<string, unknown>) =>
  [...map.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

/** The real read-write set says what the model's simulation did, in the order of rule 45. */
const expectResults = (results: SimulationResults, sim: Simulated) => {
  const set = readWriteSet(results.public).find(({ namespace }) => namespace === "cc")
  expect(set?.public.reads.map(({ key, version: v }) => [key, version(v)]) ?? []).toEqual(
    sortedKeys(sim.reads).map((k) => [k, sim.reads.get(k)])
  )
  expect(set?.public.writes.map(({ isDelete, key, value }) => [key, isDelete ? undefined : text(value)]) ?? []).toEqual(
    sortedKeys(sim.writes).map((k) => [k, sim.writes.get(k)])
  )
  expect(
    set?.public.metadataWrites.map(({ entries, key }) => [key, entries.map((e) => [e.name, text(e.value)])]) ?? []
  ).toEqual(sortedKeys(sim.metadata).map((k) => [k, sim.metadata.get(k)?.map((entry) => [...entry])]))
  const seen = new Set<string>()
  const ranges = sim.ranges.filter(({ end, exhausted, start }) => {
    const id = JSON.stringify([start, end, exhausted])
    return seen.has(id) ? false : seen.add(id)
  })
  expect(
    set?.public.rangeQueriesInfo.map((info) => [
      info.startKey,
      info.endKey,
      info.itrExhausted,
      info.rawReads?.kvReads.map(({ key, version: v }) => [key, version(v)]),
      info.readsMerkleHashes?.maxLevelHashes.map(toHex)
    ]) ?? []
  ).toEqual(
    ranges.map(({ end, exhausted, results, start }) => {
      const reads = results.map(([k, v]) => [k, v])
      if (results.length <= 50) return [start, end, exhausted, reads.length === 0 ? undefined : reads, undefined]
      const tree = new RangeResults()
      for (const [key, v] of results)
        tree.add({
          key,
          version: { blockNum: BigInt(v.block), txNum: BigInt(v.tx), unknown: undefined },
          unknown: undefined
        })
      const done = tree.done()
      return [start, end, exhausted, undefined, done._tag === "Merkle" ? done.summary.maxLevelHashes.map(toHex) : []]
    })
  )
  const hashed = set?.collections.find(({ collection }) => collection === "coll")?.hashed
  const hashes = (map: ReadonlyMap<string, unknown>) => sortedKeys(map).map((k) => toHex(sha256(utf8(k))))
  expect(hashed?.hashedReads.map(({ keyHash }) => toHex(keyHash)) ?? []).toEqual(hashes(sim.hashReads))
  expect(hashed?.hashedWrites.map(({ keyHash }) => toHex(keyHash)) ?? []).toEqual(hashes(sim.privateWrites))
  expect(hashed?.metadataWrites.map(({ keyHash }) => toHex(keyHash)) ?? []).toEqual(hashes(sim.privateMetadata))
}

const expectState = (ledger: PeerLedgerShape, model: Model) =>
  Effect.gen(function* () {
    const found = yield* query(ledger, (sim) => {
      const iterator = sim.getStateRange("cc", "", "")
      const entries: Array<unknown> = []
      for (let entry = iterator.next(); entry !== undefined; entry = iterator.next())
        entries.push([entry.key, text(entry.value), shownMetadata(sim.getStateMetadata("cc", entry.key))])
      const secrets = keys.map((k) => sim.getPrivateData("cc", "coll", k))
      const reads = readWriteSet(sim.getTxSimulationResults().public).find(({ namespace }) => namespace === "cc")
      return {
        entries,
        secrets: secrets.map((bytes) => (bytes === undefined ? undefined : text(bytes))),
        versions: reads?.public.reads.map(({ version: v }) => version(v)) ?? []
      }
    })
    const expected = model.range("", "")
    expect(found.entries).toEqual(
      expected.map(([k, { metadata, value }]) => [
        k,
        value,
        JSON.stringify([...(metadata ?? [])].map(([name, v]) => `${name}=${v}`).sort())
      ])
    )
    expect(found.versions).toEqual(expected.map(([, held]) => held.version))
    expect(found.secrets).toEqual(keys.map((k) => model.secret.get(k)?.value))
    const executor = yield* ledger.newHistoryQueryExecutor
    for (const k of keys) {
      const iterator = executor.getHistoryForKey("cc", k)
      const changes: Array<string> = []
      for (let change = iterator.next(); change !== undefined; change = iterator.next())
        changes.push(`${change.txId}:${change.isDelete ? "deleted" : text(change.value)}`)
      expect(changes).toEqual(model.history.get(k) ?? [])
    }
  })

// ---- Commands ----------------------------------------------------------------------------------------------------

// few keys are hot, so that transactions meet
const k = fc.oneof(
  { weight: 3, arbitrary: fc.nat({ max: 2 }) },
  { weight: 1, arbitrary: fc.nat({ max: keys.length - 1 }) }
)
const bound = fc.nat({ max: keys.length })
const v = fc.constantFrom("", "1", "2", "x".repeat(200))
const m = fc.array(fc.constantFrom("m", "\uFFFD", "\u{10000}"), { maxLength: 3 })
const operation: fc.Arbitrary<Op> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ t: fc.constant("get" as const), k }) },
  { weight: 4, arbitrary: fc.record({ t: fc.constant("put" as const), k, v }) },
  { weight: 2, arbitrary: fc.record({ t: fc.constant("del" as const), k }) },
  { weight: 2, arbitrary: fc.record({ t: fc.constant("meta" as const), k, m }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant("getMeta" as const), k }) },
  { weight: 3, arbitrary: fc.record({ t: fc.constant("range" as const), a: bound, b: bound, n: fc.nat({ max: 14 }) }) },
  { weight: 2, arbitrary: fc.record({ t: fc.constant("pput" as const), k, v }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant("pdel" as const), k }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant("pget" as const), k }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant("phash" as const), k }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant("pmeta" as const), k, m }) }
)
interface PlannedTx {
  readonly ops: ReadonlyArray<Op>
  /** Rounds that the transaction waits between its simulation and its block. */
  readonly delay: number
  readonly invalid: boolean
}
const plannedTx: fc.Arbitrary<PlannedTx> = fc.record({
  ops: fc.array(operation, { minLength: 1, maxLength: 7 }),
  delay: fc.nat({ max: 2 }),
  invalid: fc.nat({ max: 12 }).map((n) => n === 0)
})
const rounds = fc.array(fc.array(plannedTx, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 })

interface Waiting {
  readonly id: string
  readonly due: number
  readonly sim: Simulated
  readonly results: SimulationResults
  readonly code: number
}

const play = (ledger: PeerLedgerShape, plan: ReadonlyArray<ReadonlyArray<PlannedTx>>) =>
  Effect.gen(function* () {
    yield* commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]]))
    const model = new Model()
    let waiting: Array<Waiting> = []
    for (let round = 0; round < plan.length + 3; round++) {
      for (const [i, tx] of (plan[round] ?? []).entries()) {
        const id = `tx-${round}-${i}`
        const sim = model.simulate(tx.ops)
        let told: Array<string> = []
        const results = yield* simulate(ledger, id, (simulator) => {
          told = perform(simulator, tx.ops)
        })
        const expected = tx.ops.filter(({ t }) => ["get", "getMeta", "range", "pget", "phash"].includes(t))
        expect(told).toEqual(
          sim.told.map((answer, n) =>
            expected[n]?.t === "phash" && answer !== "undefined" ? toHex(sha256(utf8(answer))) : answer
          )
        )
        expectResults(results, sim)
        waiting.push({ id, due: round + tx.delay, sim, results, code: tx.invalid ? 10 : 0 })
      }
      const due = waiting.filter((tx) => tx.due <= round)
      waiting = waiting.filter((tx) => tx.due > round)
      if (due.length === 0) continue
      const block = Number(ledger.height())
      const committed = yield* commitTxs(
        ledger,
        due.map(({ code, id, results }) => ({ txId: id, code, results }))
      )
      expect([...committed.codes]).toEqual(model.commit(block, due))
      yield* expectState(ledger, model)
    }
  })

describe("a ledger and its model", () => {
  it("agree on random simulations and blocks", async () => {
    let operations = 0
    await fc.assert(
      fc.asyncProperty(rounds, (plan) => {
        operations += plan.flat().reduce((sum, { ops }) => sum + ops.length, 0)
        return run(
          Effect.gen(function* () {
            const root = path.join(yield* tempDir, "ledgersData")
            const provider = yield* makeLedgerProvider({ root, historyEnabled: true })
            yield* play(yield* provider.create(genesis()), plan)
          })
        )
      }),
      { numRuns: long ? 1500 : 10 }
    )
    if (long) expect(operations).toBeGreaterThanOrEqual(100_000)
  }, 3_600_000)

  it("agree on ranges past 50 and 100 results, cut short and exhausted", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const provider = yield* makeLedgerProvider({ root })
        const ledger = yield* provider.create(genesis())
        const name = (i: number) => `k${String(i).padStart(4, "0")}`
        yield* commitOne(ledger, "fill", (sim) => {
          for (let i = 0; i < 250; i++) sim.setState("cc", name(i), utf8("v"))
        })
        for (const [pulled, touch] of [
          [50, 49],
          [51, 50],
          [100, 99],
          [101, 3],
          [250, 249],
          [251, 0],
          [251, 1000]
        ] as const) {
          const scan = yield* simulate(ledger, `s${pulled}-${touch}`, (sim) => {
            const iterator = sim.getStateRange("cc", "k", "l")
            for (let i = 0; i < pulled; i++) iterator.next()
            sim.setState("cc2", "done", utf8("1"))
          })
          const touching = yield* simulate(ledger, `t${pulled}-${touch}`, (sim) =>
            sim.setState("cc", name(touch), utf8(`${pulled}`))
          )
          // before the touch it holds, behind it in the same block and later it does not
          const ids = [`s${pulled}-${touch}`, `t${pulled}-${touch}`, `u${pulled}-${touch}`]
          const committed = yield* commitTxs(ledger, [
            { txId: ids[0] ?? "", results: scan },
            { txId: ids[1] ?? "", results: touching },
            { txId: ids[2] ?? "", results: scan }
          ])
          expect([...committed.codes]).toEqual([0, 0, 12])
          const later = yield* commitTxs(ledger, [{ txId: `w${pulled}-${touch}`, results: scan }])
          expect([...later.codes]).toEqual([12])
        }
        expect(EMPTY.length).toBe(0)
      })
    ))
})

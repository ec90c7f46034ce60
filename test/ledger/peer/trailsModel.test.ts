/**
 * Histories that begin in state records (statedb/trail.ts) against a list of writes: random blocks with several writes of
 * a key, deletes, metadata, private data and refused transactions; in between restarts with and without history, a state
 * or an index of history that is gone, and rollbacks.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseBlock } from "../../../src/ledger/blockstore/index.js"
import { Batch } from "../../../src/ledger/lmdb/index.js"
import { differences, openReplay, openStores } from "../../../src/ledger/maintenance/index.js"
import { makeLedgerProvider, type PeerLedgerShape, rollbackLedger } from "../../../src/ledger/peer/index.js"
import { openStorage, type Storage } from "../../../src/ledger/peer/Storage.js"
import type { SimulationResults } from "../../../src/ledger/rwset/index.js"
import { decodeTrail, stateTables, trailLength } from "../../../src/ledger/statedb/index.js"
import { trailOf } from "../../../src/ledger/statedb/value.js"
import { common, kvrwset, rwset } from "../../../src/wire/index.js"
import { EMPTY, metadataSlot } from "../../../src/wire/protoutil.js"
import { run, tempDir, text, utf8 } from "../support.js"
import { byHand, commitOne, commitTxs, deploy, genesis, type Planned, query } from "./chain.js"

const runs = process.env.FABRIC_EFFECT_LONG === "1" ? 200 : 6
/** Behind the genesis block and the deployment. */
const FIRST = 2
const keys = ["hot", "a", "a\0b", "\u{10000}", "L".repeat(2500)]

interface Write {
  readonly k: number
  /** Empty: a delete. */
  readonly v: string
}
interface PlannedTx {
  readonly writes: ReadonlyArray<Write>
  readonly metadata: number | undefined
  readonly secret: number | undefined
  readonly invalid: boolean
  /** The first write stands in the set twice: the reference then keeps the old value (trap 8). */
  readonly twice: boolean
}
type Command =
  | { readonly t: "block"; readonly txs: ReadonlyArray<PlannedTx> }
  /** So many blocks that write the first key, so that trails fill. */
  | { readonly t: "burst"; readonly blocks: number; readonly perBlock: number }
  | { readonly t: "reopen"; readonly history: boolean }
  | { readonly t: "drop"; readonly part: "state" | "history" }
  | { readonly t: "rollback"; readonly back: number }

const oneIn = (n: number) => fc.nat({ max: n - 1 }).map((i) => i === 0)
const someKey = fc.nat({ max: keys.length - 1 })
const value = fc.constantFrom("", "1", "22", "x".repeat(300))
const tx: fc.Arbitrary<PlannedTx> = fc.record({
  writes: fc.array(fc.record({ k: someKey, v: value }), { maxLength: 3 }),
  metadata: fc.option(someKey, { nil: undefined, freq: 2 }),
  secret: fc.option(someKey, { nil: undefined, freq: 1 }),
  invalid: oneIn(8),
  twice: oneIn(10)
})
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ t: fc.constant("block" as const), txs: fc.array(tx, { minLength: 1, maxLength: 6 }) })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      t: fc.constant("burst" as const),
      blocks: fc.integer({ min: 1, max: 15 }),
      perBlock: fc.integer({ min: 1, max: 4 })
    })
  },
  { weight: 3, arbitrary: fc.record({ t: fc.constant("reopen" as const), history: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      t: fc.constant("drop" as const),
      part: fc.constantFrom("state" as const, "history" as const)
    })
  },
  { weight: 1, arbitrary: fc.record({ t: fc.constant("rollback" as const), back: fc.integer({ min: 1, max: 12 }) }) }
)

// ---- The list ----------------------------------------------------------------------------------------------------

interface Change {
  readonly key: string
  /** `txid:value`, as the query tells it. */
  readonly shown: string
}

/** All that was written, the state that it left, and the blocks, which come once more after a rollback. */
class Written {
  readonly state = new Map<string, string>()
  readonly blocks: Array<ReadonlyArray<Planned>> = []
  private readonly changes: Array<Change> = []

  block(txs: ReadonlyArray<{ readonly id: string; readonly tx: PlannedTx }>): void {
    for (const { id, tx } of txs) {
      if (tx.invalid) continue
      const last = new Map(tx.writes.map(({ k, v }) => [keys[k] ?? "", v]))
      const first = doubled(tx)
      for (const [key, v] of last) {
        this.changes.push({ key, shown: `${id}:${v}` })
        if (key === first) continue // neither the value nor whether the key is there changes
        if (v === "") this.state.delete(key)
        else this.state.set(key, v)
      }
    }
  }

  of(key: string): ReadonlyArray<string> {
    return this.changes.filter((change) => change.key === key).map(({ shown }) => shown)
  }
}

/** The key whose write stands twice in the set; the set is sorted by key. */
const doubled = ({ twice, writes }: PlannedTx): string | undefined =>
  twice
    ? writes.map(({ k }) => keys[k] ?? "").sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))[0]
    : undefined

const resultsOf = (tx: PlannedTx): SimulationResults => {
  const made = byHand((builder) => {
    for (const { k, v } of tx.writes) builder.addWrite("cc", keys[k] ?? "", utf8(v))
    if (tx.metadata !== undefined && doubled(tx) === undefined)
      builder.addMetadataWrite("cc", keys[tx.metadata] ?? "", new Map([["m", utf8("v")]]))
    if (tx.secret !== undefined) builder.addPrivateWrite("cc", "coll", keys[tx.secret] ?? "", utf8("secret"))
  })
  if (doubled(tx) === undefined) return made
  const set = rwset.TxReadWriteSet.decode(made.public)
  const nsRwset = set.nsRwset.map((ns) => {
    const { writes, ...rest } = kvrwset.KVRWSet.decode(ns.rwset)
    return { ...ns, rwset: kvrwset.KVRWSet.encode({ ...rest, writes: [...writes.slice(0, 1), ...writes] }) }
  })
  return { ...made, public: rwset.TxReadWriteSet.encode({ ...set, nsRwset }) }
}

// ---- Playing -----------------------------------------------------------------------------------------------------

const opened = <A, E>(root: string, historyEnabled: boolean, use: (ledger: PeerLedgerShape) => Effect.Effect<A, E>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const provider = yield* makeLedgerProvider({ root, historyEnabled, isMember: () => () => true })
      const ledger = (yield* provider.exists("ch")) ? yield* provider.open("ch") : yield* provider.create(genesis())
      return yield* use(ledger)
    })
  )

const stores = <A>(root: string, use: (storage: Storage) => A) =>
  Effect.scoped(
    Effect.map(openStorage({ channelId: "ch", folder: path.join(root, "channels", "ch"), sync: "never" }), use)
  )

const expectWhole = (ledger: PeerLedgerShape, written: Written) =>
  Effect.gen(function* () {
    const executor = yield* ledger.newHistoryQueryExecutor
    for (const key of keys) {
      const iterator = executor.getHistoryForKey("cc", key)
      const found: Array<string> = []
      for (let change = iterator.next(); change !== undefined; change = iterator.next())
        found.push(`${change.txId}:${change.isDelete ? "" : text(change.value)}`)
      expect(found).toEqual(written.of(key))
    }
    yield* expectState(ledger, written)
  })

const expectState = (ledger: PeerLedgerShape, written: Written) =>
  Effect.map(
    query(ledger, (sim) => keys.map((key) => sim.getState("cc", key))),
    (found) =>
      expect(found.map((bytes) => (bytes === undefined ? undefined : text(bytes)))).toEqual(
        keys.map((key) => written.state.get(key))
      )
  )

const commitBlock = (ledger: PeerLedgerShape, written: Written, planned: ReadonlyArray<PlannedTx>) => {
  const number = Number(ledger.height())
  const txs = planned.map((tx, i) => ({ id: `t${number}-${i}`, tx }))
  written.block(txs)
  const block = txs.map(({ id, tx }) => ({ txId: id, code: tx.invalid ? 10 : 0, results: resultsOf(tx) }))
  written.blocks.push(block)
  return commitTxs(ledger, block)
}

/** What a rollback took, as it was: a chain does not change. Private data of these blocks is here already. */
const catchUp = (ledger: PeerLedgerShape, written: Written) =>
  Effect.gen(function* () {
    while (Number(ledger.height()) < FIRST + written.blocks.length)
      yield* commitTxs(ledger, written.blocks[Number(ledger.height()) - FIRST] ?? [])
  })

const burst = (n: number, perBlock: number): ReadonlyArray<PlannedTx> =>
  Array.from({ length: perBlock }, (_, i) => ({
    writes: [{ k: 0, v: `${n}/${i}` }],
    metadata: undefined,
    secret: undefined,
    invalid: false,
    twice: false
  }))

const play = (root: string, commands: ReadonlyArray<Command>) =>
  Effect.gen(function* () {
    const written = new Written()
    yield* opened(root, true, (ledger) => commitOne(ledger, "deploy", (sim) => deploy(sim, "cc", [["coll", 0n]])))
    let history = true
    // commands up to the next one that needs the ledger closed run on one open ledger
    let from = 0
    while (from < commands.length) {
      let to = from
      yield* opened(root, history, (ledger) =>
        Effect.gen(function* () {
          yield* catchUp(ledger, written)
          for (; to < commands.length; to++) {
            const next = commands[to]
            if (next?.t === "block") yield* commitBlock(ledger, written, next.txs)
            else if (next?.t === "burst")
              for (let i = 0; i < next.blocks; i++) yield* commitBlock(ledger, written, burst(i, next.perBlock))
            else break
            yield* history ? expectWhole(ledger, written) : expectState(ledger, written)
          }
          if (to === from) yield* history ? expectWhole(ledger, written) : expectState(ledger, written)
        })
      )
      const closed = commands[to]
      if (closed?.t === "reopen") history = closed.history
      else if (closed?.t === "drop")
        yield* stores(root, ({ environment, [closed.part]: part }) => {
          const batch = new Batch()
          part.clear(batch)
          environment.commit(batch)
        })
      else if (closed?.t === "rollback") {
        const height = yield* stores(root, ({ engine }) => Number(engine.height))
        const last = Math.max(FIRST - 1, height - 1 - closed.back)
        if (last < height - 1) yield* rollbackLedger(root, "ch", BigInt(last))
      }
      from = to + 1
    }
    yield* opened(root, true, (ledger) => Effect.zipRight(catchUp(ledger, written), expectWhole(ledger, written)))
  })

/** What `verify` looks at: a replay from the first block has the same, wherever positions stand. */
const expectVerified = (root: string, scratch: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stored = yield* openStores({ channelId: "ch", folder: path.join(root, "channels", "ch") })
      const replay = yield* openReplay("ch", scratch)
      for (let number = 0n; number < stored.engine.height; number++) {
        const bytes = stored.engine.blockSync(number)
        const codes = metadataSlot(common.Block.decode(bytes), common.BlockMetadataIndex.TRANSACTIONS_FILTER)
        replay.apply(parseBlock(bytes), Uint8Array.from(codes))
      }
      expect([...differences(stored, replay.storage, true)].filter((found) => found !== undefined)).toEqual([])

      const snapshot = stored.environment.snapshot()
      for (const name of [stateTables.hashed, stateTables.private]) {
        const cursor = snapshot.range(stored.environment.table(name))
        for (let entry = cursor.next(); entry !== undefined; entry = cursor.next())
          expect(trailOf(entry.value), `a trail in ${name}`).toBeUndefined()
      }
      const cursor = snapshot.range(stored.environment.table(stateTables.public))
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next())
        expect(decodeTrail(trailOf(entry.value) ?? EMPTY).length).toBeLessThanOrEqual(trailLength)
      snapshot.close()
    })
  )

describe("histories and states of a ledger that is restarted, damaged and rolled back", () => {
  it("are those of the list of its writes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 4, maxLength: 24 }), (commands) =>
        run(
          Effect.gen(function* () {
            const folder = yield* tempDir
            const root = path.join(folder, "ledgersData")
            yield* play(root, commands)
            yield* expectVerified(root, path.join(folder, "scratch"))
          })
        )
      ),
      { numRuns: runs }
    )
  }, 3_600_000)
})

/**
 * The ledger on this machine's disk: commits of 100 one-write transactions, point reads, ranges, waiting readers, blocks
 * of the orderer's store. Run: npx vite-node bench/ledger.bench.ts (FABRIC_EFFECT_LONG=1 adds a state of 1,000,000
 * keys). One JSON line per case: throughput, latency, CPU per operation, memory. Read beside other rows of the same run
 * only: the disk decides most of it.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { openFileBlockStore } from "../src/ledger/blockstore/index.js"
import { makeLedgerProvider, type PeerLedgerShape } from "../src/ledger/peer/index.js"
import { RWSetBuilder } from "../src/ledger/rwset/index.js"
import { common, protos } from "../src/wire/index.js"
import { EMPTY, newBlock } from "../src/wire/protoutil.js"

const long = process.env.FABRIC_EFFECT_LONG === "1"

const envelope = (type: number, txId: string, data: Uint8Array): Uint8Array =>
  common.Envelope.encode({
    payload: common.Payload.encode({
      header: {
        channelHeader: common.ChannelHeader.encode({ type, channelId: "ch", txId }),
        signatureHeader: common.SignatureHeader.encode({ creator: Buffer.alloc(800, 1), nonce: Buffer.alloc(24, 2) })
      },
      data
    }),
    signature: Buffer.alloc(71, 3)
  })

/** An endorser transaction of the usual size: one read, `writes` writes of 100 bytes, room for two endorsements. */
const endorserTx = (txId: string, keys: ReadonlyArray<string>): Uint8Array => {
  const builder = new RWSetBuilder()
  builder.addRead("lscc", "cc", undefined)
  for (const key of keys) builder.addWrite("cc", key, Buffer.alloc(100, 4))
  return envelope(
    common.HeaderType.ENDORSER_TRANSACTION,
    txId,
    protos.Transaction.encode({
      actions: [
        {
          payload: protos.ChaincodeActionPayload.encode({
            chaincodeProposalPayload: Buffer.alloc(200, 5),
            action: {
              proposalResponsePayload: protos.ProposalResponsePayload.encode({
                extension: protos.ChaincodeAction.encode({
                  results: builder.results().public,
                  chaincodeId: { name: "cc", version: "1" }
                })
              }),
              endorsements: [1, 2].map((n) => ({ endorser: Buffer.alloc(800, n), signature: Buffer.alloc(71, n) }))
            }
          })
        }
      ]
    })
  )
}

const genesis = common.Block.encode(
  newBlock(0n, EMPTY, [
    envelope(common.HeaderType.CONFIG, "", common.ConfigEnvelope.encode({ config: { channelGroup: {} } }))
  ])
)

const rss = () => Math.round(process.memoryUsage.rss() / 1024 / 1024)

interface Row {
  readonly operations: number
  /** Milliseconds each. */
  readonly latencies?: ReadonlyArray<number>
  /** CPU of the measured part, where making its input costs as well. */
  readonly cpuUs?: number
}

const measure = <E>(name: string, run: Effect.Effect<Row, E>): Effect.Effect<void, E> =>
  Effect.gen(function* () {
    const cpu = process.cpuUsage()
    const start = performance.now()
    const { cpuUs, latencies, operations } = yield* run
    const ms = performance.now() - start
    const { system, user } = process.cpuUsage(cpu)
    const sorted = [...(latencies ?? [])].sort((a, b) => a - b)
    const at = (share: number) => Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2))
    console.log(
      JSON.stringify({
        name,
        operations,
        perSecond: Math.round((operations / ms) * 1000),
        usEach: Number(((ms * 1000) / operations).toFixed(2)),
        cpuUsEach: Number(((cpuUs ?? user + system) / operations).toFixed(2)),
        ...(sorted.length === 0 ? {} : { p50Ms: at(0.5), p99Ms: at(0.99) }),
        rssMiB: rss()
      })
    )
  })

let serial = 0
const commitBlocks = (
  ledger: PeerLedgerShape,
  blocks: number,
  txs: number,
  keyOf: (n: number) => ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const latencies: Array<number> = []
    let cpuUs = 0
    for (let b = 0; b < blocks; b++) {
      const envelopes = Array.from({ length: txs }, () => {
        serial += 1
        return endorserTx(`tx${serial}`, keyOf(serial))
      })
      const block = common.Block.encode(newBlock(ledger.height(), ledger.info().currentBlockHash ?? EMPTY, envelopes))
      const cpu = process.cpuUsage()
      const start = performance.now()
      yield* ledger.commit({ block, codes: new Uint8Array(txs) })
      latencies.push(performance.now() - start)
      const { system, user } = process.cpuUsage(cpu)
      cpuUs += system + user
    }
    return { latencies, cpuUs }
  })

const pointReads = (ledger: PeerLedgerShape, keys: number, count: number) =>
  Effect.gen(function* () {
    const executor = yield* ledger.newQueryExecutor
    let found = 0
    for (let i = 0; i < count; i++) {
      if (executor.getState("cc", `key${Math.floor(Math.random() * keys)}`) !== undefined) found += 1
    }
    executor.done()
    return found
  })

const ranges = (ledger: PeerLedgerShape, count: number, length: number) =>
  Effect.gen(function* () {
    const simulator = yield* ledger.newTxSimulator("range")
    let results = 0
    for (let i = 0; i < count; i++) {
      const iterator = simulator.getStateRange("cc", `key${i % 10}`, "")
      for (let n = 0; n < length; n++) {
        if (iterator.next() === undefined) break
        results += 1
      }
      iterator.close()
    }
    simulator.done()
    return results
  })

const scenario = (ledger: PeerLedgerShape, label: string, keys: number) =>
  Effect.gen(function* () {
    const some = (n: number, writes: number) =>
      Array.from({ length: writes }, (_, i) => `key${(n * 7919 + i * 104_729) % keys}`)
    for (const writes of [1, 3]) {
      yield* measure(
        `commit, 100 tx x ${writes} writes, ${label}`,
        Effect.map(
          commitBlocks(ledger, 60, 100, (n) => some(n, writes)),
          ({ cpuUs, latencies }) => ({ operations: 6000, latencies, cpuUs })
        )
      )
    }
    yield* measure(
      `point read, ${label}`,
      Effect.map(pointReads(ledger, keys, 200_000), () => ({ operations: 200_000 }))
    )
    yield* measure(
      `range of 100 in a simulation, per result, ${label}`,
      Effect.map(ranges(ledger, 500, 100), (results) => ({ operations: results }))
    )
  })

const fill = (ledger: PeerLedgerShape, keys: number) =>
  Effect.gen(function* () {
    const perTx = 1000
    let next = 0
    while (next < keys) {
      const from = next
      yield* commitBlocks(ledger, 1, Math.min(10, Math.ceil((keys - from) / perTx)), () => {
        const names = Array.from({ length: Math.min(perTx, keys - next) }, (_, i) => `key${next + i}`)
        next += names.length
        return names
      })
    }
  })

const waiting = (ledger: PeerLedgerShape) =>
  Effect.gen(function* () {
    global.gc?.()
    const before = process.memoryUsage().heapUsed
    const fibers = yield* Effect.forEach(
      Array.from({ length: 500 }, () => ledger.iterator(ledger.height())),
      (iterator) => Effect.fork(iterator.next)
    )
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    const each = Math.round((process.memoryUsage().heapUsed - before) / 500)
    const cpu = process.cpuUsage()
    yield* Effect.sleep("1 second")
    const { system, user } = process.cpuUsage(cpu)
    console.log(
      JSON.stringify({ name: "500 waiting readers", bytesEach: each, cpuUsPerSecond: user + system, rssMiB: rss() })
    )
    yield* commitBlocks(ledger, 1, 1, () => ["key0"])
    yield* Effect.forEach(fibers, (fiber) => fiber.await)
  })

const ordererStore = (dir: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* openFileBlockStore("ch", dir)
      yield* store.append(genesis)
      const count = 200
      yield* measure(
        "orderer's block store, append of 100 envelopes (per block)",
        Effect.gen(function* () {
          const latencies: Array<number> = []
          for (let b = 0; b < count; b++) {
            const envelopes = Array.from({ length: 100 }, (_, i) => endorserTx(`${b}-${i}`, ["k"]))
            const block = common.Block.encode(
              newBlock(store.height(), store.info().currentBlockHash ?? EMPTY, envelopes)
            )
            const start = performance.now()
            yield* store.append(block)
            latencies.push(performance.now() - start)
          }
          return { operations: count, latencies }
        })
      )
      yield* measure(
        "orderer's block store, read of a block (per block)",
        Effect.gen(function* () {
          for (let i = 0; i < 2000; i++) yield* store.get(BigInt(i % count))
          return { operations: 2000 }
        })
      )
    })
  )

const program = Effect.scoped(
  Effect.gen(function* () {
    const base = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "fe-bench-"))),
      (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
    )
    yield* ordererStore(path.join(base, "orderer"))
    const sizes = long ? [1000, 1_000_000] : [1000, 20_000]
    for (const keys of sizes) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const provider = yield* makeLedgerProvider({ root: path.join(base, `ledgers${keys}`), historyEnabled: true })
          const ledger = yield* provider.create(genesis)
          yield* measure(
            `fill with ${keys} keys, 10,000 to a block (per key)`,
            Effect.as(fill(ledger, keys), { operations: keys })
          )
          yield* scenario(ledger, `${keys} keys`, keys)
          yield* waiting(ledger)
        })
      )
    }
  })
)

Effect.runPromise(program).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})

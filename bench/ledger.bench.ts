/**
 * The ledger on this machine's disk: commits of 100 one-write transactions, point reads, ranges, waiting readers, blocks
 * of the orderer's store. Run: npx vite-node bench/ledger.bench.ts (FABRIC_EFFECT_LONG=1 adds a state of 1,000,000
 * keys). One JSON line per case: throughput, latency, CPU per operation, memory. Read beside other rows of the same run
 * only: the disk decides most of it.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { openFileBlockStore } from "../src/ledger/blockstore/index.js"
import { makeLedgerProvider, type PeerLedgerShape } from "../src/ledger/peer/index.js"
import { common } from "../src/wire/index.js"
import { EMPTY, newBlock } from "../src/wire/protoutil.js"

import { commitBlocks, endorserTx, genesis, memory, pointReads, rss } from "./support/ledgerLoad.js"

const long = process.env.FABRIC_EFFECT_LONG === "1"

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
        ...memory()
      })
    )
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
    const rootOf = (keys: number) => path.join(base, `ledgers${keys}`)
    for (const keys of sizes) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const provider = yield* makeLedgerProvider({ root: rootOf(keys), historyEnabled: true })
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
    yield* reopened(
      base,
      sizes.flatMap((keys) => [rootOf(keys), String(keys)])
    )
  })
)

/** Both ledgers, then each alone, in a process as the product has it: bundled, nothing else in it. */
const reopened = (base: string, args: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const outfile = path.join(process.cwd(), "node_modules/.cache/fabric-effect", `${path.basename(base)}.mjs`)
    await build({
      entryPoints: ["bench/ledger.reopened.ts"],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
      logLevel: "warning"
    })
    for (const of of [args, args.slice(0, 2), args.slice(2)])
      spawnSync(process.execPath, ["--expose-gc", outfile, ...of], { stdio: "inherit" })
    fs.rmSync(outfile)
  })

Effect.runPromise(program).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})

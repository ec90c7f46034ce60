/**
 * Ledgers that are there, in a process of their own without a compiler in it. A small and a large one: commits and point
 * reads in turns, so that both meet the same disturbance. One alone: what the process holds after the same work, by kind.
 * Started by ledger.bench.ts. Arguments: root and number of keys of each.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { makeLedgerProvider, type PeerLedgerShape } from "../src/ledger/peer/index.js"
import { commitBlocks, memory, pointReads } from "./support/ledgerLoad.js"

const [smallRoot = "", smallKeys = "", largeRoot = "", largeKeys = ""] = process.argv.slice(2)
const rounds = 100

const middle = (values: ReadonlyArray<number>): number =>
  Number(([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0).toFixed(2))

const mean = (values: ReadonlyArray<number>): number =>
  Number((values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)).toFixed(2))

/** Reads at the pace of a busy peer: ten thousand a second. */
const pacedReads = (ledger: PeerLedgerShape, keys: number, seconds: number) =>
  pointReads(ledger, keys, 200).pipe(
    Effect.schedule(Schedule.intersect(Schedule.fixed("20 millis"), Schedule.recurs(seconds * 50)))
  )

const alone = Effect.scoped(
  Effect.gen(function* () {
    const keys = Number(smallKeys)
    const row = (name: string) =>
      Effect.sync(() => {
        global.gc?.()
        console.log(JSON.stringify({ name: `alone, ${keys} keys: ${name}`, ...memory() }))
      })
    const provider = yield* makeLedgerProvider({ root: smallRoot, historyEnabled: true })
    const ledger = yield* provider.open("ch")
    yield* commitBlocks(ledger, rounds, 100, () => [`key${Math.floor(Math.random() * keys)}`])
    yield* row(`after ${rounds} commits`)
    yield* pacedReads(ledger, keys, 5)
    yield* row("after reads at 10,000 a second")
    yield* pointReads(ledger, keys, 400_000)
    yield* row("after 400,000 reads at once")
    yield* Effect.sleep("2 seconds")
    yield* row("after two seconds of rest")
  })
)

const program = Effect.scoped(
  Effect.gen(function* () {
    const row = (name: string, more: object) => console.log(JSON.stringify({ name, ...more, ...memory() }))
    const opened = (root: string) =>
      Effect.flatMap(makeLedgerProvider({ root, historyEnabled: true }), (provider) => provider.open("ch"))
    const sides = [
      {
        keys: Number(smallKeys),
        ledger: yield* opened(smallRoot),
        ms: [] as number[],
        cpu: [] as number[],
        us: [] as number[]
      },
      {
        keys: Number(largeKeys),
        ledger: yield* opened(largeRoot),
        ms: [] as number[],
        cpu: [] as number[],
        us: [] as number[]
      }
    ]
    row("opened", {})
    for (let round = 0; round < rounds; round++)
      for (const { cpu, keys, ledger, ms } of sides) {
        const { cpuUs, latencies } = yield* commitBlocks(ledger, 1, 100, () => [
          `key${Math.floor(Math.random() * keys)}`
        ])
        if (round < 10) continue
        ms.push(...latencies)
        cpu.push(cpuUs / 1000)
      }
    for (const { cpu, keys, ms } of sides)
      row(`commit of 100 one-write transactions in turns, ${keys} keys`, {
        p50Ms: middle(ms),
        meanMs: mean(ms),
        cpuP50Ms: middle(cpu),
        cpuMeanMs: mean(cpu)
      })
    for (let round = 0; round < 20; round++)
      for (const { keys, ledger, us } of sides) {
        const cpu = process.cpuUsage()
        yield* pointReads(ledger, keys, 20_000)
        const { system, user } = process.cpuUsage(cpu)
        us.push((system + user) / 20_000)
      }
    for (const { keys, us } of sides) row(`point read in turns, ${keys} keys`, { cpuUsEach: middle(us) })
  })
)

Effect.runPromise(largeRoot === "" ? alone : program).catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})

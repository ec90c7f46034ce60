/**
 * Executing chaincode: the peer's part of an endorsement, against an unmodified fabric-shim 2.5.8 in a process of its
 * own. Prints per case and number of callers: transactions per second, latency p50 and p99, CPU of this process per
 * transaction, resident memory; then the time of a launch. Run: npx vite-node bench/chaincode.bench.ts
 */
import * as Effect from "effect/Effect"
import { protos } from "../src/wire/index.js"
import { chaincodeFolder } from "../test/chaincode/support/chaincodes.js"
import { TestPeer, utf8 } from "../test/chaincode/support/TestPeer.js"

const quantile = (sorted: ReadonlyArray<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0

const round = (value: number, digits = 2): number => Number(value.toFixed(digits))

const peer = await TestPeer.start({ settings: { tlsEnabled: process.argv.includes("--tls") } })
const found = await peer.install(chaincodeFolder(), "probe")
peer.instantiate(found)

const launched = performance.now()
await peer.invoke("probe", ["put", "a", "1"])
console.log(
  JSON.stringify({ name: "chaincode launch to first answer", unit: "ms", value: round(performance.now() - launched) })
)

const channel = peer.channel()
let ids = 0

/** One transaction as the endorser runs it: a simulator of its own, thrown away. */
const transaction = (args: ReadonlyArray<Uint8Array>) =>
  Effect.suspend(() => {
    ids += 1
    const simulator = channel.simulator(`b${ids}`)
    const params = peer.params("probe", simulator, { txId: `b${ids}` })
    const input = protos.ChaincodeInput.create({ args })
    return Effect.ensuring(
      peer.support.execute(params, { name: "probe", version: "1.0" }, input),
      Effect.sync(() => simulator.done())
    )
  })

const measure = async (name: string, args: ReadonlyArray<string>, callers: number, seconds: number) => {
  const encoded = args.map(utf8)
  const latencies: Array<number> = []
  const until = performance.now() + seconds * 1000
  const caller = Effect.gen(function* () {
    while (performance.now() < until) {
      const since = performance.now()
      yield* transaction(encoded)
      latencies.push(performance.now() - since)
    }
  })
  const before = process.cpuUsage()
  const started = performance.now()
  await Effect.runPromise(
    Effect.all(
      Array.from({ length: callers }, () => caller),
      { concurrency: "unbounded", discard: true }
    )
  )
  const took = (performance.now() - started) / 1000
  const { system, user } = process.cpuUsage(before)
  latencies.sort((a, b) => a - b)
  const count = latencies.length
  return {
    name,
    callers,
    perSecond: Math.round(count / took),
    p50ms: round(quantile(latencies, 0.5)),
    p99ms: round(quantile(latencies, 0.99)),
    cpuUsPerTx: Math.round((user + system) / count),
    rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20)
  }
}

const cases: ReadonlyArray<readonly [name: string, args: ReadonlyArray<string>]> = [
  ["noop", ["noop"]],
  ["one read", ["get", "a"]],
  ["ten writes", ["put", ...Array.from({ length: 20 }, (_, i) => `w${i}`)]]
]
await measure("warm-up", ["noop"], 8, 1)
const results = []
for (const [name, args] of cases) for (const callers of [1, 32]) results.push(await measure(name, args, callers, 2))
console.table(results)
for (const result of results) console.log(JSON.stringify(result))
await peer.stop()

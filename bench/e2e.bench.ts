/**
 * Transactions through a whole network: endorsement alone, then invoke to commit. Run: npm run bench -- e2e
 *
 * Per case: throughput, latency p50 and p99, CPU per operation of orderer, peer and chaincode, resident memory. The
 * client is this process and shares the machine. BENCH_TARGET measures another network (see support/target.ts);
 * BENCH_ENDORSEMENTS, BENCH_INVOKES, BENCH_AT_A_TIME change the load.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import { endorsed, makeSubmitter, measured } from "./support/load.js"
import { cpuPer, quantile, Report, rounded, usageOf } from "./support/report.js"
import { amount, openTarget, type Target } from "./support/target.js"

const report = new Report()
const endorsements = amount("BENCH_ENDORSEMENTS", 5000)
const invokes = amount("BENCH_INVOKES", 5000)
const atATime = amount("BENCH_AT_A_TIME", 200)
/** Bytes of every value written. */
const value = randomBytes(50).toString("hex")

/** Measures one case and the processes under it. */
const measure = <E>(
  target: Target,
  name: string,
  count: number,
  concurrency: number,
  operation: (index: number) => Effect.Effect<unknown, E>
) =>
  Effect.gen(function* () {
    yield* measured(Math.ceil(count / 5), concurrency, (i) => operation(-1 - i))
    const [peer] = target.peers
    const look = () => ({
      orderer: usageOf(target.orderer.pid),
      peer: usageOf(peer?.pid),
      chaincode: usageOf(peer?.chaincodePid)
    })
    const before = look()
    const { latencies, seconds } = yield* measured(count, concurrency, operation)
    const after = look()
    report.add({
      name: `${name}, ${concurrency} at a time`,
      unit: "tx/s",
      value: Math.round(count / seconds),
      p50Ms: rounded(quantile(latencies, 0.5)),
      p99Ms: rounded(quantile(latencies, 0.99)),
      ordererCpuUs: cpuPer(count, before.orderer, after.orderer),
      peerCpuUs: cpuPer(count, before.peer, after.peer),
      chaincodeCpuUs: cpuPer(count, before.chaincode, after.chaincode),
      ordererMiB: after.orderer.rss,
      peerMiB: after.peer.rss,
      target: target.name
    })
  })

const program = Effect.gen(function* () {
  const target = yield* openTarget()
  const run = randomBytes(4).toString("hex")
  const endorse = (i: number) => endorsed(target, [...target.put, `e${run}${i}`, value])
  yield* measure(target, "endorse", Math.ceil(endorsements / 10), 1, endorse)
  yield* measure(target, "endorse", endorsements, 32, endorse)

  const { submit } = yield* makeSubmitter(target)
  const invoke = (i: number) =>
    Effect.flatMap(submit([...target.put, `i${run}${i}`, value]), (code) =>
      code === 0 ? Effect.void : Effect.fail(new Error(`invalidated: ${code}`))
    )
  yield* measure(target, "invoke to commit", 20, 1, invoke)
  yield* measure(target, "invoke to commit", invokes, atATime, invoke)
  yield* measure(target, "query", endorsements, 32, (i) =>
    endorsed(target, [...target.get, `i${run}${Math.max(0, i)}`])
  )
})

await Effect.runPromise(Effect.scoped(program))
report.table()

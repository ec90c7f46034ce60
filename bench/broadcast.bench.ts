/**
 * Broadcast: envelopes a second, latency, CPU and memory of the orderer, against a client in another process. Run:
 *
 *     npx vite-node bench/broadcast.bench.ts
 *
 * Starts our orderer (dist, solo, durable journal) on the recorded genesis block; or measures any that is running:
 * BENCH_ORDERER=host:port, BENCH_CRYPTO=crypto-config folder, BENCH_CHANNEL, BENCH_PID (for CPU and memory). One JSON
 * line per case, then a table. BENCH_MESSAGES, BENCH_STREAMS, BENCH_WINDOW, BENCH_SIZES change the load; BENCH_RATE sends
 * that many envelopes a second, one by one, as clients that wait for each other's blocks do.
 */
import * as Effect from "effect/Effect"
import { broadcastLoad } from "./support/broadcast.js"
import { createChannel, startOrderer, temporaryFolder, type Under } from "./support/orderer.js"
import { Report } from "./support/report.js"
import { amount } from "./support/target.js"

const { env } = process
const channelId = env.BENCH_CHANNEL ?? "mychannel"
const paced = env.BENCH_RATE === undefined ? "" : `, ${env.BENCH_RATE}/s one by one`
const sizes = (env.BENCH_SIZES ?? "1024").split(",").map(Number)

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const given = env.BENCH_ORDERER
  const under: Under =
    given === undefined
      ? yield* startOrderer(folder)
      : { address: given, pid: env.BENCH_PID === undefined ? undefined : Number(env.BENCH_PID) }
  if (given === undefined) yield* createChannel(under.address)
  const report = new Report()
  for (const size of sizes) {
    report.add(
      yield* broadcastLoad(`broadcast ${size} B${paced}`, folder, under, {
        channelId,
        size,
        messages: amount("BENCH_MESSAGES", 60_000),
        streams: amount("BENCH_STREAMS", 8),
        window: amount("BENCH_WINDOW", 500),
        rate: amount("BENCH_RATE", 0),
        crypto: env.BENCH_CRYPTO
      })
    )
  }
  report.table()
})

await Effect.runPromise(Effect.scoped(program))

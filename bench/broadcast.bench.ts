/**
 * Broadcast: envelopes a second, latency, CPU and memory of the orderer, against a client in another process. Run:
 *
 *     npx vite-node bench/broadcast.bench.ts
 *
 * Starts our orderer (dist, solo, durable journal) on the recorded genesis block; or measures any that is running:
 * BENCH_ORDERER=host:port, BENCH_CRYPTO=crypto-config folder, BENCH_CHANNEL, BENCH_PID (for CPU and memory). One JSON
 * line per case, then a table. BENCH_MESSAGES, BENCH_STREAMS, BENCH_WINDOW, BENCH_SIZES change the load.
 */
import * as Effect from "effect/Effect"
import { broadcastLoad } from "./support/broadcast.js"
import { createChannel, startOrderer, temporaryFolder, type Under } from "./support/orderer.js"
import { Report } from "./support/report.js"
import { amount } from "./support/target.js"

const { env } = process
const channelId = env.BENCH_CHANNEL ?? "mychannel"
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
      yield* broadcastLoad(`broadcast ${size} B`, folder, under, {
        channelId,
        size,
        messages: amount("BENCH_MESSAGES", 60_000),
        streams: amount("BENCH_STREAMS", 8),
        window: amount("BENCH_WINDOW", 500),
        crypto: env.BENCH_CRYPTO
      })
    )
  }
  report.table()
})

await Effect.runPromise(Effect.scoped(program))

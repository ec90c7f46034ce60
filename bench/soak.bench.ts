/**
 * The orderer's memory under load that does not end: envelopes for BENCH_MINUTES (default 2; an hour is what issue 5 asks),
 * the resident size looked at every second. Run: npm run bench -- soak
 *
 * Solo with its durable journal, or BENCH_CONSENTER=kafka with a real broker. A row for each tenth of the time, a last
 * one for all: `driftMiB` is the mean of the last quarter less that of the second (the first warms up). BENCH_STREAMS,
 * BENCH_WINDOW, BENCH_SIZES (the first counts) change the load. The blocks stay on the disk until the end: about 1.3 KiB
 * for each envelope of 1 KiB.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { layer as brokerLayer } from "../test/kafka/broker.js"
import { missing } from "../test/kafka/missing.js"
import { broadcastLoad } from "./support/broadcast.js"
import { startKafkaOrderer } from "./support/kafka.js"
import { createChannel, startOrderer, temporaryFolder, type Under } from "./support/orderer.js"
import { Report, usageOf } from "./support/report.js"
import { amount } from "./support/target.js"

const { env } = process
const kafka = env.BENCH_CONSENTER === "kafka"
const seconds = 60 * amount("BENCH_MINUTES", 2)
const size = Number((env.BENCH_SIZES ?? "1024").split(",")[0])
/** Envelopes between two looks at the clock. */
const round = amount("BENCH_MESSAGES", 100_000)

const mean = (values: ReadonlyArray<number>): number =>
  Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)

/** Loads until the time is over. */
const soak = (under: Under, channelId: string) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const report = new Report()
    const sizes: Array<number> = []
    const look = Effect.sync(() => sizes.push(usageOf(under.pid).rss))
    yield* Effect.forkScoped(Effect.repeat(look, Schedule.fixed("1 second")))
    const began = performance.now()
    const elapsed = () => (performance.now() - began) / 1000
    const load = {
      channelId,
      size,
      messages: round,
      streams: amount("BENCH_STREAMS", 8),
      window: amount("BENCH_WINDOW", 500)
    }
    let sent = 0
    for (let tenth = 1; tenth <= 10; tenth++) {
      const first = sizes.length
      while (elapsed() < (tenth * seconds) / 10) {
        yield* broadcastLoad("round", folder, under, load)
        sent += Math.ceil(round * 1.25)
      }
      const seen = sizes.slice(first)
      if (seen.length === 0) continue // a round took longer than a tenth
      report.add({
        name: `after ${Math.round(elapsed() / 60)} minutes`,
        unit: "MiB",
        value: mean(seen),
        peakMiB: Math.max(...seen),
        envelopes: sent
      })
    }
    const quarter = Math.floor(sizes.length / 4)
    report.add({
      name: `all of ${Math.round(elapsed() / 60)} minutes, ${kafka ? "kafka" : "solo"}`,
      unit: "MiB",
      value: mean(sizes),
      peakMiB: usageOf(under.pid).peak,
      envelopes: sent,
      driftMiB: mean(sizes.slice(-quarter)) - mean(sizes.slice(quarter, 2 * quarter))
    })
    report.table()
  })

const solo = Effect.gen(function* () {
  const under = yield* startOrderer(yield* temporaryFolder)
  yield* createChannel(under.address)
  yield* soak(under, "mychannel")
})
const behindKafka = Effect.flatMap(startKafkaOrderer(), ({ channelId, under }) => soak(under, channelId))

if (!kafka) await Effect.runPromise(Effect.scoped(solo))
else if (missing === undefined) await Effect.runPromise(Effect.scoped(Effect.provide(behindKafka, brokerLayer())))

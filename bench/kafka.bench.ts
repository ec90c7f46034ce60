/**
 * Broadcast through Kafka: envelopes a second, latency, CPU and memory of the orderer with a real broker behind it,
 * against a client in another process. Run (with java, and mvn or the jars that the tests brought):
 *
 *     npm run bench -- kafka
 *
 * Starts a broker and our orderer (dist); with FABRIC_GO_ORDERER naming a Go orderer's program that one too, on a topic
 * of its own, and measures both in turn, BENCH_ROUNDS times. BENCH_ORDERER=host:port with BENCH_CHANNEL, BENCH_CRYPTO and
 * BENCH_PID measures one that is running already, whatever brokers it has. BENCH_MESSAGES, BENCH_STREAMS, BENCH_WINDOW,
 * BENCH_SIZES change the load.
 */
import * as Effect from "effect/Effect"
import { layer as brokerLayer } from "../test/kafka/broker.js"
import { missing } from "../test/kafka/missing.js"
import { broadcastLoad } from "./support/broadcast.js"
import { startKafkaOrderer } from "./support/kafka.js"
import { temporaryFolder, type Under } from "./support/orderer.js"
import { Report } from "./support/report.js"
import { amount } from "./support/target.js"

const { env } = process
const sizes = (env.BENCH_SIZES ?? "1024").split(",").map(Number)

interface Case {
  readonly name: string
  readonly under: Under
  readonly channelId: string
}

/** An orderer on topics of its own. */
const started = (name: string, program?: string) =>
  Effect.map(startKafkaOrderer(program), (orderer): Case => ({ name, ...orderer }))

const measure = (cases: ReadonlyArray<Case>, rounds: number) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const report = new Report()
    for (let round = 0; round < rounds; round++) {
      for (const { channelId, name, under } of cases) {
        for (const size of sizes) {
          report.add(
            yield* broadcastLoad(`kafka ${size} B ${name}`, folder, under, {
              channelId,
              size,
              messages: amount("BENCH_MESSAGES", 40_000),
              streams: amount("BENCH_STREAMS", 8),
              window: amount("BENCH_WINDOW", 500),
              crypto: env.BENCH_CRYPTO
            })
          )
        }
      }
    }
    report.table()
  })

const running = env.BENCH_ORDERER
const goOrderer = env.FABRIC_GO_ORDERER

if (running !== undefined) {
  const pid = env.BENCH_PID === undefined ? undefined : Number(env.BENCH_PID)
  const under = { address: running, pid }
  const given: Case = { name: "given", under, channelId: env.BENCH_CHANNEL ?? "mychannel" }
  await Effect.runPromise(Effect.scoped(measure([given], amount("BENCH_ROUNDS", 1))))
} else if (missing === undefined) {
  const program = Effect.gen(function* () {
    const ours = yield* started("fabric-effect")
    const go = goOrderer === undefined ? [] : [yield* started("go", goOrderer)]
    yield* measure([ours, ...go], amount("BENCH_ROUNDS", goOrderer === undefined ? 1 : 3))
  })
  await Effect.runPromise(Effect.scoped(Effect.provide(program, brokerLayer())))
}

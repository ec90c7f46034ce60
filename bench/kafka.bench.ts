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
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { Broker, layer as brokerLayer } from "../test/kafka/broker.js"
import { missing } from "../test/kafka/missing.js"
import { genesis } from "../test/orderer/kafka/support.js"
import { broadcastLoad } from "./support/broadcast.js"
import { createChannel, startOrderer, temporaryFolder, type Under } from "./support/orderer.js"
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
  Effect.gen(function* () {
    const { address } = yield* Broker
    const folder = yield* temporaryFolder
    const unique = randomBytes(3).toString("hex")
    const genesisFile = path.join(folder, "genesis.block")
    const system = { channelId: `sys-${unique}`, brokers: [address], count: 500, timeout: "2s" }
    fs.writeFileSync(genesisFile, genesis(system))
    const under = yield* startOrderer(folder, {
      program,
      ready: "Start phase completed successfully",
      env: { ORDERER_GENERAL_GENESISFILE: genesisFile, ORDERER_KAFKA_TOPIC_REPLICATIONFACTOR: "1" }
    })
    const channelId = `bench-${unique}`
    yield* createChannel(under.address, channelId)
    return { name, under, channelId } satisfies Case
  })

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

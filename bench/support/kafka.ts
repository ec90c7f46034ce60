/** Orderers behind a real Kafka broker, each with topics of its own. */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { Broker } from "../../test/kafka/broker.js"
import { genesis } from "../../test/orderer/kafka/support.js"
import { createChannel, startOrderer, temporaryFolder } from "./orderer.js"

/** Our orderer (dist), or another's program, on the broker of the context, with a channel made; ends with the scope. */
export const startKafkaOrderer = (program?: string) =>
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
    return { under, channelId }
  })

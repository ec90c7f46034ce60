/** One orderer and a real broker. */
import { describe, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { common } from "../../../src/wire/index.js"
import { Broker, layer as brokerLayer } from "../../kafka/broker.js"
import { broadcastAll, temporaryFolder, textsOf, waitForHeight } from "../support/node.js"
import { blocksOf, freshName, genesis, missing, startKafkaNode, textMessage, untilOpen } from "./support.js"

describe.skipIf(missing !== undefined)("an orderer on a real broker", () => {
  layer(brokerLayer(), { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    it.scoped("orders messages, cuts by count and by time, and goes on after a restart", () =>
      Effect.gen(function* () {
        const { address } = yield* Broker
        const channelId = freshName("sys")
        const folder = yield* temporaryFolder
        const first = genesis({ channelId, brokers: [address] })
        const texts = Array.from({ length: 25 }, (_, i) => `message ${i}`)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* startKafkaNode({ folder, genesis: first })
            yield* untilOpen(node)
            const messages = yield* Effect.forEach(texts, (text) => textMessage(channelId, text))
            const answers = yield* broadcastAll(node.client, messages)
            expect(answers.map(({ status }) => status)).toEqual(texts.map(() => 200))
            yield* waitForHeight(node, channelId, 4n)
            const blocks = yield* blocksOf(node, channelId)
            expect(textsOf(blocks.slice(1).map((b) => common.Block.encode(b)))).toEqual(texts)
          })
        )
      })
    )
  })
})

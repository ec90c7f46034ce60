/** Orderers in this process and a real broker: what goes to the topic and what becomes of it. */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { regularMessage } from "../../../src/orderer/consensus/kafka/messages.js"
import { readMessage } from "../../../src/orderer/msgprocessor/Message.js"
import { prometheus } from "../../../src/runtime/Metrics.js"
import { common, orderer } from "../../../src/wire/index.js"
import { toHex } from "../../../src/wire/protoutil.js"
import { Broker, layer as brokerLayer } from "../../kafka/broker.js"
import { missing } from "../../kafka/missing.js"
import { produceRequest, startProxy, withProduceError } from "../../kafka/proxy.js"
import { onBroker } from "../../kafka/suite.js"
import { broadcastAll, broadcastOne, temporaryFolder, textsOf, waitForHeight } from "../support/node.js"
import {
  batchUpdate,
  blocksOf,
  comparable,
  createChannel,
  freshName,
  genesis,
  type KafkaNode,
  settings,
  startKafkaNode,
  statusOf,
  textMessage,
  timeoutUpdate,
  until,
  untilLogged,
  untilOpen
} from "./support.js"
import { dump, postValues } from "./topic.js"

const { CONFIG, NORMAL, UNKNOWN } = orderer.KafkaMessageRegular_Class
const success = { status: 200, info: "" }
const canonical = (bytes: Uint8Array) => Either.getOrThrow(readMessage(bytes)).canonical
const textsIn = (blocks: ReadonlyArray<common.Block>) =>
  textsOf(blocks.slice(1).map((block) => common.Block.encode(block)))
const ordererSlot = (block: common.Block | undefined) =>
  orderer.KafkaMetadata.decode(
    common.Metadata.decode(block?.metadata?.metadata[common.BlockMetadataIndex.ORDERER] ?? new Uint8Array()).value
  )
const bundleOf = (node: KafkaNode, channelId: string) => {
  const bundle = node.registrar.channel(channelId)?.bundles.current()
  if (bundle === undefined) throw new Error(`no channel ${channelId}`)
  return bundle
}

describe.skipIf(missing !== undefined)("orderers on a real broker", () => {
  onBroker(brokerLayer(), (it) => {
    /** A channel that nobody else has, and nodes for it. */
    const network = (
      options: { readonly count?: number; readonly resubmission?: boolean; readonly address?: string } = {}
    ) =>
      Effect.gen(function* () {
        const { address = (yield* Broker).address } = options
        const channelId = freshName("sys")
        const first = genesis({ channelId, brokers: [address], ...options })
        const start = Effect.gen(function* () {
          const node = yield* startKafkaNode({ folder: yield* temporaryFolder, genesis: first })
          yield* untilOpen(node)
          return node
        })
        return { address, channelId, first, start }
      })

    it.scoped("orders messages, cuts by count and by time, goes on after a restart (checks 19 and 21)", () =>
      Effect.gen(function* () {
        const { address, channelId, first } = yield* network()
        const folder = yield* temporaryFolder
        const texts = Array.from({ length: 25 }, (_, i) => `message ${i}`)
        const metrics = prometheus()
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* startKafkaNode({ folder, genesis: first, metrics })
            yield* untilOpen(node)
            const messages = yield* Effect.forEach(texts, (text) => textMessage(channelId, text))
            expect(yield* broadcastAll(node.client, messages)).toEqual(texts.map(() => success))
            yield* waitForHeight(node, channelId, 4n)
            return yield* blocksOf(node, channelId)
          })
        )
        expect(before.map((block) => block.data?.data.length)).toEqual([1, 10, 10, 5])
        expect(textsIn(before)).toEqual(texts)
        // CONNECT is record 0, the messages 1 to 25, TIMETOCUT 26
        expect(before.map((block) => ordererSlot(block).lastOffsetPersisted)).toEqual([0n, 10n, 20n, 26n])
        const page = yield* metrics.exposition
        expect(page?.body).toContain(`consensus_kafka_last_offset_persisted{channel="${channelId}"} 26`)

        const node = yield* startKafkaNode({ folder, genesis: first })
        yield* untilOpen(node)
        yield* untilLogged(node, "start offset: 27")
        expect(yield* broadcastOne(node.client, yield* textMessage(channelId, "after"))).toEqual(success)
        yield* waitForHeight(node, channelId, 5n)
        const after = yield* blocksOf(node, channelId)
        expect(after.slice(0, 4).map(comparable)).toEqual(before.map(comparable))
        expect(textsIn(after)).toEqual([...texts, "after"])

        const records = yield* dump(address, channelId)
        expect(records.map(({ offset }) => Number(offset))).toEqual(Array.from(records, (_, i) => i))
        expect(new Set(records.map(({ key }) => key))).toEqual(new Set(["0"]))
        const kinds = records.map(({ message }) =>
          message.regular !== undefined ? "regular" : message.timeToCut !== undefined ? "cut" : "connect"
        )
        expect(kinds).toEqual(["connect", ...texts.map(() => "regular"), "cut", "connect", "regular", "cut"])
        expect([0, 27].map((at) => toHex(records[at]?.value ?? new Uint8Array()))).toEqual(["1a00", "1a00"])
        expect(toHex(records[26]?.value ?? new Uint8Array())).toBe("12020803")
        expect(records[1]?.message.regular).toMatchObject({ class: NORMAL, configSeq: 0n, originalOffset: 0n })
        expect(toHex(records[1]?.message.regular?.payload ?? new Uint8Array())).toBe(
          toHex(before[1]?.data?.data[0] ?? new Uint8Array([1]))
        )
      })
    )

    it.scoped("creates channels, each with its topic, once, also when their creation is read again (trap 16)", () =>
      Effect.gen(function* () {
        const { channelId, first } = yield* network()
        const folder = yield* temporaryFolder
        const created = freshName("app")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* startKafkaNode({ folder, genesis: first })
            yield* untilOpen(node)
            yield* createChannel(node, created)
            yield* untilLogged(node, `[channel: ${created}] Start phase completed successfully`)
            expect((yield* broadcastOne(node.client, yield* textMessage(created, "one", "user1")))?.status).toBe(200)
            yield* waitForHeight(node, created, 2n)
          })
        )
        // another orderer reads the creation from the topic, and so does the first when its ledger of `sys` is gone
        const other = yield* startKafkaNode({ folder: yield* temporaryFolder, genesis: first })
        yield* until(() => (other.registrar.channel(created)?.ledger.height() ?? 0n) >= 2n)
        expect(other.registrar.channel(channelId)?.ledger.height()).toBe(2n)
        const creation = (yield* blocksOf(other, channelId))[1]
        expect(ordererSlot(creation).lastOffsetPersisted).toBe(1n)
      })
    )

    it.scoped("posts again what was judged at an older config, each orderer once, committed once (check 20)", () =>
      Effect.gen(function* () {
        const { address, channelId, start } = yield* network()
        const [one, two] = yield* Effect.all([start, start], { concurrency: 2 })
        const outdated = canonical(yield* textMessage(channelId, "judged before the update"))
        const before = one.registrar.channel(channelId)
        const change = yield* timeoutUpdate(bundleOf(one, channelId), "400ms")
        const made = yield* Either.match(
          before?.processor.processConfigUpdate(Either.getOrThrow(readMessage(change))) ?? Either.left(undefined),
          { onLeft: () => Effect.die(new Error("refused")), onRight: Effect.succeed }
        )
        expect(yield* broadcastOne(one.client, yield* batchUpdate(bundleOf(one, channelId), 7))).toEqual(success)
        const sequences = () => [one, two].map((node) => bundleOf(node, channelId).sequence)
        yield* until(() => sequences().every((sequence) => sequence === 1n))
        const at = (yield* dump(address, channelId)).length
        yield* postValues(address, channelId, [
          regularMessage("normal", outdated, 0n, 0n),
          regularMessage("config", made.message.canonical, 0n, 0n)
        ])
        yield* until(() => sequences().every((sequence) => sequence === 2n))
        expect(bundleOf(one, channelId).orderer?.batchTimeoutMs).toBe(400)
        expect(yield* broadcastOne(two.client, yield* textMessage(channelId, "afterwards"))).toEqual(success)
        const counted = () => [one, two].map((node) => node.registrar.channel(channelId)?.ledger.height())
        yield* until(() => counted().every((height) => height === 5n))

        const blocks = yield* blocksOf(one, channelId)
        expect(textsIn(blocks).filter((text) => text === "judged before the update").length).toBe(1)
        expect((yield* blocksOf(two, channelId)).map(comparable)).toEqual(blocks.map(comparable))
        const again = (yield* dump(address, channelId))
          .slice(at)
          .flatMap(({ message: { regular } }) => (regular === undefined ? [] : [regular]))
          .filter(({ originalOffset }) => originalOffset !== 0n)
          .map(({ class: kind, configSeq, originalOffset }) => [kind, Number(configSeq), Number(originalOffset) - at])
        expect(again.filter(([kind]) => kind === NORMAL)).toEqual([
          [NORMAL, 1, 0],
          [NORMAL, 1, 0]
        ])
        expect(again.filter(([kind]) => kind === CONFIG).slice(0, 2)).toEqual([
          [CONFIG, 1, 1],
          [CONFIG, 1, 1]
        ])
        expect(ordererSlot(blocks[3])).toMatchObject({
          lastOriginalOffsetProcessed: BigInt(at + 1),
          lastResubmittedConfigOffset: BigInt(at + 1)
        })
      })
    )

    it.scoped("compatibility mode: judges again, commits what came, posts nothing again (check 24)", () =>
      Effect.gen(function* () {
        const { address, channelId, start } = yield* network({ resubmission: false })
        const node = yield* start
        const outdated = canonical(yield* textMessage(channelId, "judged before the update"))
        expect(yield* broadcastOne(node.client, yield* batchUpdate(bundleOf(node, channelId), 7))).toEqual(success)
        yield* until(() => bundleOf(node, channelId).sequence === 1n)
        const bad = canonical(yield* textMessage(freshName("sys"), "for another channel"))
        const ofOld = orderer.KafkaMessage.encode({ regular: { payload: outdated, configSeq: 0n, class: UNKNOWN } })
        yield* postValues(address, channelId, [
          regularMessage("normal", bad, 0n, 0n),
          Uint8Array.of(0xff),
          regularMessage("normal", outdated, 0n, 0n),
          ofOld
        ])
        yield* waitForHeight(node, channelId, 3n)
        const blocks = yield* blocksOf(node, channelId)
        expect(textsIn(blocks).slice(1)).toEqual(["judged before the update", "judged before the update"])
        const posted = (yield* dump(address, channelId)).flatMap(({ message: { regular } }) => regular ?? [])
        expect(posted.filter(({ originalOffset }) => originalOffset !== 0n)).toEqual([])
        // the config block holds the envelope as posted
        expect(toHex(blocks[1]?.data?.data[0] ?? new Uint8Array([1]))).toBe(
          toHex(posted.find(({ class: kind }) => kind === CONFIG)?.payload ?? new Uint8Array())
        )
        yield* untilLogged(node, "This orderer is running in compatibility mode")
        yield* untilLogged(node, "channel does not exist")
        yield* untilLogged(node, "Unable to unmarshal consumed message")
      })
    )

    it.scoped("a TIMETOCUT that cannot be ends this channel's loop; health says so, the others go on (trap 10)", () =>
      Effect.gen(function* () {
        const { address, channelId, start } = yield* network()
        const node = yield* start
        const other = freshName("app")
        yield* createChannel(node, other)
        yield* untilLogged(node, `[channel: ${other}] Start phase completed successfully`)
        yield* postValues(address, other, [orderer.KafkaMessage.encode({ timeToCut: { blockNumber: 9n } })])
        yield* untilLogged(node, "got larger time-to-cut message (9) than allowed/expected (1)")
        const chain = node.registrar.channel(other)?.chain
        expect(yield* chain?.health ?? Effect.void).toContain("Consenter for channel exiting: got larger")
        expect(chain?.healthComponent).toBe(`${other}/0`)
        const { deliverStatus } = yield* statusOf(node, other)
        expect(deliverStatus).toBe(503)
        // messages still go to the topic, where other orderers find them
        expect((yield* broadcastOne(node.client, yield* textMessage(other, "text", "user1")))?.status).toBe(200)
        expect(yield* broadcastOne(node.client, yield* textMessage(channelId, "text"))).toEqual(success)
        yield* waitForHeight(node, channelId, 3n)
      })
    )

    it.scoped("health fails only for too few in-sync replicas, with the reference's text (3.8 rule 23)", () =>
      Effect.gen(function* () {
        const { proxied } = yield* Broker
        const proxy = yield* startProxy(proxied.port, proxied.target)
        const { channelId, start } = yield* network({ address: proxied.address })
        const node = yield* start
        const health = node.registrar.channel(channelId)?.chain.health ?? Effect.void
        expect(yield* health).toBe(undefined)
        const refuseWith = (code: number) => {
          proxy.patch = (apiKey, answer) => {
            if (apiKey === produceRequest) withProduceError(answer, code)
          }
        }
        refuseWith(20) // not enough replicas after append: the reference calls that healthy
        expect(yield* health).toBe(undefined)
        refuseWith(19)
        expect(yield* health).toBe(
          "[replica ids: [1]]: kafka server: Messages are rejected since there are fewer in-sync replicas than required."
        )
        expect(yield* broadcastOne(node.client, yield* textMessage(channelId, "text"))).toEqual({
          status: 503,
          info: "cannot enqueue"
        })
      })
    )

    it.scoped("TLS with a client certificate, SASL/PLAIN, and a wrong password (3.8 rule 3)", () =>
      Effect.gen(function* () {
        const broker = yield* Broker
        const pem = (bytes: Uint8Array) => Buffer.from(bytes).toString()
        const tls = {
          ORDERER_KAFKA_TLS_ENABLED: "true",
          ORDERER_KAFKA_TLS_CERTIFICATE: pem(broker.client.certificate),
          ORDERER_KAFKA_TLS_PRIVATEKEY: pem(broker.client.key),
          ORDERER_KAFKA_TLS_ROOTCAS: pem(broker.authority.certificate)
        }
        const sasl = (password: string) => ({
          ORDERER_KAFKA_SASLPLAIN_ENABLED: "true",
          ORDERER_KAFKA_SASLPLAIN_USER: broker.user,
          ORDERER_KAFKA_SASLPLAIN_PASSWORD: password
        })
        const start = (address: string, env: Record<string, string>) =>
          Effect.gen(function* () {
            const channelId = freshName("sys")
            const first = genesis({ channelId, brokers: [address] })
            const folder = yield* temporaryFolder
            return { channelId, node: yield* startKafkaNode({ folder, genesis: first, settings: settings(env) }) }
          })
        for (const [address, env] of [
          [broker.tlsAddress, tls],
          [broker.saslAddress, sasl(broker.password)]
        ] as const) {
          const { channelId, node } = yield* start(address, env)
          yield* untilOpen(node)
          expect(yield* broadcastOne(node.client, yield* textMessage(channelId, "text"))).toEqual(success)
          yield* waitForHeight(node, channelId, 2n)
        }
        const { channelId, node } = yield* start(broker.saslAddress, sasl("wrong"))
        yield* untilLogged(node, "SASL PLAIN authentication failed")
        expect((yield* broadcastOne(node.client, yield* textMessage(channelId, "text")))?.info).toContain(
          "has not completed booting"
        )
        const refused = yield* Effect.either(
          startKafkaNode({
            folder: yield* temporaryFolder,
            genesis: genesis({ channelId: freshName("sys"), brokers: [broker.tlsAddress] }),
            settings: settings({ ...tls, ORDERER_KAFKA_TLS_PRIVATEKEY: "no key" })
          })
        )
        expect(Either.isLeft(refused)).toBe(true)
      })
    )
  })
})

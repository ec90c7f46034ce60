/**
 * The recorded topic, fed to the chain's message processing: every block equals what two Go orderers made of it, also
 * when processing is cut off and carried on from the metadata of the last block. FABRIC_EFFECT_KAFKA_VECTOR names the
 * folder of another recording.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { setImmediate } from "node:timers/promises"
import { gunzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { Bundle, BundleSource, validateConfigEnvelope } from "../../../../src/channelconfig/index.js"
import { loadLocalMsp } from "../../../../src/msp/index.js"
import { initialOffsets, type KafkaOffsets, KafkaProcess } from "../../../../src/orderer/consensus/kafka/process.js"
import { kafkaSupport } from "../../../../src/orderer/consensus/kafka/support.js"
import type { Message } from "../../../../src/orderer/msgprocessor/Message.js"
import { configEnvelopeOf, standardProcessor } from "../../../../src/orderer/msgprocessor/Processor.js"
import { nextBlock } from "../../../../src/orderer/multichannel/blockAssembly.js"
import { common, orderer } from "../../../../src/wire/index.js"
import { toHex } from "../../../../src/wire/protoutil.js"

/** Places where the reading is cut, of each a run. */
const runs = process.env.FABRIC_EFFECT_LONG === undefined ? 12 : 400
const folder = process.env.FABRIC_EFFECT_KAFKA_VECTOR ?? path.join(import.meta.dirname, "../../../vectors/kafka-a")

interface Expected {
  readonly number: number
  readonly previousHash: string
  readonly dataHash: string
  readonly envelopes: number
  readonly lastConfig: string
  readonly orderer: string
}
const expected: ReadonlyArray<Expected> = JSON.parse(fs.readFileSync(path.join(folder, "expected.json"), "utf8"))
const topic: ReadonlyArray<{ readonly offset: bigint; readonly value: Uint8Array }> = gunzipSync(
  fs.readFileSync(path.join(folder, "topic.jsonl.gz"))
)
  .toString("utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line))
  .map(({ offset, value }) => ({ offset: BigInt(offset), value: Buffer.from(value, "base64") }))

const orderers = path.join(folder, "crypto-config/ordererOrganizations")
const [organization] = fs.readdirSync(orderers)
const [node] = fs.readdirSync(path.join(orderers, organization ?? "", "orderers"))
const dir = path.join(orderers, organization ?? "", "orderers", node ?? "", "msp")
const { signer } = await Effect.runPromise(loadLocalMsp({ dir, mspId: "OrdererMSP" }))

const encodeOffsets = (offsets: KafkaOffsets) => orderer.KafkaMetadata.encode(offsets)

/** One orderer's channel: everything of it but the network and the disk. */
const makeChannel = (first: common.Block) => {
  const bundles = new BundleSource(Either.getOrThrow(Bundle.fromBlock(first)))
  const processor = standardProcessor({
    channelId: bundles.current().channelId,
    bundle: () => bundles.current(),
    checkExpiration: false,
    signer,
    nonce: () => new Uint8Array(24),
    now: () => 0
  })
  const support = kafkaSupport({ bundle: () => bundles.current(), processor })
  let last = first.header ?? common.BlockHeader.create()
  let offsets = initialOffsets
  let lastConfig = 0n
  const blocks: Array<Expected> = []
  let machine = new KafkaProcess(support, offsets, 0n)

  const write = (messages: ReadonlyArray<Message>, metadata: KafkaOffsets) => {
    const block = nextBlock(
      last,
      messages.map(({ canonical }) => canonical)
    )
    last = block.header ?? last
    offsets = metadata
    blocks.push({
      number: Number(last.number),
      previousHash: toHex(last.previousHash),
      dataHash: toHex(last.dataHash),
      envelopes: messages.length,
      lastConfig: toHex(common.LastConfig.encode({ index: lastConfig })),
      orderer: toHex(encodeOffsets(metadata))
    })
  }
  return {
    blocks,
    /** Where reading goes on after a restart now. */
    get resumeAt() {
      return offsets.lastOffsetPersisted + 1n
    },
    restart: () => {
      machine = new KafkaProcess(support, offsets, last.number)
    },
    feed: (offset: bigint, value: Uint8Array) => {
      for (const action of machine.consume(offset, value, 0)) {
        if (action._tag === "Fatal") throw new Error(action.reason)
        if (action._tag === "WriteBlock") write(action.batch.items, action.offsets)
        if (action._tag === "Resubmit" && action.kind === "config") machine.configResubmitted(offset)
        if (action._tag === "WriteConfigBlock") {
          const envelope = Either.getOrThrow(configEnvelopeOf(action.envelope))
          Either.getOrThrow(validateConfigEnvelope(bundles.current(), envelope))
          bundles.update(Either.getOrThrow(Bundle.fromConfig(bundles.current().channelId, envelope.config)))
          lastConfig = last.number + 1n
          write([action.envelope], action.offsets)
        }
      }
    }
  }
}
const firstBlock = () => common.Block.decode(fs.readFileSync(path.join(folder, "000000.block")))

/** A time-to-cut block leaves the resubmitted offset out; a restart from it forgets the offset, as the reference does. */
const withoutResubmitted = (slot: string) => {
  const { lastOffsetPersisted, lastOriginalOffsetProcessed } = orderer.KafkaMetadata.decode(Buffer.from(slot, "hex"))
  return `${lastOffsetPersisted} ${lastOriginalOffsetProcessed}`
}

/** What restarts leave as it is (3.8, "Identity between orderers"). */
const comparable = (block: Expected) => ({ ...block, orderer: withoutResubmitted(block.orderer) })

describe("recorded topic (acceptance checks 18-20)", () => {
  it("gives the recorded blocks", () => {
    const channel = makeChannel(firstBlock())
    for (const { offset, value } of topic) channel.feed(offset, value)
    expect(channel.blocks).toEqual(expected.slice(1))
  })

  it("gives the same blocks when it is cut behind every single record", () => {
    const channel = makeChannel(firstBlock())
    let at = 0
    // each record is read again, with those before it that are in no block yet, before one more is
    for (let cut = 1; cut <= topic.length; cut++) {
      for (; at < cut; at++) {
        const record = topic[at]
        if (record !== undefined) channel.feed(record.offset, record.value)
      }
      if (cut === topic.length) break
      channel.restart()
      at = Math.max(Number(channel.resumeAt), 0)
    }
    expect(channel.blocks.map(comparable)).toEqual(expected.slice(1).map(comparable))
  })

  it("gives the same blocks when carried on from the last block's metadata, wherever it is cut (check 21)", {
    timeout: runs * 5000
  }, async () => {
    for (let run = 0; run < runs; run++) {
      const channel = makeChannel(firstBlock())
      // different places in every run, together spread over the whole topic
      let next = BigInt(run % 97)
      const stride = BigInt(61 + 37 * (run % 53))
      let at = 0n
      let fed = 0
      while (at < BigInt(topic.length)) {
        const record = topic[Number(at)]
        if (record === undefined) break
        channel.feed(record.offset, record.value)
        at += 1n
        fed += 1
        if (at === next) {
          channel.restart()
          at = channel.resumeAt < 0n ? 0n : channel.resumeAt
          next += stride
        }
      }
      expect(fed).toBeGreaterThanOrEqual(topic.length)
      expect(channel.blocks.map(comparable)).toEqual(expected.slice(1).map(comparable))
      await setImmediate() // the runner asks now and then whether this thread lives
    }
  })
})

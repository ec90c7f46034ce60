import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { common } from "../../src/wire/index.js"
import { toHex } from "../../src/wire/protoutil.js"
import {
  broadcastAll,
  chainA,
  createMychannel,
  deliverAll,
  message,
  numbersOf,
  seekMessage,
  signerOf,
  startNode,
  temporaryFolder,
  textsOf,
  waitForHeight
} from "./support/node.js"

describe("the orderer on the recorded genesis block", () => {
  it.scopedLive("delivers block 0 byte-equal to the file (check 5)", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      const reader = yield* signerOf("ordererAdmin")
      const { blocks, status } = yield* deliverAll(node.client, seekMessage(reader, "sys", 0n, 0n))
      expect(status).toBe(common.Status.SUCCESS)
      expect(blocks.map(toHex)).toEqual([fs.readFileSync(path.join(chainA, "genesis.block")).toString("hex")])
    })
  )

  it.scopedLive("creates mychannel from mychannel.tx with the recorded data in block 0 (check 6)", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      yield* createMychannel(node)
      const reader = yield* signerOf("peer1")
      const { blocks } = yield* deliverAll(node.client, seekMessage(reader, "mychannel", 0n, 0n))
      const [made] = blocks.map((bytes) => common.Block.decode(bytes))
      const recorded = common.Block.decode(fs.readFileSync(path.join(chainA, "orderer/blocks/000000.block")))
      const configOf = (block: common.Block | undefined) => {
        const envelope = common.Envelope.decode(block?.data?.data[0] ?? new Uint8Array())
        return common.ConfigEnvelope.decode(common.Payload.decode(envelope.payload).data)
      }
      expect(configOf(made).config).toEqual(configOf(recorded).config)
      expect(made?.header?.previousHash.length).toBe(0)
      expect(made?.metadata?.metadata.map((slot) => slot.length)).toEqual([0, 0, 0, 0, 0])

      yield* waitForHeight(node, "sys", 2n)
      const ordererAdmin = yield* signerOf("ordererAdmin")
      const system = yield* deliverAll(node.client, seekMessage(ordererAdmin, "sys", 1n, 1n))
      const block = common.Block.decode(system.blocks[0] ?? new Uint8Array())
      const envelope = common.Envelope.decode(block.data?.data[0] ?? new Uint8Array())
      const header = common.Payload.decode(envelope.payload).header
      const channelHeader = common.ChannelHeader.decode(header?.channelHeader ?? new Uint8Array())
      expect(channelHeader.type).toBe(common.HeaderType.ORDERER_TRANSACTION)
      // LAST_CONFIG still names block 0
      expect(toHex(block.metadata?.metadata[1] ?? new Uint8Array([1]))).toBe("")
    })
  )

  it.scopedLive("orders messages into blocks, in order, and starts again where it was", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const user = yield* signerOf("user1")
      const texts = Array.from({ length: 250 }, (_, i) => `message ${i}`)
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const node = yield* startNode({ folder })
          yield* createMychannel(node)
          const answers = yield* broadcastAll(
            node.client,
            texts.map((text) => message(user, "mychannel", text))
          )
          expect(answers).toEqual(texts.map(() => ({ status: 200, info: "" })))
          // full blocks are cut at once, what is left when its time is over: how many blocks depends on the machine
          for (let height = 2n; ; height++) {
            yield* waitForHeight(node, "mychannel", height)
            const { blocks } = yield* deliverAll(node.client, seekMessage(user, "mychannel", 0n, height - 1n))
            if (textsOf(blocks.slice(1)).length >= texts.length) return blocks
          }
        })
      )
      expect(numbersOf(first)).toEqual(first.map((_, i) => i))
      const [config, ...sizes] = first.map((bytes) => common.Block.decode(bytes).data?.data.length ?? 0)
      expect(config).toBe(1)
      expect(Math.max(...sizes)).toBeLessThanOrEqual(100)
      expect(textsOf(first.slice(1))).toEqual(texts)
      const again = yield* startNode({ folder })
      const { blocks } = yield* deliverAll(again.client, seekMessage(user, "mychannel", 0n, "newest"))
      expect(blocks.map(toHex)).toEqual(first.map(toHex))
    })
  )
})

import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { blockSignedData } from "../../../src/channelconfig/index.js"
import type { ClientSigner } from "../../../src/client/index.js"
import { common } from "../../../src/wire/index.js"
import { toHex } from "../../../src/wire/protoutil.js"
import { blockFile, makeChannel, opened } from "../support/channel.js"
import { message, signerOf } from "../support/node.js"
import { batchSize, envelopeOf, groupOf, setValue, updateOf } from "../support/updates.js"

const text = (signer: ClientSigner, body: string, sequence = 1n) => ({
  message: opened(message(signer, "mychannel", body)),
  sequence
})
const batchOf = (channel: Effect.Effect.Success<ReturnType<typeof makeChannel>>, count: number) =>
  updateOf(channel.current(), (root) => setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(count)))

describe("solo's timer (3.7, trap 11; batch timeout 500 ms)", () => {
  it.scoped("cuts what is pending when the time of the first message is over", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const user = yield* signerOf("user1")
      yield* channel.order(text(user, "a"))
      yield* TestClock.adjust("300 millis")
      yield* channel.order(text(user, "b"))
      yield* TestClock.adjust("199 millis")
      yield* channel.settle
      expect(yield* channel.texts).toEqual([])
      yield* TestClock.adjust("1 millis")
      yield* channel.settle
      expect(yield* channel.texts).toEqual([["a", "b"]])
      expect(channel.filled).toEqual([0.5])
      yield* channel.order(text(user, "c"))
      yield* TestClock.adjust("499 millis")
      yield* channel.settle
      expect(yield* channel.texts).toEqual([["a", "b"]])
      yield* TestClock.adjust("1 millis")
      yield* channel.settle
      expect(yield* channel.texts).toEqual([["a", "b"], ["c"]])
    })
  )
  it.scoped("is not started again when a cut leaves a message pending (check 12 d)", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const user = yield* signerOf("user1")
      const megabytes = (n: number, letter: string) => letter.repeat(n * 1024 * 1024)
      yield* channel.order(text(user, megabytes(1.5, "a")))
      yield* TestClock.adjust("300 millis")
      yield* channel.order(text(user, megabytes(1, "b")))
      expect(yield* channel.texts).toEqual([["a".repeat(20)]])
      yield* TestClock.adjust("200 millis")
      yield* channel.settle
      expect(yield* channel.texts).toEqual([["a".repeat(20)], ["b".repeat(20)]])
    })
  )
  it.scoped("is stopped when a cut leaves nothing pending, and by a config", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const user = yield* signerOf("user1")
      const ordererAdmin = yield* signerOf("ordererAdmin")
      yield* channel.update(envelopeOf(batchOf(channel, 2), [ordererAdmin]))
      yield* channel.order(text(user, "a", 2n))
      yield* TestClock.adjust("300 millis")
      yield* channel.order(text(user, "b", 2n))
      yield* channel.order(text(user, "c", 2n))
      yield* TestClock.adjust("200 millis")
      yield* channel.settle
      expect((yield* channel.texts).slice(1)).toEqual([["a", "b"]]) // c has 300 ms left
      yield* channel.update(envelopeOf(batchOf(channel, 5), [ordererAdmin]))
      expect((yield* channel.texts).slice(2).map(({ length }) => length)).toEqual([1, 1]) // c, then the config
      yield* TestClock.adjust("1 seconds")
      yield* channel.settle
      expect(yield* channel.texts).toHaveLength(4)
    })
  )
})

describe("solo and config changes", () => {
  it.scoped("judges anew what was judged under an older config: drops a bad message, replaces a config", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const user = yield* signerOf("user1")
      const peer = yield* signerOf("peer1")
      const ordererAdmin = yield* signerOf("ordererAdmin")
      // both made at sequence 1; the second one reaches the loop at sequence 2
      const racing = updateOf(channel.current(), (root) =>
        setValue(groupOf(root, "Orderer"), "BatchTimeout", Buffer.from("0a023173", "hex"))
      )
      const processed = yield* channel.processor.processConfigUpdate(opened(envelopeOf(racing, [ordererAdmin])))
      yield* channel.update(envelopeOf(batchOf(channel, 3), [ordererAdmin]))
      expect(channel.current().sequence).toBe(2n)
      yield* channel.order(text(user, "good", 1n), text(peer, "may not write", 1n), text(peer, "trusted", 2n))
      yield* channel.chain.configure(processed)
      yield* channel.settle
      expect(channel.current().sequence).toBe(3n)
      expect(channel.current().orderer?.batchTimeoutMs).toBe(1000)
      const blocks = yield* channel.blocks
      expect((yield* channel.texts)[1]).toEqual(["good", "trusted"])
      const last = common.Envelope.decode(blocks[2]?.data?.data[0] ?? new Uint8Array())
      expect(toHex(last.payload)).not.toBe(toHex(processed.message.payload))
      // a config that its predecessor has made impossible is dropped
      const stale = yield* channel.processor.processConfigUpdate(
        opened(envelopeOf(batchOf(channel, 4), [ordererAdmin]))
      )
      yield* channel.update(envelopeOf(batchOf(channel, 5), [ordererAdmin]))
      yield* channel.chain.configure(stale)
      yield* channel.order(text(user, "goes on", 4n))
      expect(channel.current().sequence).toBe(4n)
      expect(channel.current().orderer?.batchSize.maxMessageCount).toBe(5)
      yield* TestClock.adjust("1 seconds")
      yield* channel.settle
      expect((yield* channel.texts).at(-1)).toEqual(["goes on"])
    })
  )
  it.scoped("answers Exiting once it is halted", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const channel = yield* Scope.extend(makeChannel(), scope)
      yield* Scope.close(scope, Exit.void)
      const user = yield* signerOf("user1")
      expect(yield* Effect.flip(channel.chain.order([text(user, "late")]))).toMatchObject({ detail: "Exiting" })
    })
  )
})

describe("blocks to the byte (section 4 items 2-4, checks 13 and 17)", () => {
  it.scoped("carry last config, empty ORDERER slot and one signature that the channel's policy takes", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const user = yield* signerOf("user1")
      const ordererAdmin = yield* signerOf("ordererAdmin")
      yield* channel.order(text(user, "before"))
      yield* channel.update(envelopeOf(batchOf(channel, 1), [ordererAdmin]))
      yield* channel.order(text(user, "after", 2n))
      const blocks = yield* channel.blocks
      expect(blocks.map(({ data }) => data?.data.length)).toEqual([1, 1, 1])
      const policy = channel.current().policyManager.getPolicy("/Channel/Orderer/BlockValidation")
      for (const [i, block] of blocks.entries()) {
        const slots = block.metadata?.metadata ?? []
        const lastConfig = i === 0 ? 0n : 2n
        expect(slots).toHaveLength(5)
        expect(slots.map(({ length }) => length).slice(2)).toEqual([0, 0, 0])
        expect(toHex(slots[1] ?? new Uint8Array([1]))).toBe(i === 0 ? "" : "0a020802")
        const { signatures, value } = common.Metadata.decode(slots[0] ?? new Uint8Array())
        expect(toHex(value)).toBe(i === 0 ? "0a00" : "0a020802")
        expect(common.OrdererBlockMetadata.decode(value).lastConfig?.index).toBe(lastConfig)
        expect(signatures).toHaveLength(1)
        const signed = yield* blockSignedData(block)
        expect(policy.evaluate(signed)._tag).toBe("Right")
        const forged = signed.map((one) => ({ ...one, data: Buffer.concat([one.data, Buffer.of(0)]) }))
        expect(policy.evaluate(forged)._tag).toBe("Left")
      }
    })
  )
  it.scoped("keep the form of recorded blocks: same metadata values on the same messages", () =>
    Effect.gen(function* () {
      // block 1 of the recorded chain is an anchor peer update, block 2 another one
      const channel = yield* makeChannel()
      for (const number of ["000001", "000002"]) {
        const recorded = common.Block.decode(blockFile(`orderer/blocks/${number}.block`))
        const entry = recorded.data?.data[0] ?? new Uint8Array()
        yield* channel.chain.configure({ message: opened(entry), sequence: channel.current().sequence })
        yield* channel.settle
        const made = (yield* channel.blocks).at(-1)
        expect(made?.header).toEqual(recorded.header)
        expect(made?.data).toEqual(recorded.data)
        for (const slot of [1, 2, 3, 4]) {
          expect(toHex(made?.metadata?.metadata[slot] ?? new Uint8Array([1]))).toBe(
            toHex(recorded.metadata?.metadata[slot] ?? new Uint8Array([2]))
          )
        }
        const valueOf = (block: common.Block | undefined) =>
          toHex(common.Metadata.decode(block?.metadata?.metadata[0] ?? new Uint8Array()).value)
        expect(valueOf(made)).toBe(valueOf(recorded))
      }
    })
  )
})

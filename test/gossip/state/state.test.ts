import { it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { describe, expect, it as plain } from "vitest"
import { PayloadBuffer, rangeFault } from "../../../src/gossip/state/index.js"
import { common, gossip, rwset, type transientstore } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { FakeNetwork } from "../fakes.js"
import { block, CHANNEL, settings, start, until } from "./support.js"

const dataMsg = (seqNum: bigint, data: Uint8Array): gossip.GossipMessage =>
  gossip.GossipMessage.create({
    channel: utf8(CHANNEL),
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    dataMsg: { payload: gossip.Payload.create({ seqNum, data }) }
  })

describe("the payload buffer", () => {
  plain("gives each number once and in order, whatever order they come in", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 30n }), { maxLength: 80 }), (numbers) => {
        const buffer = new PayloadBuffer(5n)
        const out: Array<bigint> = []
        for (const number of numbers) {
          buffer.push({ number, bytes: new Uint8Array(3), config: false })
          for (let one = buffer.pop(); one !== undefined; one = buffer.pop()) out.push(one.number)
        }
        expect(out).toEqual(out.map((_, i) => 5n + BigInt(i)))
        const had = new Set(numbers)
        let expected = 5n
        while (had.has(expected)) expected += 1n
        expect(buffer.next).toBe(expected)
        expect(buffer.bytes).toBe(buffer.size * 3)
        expect(buffer.size).toBe([...had].filter((n) => n > expected).length)
      })
    )
  })
})

describe("ranges that are served", () => {
  plain("are batchSize + 1 blocks at most; the texts are the reference's", () => {
    expect(rangeFault(5n, 15n, 10n)).toBeUndefined()
    expect(rangeFault(5n, 5n, 10n)).toBeUndefined()
    expect(rangeFault(5n, 16n, 10n)).toBe(
      "Requesting blocks range [5-16) greater than configured allowed (10) batching size for anti-entropy."
    )
    expect(rangeFault(6n, 5n, 10n)).toBe("Invalid sequence interval [6...5).")
  })
})

describe("the state provider", () => {
  it.scopedLive("commits pushed blocks in order and tells its height", () =>
    Effect.gen(function* () {
      const network = new FakeNetwork()
      const leader = network.node("a", "Org1MSP")
      const follower = network.node("b", "Org1MSP")
      const { blocks } = yield* start(follower)
      for (const number of [3n, 2n, 1n, 2n]) leader.gossip.gossip(dataMsg(number, block(number)))
      yield* until(() => blocks.length === 4)
      yield* until(() => follower.height === 4n)
      expect(blocks.map((bytes) => common.Block.decode(bytes).header?.number)).toEqual([0n, 1n, 2n, 3n])
    })
  )

  it.scopedLive("refuses pushed blocks that are too far ahead or long committed, in the reference's words", () =>
    Effect.gen(function* () {
      const { blocks, state } = yield* start(new FakeNetwork().node("b", "Org1MSP"))
      const add = (number: bigint) =>
        Effect.either(state.addPayload({ number, bytes: block(number), config: false }, false))
      expect(yield* add(6n)).toMatchObject({
        _tag: "Left",
        left: { message: "Ledger height is at 1, cannot enqueue block with sequence of 6" }
      })
      expect(yield* add(0n)).toMatchObject({
        left: { message: "Ledger height is at 1, cannot enqueue block with sequence of 0" }
      })
      expect((yield* add(5n))._tag).toBe("Right")
      expect(blocks.length).toBe(1)
    })
  )

  it.scopedLive("holds a delivery back while more than twice the buffer's size waits", () =>
    Effect.gen(function* () {
      const running = yield* start(new FakeNetwork().node("b", "Org1MSP"))
      running.gate = yield* Deferred.make<void>()
      let delivered = 0
      yield* Effect.forkScoped(
        Effect.forEach(
          Array.from({ length: 40 }, (_, i) => BigInt(i + 1)),
          (number) => Effect.tap(running.state.deliver(block(number)), () => Effect.sync(() => (delivered += 1)))
        )
      )
      yield* until(() => delivered >= 12)
      yield* Effect.sleep(50)
      expect(delivered).toBe(12) // one is being committed, eleven wait
      yield* Deferred.succeed(running.gate, undefined)
      yield* until(() => running.blocks.length === 41)
    })
  )

  it.scopedLive("verifies what orderers deliver, then tells others; nothing of a forged block is passed on", () =>
    Effect.gen(function* () {
      const network = new FakeNetwork()
      const leader = network.node("a", "Org1MSP")
      const follower = network.node("b", "Org1MSP")
      const { blocks, state } = yield* start(leader)
      const received = yield* start(follower)
      yield* state.deliver(block(1n))
      const forged = yield* Effect.either(state.deliver(Buffer.concat([block(2n), utf8("forged")])))
      expect(forged._tag).toBe("Left")
      yield* state.deliver(block(1n)) // known already: skipped
      yield* state.deliver(block(2n))
      const gap = yield* Effect.either(state.deliver(block(4n)))
      expect(gap._tag).toBe("Left")
      expect(state.nextBlock()).toBe(3n)
      yield* until(() => blocks.length === 3 && received.blocks.length === 3)
      expect(leader.sent.map(({ dataMsg: data, nonce, tag }) => [data?.payload?.seqNum, nonce, tag])).toEqual([
        [1n, 0n, gossip.GossipMessage_Tag.CHAN_AND_ORG],
        [2n, 0n, gossip.GossipMessage_Tag.CHAN_AND_ORG]
      ])
    })
  )

  it.scopedLive("asks again from a block that the commit line refused", () =>
    Effect.gen(function* () {
      const { blocks, refuse, state } = yield* start(new FakeNetwork().node("a", "Org1MSP"))
      refuse.add(2n)
      yield* state.deliver(block(1n))
      yield* state.deliver(block(2n))
      yield* until(() => refuse.size === 0 && state.nextBlock() === 2n)
      expect((yield* Effect.either(state.deliver(block(3n))))._tag).toBe("Left")
      yield* state.deliver(block(2n))
      yield* state.deliver(block(3n))
      yield* until(() => blocks.length === 4)
    })
  )

  it.scopedLive("judges no block before the configuration below it is in force", () =>
    Effect.gen(function* () {
      const running = yield* start(new FakeNetwork().node("a", "Org1MSP"))
      const gate = yield* Deferred.make<void>()
      running.gate = gate
      yield* running.state.deliver(block(1n, { config: true }))
      let second = false
      yield* Effect.forkScoped(Effect.tap(running.state.deliver(block(2n)), () => Effect.sync(() => (second = true))))
      yield* Effect.sleep(30)
      expect(second).toBe(false)
      yield* Deferred.succeed(gate, undefined)
      yield* until(() => second && running.blocks.length === 3)
    })
  )
})

describe("state transfer", () => {
  const serving = (count: number) =>
    Effect.gen(function* () {
      const network = new FakeNetwork()
      const ahead = network.node("a", "Org1MSP")
      const behind = network.node("b", "Org2MSP")
      const server = yield* start(ahead, { settings: { ...settings, enabled: false } })
      for (let number = 1n; number <= BigInt(count); number += 1n)
        yield* server.state.addPayload({ number, bytes: block(number), config: false }, true)
      yield* until(() => ahead.height === BigInt(count + 1))
      return { network, ahead, behind, server }
    })

  it.scopedLive("brings a peer that was away up to the others, in ranges of eleven", () =>
    Effect.gen(function* () {
      const { behind, server } = yield* serving(100)
      const { blocks } = yield* start(behind)
      yield* until(() => blocks.length === 101)
      expect(blocks.every((bytes, i) => Buffer.compare(bytes, server.blocks[i] ?? utf8("")) === 0)).toBe(true)
      const asked = behind.sent.flatMap(({ stateRequest }) => (stateRequest === undefined ? [] : [stateRequest]))
      expect(asked.map(({ endSeqNum, startSeqNum }) => Number(endSeqNum - startSeqNum + 1n))).toEqual([
        ...Array.from({ length: 9 }, () => 11),
        1
      ])
    })
  )

  it.scopedLive("tries again when requests are lost, and gives up after maxRetries + 1 of them", () =>
    Effect.gen(function* () {
      const { behind, network } = yield* serving(5)
      let lost = 0
      network.lost = (_, __, message) => {
        if (message.stateRequest === undefined) return false
        lost += 1
        return lost <= 3
      }
      const { blocks } = yield* start(behind)
      yield* until(() => blocks.length === 6)
      expect(behind.sent.filter(({ stateRequest }) => stateRequest !== undefined).length).toBe(4)
    })
  )

  it.scopedLive("takes nothing from a response with a block that does not verify, or that was not asked for", () =>
    Effect.gen(function* () {
      const { behind, server } = yield* serving(3)
      server.blocks[2] = Buffer.concat([block(2n), utf8("forged")])
      const running = yield* start(behind)
      yield* until(() => running.blocks.length === 2)
      yield* Effect.sleep(100)
      expect(running.blocks.length).toBe(2)
      server.blocks[2] = block(2n)
      yield* until(() => running.blocks.length === 4)
    })
  )

  it.scopedLive("ignores answers that nobody asked for", () =>
    Effect.gen(function* () {
      const network = new FakeNetwork()
      const liar = network.node("a", "Org1MSP")
      const node = network.node("b", "Org1MSP")
      const { blocks } = yield* start(node)
      liar.gossip.send(
        gossip.GossipMessage.create({
          nonce: 5n,
          channel: utf8(CHANNEL),
          stateResponse: { payloads: [gossip.Payload.create({ seqNum: 1n, data: block(1n) })] }
        }),
        [{ endpoint: "b", pkiId: node.pkiId }]
      )
      yield* Effect.sleep(50)
      expect(blocks.length).toBe(1)
    })
  )

  it.scopedLive("answers requests of eleven blocks, of fewer where it ends, and none of twelve", () =>
    Effect.gen(function* () {
      const { ahead, behind } = yield* serving(20)
      const answers = new Map<bigint, ReadonlyArray<bigint>>()
      behind.gossip.subscribeRaw(
        ({ message }) => message.stateResponse !== undefined,
        ({ message: { nonce, stateResponse } }) =>
          void answers.set(
            nonce,
            (stateResponse?.payloads ?? []).map(({ seqNum }) => seqNum)
          )
      )
      const ask = (nonce: bigint, startSeqNum: bigint, endSeqNum: bigint) =>
        behind.gossip.send(
          gossip.GossipMessage.create({
            nonce,
            channel: utf8(CHANNEL),
            tag: gossip.GossipMessage_Tag.CHAN_OR_ORG,
            stateRequest: { startSeqNum, endSeqNum }
          }),
          [{ endpoint: "a", pkiId: ahead.pkiId }]
        )
      ask(1n, 1n, 12n)
      ask(2n, 12n, 11n)
      ask(3n, 1n, 11n)
      ask(4n, 18n, 28n)
      ask(5n, 0xffff_ffff_ffff_fffen, 0xffff_ffff_ffff_ffffn) // refused: the sum wraps, as in the reference
      ask(6n, 40n, 45n)
      yield* until(() => answers.has(6n))
      expect([...answers]).toEqual([
        [3n, Array.from({ length: 11 }, (_, i) => BigInt(i + 1))],
        [4n, [18n, 19n, 20n]],
        [6n, []]
      ])
    })
  )

  it.scopedLive("carries private data with its block", () =>
    Effect.gen(function* () {
      const network = new FakeNetwork()
      const ahead = network.node("a", "Org1MSP")
      const behind = network.node("b", "Org1MSP")
      ahead.height = 2n
      const set = rwset.TxPvtReadWriteSet.create({
        nsPvtRwset: [{ namespace: "cc", collectionPvtRwset: [{ collectionName: "c", rwset: utf8("secret") }] }]
      })
      yield* start(ahead, {
        settings: { ...settings, enabled: false },
        height: () => 2n,
        payloadFor: (number) =>
          Effect.succeed(
            gossip.Payload.create({
              seqNum: number,
              data: block(number),
              privateData: [
                gossip.PvtDataPayload.encode(
                  gossip.PvtDataPayload.create({ txSeqInBlock: 0n, payload: rwset.TxPvtReadWriteSet.encode(set) })
                )
              ]
            })
          )
      })
      const { blocks, privateData } = yield* start(behind)
      yield* until(() => blocks.length === 2)
      expect(privateData.get(1n)?.get(0)?.nsPvtRwset[0]?.collectionPvtRwset[0]?.collectionName).toBe("c")
    })
  )
})

describe("pushed private data", () => {
  const push = (payload: Partial<gossip.PrivatePayload> | undefined) =>
    Effect.gen(function* () {
      const network = new FakeNetwork()
      const sender = network.node("a", "Org1MSP")
      const receiver = network.node("b", "Org2MSP")
      const kept: Array<[string, bigint, transientstore.TxPvtReadWriteSetWithConfigInfo]> = []
      yield* start(receiver, {
        persist: (txId, height, data) =>
          txId === "full"
            ? Effect.fail({ message: "disk full" })
            : Effect.sync(() => void kept.push([txId, height, data]))
      })
      sender.gossip.send(
        gossip.GossipMessage.create({
          nonce: 9n,
          channel: utf8(CHANNEL),
          tag: gossip.GossipMessage_Tag.CHAN_ONLY,
          privateData: payload === undefined ? {} : { payload: gossip.PrivatePayload.create(payload) }
        }),
        [{ endpoint: "b", pkiId: receiver.pkiId }]
      )
      yield* Effect.sleep(30)
      return { kept, acks: sender.acks }
    })
  const payload = {
    namespace: "cc",
    collectionName: "c",
    txId: "tx",
    privateRwset: utf8("secret"),
    privateSimHeight: 7n,
    collectionConfigs: common.CollectionConfigPackage.create({
      config: [{ staticCollectionConfig: common.StaticCollectionConfig.create({ name: "c" }) }]
    })
  }

  it.scopedLive("is kept under its transaction with its configuration, and acknowledged", () =>
    Effect.gen(function* () {
      const { acks, kept } = yield* push(payload)
      expect(acks).toEqual([""])
      const [[txId, height, data] = ["", 0n, undefined]] = kept
      expect([txId, height]).toEqual(["tx", 7n])
      expect(data?.collectionConfigs.get("cc")?.config[0]?.staticCollectionConfig?.name).toBe("c")
      expect(Buffer.from(data?.pvtRwset?.nsPvtRwset[0]?.collectionPvtRwset[0]?.rwset ?? "").toString()).toBe("secret")
    })
  )
  it.scopedLive("is refused aloud when it cannot be kept", () =>
    Effect.map(push({ ...payload, txId: "full" }), ({ acks }) => expect(acks).toEqual(["disk full"]))
  )
  it.scopedLive("is dropped without an answer when it is malformed", () =>
    Effect.gen(function* () {
      expect((yield* push(undefined)).acks).toEqual([])
      expect((yield* push({ ...payload, privateRwset: utf8("") })).acks).toEqual([])
    })
  )
})

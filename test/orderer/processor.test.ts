/** Filters, maintenance mode, revalidation: orderer.md 3.2, 3.3, 5.1 B and D. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type { ClientSigner } from "../../src/client/index.js"
import { readMessage } from "../../src/orderer/msgprocessor/Message.js"
import { layerOf, make as makeLog } from "../../src/runtime/Log.js"
import { common, orderer } from "../../src/wire/index.js"
import { blockFile, makeChannel, opened } from "./support/channel.js"
import { message, signedUpdate, signerOf } from "./support/node.js"
import { batchSize, type Draft, envelopeOf, groupOf, setValue, updateOf } from "./support/updates.js"

type Channel = Effect.Effect.Success<ReturnType<typeof makeChannel>>
const { STATE_MAINTENANCE, STATE_NORMAL } = orderer.ConsensusType_State

const consensusType =
  (type: string, state: number, metadata = new Uint8Array()) =>
  (root: Draft) =>
    setValue(groupOf(root, "Orderer"), "ConsensusType", orderer.ConsensusType.encode({ type, state, metadata }))

const propose = (
  channel: Channel,
  change: (root: Draft) => void,
  signers: readonly [ClientSigner, ...Array<ClientSigner>]
) => channel.update(envelopeOf(updateOf(channel.current(), change), signers))

/** What an update that must be refused is refused with. */
const refusal = (
  channel: Channel,
  change: (root: Draft) => void,
  signers: readonly [ClientSigner, ...Array<ClientSigner>]
) => Effect.map(Effect.flip(propose(channel, change, signers)), ({ message: text }) => text)

describe("filters", () => {
  it.scoped("refuse an expired creator, from its last second on, unless told otherwise", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel({ checkExpiration: true })
      const lenient = yield* makeChannel()
      const user = yield* signerOf("user1")
      const bytes = opened(message(user, "mychannel", "x"))
      const end = Date.parse("2036-11-18T02:26:00Z")
      yield* TestClock.setTime(end - 1)
      expect(yield* channel.processor.processNormal(bytes)).toBe(1n)
      yield* TestClock.setTime(end)
      expect(yield* Effect.flip(channel.processor.processNormal(bytes))).toMatchObject({
        reason: "bad",
        detail: "identity expired"
      })
      expect(yield* lenient.processor.processNormal(bytes)).toBe(1n)
    })
  )
  it.scoped("tell a message without a payload, and a signer that cannot be read", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const payload = common.Payload.encode({
        header: {
          channelHeader: common.ChannelHeader.encode({ channelId: "mychannel" }),
          signatureHeader: Buffer.from("0aff", "hex")
        }
      })
      const unreadable = opened(common.Envelope.encode({ payload }))
      expect(yield* Effect.flip(channel.processor.processNormal(unreadable))).toMatchObject({
        reason: "bad",
        detail: "could not convert message to signedData: GetSignatureHeaderFromBytes failed, err: unexpected EOF"
      })
      const empty = { ...unreadable, payload: new Uint8Array() }
      expect(yield* Effect.flip(channel.processor.processNormal(empty))).toMatchObject({ detail: "Message was empty" })
    })
  )
})

describe("maintenance mode (check 25, 5.1 D)", () => {
  it.scoped("goes in and out by itself alone, changes the type only within, and keeps clients out", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const user = yield* signerOf("user1")
      const peer = yield* signerOf("peer1")
      const admin = yield* signerOf("ordererAdmin")
      const inspection =
        "config update for existing channel did not pass maintenance checks: config transaction inspection failed: "

      expect(yield* refusal(channel, consensusType("kafka", STATE_NORMAL), [admin])).toBe(
        `${inspection}attempted to change consensus type from solo to kafka, but current config ConsensusType.State is not in maintenance mode`
      )
      expect(yield* refusal(channel, consensusType("kafka", STATE_MAINTENANCE), [admin])).toBe(
        `${inspection}attempted to change ConsensusType.Type from solo to kafka, but ConsensusType.State is changing from STATE_NORMAL to STATE_MAINTENANCE`
      )
      expect(yield* refusal(channel, consensusType("solo", STATE_MAINTENANCE, Buffer.from([8, 1])), [admin])).toBe(
        `${inspection}attempted to change ConsensusType.Metadata, but ConsensusType.State is changing from STATE_NORMAL to STATE_MAINTENANCE`
      )
      const enter = consensusType("solo", STATE_MAINTENANCE)
      const andBatchSize = (root: Draft) => {
        enter(root)
        setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(3))
      }
      expect(yield* refusal(channel, andBatchSize, [admin])).toBe(
        `${inspection}config update contain more then just the ConsensusType value in the Orderer group`
      )

      yield* propose(channel, enter, [admin])
      expect(channel.current().orderer?.consensusState).toBe("MAINTENANCE")
      expect(
        yield* Effect.flip(channel.processor.processNormal(opened(message(admin, "mychannel", "x"))))
      ).toMatchObject({
        reason: "maintenance",
        detail: "normal transactions are rejected: maintenance mode"
      })
      // readers and writers are now the orderers' alone
      const request = {
        data: new Uint8Array([1]),
        signature: peer.sign(new Uint8Array([1])),
        identity: peer.serialized
      }
      expect((yield* Effect.flip(channel.deliver.checkAccess(request))).detail).toContain("permission denied")
      const byOrderer = { data: request.data, signature: admin.sign(request.data), identity: admin.serialized }
      yield* channel.deliver.checkAccess(byOrderer)
      const byUser = yield* Effect.flip(
        channel.processor.processConfigUpdate(
          opened(envelopeOf(updateOf(channel.current(), consensusType("solo", STATE_NORMAL)), [user]))
        )
      )
      expect(byUser.reason).toBe("permissionDenied")

      expect(yield* refusal(channel, consensusType("magic", STATE_MAINTENANCE), [admin])).toBe(
        `${inspection}attempted to change consensus type from solo to magic, transition not supported`
      )
      expect(
        yield* refusal(channel, consensusType("etcdraft", STATE_MAINTENANCE, Buffer.from("0aff", "hex")), [admin])
      ).toBe(`${inspection}failed to unmarshal etcdraft metadata configuration: unexpected EOF`)
      yield* propose(channel, consensusType("kafka", STATE_MAINTENANCE), [admin])
      expect(channel.current().orderer?.consensusType).toBe("kafka")
      const last = (yield* channel.blocks).at(-1)
      expect(last?.metadata?.metadata[common.BlockMetadataIndex.ORDERER]?.length).toBe(0)
      yield* propose(channel, consensusType("kafka", STATE_NORMAL), [admin])
      expect(yield* channel.processor.processNormal(opened(message(user, "mychannel", "back")))).toBe(4n)
    })
  )

  it.scoped("refuses each other way to enter with its text", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const admin = yield* signerOf("ordererAdmin")
      const admin1 = yield* signerOf("admin1")
      const admin2 = yield* signerOf("admin2")
      const enter = consensusType("solo", STATE_MAINTENANCE)
      const all = [admin, admin1, admin2] as const
      const twoGroups = (root: Draft) => {
        enter(root)
        setValue(groupOf(root, "Application"), "ACLs", new Uint8Array())
      }
      expect(yield* refusal(channel, twoGroups, all)).toContain("config update contains changes to more than one group")
      const channelValue = (root: Draft) => {
        enter(root)
        setValue(root, "OrdererAddresses", common.OrdererAddresses.encode({ addresses: ["127.0.0.1:1"] }))
      }
      expect(yield* refusal(channel, channelValue, all)).toContain(
        "config update contains changes to values in group Channel"
      )
      const ordererOrg = (root: Draft) => {
        enter(root)
        const org = groupOf(root, "Orderer", "OrdererOrg")
        setValue(org, "Endpoints", common.OrdererAddresses.encode({ addresses: ["127.0.0.1:1"] }))
      }
      expect(yield* refusal(channel, ordererOrg, all)).toContain(
        "config update contains changes to groups within the Orderer group"
      )
    })
  )

  it.scoped("without the capability neither state nor type may change", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const admin = yield* signerOf("ordererAdmin")
      // the orderer's capability goes, the channel's stays: the may-follow rule lets types pass, the filter does not
      const older = (root: Draft) =>
        setValue(
          groupOf(root, "Orderer"),
          "Capabilities",
          common.Capabilities.encode({ capabilities: new Map([["V1_1", {}]]) })
        )
      yield* propose(channel, older, [admin])
      expect(yield* refusal(channel, consensusType("solo", STATE_MAINTENANCE), [admin])).toContain(
        "next config attempted to change ConsensusType.State to STATE_MAINTENANCE, but capability is disabled"
      )
      expect(yield* refusal(channel, consensusType("kafka", STATE_NORMAL), [admin])).toContain(
        "next config attempted to change ConsensusType.Type from solo to kafka, but capability is disabled"
      )
    })
  )
})

describe("config updates", () => {
  it.scoped("must ask for capabilities that this orderer has", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const admin = yield* signerOf("ordererAdmin")
      const unknown = (root: Draft) =>
        setValue(
          groupOf(root, "Orderer"),
          "Capabilities",
          common.Capabilities.encode({ capabilities: new Map([["V9", {}]]) })
        )
      const required = "Orderer capability V9 is required but not supported"
      expect(yield* refusal(channel, unknown, [admin])).toBe(
        `error applying config update to existing channel 'mychannel': config update is not compatible: config requires unsupported orderer capabilities: ${required}: ${required}`
      )
    })
  )
  it.scoped("are refused when the config they make is too large for the orderer", () =>
    Effect.gen(function* () {
      const channel = yield* makeChannel()
      const admin = yield* signerOf("ordererAdmin")
      yield* propose(channel, (root) => setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(10, 9_000, 9_000)), [
        admin
      ])
      const text = yield* refusal(
        channel,
        (root) => setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(11, 9_000, 9_000)),
        [admin]
      )
      expect(text).toMatch(
        /^config update for existing channel did not pass final checks: message payload is \d+ bytes and exceeds maximum allowed 9000 bytes$/
      )
    })
  )
})

describe("the system channel", () => {
  it.scoped("creates a channel in maintenance mode never, and revalidates creations", () =>
    Effect.gen(function* () {
      const system = yield* makeChannel({ block: blockFile("genesis.block") })
      const admin = yield* signerOf("admin1")
      const ordererAdmin = yield* signerOf("ordererAdmin")
      const request = signedUpdate(`${import.meta.dirname}/../vectors/chain-a/mychannel.tx`, "mychannel", [admin])
      const processed = yield* system.processor.processConfigUpdate(opened(request))
      expect(opened(processed.message.canonical).channelHeader.type).toBe(common.HeaderType.ORDERER_TRANSACTION)
      const again = yield* system.processor.processConfig(opened(processed.message.canonical))
      expect(opened(again.message.canonical).channelHeader.channelId).toBe("sys")
      yield* system.chain.configure(processed)
      yield* system.settle
      expect(system.created).toHaveLength(1)
      expect((yield* system.blocks).length).toBe(1)

      yield* propose(system, consensusType("solo", STATE_MAINTENANCE), [ordererAdmin])
      const other = signedUpdate(`${import.meta.dirname}/../vectors/chain-a/mychannel.tx`, "mychannel", [admin])
      expect(yield* Effect.flip(system.processor.processConfigUpdate(opened(other)))).toMatchObject({
        reason: "maintenance",
        detail: "channel creation is not permitted: maintenance mode"
      })
    })
  )
  it.scoped("takes messages for itself only", () =>
    Effect.gen(function* () {
      const system = yield* makeChannel({ block: blockFile("genesis.block") })
      const ordererAdmin = yield* signerOf("ordererAdmin")
      expect(yield* system.processor.processNormal(opened(message(ordererAdmin, "sys", "x")))).toBe(0n)
      const elsewhere = opened(message(ordererAdmin, "other", "x"))
      expect(yield* Effect.flip(system.processor.processNormal(elsewhere))).toMatchObject({
        reason: "channelNotFound",
        detail: "channel does not exist"
      })
      expect(readMessage(new Uint8Array([0x0a]))._tag).toBe("Left")
    })
  )
})

describe("why a config update was refused", () => {
  it.scoped("stands in the log: which policy, and what each signer lacks", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const log = yield* makeLog({ spec: "info", format: "%{message}", write: (line) => void lines.push(line) })
      const channel = yield* makeChannel().pipe(Effect.provide(layerOf(log)))
      const [admin, user] = [yield* signerOf("ordererAdmin"), yield* signerOf("user1")]
      const change = (root: Draft) => setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(7))
      const ask = (signer: ClientSigner) =>
        Effect.either(
          channel.processor.processConfigUpdate(opened(envelopeOf(updateOf(channel.current(), change), [signer])))
        )
      yield* ask(user)
      expect(lines).toEqual([
        expect.stringMatching(
          /^\[channel: mychannel\] a config update is refused: policy for \[Value\] {2}\/Channel\/Orderer\/BatchSize is not satisfied policy=\/Channel\/Orderer\/Admins rule="MAJORITY Admins" why="FAILED .*'OrdererMSP\.admin' - signer 0: .* signer 0: Org1MSP .*CN=User1@org1\.example\.com"/
        )
      ])
      yield* ask(admin)
      expect(lines.length).toBe(1)
    })
  )

  it.scoped("stands in the log for a sender who may not write, and for a channel that is not created", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const log = yield* makeLog({ spec: "info", format: "%{message}", write: (line) => void lines.push(line) })
      const system = yield* makeChannel({ block: blockFile("genesis.block") }).pipe(Effect.provide(layerOf(log)))
      const [admin, user, ordererAdmin] = [
        yield* signerOf("admin1"),
        yield* signerOf("user1"),
        yield* signerOf("ordererAdmin")
      ]
      const create = (signer: ClientSigner) => {
        const request = signedUpdate(`${import.meta.dirname}/../vectors/chain-a/mychannel.tx`, "mychannel", [signer])
        return Effect.either(system.processor.processConfigUpdate(opened(request)))
      }
      // the creation policy asks for an admin of an organisation of the new channel
      for (const stranger of [user, ordererAdmin]) {
        lines.length = 0
        expect(yield* create(stranger)).toMatchObject({
          _tag: "Left",
          left: {
            reason: "bad",
            detail: expect.stringMatching(
              /^error validating channel creation transaction for new channel 'mychannel', .*policy for \[Group\] {2}\/Channel\/Application not satisfied/
            )
          }
        })
        expect(lines).toEqual([
          expect.stringMatching(
            /^\[channel: sys\] the creation of channel "mychannel" is refused: policy for \[Group\] {2}\/Channel\/Application is not satisfied policy=\/Channel\/Application\/ChannelCreationPolicy rule="ANY Admins" why="FAILED .*FAILED 'Org1MSP\.admin' - signer 0: .*FAILED 'Org2MSP\.admin' - signer 0: .* signer 0: (Org1MSP .*CN=User1@org1\.|OrdererMSP .*CN=Admin@)example\.com/
          )
        ])
      }
      lines.length = 0
      expect(yield* create(admin)).toMatchObject({ _tag: "Right" })
      expect(lines).toEqual([])

      // an update of the system channel itself, sent by somebody who may not write to it
      const change = (root: Draft) => setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(7))
      const update = opened(envelopeOf(updateOf(system.current(), change), [user]))
      expect(yield* Effect.either(system.processor.processConfigUpdate(update))).toMatchObject({
        _tag: "Left",
        left: { reason: "permissionDenied" }
      })
      expect(lines).toEqual([
        expect.stringMatching(
          /^\[channel: sys\] a config update is refused: policy for the envelope is not satisfied policy=\/Channel\/Writers .* signer 0: Org1MSP .*CN=User1@org1/
        )
      ])
    })
  )
})

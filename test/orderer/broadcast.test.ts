/** The rows of orderer.md 5.1 as a client sees them: status, text, and a stream that ends with OK (check 7). */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ClientSigner, signedEnvelope } from "../../src/client/index.js"
import { common, type Init } from "../../src/wire/index.js"
import { makePayload } from "../../src/wire/protoutil.js"
import {
  broadcastAll,
  broadcastOne,
  chainA,
  createMychannel,
  deliverAll,
  message,
  moment,
  type Node,
  seekMessage,
  signedUpdate,
  signerOf,
  startNode,
  temporaryFolder,
  textsOf,
  waitForHeight
} from "./support/node.js"
import { batchSize, envelopeOf, groupOf, setValue, updateOf } from "./support/updates.js"

const bad = (info: string) => ({ status: common.Status.BAD_REQUEST, info })
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"))
const updateFile = path.join(chainA, "mychannel.tx")

const bundleOf = (node: Node, channel: string) => {
  const support = node.registrar.channel(channel)
  if (support === undefined) throw new Error(`no channel ${channel}`)
  return support.bundles.current()
}

describe("5.1 A: before a message reaches its channel", () => {
  it.scopedLive("refuses what has no channel or may not be sent", () =>
    Effect.gen(function* () {
      const { client } = yield* startNode({ folder: yield* temporaryFolder })
      const user = yield* signerOf("user1")
      const envelope = (payload: Uint8Array) => common.Envelope.encode({ payload, signature: new Uint8Array([1]) })
      const payload = (init: Init<common.Payload>) => envelope(common.Payload.encode(init))
      const unknown = "could not determine channel ID: "
      expect(yield* broadcastOne(client, payload({ data: bytes("01") }))).toEqual(bad(`${unknown}header not set`))
      expect(yield* broadcastOne(client, payload({ header: { signatureHeader: bytes("01") } }))).toEqual(
        bad(`${unknown}channel header not set`)
      )
      expect(yield* broadcastOne(client, envelope(bytes("0aff")))).toEqual(
        bad(`${unknown}error unmarshaling Payload: unexpected EOF`)
      )
      expect(yield* broadcastOne(client, payload({ header: { channelHeader: bytes("1aff") } }))).toEqual(
        bad(`${unknown}error unmarshaling channel header: error unmarshaling ChannelHeader: unexpected EOF`)
      )
      for (const type of [common.HeaderType.CONFIG, common.HeaderType.ORDERER_TRANSACTION]) {
        expect(yield* broadcastOne(client, message(user, "sys", "x", type))).toEqual(
          bad("message is of type that cannot be processed directly")
        )
      }
    })
  )
  it.scopedLive("ends the stream as gRPC would for bytes that are no envelope, and serves on", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      const failure = yield* Effect.flip(broadcastAll(node.client, [bytes("0affffff")]))
      expect(failure).toMatchObject({
        code: 13,
        details: "grpc: failed to unmarshal the received message unexpected EOF"
      })
      yield* createMychannel(node)
    })
  )
})

describe("5.1 B: normal messages and config updates", () => {
  it.scopedLive("answers each row with its status and text", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      const { client } = node
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const peer = yield* signerOf("peer1")
      const admin1 = yield* signerOf("admin1")
      const ordererAdmin = yield* signerOf("ordererAdmin")

      expect(yield* broadcastOne(client, message(user, "nowhere", "x"))).toEqual({
        status: common.Status.NOT_FOUND,
        info: "channel does not exist"
      })
      const writers =
        "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied: permission denied"
      expect(yield* broadcastOne(client, message(peer, "mychannel", "x"))).toEqual({
        status: common.Status.FORBIDDEN,
        info: writers
      })
      const damaged = common.Envelope.decode(message(user, "mychannel", "x"))
      const forged = common.Envelope.encode({ ...damaged, signature: damaged.signature.subarray(1) })
      expect(yield* broadcastOne(client, forged)).toEqual({ status: common.Status.FORBIDDEN, info: writers })
      const byPeer = message(peer, "mychannel", "x", common.HeaderType.CONFIG_UPDATE)
      expect(yield* broadcastOne(client, byPeer)).toEqual({
        status: common.Status.FORBIDDEN,
        info: `config update for existing channel did not pass initial checks: ${writers}`
      })

      const applying = "error applying config update to existing channel 'mychannel': "
      const authorizing = `${applying}error authorizing update: `
      const change = updateOf(bundleOf(node, "mychannel"), (root) =>
        setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(7))
      )
      expect(yield* broadcastOne(client, envelopeOf(change, [user]))).toEqual(
        bad(
          `${authorizing}error validating DeltaSet: policy for [Value]  /Channel/Orderer/BatchSize not satisfied: implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Admins' sub-policies to be satisfied`
        )
      )
      // creating a channel that is there (check 8)
      expect(yield* broadcastOne(client, signedUpdate(updateFile, "mychannel", [admin1]))).toEqual(
        bad(
          `${authorizing}error validating ReadSet: proposed update requires that key [Group]  /Channel/Application be at version 0, but it is currently at version 1`
        )
      )
      const nothing = { channelId: "mychannel", readSet: {}, writeSet: {} }
      expect(yield* broadcastOne(client, envelopeOf(nothing, [admin1]))).toEqual(
        bad(`${authorizing}error validating DeltaSet: delta set was empty -- update would have no effect`)
      )
      const impossible = updateOf(bundleOf(node, "mychannel"), (root) =>
        setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(7, 20, 10))
      )
      const refused = yield* broadcastOne(client, envelopeOf(impossible, [ordererAdmin]))
      expect(refused?.status).toBe(common.Status.BAD_REQUEST)
      expect(refused?.info).toContain(applying)
      expect(node.registrar.channel("mychannel")?.ledger.height()).toBe(1n)
    })
  )

  it.scopedLive("takes a message of exactly the absolute maximum and refuses one byte more (check 11)", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const maximum = 10 * 1024 * 1024
      // signatures vary in length: the data takes up the difference
      const sized = (size: number, length = size - 1200): Uint8Array => {
        const bytes = message(user, "mychannel", new Uint8Array(length))
        const { payload, signature } = common.Envelope.decode(bytes)
        const missing = size - payload.length - signature.length
        return missing === 0 ? bytes : sized(size, length + missing)
      }
      expect(yield* broadcastOne(node.client, sized(maximum + 1))).toEqual(
        bad(`message payload is ${maximum + 1} bytes and exceeds maximum allowed ${maximum} bytes`)
      )
      expect(yield* broadcastOne(node.client, sized(maximum))).toEqual({ status: 200, info: "" })
      yield* waitForHeight(node, "mychannel", 2n)
    })
  )

  it.scopedLive("drops what stands behind a refused message, and ends with OK", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const sent = ["a", "b"].map((text) => message(user, "mychannel", text))
      const answers = yield* broadcastAll(node.client, [
        ...sent,
        message(user, "nowhere", "refused"),
        message(user, "mychannel", "behind")
      ])
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 404])
      expect((yield* broadcastOne(node.client, message(user, "mychannel", "later")))?.status).toBe(200)
      yield* waitForHeight(node, "mychannel", 2n)
      const { blocks } = yield* deliverAll(node.client, seekMessage(user, "mychannel", 1n, "newest"))
      expect(textsOf(blocks)).toEqual(["a", "b", "later"])
    })
  )

  it.scopedLive("cuts what is pending, then a block with the config alone; LAST_CONFIG follows (check 13)", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const ordererAdmin = yield* signerOf("ordererAdmin")
      const change = updateOf(bundleOf(node, "mychannel"), (root) =>
        setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(2))
      )
      const answers = yield* broadcastAll(node.client, [
        message(user, "mychannel", "1"),
        message(user, "mychannel", "2"),
        envelopeOf(change, [ordererAdmin]),
        ...["3", "4", "5"].map((text) => message(user, "mychannel", text))
      ])
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
      yield* waitForHeight(node, "mychannel", 5n)
      const { blocks } = yield* deliverAll(node.client, seekMessage(user, "mychannel", 1n, "newest"))
      const decoded = blocks.map((raw) => common.Block.decode(raw))
      expect(decoded.map(({ data }) => data?.data.length)).toEqual([2, 1, 2, 1])
      const lastConfig = decoded.map(({ metadata }) =>
        Buffer.from(metadata?.metadata[common.BlockMetadataIndex.LAST_CONFIG] ?? []).toString("hex")
      )
      expect(lastConfig).toEqual(["", "0a020802", "0a020802", "0a020802"])
      expect(bundleOf(node, "mychannel").sequence).toBe(2n)
    })
  )
})

describe("5.1 C: channel creation", () => {
  const original = () => {
    const envelope = common.Envelope.decode(fs.readFileSync(updateFile))
    const { configUpdate } = common.ConfigUpdateEnvelope.decode(common.Payload.decode(envelope.payload).data)
    return common.ConfigUpdate.decode(configUpdate)
  }
  const group = (change: (writeSet: common.ConfigGroup) => Init<common.ConfigGroup>) => {
    const update = original()
    return { ...update, channelId: "fresh", writeSet: change(update.writeSet ?? common.ConfigGroup.create()) }
  }
  const application = (writeSet: common.ConfigGroup) =>
    writeSet.groups.get("Application") ?? common.ConfigGroup.create()
  const withApplication = (change: (app: common.ConfigGroup) => Init<common.ConfigGroup>) =>
    group((set) => ({
      ...set,
      groups: new Map([["Application", { ...application(set), ...change(application(set)) }]])
    }))

  it.scopedLive("answers each fault of a request with its text, and never asks who sent it (check 9, trap 15)", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      const { client } = node
      const admin = yield* signerOf("admin1")
      const user = yield* signerOf("user1")
      const create = (update: Init<common.ConfigUpdate> & { readonly channelId: string }, by: ClientSigner = admin) =>
        broadcastOne(client, envelopeOf(update, [by]))
      const raw = (data: Uint8Array, channelId = "fresh") =>
        broadcastOne(
          client,
          signedEnvelope({ ...moment(), type: common.HeaderType.CONFIG_UPDATE, channelId, data, signer: admin })
        )
      const initial = "Failing initial channel config creation"
      expect(yield* raw(bytes("0aff"))).toEqual(
        bad(`${initial} because of config update envelope unmarshaling error: unexpected EOF`)
      )
      expect(yield* raw(common.ConfigUpdateEnvelope.encode({ configUpdate: bytes("0aff") }))).toEqual(
        bad(`${initial} because of config update unmarshaling error: unexpected EOF`)
      )
      const configUpdate = common.ConfigUpdate.encode(original())
      expect(yield* raw(common.ConfigUpdateEnvelope.encode({ configUpdate }))).toEqual(
        bad(`${initial}: mismatched channel IDs: 'mychannel' != 'fresh'`)
      )
      expect(yield* create({ channelId: "fresh" })).toEqual(bad("Config update has an empty writeset"))
      expect(yield* create(group((set) => ({ ...set, groups: new Map() })))).toEqual(
        bad("Config update has missing application group")
      )
      expect(yield* create(withApplication(() => ({ version: 3n })))).toEqual(
        bad("Config update for channel creation does not set application group version to 1, was 3")
      )
      expect(yield* create(group((set) => ({ ...set, values: new Map() })))).toEqual(
        bad("Consortium config value missing")
      )
      const consortium = (value: Uint8Array) =>
        group((set) => ({ ...set, values: new Map([["Consortium", { value }]]) }))
      expect(yield* create(consortium(bytes("0aff")))).toEqual(
        bad("Error reading unmarshaling consortium name: unexpected EOF")
      )
      expect(yield* create(consortium(common.Consortium.encode({ name: "Nobody" })))).toEqual(
        bad("Unknown consortium name: Nobody")
      )
      expect(yield* create(withApplication(() => ({ groups: new Map() })))).toEqual(
        bad("Proposed configuration has no application group members, but consortium contains members")
      )
      expect(yield* create(withApplication(() => ({ groups: new Map([["Foreign", {}]]) })))).toEqual(
        bad("Attempted to include a member which is not in the consortium")
      )
      const named = (channelId: string) => create({ ...original(), channelId })
      const illegal = "initializing configtx manager failed: bad channel ID: channel ID "
      expect(yield* named("Upper")).toEqual(bad(`${illegal}'Upper' contains illegal characters`))
      expect(yield* named("x".repeat(250))).toEqual(bad(`${illegal}illegal, cannot be longer than 249`))
      expect(yield* create({ ...original(), channelId: "fresh" }, user)).toEqual(
        bad(
          "error validating channel creation transaction for new channel 'fresh', could not succesfully apply update to template configuration: error authorizing update: error validating DeltaSet: policy for [Group]  /Channel/Application not satisfied: implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Admins' sub-policies to be satisfied"
        )
      )
      // the envelope's own signature counts for nothing
      const { payload } = common.Envelope.decode(envelopeOf({ ...original(), channelId: "fresh" }, [admin]))
      const unsigned = common.Envelope.encode({ payload, signature: bytes("00") })
      expect(yield* broadcastOne(client, unsigned)).toEqual({ status: 200, info: "" })
      yield* waitForHeight(node, "fresh", 1n)
      expect(node.registrar.channel("sys")?.ledger.height()).toBeGreaterThanOrEqual(1n)
    })
  )

  it.scopedLive("counts channels against max_count (check 10)", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      const admin = yield* signerOf("admin1")
      const ordererAdmin = yield* signerOf("ordererAdmin")
      const limit = updateOf(bundleOf(node, "sys"), (root) =>
        setValue(groupOf(root, "Orderer"), "ChannelRestrictions", bytes("0801"))
      )
      expect(yield* broadcastOne(node.client, envelopeOf(limit, [ordererAdmin]))).toEqual({ status: 200, info: "" })
      yield* waitForHeight(node, "sys", 2n)
      yield* createMychannel(node)
      const another = { ...original(), channelId: "another" }
      expect(yield* broadcastOne(node.client, envelopeOf(another, [admin]))).toEqual(
        bad("channel creation would exceed maximimum number of channels: 1")
      )
    })
  )

  it.scopedLive("makes the payload's data decide, not its header type", () =>
    Effect.gen(function* () {
      const { client } = yield* startNode({ folder: yield* temporaryFolder })
      const payload = makePayload({ type: common.HeaderType.CONFIG_UPDATE, channelId: "fresh" }, {}, new Uint8Array())
      expect(yield* broadcastOne(client, common.Envelope.encode({ payload }))).toEqual(
        bad("Failing initial channel config creation: mismatched channel IDs: '' != 'fresh'")
      )
    })
  )
})

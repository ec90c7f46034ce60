/** Who is served by which service, and what the others hear: no identity, a forged, expired or revoked one, strangers, an organisation that has left. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import {
  type ClientSigner,
  fetchBlock,
  makeProposal,
  ordererBlocks,
  seekInfo,
  sendProposal,
  signedEnvelope,
  system
} from "../../../src/client/index.js"
import type { Channel } from "../../../src/transport/index.js"
import { common, msp, protos } from "../../../src/wire/index.js"
import { Admin, PeerDeliver } from "../../../src/wire/services.js"
import { broadcastOne, createMychannel, startNode } from "../../orderer/support/node.js"
import { envelopeOf, groupOf, setValue, updateOf } from "../../orderer/support/updates.js"
import { join, statusOf } from "../node/calls.js"
import { startPeer, tempFolder } from "../node/support.js"
import { person } from "../support.js"
import * as people from "./people.js"

const CHANNEL = "mychannel"
let counter = 0
const fresh = () => ({ now: Date.now(), nonce: Buffer.from(`who ${counter++}`.padEnd(24)) })

const proposalAs = (client: Channel, signer: ClientSigner, channelId: string, call: system.SystemCall) =>
  Effect.match(sendProposal(client, makeProposal({ ...fresh(), channelId, signer, ...call })), {
    onSuccess: ({ response }) => statusOf(response),
    onFailure: ({ message }) => message
  })

const deliverAs = (client: Channel, signer: ClientSigner, method: "Deliver" | "DeliverFiltered") =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* client.bidi(PeerDeliver.methods[method])
      const data = seekInfo({ start: "oldest", stop: "oldest" })
      const type = common.HeaderType.DELIVER_SEEK_INFO
      yield* stream.send(signedEnvelope({ ...fresh(), type, channelId: CHANNEL, data, signer }))
      const bytes = yield* stream.next
      const answer = protos.DeliverResponse.decode(bytes ?? new Uint8Array())
      return common.StatusInfo.nameOf(answer.status ?? 200) ?? "?"
    })
  )

const adminAs = (client: Channel, signer: ClientSigner) => {
  const type = common.HeaderType.PEER_ADMIN_OPERATION
  const data = protos.AdminOperation.encode({})
  const bytes = signedEnvelope({ ...fresh(), type, channelId: "", data, signer })
  return Effect.match(client.unary(Admin.methods.GetStatus, bytes), {
    onSuccess: () => "served",
    onFailure: ({ message }) => message
  })
}

/** What somebody hears from each service. */
const answers = (client: Channel, signer: ClientSigner) =>
  Effect.all({
    channelProposal: proposalAs(client, signer, CHANNEL, system.getChainInfo(CHANNEL)),
    localProposal: proposalAs(client, signer, "", system.getChannels),
    deliver: deliverAs(client, signer, "Deliver"),
    filtered: deliverAs(client, signer, "DeliverFiltered"),
    admin: adminAs(client, signer)
  })

it.scopedLive(
  "the reference's refusals, service by service",
  () =>
    Effect.gen(function* () {
      const [admin, admin2, user, user2, orderers] = yield* Effect.promise(() =>
        Promise.all([
          person("Org1MSP", "Admin"),
          person("Org2MSP", "Admin"),
          person("Org1MSP", "User1"),
          person("Org2MSP", "User1"),
          person("OrdererMSP", "Admin")
        ])
      )
      const orderer = yield* startNode({ folder: yield* tempFolder })
      yield* createMychannel(orderer)
      const folder = yield* tempFolder
      const peer = yield* startPeer({
        folder,
        orderer: orderer.address,
        environment: { CORE_PEER_MSPCONFIGPATH: people.mspWithRevocations(folder) }
      })
      const client = yield* peer.connect()
      const block = yield* fetchBlock(
        orderer.client,
        { channelId: CHANNEL, signer: admin, seek: { start: "oldest", stop: "oldest" } },
        ordererBlocks
      )
      expect(statusOf(yield* join(client, admin, block))).toBe("200")
      const change = (
        height: bigint,
        update: Parameters<typeof updateOf>[1],
        ...signers: ReadonlyArray<ClientSigner>
      ) =>
        Effect.gen(function* () {
          const bundle = orderer.registrar.channel(CHANNEL)?.bundles.current() ?? expect.fail("no channel")
          const envelope = envelopeOf(updateOf(bundle, update), [admin, ...signers])
          expect(yield* broadcastOne(orderer.client, envelope)).toEqual({ status: 200, info: "" })
          yield* peer.table.get(CHANNEL)?.pipeline.reached(height) ?? Effect.die("not joined")
        })
      // Org2 reads here as long as it belongs to the channel
      expect((yield* answers(client, user2)).deliver).toBe("SUCCESS")
      yield* change(2n, (root) => {
        const org1 = groupOf(root, "Application", "Org1MSP")
        const config = msp.MSPConfig.decode(org1.values.get("MSP")?.value ?? new Uint8Array())
        const inner = msp.FabricMSPConfig.decode(config.config)
        setValue(
          org1,
          "MSP",
          msp.MSPConfig.encode({
            ...config,
            config: msp.FabricMSPConfig.encode({ ...inner, revocationList: [people.revocationList] })
          })
        )
      })
      yield* change(3n, (root) => void groupOf(root, "Application").groups.delete("Org2MSP"), admin2)

      const unknown = (text: string) => `rpc error: code = Unknown desc = ${text}`
      const denied = (org: string, channelProposal?: string) => ({
        channelProposal: channelProposal ?? unknown(`access denied: channel [mychannel] creator org [${org}]`),
        localProposal: unknown(`access denied: channel [] creator org [${org}]`),
        deliver: "FORBIDDEN",
        filtered: "FORBIDDEN",
        admin: unknown("access denied")
      })
      const both = (text: string) => ({ channelProposal: unknown(text), localProposal: unknown(text) })
      const served = { channelProposal: "200", localProposal: "200", deliver: "SUCCESS", filtered: "SUCCESS" }
      const readers =
        "500 access denied for [GetChainInfo][mychannel]: [Failed evaluating policy on signed data during check policy on channel [mychannel] with policy [/Channel/Application/Readers]: [implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Readers' sub-policies to be satisfied]]"
      for (const [who, signer, expected] of [
        ["an admin", admin, { ...served, admin: "served" }],
        ["a member", user, { ...served, admin: unknown("access denied") }],
        ["nobody", people.nobody, { ...denied(""), ...both("invalid creator specified in the header") }],
        ["bytes that are no identity", people.garbage, denied("")],
        ["somebody else's key", people.forged, denied("Org1MSP")],
        ["an expired identity", people.expired, { ...denied("Org1MSP"), ...both("identity expired") }],
        ["a revoked identity", people.revoked, denied("Org1MSP")],
        ["an organisation that is no application's", orderers, denied("OrdererMSP", readers)],
        ["an organisation that has left", user2, denied("Org2MSP")]
      ] as const)
        expect({ who, ...(yield* answers(client, signer)) }).toEqual({ who, ...expected })
    }),
  180_000
)

/** What a peer answers to calls that it must refuse, as gRPC status or as an answer of status 500; it goes on serving. */
import { it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import { beforeAll, describe, expect } from "vitest"
import { peerBlocks, system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { PeerChannels } from "../../../src/peer/channels/PeerChannels.js"
import { type Channel, GrpcFailure } from "../../../src/transport/index.js"
import { common, protos } from "../../../src/wire/index.js"
import { computeTxId, openEnvelope, toHex, utf8 } from "../../../src/wire/protoutil.js"
import { Endorser } from "../../../src/wire/services.js"
import { genesisBlock, person, until } from "../support.js"
import { chainInfo, join, propose, statusOf } from "./calls.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { type RunningPeer, startPeer, tempFolder } from "./support.js"

let admin: Signer
let user: Signer
let other: Signer
let orderer: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
  other = await person("Org2MSP", "User1")
  orderer = await person("OrdererMSP", "Admin")
})

interface Forged {
  readonly channelHeader?: Parameters<typeof common.ChannelHeader.encode>[0]
  readonly nonce?: Uint8Array
  readonly signer?: Signer
  readonly txId?: string
  readonly chaincode?: string
  readonly extension?: Uint8Array
  readonly signature?: (proposal: Uint8Array) => Uint8Array
  readonly payload?: Uint8Array
}

let counter = 0
/** A proposal with any part as asked. */
const forge = ({
  chaincode = "sink",
  channelHeader,
  extension,
  nonce,
  payload,
  signature,
  signer = user,
  txId
}: Forged) => {
  const fresh = nonce ?? Buffer.from(`refused ${counter++}`.padEnd(24))
  const chaincodeId = { name: chaincode }
  const header = common.Header.encode({
    channelHeader: common.ChannelHeader.encode({
      type: common.HeaderType.ENDORSER_TRANSACTION,
      channelId: "mychannel",
      txId: txId ?? computeTxId(fresh, signer.serialized),
      extension: extension ?? protos.ChaincodeHeaderExtension.encode({ chaincodeId }),
      ...channelHeader
    }),
    signatureHeader: common.SignatureHeader.encode({ creator: signer.serialized, nonce: fresh })
  })
  const input = protos.ChaincodeInvocationSpec.encode({ chaincodeSpec: { chaincodeId, input: { args: [utf8("x")] } } })
  const proposalBytes = protos.Proposal.encode({
    header,
    payload: payload ?? protos.ChaincodeProposalPayload.encode({ input })
  })
  return protos.SignedProposal.encode({
    proposalBytes,
    signature: (signature ?? ((bytes) => signer.sign(bytes)))(proposalBytes)
  })
}

const ask = (client: Channel, bytes: Uint8Array): Effect.Effect<string> =>
  Effect.match(client.unary(Endorser.methods.ProcessProposal, bytes), {
    onFailure: (failure) =>
      failure instanceof GrpcFailure ? `grpc ${failure.code}: ${failure.details}` : String(failure),
    onSuccess: (answer) => statusOf(protos.ProposalResponse.decode(answer))
  })

const metricsOf = (peer: RunningPeer) =>
  Effect.promise(async () => (await fetch(`http://${peer.operations}/metrics`)).text())

const joined = (): Effect.Effect<
  { readonly peer: RunningPeer; readonly client: Channel },
  unknown,
  import("effect/Scope").Scope
> =>
  Effect.gen(function* () {
    const served = yield* serveChain(recordedBlocks.slice(0, 4))
    const peer = yield* startPeer({ folder: yield* tempFolder, orderer: served.address })
    const client = yield* peer.connect()
    expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
    yield* peer.table.get("mychannel")?.pipeline.reached(4n) ?? Effect.die("not joined")
    return { peer, client }
  })

describe("proposals", () => {
  it.scopedLive("are refused in the reference's words", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* joined()
      const denied = "grpc 2: access denied: channel [mychannel] creator org [Org1MSP]"
      const extension = (visibility: boolean) =>
        Buffer.concat([
          visibility ? Uint8Array.of(0x0a, 0) : new Uint8Array(),
          protos.ChaincodeHeaderExtension.encode({ chaincodeId: { name: "sink" } })
        ])
      const cases: ReadonlyArray<readonly [string, Uint8Array, string | RegExp]> = [
        ["garbage", Uint8Array.of(0xff, 1), /^grpc 13: grpc: error unmarshalling request: /],
        ["nothing", new Uint8Array(), /^grpc 2: (failed parsing|invalid|error)/],
        ["wrong signature", forge({ signature: () => user.sign(utf8("else")) }), denied],
        ["no signature", forge({ signature: () => new Uint8Array() }), denied],
        [
          "unknown channel",
          forge({ channelHeader: { channelId: "nowhere" } }),
          "grpc 2: access denied: channel [nowhere] creator org [Org1MSP]"
        ],
        [
          "another org without a channel",
          forge({ channelHeader: { channelId: "" }, signer: other }),
          "grpc 2: access denied: channel [] creator org [Org2MSP]"
        ],
        [
          "epoch",
          forge({ channelHeader: { epoch: 1n } }),
          "grpc 2: invalid Epoch in ChannelHeader. Expected 0, got [1]"
        ],
        ["no nonce", forge({ nonce: new Uint8Array() }), "grpc 2: invalid nonce specified in the header"],
        ["type", forge({ channelHeader: { type: common.HeaderType.MESSAGE } }), "grpc 2: invalid header type MESSAGE"],
        [
          "unsupported type",
          forge({ channelHeader: { type: common.HeaderType.CONFIG_UPDATE } }),
          "grpc 2: unsupported proposal type 2"
        ],
        ["transaction id", forge({ txId: "abc" }), /^grpc 2: invalid txid\. got \[abc\], expected \[[0-9a-f]{64}\]$/],
        ["visibility", forge({ extension: extension(true) }), "grpc 2: invalid payload visibility field"],
        [
          "no chaincode id",
          forge({ extension: new Uint8Array() }),
          "grpc 2: ChaincodeHeaderExtension.ChaincodeId is nil"
        ],
        ["vscc", forge({ chaincode: "vscc" }), "grpc 2: chaincode vscc cannot be invoked through a proposal"],
        [
          "no writer",
          forge({ signer: orderer }),
          /^grpc 2: Failed evaluating policy on signed data during check policy on channel \[mychannel\] with policy \[\/Channel\/Application\/Writers\]: \[implicit policy/
        ],
        [
          "unknown chaincode",
          forge({ chaincode: "ghost" }),
          "500 make sure the chaincode ghost has been successfully instantiated and try again: chaincode ghost not found"
        ],
        [
          "chaincode without a channel",
          forge({ channelHeader: { channelId: "" } }),
          "500 make sure the chaincode sink has been successfully instantiated and try again: could not get definition for chaincode sink without a ledger context"
        ],
        [
          "chaincode that is not installed",
          forge({}),
          /^500 cannot retrieve package for chaincode sink\/1\.0, error open .*sink\.1\.0: no such file or directory$/
        ],
        ["no input", forge({ payload: new Uint8Array() }), "500 the proposal has no chaincode input"],
        ["payload", forge({ payload: Uint8Array.of(0xff) }), /^500 error unmarshaling ChaincodeProposalPayload: /]
      ]
      for (const [name, bytes, answer] of cases) {
        const got = yield* ask(client, bytes)
        if (typeof answer === "string") expect(got, name).toBe(answer)
        else expect(got, name).toMatch(answer)
      }
      expect((yield* chainInfo(client, user)).height).toBe(4n)
      const metrics = yield* metricsOf(peer)
      // all but the garbage, and two that succeeded: the join, the question for the height
      expect(metrics).toMatch(new RegExp(`^endorser_proposals_received ${cases.length - 1 + 2}$`, "m"))
      expect(metrics).toMatch(/^endorser_successful_proposals 2$/m)
      expect(metrics).toMatch(/^endorser_proposal_validation_failures 12$/m)
      expect(metrics).toMatch(/^endorser_proposal_acl_failures{channel="mychannel",chaincode="sink:"} 1$/m)
      expect(peer.lines.join("")).toMatch(
        /access denied: channel \[mychannel\] creator org \[Org1MSP\]: The signature is/
      )
    })
  )

  it.scopedLive("a transaction id that is on the ledger", () =>
    Effect.gen(function* () {
      const { client, peer } = yield* joined()
      const [entry] = common.Block.decode(recordedBlocks[3] ?? new Uint8Array()).data?.data ?? []
      const opened = openEnvelope(entry ?? new Uint8Array()) ?? expect.fail("no envelope")
      const { creator, nonce } = opened.signatureHeader
      // the one who made it is an admin: only he can make the same id
      expect(toHex(creator)).toBe(toHex(admin.serialized))
      expect(yield* ask(client, forge({ nonce, signer: admin }))).toBe(
        `grpc 2: duplicate transaction found [${opened.channelHeader.txId}]. Creator [${toHex(creator)}]`
      )
      expect(yield* metricsOf(peer)).toMatch(
        /^endorser_duplicate_transaction_failures{channel="mychannel",chaincode="sink:"} 1$/m
      )
    })
  )
})

describe("joins", () => {
  it.scopedLive("of damaged blocks, twice, and by others than admins", () =>
    Effect.gen(function* () {
      const peer = yield* startPeer({ folder: yield* tempFolder })
      const client = yield* peer.connect()
      const block = common.Block.decode(genesisBlock())
      const [first = new Uint8Array()] = block.data?.data ?? []
      const damaged = Uint8Array.from(first)
      damaged.fill(0, 600, 700)
      expect(statusOf(yield* join(client, admin, Uint8Array.of(0xff)))).toMatch(
        /^500 Failed to reconstruct the genesis block, error unmarshaling block: /
      )
      expect(statusOf(yield* join(client, admin, common.Block.encode({ ...block, data: { data: [damaged] } })))).toBe(
        '500 "JoinChain" for chainID = mychannel failed because of validation of configuration block, because of its data does not have the hash that its header says'
      )
      expect(statusOf(yield* join(client, user, genesisBlock()))).toMatch(
        /^500 access denied for \[JoinChain\]\[mychannel\]: \[Failed verifying that proposal's creator satisfies local MSP/
      )
      expect(yield* Effect.either(join(client, other, genesisBlock()))).toMatchObject(
        Either.left({ details: "access denied: channel [] creator org [Org2MSP]" })
      )
      expect(peer.table.list()).toEqual([])
      expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
      expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe(
        "500 cannot create ledger from genesis block: LedgerID already exists"
      )
      const listed = yield* propose(client, user, system.getChannels)
      const { channels } = protos.ChannelQueryResponse.decode(listed.response?.payload ?? new Uint8Array())
      expect(channels.map(({ channelId }) => channelId)).toEqual(["mychannel"])
    })
  )
})

describe("a client that hangs up", () => {
  it.scopedLive("while it joins does not leave a ledger behind whose channel is closed", () =>
    Effect.gen(function* () {
      const peer = yield* startPeer({ folder: yield* tempFolder })
      const client = yield* peer.connect()
      const opening = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const { onOpen } = yield* Effect.provide(PeerChannels, peer.context)
      yield* onOpen(() => Effect.zipRight(Deferred.succeed(opening, undefined), Deferred.await(gate)))
      const joining = yield* Effect.fork(join(client, admin, genesisBlock()))
      yield* Deferred.await(opening)
      yield* Fiber.interrupt(joining)
      yield* until(() => peer.lines.some((line) => line.includes("context canceled")))
      yield* Deferred.succeed(gate, undefined)
      yield* until(() => peer.lines.some((line) => line.includes("[mychannel] joined the channel")))
      expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe(
        "500 cannot create ledger from genesis block: LedgerID already exists"
      )
      expect((yield* chainInfo(client, user)).height).toBe(1n)
    })
  )
})

describe("deliver", () => {
  it.scopedLive("answers strangers and unknown channels with a status", () =>
    Effect.gen(function* () {
      const { client } = yield* joined()
      const status = (signer: Signer, channelId: string) =>
        Effect.scoped(
          Effect.flatMap(
            peerBlocks(client, { channelId, signer, seek: { start: "oldest", stop: "newest" } }),
            ({ next }) => Effect.flip(next)
          )
        )
      expect(yield* status(user, "nowhere")).toMatchObject({ status: common.Status.NOT_FOUND })
      expect(yield* status(orderer, "mychannel")).toMatchObject({ status: common.Status.FORBIDDEN })
    })
  )
})

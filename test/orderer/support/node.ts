/** An orderer in this process on a free port and a temporary folder, and clients for it. Not a test. */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import {
  type ClientSigner,
  configUpdateEnvelope,
  type Position,
  seekInfo,
  signedEnvelope
} from "../../../src/client/index.js"
import { layerFile } from "../../../src/ledger/blockstore/index.js"
import { LocalMsp, loadLocalMsp } from "../../../src/msp/index.js"
import { type ConsenterShape, Consenters } from "../../../src/orderer/consensus/Chain.js"
import { soloConsenter } from "../../../src/orderer/consensus/solo/SoloChain.js"
import { Registrar } from "../../../src/orderer/multichannel/Registrar.js"
import * as AtomicBroadcast from "../../../src/orderer/services/AtomicBroadcast.js"
import * as BootstrapBlock from "../../../src/orderer/stages/BootstrapBlock.js"
import * as Channels from "../../../src/orderer/stages/Channels.js"
import * as ClientRoots from "../../../src/orderer/stages/ClientRoots.js"
import { ServerMaterial } from "../../../src/orderer/stages/Server.js"
import * as SystemLedger from "../../../src/orderer/stages/SystemLedger.js"
import * as Metrics from "../../../src/runtime/Metrics.js"
import * as Vital from "../../../src/runtime/Vital.js"
import { type Channel, connect, GrpcServer, Listen } from "../../../src/transport/index.js"
import { common, orderer } from "../../../src/wire/index.js"
import { field, varint } from "../../../src/wire/raw.js"
import { AtomicBroadcast as service } from "../../../src/wire/services.js"

export const chainA = path.join(import.meta.dirname, "../../vectors/chain-a")
export const msps = {
  orderer: "ordererOrganizations/example.com/orderers/orderer.example.com/msp",
  ordererAdmin: "ordererOrganizations/example.com/users/Admin@example.com/msp",
  admin1: "peerOrganizations/org1.example.com/users/Admin@org1.example.com/msp",
  user1: "peerOrganizations/org1.example.com/users/User1@org1.example.com/msp",
  peer1: "peerOrganizations/org1.example.com/peers/peer0.org1.example.com/msp",
  admin2: "peerOrganizations/org2.example.com/users/Admin@org2.example.com/msp",
  user2: "peerOrganizations/org2.example.com/users/User1@org2.example.com/msp"
} as const

const mspIdOf = (folder: string): string =>
  folder.startsWith("ordererOrganizations") ? "OrdererMSP" : folder.includes("org1") ? "Org1MSP" : "Org2MSP"

export const signerOf = (who: keyof typeof msps, from: string = chainA): Effect.Effect<ClientSigner> =>
  loadLocalMsp({ dir: path.join(from, "crypto-config", msps[who]), mspId: mspIdOf(msps[who]) }).pipe(
    Effect.map(({ signer }) => signer),
    Effect.withClock(Clock.make()), // certificates hold today, whatever a test's clock says
    Effect.orDie
  )

export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "orderer-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

export interface NodeOptions {
  readonly folder: string
  readonly genesisFile?: string
  readonly timeWindow?: number
  readonly checkExpiration?: boolean
  readonly consenters?: ReadonlyMap<string, ConsenterShape>
}

/** The stages of the program, without configuration files, operations and process. */
export const nodeLayer = (options: NodeOptions) => {
  const { checkExpiration = false, timeWindow = 900_000 } = options
  const consenters = options.consenters ?? new Map([["solo", soloConsenter]])
  return Listen.layer.pipe(
    Layer.provideMerge(
      AtomicBroadcast.layer({ timeWindow, checkExpiration, broadcastTraceDir: "", deliverTraceDir: "" })
    ),
    Layer.provideMerge(Channels.layer({ checkExpiration })),
    Layer.provideMerge(Layer.succeed(Consenters, consenters)),
    Layer.provideMerge(ClientRoots.layer),
    Layer.provideMerge(Layer.succeed(ServerMaterial, { tls: undefined })),
    Layer.provideMerge(GrpcServer.layer({ address: "127.0.0.1:0" })),
    Layer.provideMerge(SystemLedger.layer),
    Layer.provideMerge(layerFile({ root: path.join(options.folder, "ledger") })),
    Layer.provideMerge(
      BootstrapBlock.layer({ method: "file", file: options.genesisFile ?? path.join(chainA, "genesis.block") })
    ),
    Layer.provideMerge(LocalMsp.layer({ dir: path.join(chainA, "crypto-config", msps.orderer), mspId: "OrdererMSP" })),
    Layer.provideMerge(Metrics.layerDisabled),
    Layer.provideMerge(Vital.layer)
  )
}

export interface Node {
  readonly address: string
  readonly client: Channel
  readonly registrar: Registrar["Type"]
  /** Open connections to its server. */
  readonly connections: Effect.Effect<number>
}

/** Starts an orderer; it stops with the scope. */
export const startNode = (options: NodeOptions): Effect.Effect<Node, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Layer.build(nodeLayer(options))
    return yield* Effect.provide(
      Effect.gen(function* () {
        const { address, connections } = yield* GrpcServer
        return { address, connections, client: yield* connect(address), registrar: yield* Registrar }
      }),
      context
    )
  })

// ---- Messages ----------------------------------------------------------------------------------------------------

export const moment = () => ({ now: Date.now(), nonce: new Uint8Array(randomBytes(24)) })

/** A normal message. */
export const message = (signer: ClientSigner, channelId: string, text: string | Uint8Array, type = 3): Uint8Array =>
  signedEnvelope({ ...moment(), type, channelId, data: typeof text === "string" ? Buffer.from(text) : text, signer })

/** An update file as configtxgen writes it, signed by all and sent by the first. */
export const signedUpdate = (
  file: string,
  channelId: string,
  signers: readonly [ClientSigner, ...ReadonlyArray<ClientSigner>]
): Uint8Array => {
  const envelope = common.Envelope.decode(fs.readFileSync(file))
  const payload = common.Payload.decode(envelope.payload)
  const { configUpdate } = common.ConfigUpdateEnvelope.decode(payload.data)
  return configUpdateEnvelope(channelId, configUpdate, signers, signers[0], moment)
}

export interface Answer {
  readonly status: number
  readonly info: string
}

/** Sends messages on one stream and half-closes; all answers until the stream ends. */
export const broadcastAll = (client: Channel, messages: ReadonlyArray<Uint8Array>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* client.bidi(service.methods.Broadcast)
      const answers: Array<Answer> = []
      const sending = Effect.gen(function* () {
        for (const bytes of messages) yield* stream.send(bytes)
        yield* stream.end
      })
      yield* Effect.fork(Effect.ignore(sending))
      for (let bytes = yield* stream.next; bytes !== undefined; bytes = yield* stream.next) {
        const { info, status } = orderer.BroadcastResponse.decode(bytes)
        answers.push({ status, info })
      }
      return answers
    })
  )

/** Sends one message: its answer. */
export const broadcastOne = (client: Channel, bytes: Uint8Array) =>
  Effect.map(broadcastAll(client, [bytes]), ([answer]) => answer)

export interface SeekOptions {
  readonly failIfNotReady?: boolean
  readonly bestEffort?: boolean
  readonly now?: number
}

export const seekMessage = (
  signer: ClientSigner,
  channelId: string,
  start: Position,
  stop: Position,
  { now = Date.now(), ...rest }: SeekOptions = {}
): Uint8Array =>
  signedEnvelope({ ...moment(), now, type: 5, channelId, data: seekInfo({ start, stop, ...rest }), signer })

/** What came on a Deliver stream: a block's bytes, or a status. */
export type Delivered = { readonly block: Uint8Array } | { readonly status: number }

export const readDelivered = (bytes: Uint8Array): Delivered => {
  const block = field(bytes, 2)
  return block === undefined ? { status: Number(varint(bytes, 1) ?? 0n) } : { block }
}

/** One request: its blocks and the status behind them. */
export const deliverAll = (client: Channel, request: Uint8Array) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* client.bidi(service.methods.Deliver)
      yield* stream.send(request)
      const blocks: Array<Uint8Array> = []
      for (let bytes = yield* stream.next; bytes !== undefined; bytes = yield* stream.next) {
        const delivered = readDelivered(bytes)
        if ("status" in delivered) return { blocks, status: delivered.status }
        blocks.push(delivered.block)
      }
      return { blocks, status: undefined }
    })
  )

export const numbersOf = (blocks: ReadonlyArray<Uint8Array>) =>
  blocks.map((bytes) => Number(common.Block.decode(bytes).header?.number ?? -1n))

/** The data of all messages in blocks, in order. */
export const textsOf = (blocks: ReadonlyArray<Uint8Array>): ReadonlyArray<string> =>
  blocks.flatMap((bytes) =>
    (common.Block.decode(bytes).data?.data ?? []).map((entry) =>
      Buffer.from(common.Payload.decode(common.Envelope.decode(entry).payload).data).toString()
    )
  )

/** Waits until the channel is served at a height. */
export const waitForHeight = (node: Pick<Node, "registrar">, channelId: string, height: bigint): Effect.Effect<void> =>
  Effect.suspend(() =>
    (node.registrar.channel(channelId)?.ledger.height() ?? 0n) >= height
      ? Effect.void
      : Effect.delay(waitForHeight(node, channelId, height), "5 millis")
  )

/** Creates `mychannel` by the recorded request. */
export const createMychannel = (node: Pick<Node, "client" | "registrar">) =>
  Effect.gen(function* () {
    const admin = yield* signerOf("admin1")
    const answer = yield* broadcastOne(
      node.client,
      signedUpdate(path.join(chainA, "mychannel.tx"), "mychannel", [admin])
    )
    if (answer?.status !== common.Status.SUCCESS) return yield* Effect.die(new Error(JSON.stringify(answer)))
    yield* waitForHeight(node, "mychannel", 1n)
  })

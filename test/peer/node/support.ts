/** Whole peers of the recorded network in this process: real files, real gRPC on free ports, a log that is kept. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type CoreConfig, decodeCore } from "../../../src/config/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { Operations } from "../../../src/operations/index.js"
import { ChannelTable, type ChannelTableShape } from "../../../src/peer/channels/ChannelTable.js"
import * as Peer from "../../../src/peer/Peer.js"
import { layerOf, make as makeLog, type NodeLog } from "../../../src/runtime/Log.js"
import { type StageEvents, StageJournal } from "../../../src/runtime/Stage.js"
import { type Channel, type ConnectOptions, connect, GrpcServer } from "../../../src/transport/index.js"
import { nodeFolder } from "../support.js"

/** A folder that goes with the scope. */
export const tempFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "peer-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

export interface PeerOptions {
  readonly folder: string
  readonly org?: "Org1MSP" | "Org2MSP"
  /** Where the recorded channel's orderer (127.0.0.1:7050) is to be found instead. */
  readonly orderer?: string
  /** More of core.yaml below `peer:`, indented by two. */
  readonly yaml?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** The configuration of a peer of the recorded network. */
export const configOf = ({ environment, folder, orderer, org = "Org1MSP", yaml }: PeerOptions): CoreConfig => {
  const material = nodeFolder(org, "peer0")
  const text = `
peer:
  id: peer0.${org === "Org1MSP" ? "org1" : "org2"}.example.com
  networkId: test
  listenAddress: 127.0.0.1:0
  address: 127.0.0.1:0
  chaincodeListenAddress: 127.0.0.1:0
  fileSystemPath: ${folder}
  mspConfigPath: ${material}/msp
  localMspId: ${org}
  gossip: { orgLeader: true }
  handlers:
    authFilters: [{ name: DefaultAuth }, { name: ExpirationCheck }]
    decorators: [{ name: DefaultDecorator }]
    endorsers: { escc: { name: DefaultEndorsement } }
    validators: { vscc: { name: DefaultValidation, library: "" } }
${
  orderer === undefined
    ? ""
    : `  deliveryclient:\n    addressOverrides: [{ from: "127.0.0.1:7050", to: "${orderer}" }]\n    reConnectBackoffThreshold: 1s\n`
}${yaml ?? ""}
chaincode:
  mode: net
  system: { cscc: enable, lscc: enable, qscc: enable }
ledger:
  history: { enableHistoryDatabase: true }
operations:
  listenAddress: 127.0.0.1:0
metrics:
  provider: prometheus
`
  const options = { env: { PATH: process.env.PATH, ...environment }, cwd: folder }
  return Either.getOrThrow(decodeCore(join(folder, "core.yaml"), text, options))
}

export interface RunningPeer {
  readonly address: string
  readonly operations: string
  readonly table: ChannelTableShape
  readonly lines: ReadonlyArray<string>
  readonly log: NodeLog
  readonly context: Context.Context<Layer.Layer.Success<typeof Peer.PeerProgram>>
  /** A connection as a client has it. */
  readonly connect: (options?: ConnectOptions) => Effect.Effect<Channel, unknown, Scope.Scope>
}

export interface StartOptions extends PeerOptions {
  readonly journal?: StageEvents
  readonly spec?: string
}

/** Starts a peer that ends with the scope. */
export const startPeer = (options: StartOptions): Effect.Effect<RunningPeer, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const log = Either.getOrThrow(
      makeLog({
        spec: options.spec ?? "info",
        format:
          process.env.PEER_TEST_LOG === undefined
            ? "%{level} [%{module}] %{message}"
            : "%{time:15:04:05.000} %{level} [%{module}] %{message}",
        write: (line) => {
          lines.push(line)
          if (process.env.PEER_TEST_LOG !== undefined) process.stderr.write(line)
        }
      })
    )
    const node = Peer.layer(configOf(options)).pipe(
      Layer.provide(layerOf(log)),
      Layer.provide(Layer.succeed(StageJournal, options.journal ?? { acquired: () => {}, released: () => {} }))
    )
    const context = yield* Layer.build(node)
    const { address, operations, table } = yield* Effect.all({
      address: Effect.map(GrpcServer, (server) => server.address),
      operations: Effect.map(Operations, (service) => service.address),
      table: ChannelTable
    }).pipe(Effect.provide(context))
    return { address, operations, table, lines, log, context, connect: (to) => connect(address, to) }
  })

/** Material of a person for proposals. */
export type Person = Signer

/**
 * The network under test: one that is started for the bench from our launchers (`npm run build` first), or any that runs
 * already, described by a JSON file in BENCH_TARGET, so that a Go network is measured beside ours:
 *
 *     { "name": "go", "channel": "mychannel", "chaincode": "sink", "put": ["put"], "get": ["get"],
 *       "mspId": "Org1MSP", "mspDir": ".../users/Admin@org1.example.com/msp",
 *       "orderer": { "address": "127.0.0.1:7050", "pid": 1 },
 *       "peers": [{ "address": "127.0.0.1:7051", "pid": 2, "chaincodePid": 3 }] }
 *
 * `put` is called with a key and a value, `get` with a key; all peers named endorse every transaction. Process ids are
 * only for CPU and memory.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { loadLocalMsp, type Signer } from "../../src/msp/index.js"
import { ordererEnvironment, peerEnvironment, toolEnvironment } from "../../src/network/environment.js"
import { type Gateway, makeGateway } from "../../src/network/gateway/Gateway.js"
import * as layout from "../../src/network/layout.js"
import { makeMaterial } from "../../src/network/material.js"
import { deploy } from "../../src/network/Network.js"
import { Nodes, type RunningNode } from "../../src/network/nodes/Nodes.js"
import * as ProcessNodes from "../../src/network/nodes/ProcessNodes.js"
import { anyPorts } from "../../src/network/ports.js"
import { type NetworkSpec, networkSpec } from "../../src/network/spec.js"
import { type Channel, connect } from "../../src/transport/index.js"
import { childrenOf } from "./report.js"

export const root = fileURLToPath(new URL("../..", import.meta.url))
const sample = path.join(root, "samples/chaincode/asset-transfer")

const Node = Schema.Struct({
  address: Schema.String,
  pid: Schema.optionalWith(Schema.Number, { exact: true }),
  chaincodePid: Schema.optionalWith(Schema.Number, { exact: true })
})
const Given = Schema.parseJson(
  Schema.Struct({
    name: Schema.String,
    channel: Schema.String,
    chaincode: Schema.String,
    put: Schema.Array(Schema.String),
    get: Schema.Array(Schema.String),
    mspId: Schema.String,
    mspDir: Schema.String,
    orderer: Node,
    peers: Schema.Array(Node)
  })
)

export interface TargetNode {
  readonly channel: Channel
  readonly pid: number | undefined
  /** Process of the chaincode, where it is known. */
  readonly chaincodePid: number | undefined
}

export interface Target {
  readonly name: string
  readonly channelId: string
  readonly chaincode: string
  readonly put: ReadonlyArray<string>
  readonly get: ReadonlyArray<string>
  readonly signer: Signer
  readonly orderer: TargetNode
  readonly peers: ReadonlyArray<TargetNode>
  /** What only a network of our own offers. */
  readonly own: OwnNetwork | undefined
}

/** A network started for the bench. */
export interface OwnNetwork {
  readonly spec: NetworkSpec
  readonly gateway: Gateway
  /** Starts the peer of that number of the first organisation. */
  readonly startPeer: (index: number) => Effect.Effect<RunningNode, Error, Scope.Scope>
  readonly addressOf: (index: number) => string
}

// ---- A network that runs -------------------------------------------------------------------------------------------

const given = (file: string): Effect.Effect<Target, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const told = yield* Schema.decode(Given)(fs.readFileSync(file, "utf8"))
    const node = ({ address, chaincodePid, pid }: typeof Node.Type) =>
      Effect.map(connect(address), (channel): TargetNode => ({ channel, pid, chaincodePid }))
    const { signer } = yield* loadLocalMsp({ dir: told.mspDir, mspId: told.mspId })
    const { channel: channelId, chaincode, get, name, put } = told
    const orderer = yield* node(told.orderer)
    const peers = yield* Effect.forEach(told.peers, node)
    return { name, channelId, chaincode, get, put, signer, orderer, peers, own: undefined }
  })

// ---- Our own -------------------------------------------------------------------------------------------------------

/** A chaincode of two functions on the bare shim, with the sample's dependencies. */
const writeChaincode = (folder: string): void => {
  fs.mkdirSync(folder)
  const manifest = JSON.parse(fs.readFileSync(path.join(sample, "package.json"), "utf8"))
  manifest.scripts = { start: "node index.js" }
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest))
  fs.copyFileSync(path.join(sample, "package-lock.json"), path.join(folder, "package-lock.json"))
  fs.writeFileSync(
    path.join(folder, "index.js"),
    `const shim = require("fabric-shim")
shim.start({
  Init: async () => shim.success(),
  Invoke: async (stub) => {
    const { fcn, params: [key, value] } = stub.getFunctionAndParameters()
    if (fcn === "get") return shim.success(Buffer.from(await stub.getState(key)))
    await stub.putState(key, Buffer.from(value))
    return shim.success(Buffer.from(key))
  }
})
`
  )
}

const quiet = { step: () => Effect.void }

export interface OwnOptions {
  readonly peers?: number
  /** Milliseconds. */
  readonly batchTimeout?: number
  readonly maxMessageCount?: number
}

/** A folder for the time of the scope. */
export const temporaryFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "fabric-effect-bench-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

/** Starts an orderer and the first peer from the launchers; further peers are there to be started. */
const own = ({ batchTimeout = 200, maxMessageCount = 100, peers = 1 }: OwnOptions) =>
  Effect.gen(function* () {
    const dir = yield* temporaryFolder
    const spec = Either.getOrThrow(
      networkSpec(
        { dir: path.join(dir, "network"), orgs: [{ name: "Org1", peers }], batchTimeout, maxMessageCount },
        dir
      )
    )
    const ports = yield* anyPorts(layout.peersOf(spec))
    const configDir = path.join(root, "config")
    const nodes = yield* Nodes
    yield* makeMaterial(spec, ports)
    const orderer = yield* nodes.orderer({
      name: layout.ORDERER_HOST,
      environment: ordererEnvironment(spec, ports, configDir),
      port: ports.orderer,
      log: layout.ordererLog(spec.dir)
    })
    const places = layout.peersOf(spec)
    const portOf = (index: number): number => ports.peers[places[index]?.host ?? ""]?.peer ?? 0
    const startPeer: OwnNetwork["startPeer"] = (index) => {
      const place = places[index]
      if (place === undefined) return Effect.die(new Error(`no peer ${index}`))
      return nodes.peer({
        name: place.host,
        environment: peerEnvironment(spec, ports, place, configDir),
        port: portOf(index),
        log: place.log
      })
    }
    const first = yield* startPeer(0)
    // the other peers are not up: nothing is to reach them
    const alone = { ...spec, orgs: spec.orgs.map((org) => ({ ...org, peers: 1 })) }
    const gateway = yield* makeGateway(alone, ports)
    yield* gateway.createChannel
    yield* gateway.join
    const chaincode = path.join(dir, "kv")
    writeChaincode(chaincode)
    const tools = { configDir, toolEnvironment: toolEnvironment(process.env) }
    yield* deploy(gateway, { path: chaincode, name: "kv", version: "1.0", initArgs: [] }, tools, quiet)
    const [org] = spec.orgs
    if (org === undefined) return yield* Effect.die(new Error("no organisation"))
    const { signer } = yield* loadLocalMsp({
      dir: path.join(layout.userMaterial(spec.dir, org, "Admin"), "msp"),
      mspId: org.mspId
    })
    const addressOf = (index: number): string => `127.0.0.1:${portOf(index)}`
    const target: Target = {
      name: "fabric-effect",
      channelId: spec.channel,
      chaincode: "kv",
      put: ["put"],
      get: ["get"],
      signer,
      orderer: { channel: yield* connect(`127.0.0.1:${ports.orderer}`), pid: orderer.pid, chaincodePid: undefined },
      peers: [{ channel: yield* connect(addressOf(0)), pid: first.pid, chaincodePid: childrenOf(first.pid)[0] }],
      own: { spec, gateway, startPeer, addressOf }
    }
    return target
  }).pipe(
    Effect.provide(
      ProcessNodes.layer({
        home: root,
        inherited: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          FABRIC_LOGGING_SPEC: "warning"
        },
        // such as --cpu-prof --cpu-prof-dir=/tmp/profiles
        nodeArguments: (process.env.BENCH_NODE_ARGUMENTS ?? "").split(" ").filter(Boolean),
        detach: false,
        observer: { started: () => Effect.void, stopped: () => Effect.void }
      })
    )
  )

/** The network that the environment names, or a new one of ours for the time of the scope. */
export const openTarget = (options: OwnOptions = {}): Effect.Effect<Target, unknown, Scope.Scope> => {
  const file = process.env.BENCH_TARGET
  return file === undefined ? own(options) : given(file)
}

/** A number from the environment: how much load. */
export const amount = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise)

/**
 * A network of whole peers in this process, each of which can be stopped and started by itself: real material, real
 * gRPC with TLS, a solo orderer, and what tests want to see of each peer.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { loadCoreConfig, loadOrdererConfig } from "../../../src/config/index.js"
import { Gossip, type GossipShape } from "../../../src/gossip/index.js"
import { packageChaincode } from "../../../src/network/chaincode.js"
import { ordererEnvironment, peerEnvironment, toolEnvironment } from "../../../src/network/environment.js"
import { type Gateway, makeGateway } from "../../../src/network/gateway/Gateway.js"
import * as layout from "../../../src/network/layout.js"
import { makeMaterial } from "../../../src/network/material.js"
import { anyPorts } from "../../../src/network/ports.js"
import { type ChaincodeOptions, type NetworkOptions, type NetworkSpec, networkSpec } from "../../../src/network/spec.js"
import * as Orderer from "../../../src/orderer/Program.js"
import { ChannelTable, type PeerChannel } from "../../../src/peer/channels/ChannelTable.js"
import { PeerProgram } from "../../../src/peer/Peer.js"
import { PeerConfig } from "../../../src/peer/PeerConfig.js"
import { ProcessEnvironment } from "../../../src/peer/stages/ChaincodeRuntime.js"
import * as Log from "../../../src/runtime/Log.js"
import { Metrics } from "../../../src/runtime/Metrics.js"
import * as Vital from "../../../src/runtime/Vital.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const configDir = join(root, "config")
const vault = fileURLToPath(new URL("vault", import.meta.url))

/** The chaincode as a package that finds fabric-shim where this repository has it. */
const chaincodeFolder = (dir: string): string => {
  const folder = join(dir, "vault")
  if (existsSync(folder)) return folder
  mkdirSync(folder)
  const modules = JSON.stringify(join(root, "node_modules"))
  writeFileSync(
    join(folder, "index.js"),
    `module.paths.push(${modules})\n${readFileSync(join(vault, "index.js"), "utf8")}`
  )
  copyFileSync(join(vault, "package.json"), join(folder, "package.json"))
  return folder
}

/** Times for tests: an election in half a second, a dead peer in seconds. */
export const times: Readonly<Record<string, string>> = {
  CORE_PEER_GOSSIP_USELEADERELECTION: "true",
  CORE_PEER_GOSSIP_ORGLEADER: "false",
  CORE_PEER_GOSSIP_ELECTION_MEMBERSHIPSAMPLEINTERVAL: "200ms",
  CORE_PEER_GOSSIP_ELECTION_LEADERALIVETHRESHOLD: "2s",
  CORE_PEER_GOSSIP_ELECTION_LEADERELECTIONDURATION: "500ms",
  CORE_PEER_GOSSIP_ALIVETIMEINTERVAL: "300ms",
  CORE_PEER_GOSSIP_ALIVEEXPIRATIONTIMEOUT: "8s",
  CORE_PEER_GOSSIP_RECONNECTINTERVAL: "500ms",
  CORE_PEER_GOSSIP_PULLINTERVAL: "1s",
  CORE_PEER_GOSSIP_DIGESTWAITTIME: "200ms",
  CORE_PEER_GOSSIP_RESPONSEWAITTIME: "400ms",
  CORE_PEER_GOSSIP_REQUESTSTATEINFOINTERVAL: "300ms",
  CORE_PEER_GOSSIP_PUBLISHSTATEINFOINTERVAL: "300ms",
  CORE_PEER_GOSSIP_STATE_CHECKINTERVAL: "500ms",
  CORE_PEER_GOSSIP_PVTDATA_RECONCILESLEEPINTERVAL: "1s",
  CORE_PEER_GOSSIP_PVTDATA_PULLRETRYTHRESHOLD: "10s",
  CORE_LEDGER_PVTDATASTORE_PURGEINTERVAL: "1",
  CORE_METRICS_PROVIDER: "prometheus"
}

export interface TestPeer {
  readonly host: string
  readonly gossip: GossipShape
  /** Its part of the network's channel, once it has joined. */
  readonly channel: () => PeerChannel | undefined
  readonly lines: Array<string>
  readonly exposition: () => Promise<string>
  /** Fails when the node ends by itself. */
  readonly failure: Effect.Effect<never, { readonly message: string }>
}

export interface GossipNetworkOptions extends NetworkOptions {
  /** More environment, for all peers or by host. */
  readonly environment?: Readonly<Record<string, string>>
  readonly environments?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export class GossipNetwork {
  readonly peers = new Map<string, TestPeer>()
  private readonly scopes = new Map<string, Scope.CloseableScope>()

  private constructor(
    readonly spec: NetworkSpec,
    readonly ports: layout.NetworkPorts,
    private readonly options: GossipNetworkOptions,
    private readonly scope: Scope.CloseableScope,
    readonly gateway: Gateway
  ) {}

  /** Material, the orderer and a client; no peer is started. */
  static async make(options: GossipNetworkOptions): Promise<GossipNetwork> {
    const dir = mkdtempSync(join(tmpdir(), "fe-gossip-"))
    const spec = Either.getOrThrow(networkSpec({ batchTimeout: 20, tls: true, ...options, dir }, "/"))
    const scope = await Effect.runPromise(Scope.make())
    const [ports, gateway] = await Effect.runPromise(
      Effect.gen(function* () {
        const ports = yield* anyPorts(layout.peersOf(spec))
        yield* makeMaterial(spec, ports)
        const env = ordererEnvironment(spec, ports, configDir)
        const config = yield* loadOrdererConfig({ env, cwd: "/" })
        yield* Layer.build(Orderer.layer(config, { env, cwd: "/" }))
        return [ports, yield* makeGateway(spec, ports)] as const
      }).pipe(Scope.extend(scope))
    )
    return new GossipNetwork(spec, ports, options, scope, gateway)
  }

  /** A client that knows fewer peers: those of `orgs` alone. */
  client(orgs: Readonly<Record<string, number>>): Promise<Gateway> {
    const spec = {
      ...this.spec,
      orgs: this.spec.orgs.flatMap((org) => {
        const peers = orgs[org.name]
        return peers === undefined ? [] : [{ ...org, peers }]
      })
    }
    return Effect.runPromise(Scope.extend(makeGateway(spec, this.ports), this.scope))
  }

  peer(host: string): TestPeer {
    const peer = this.peers.get(host)
    if (peer === undefined) throw new Error(`${host} is not running`)
    return peer
  }

  async start(host: string): Promise<TestPeer> {
    const place = layout.peersOf(this.spec).find((one) => one.host === host)
    if (place === undefined) throw new Error(host)
    const { environment, environments } = this.options
    const env = {
      ...peerEnvironment(this.spec, this.ports, place, configDir),
      ...times,
      ...environment,
      ...environments?.[host]
    }
    const lines: Array<string> = []
    const peer = await Effect.runPromise(
      Effect.gen(this, function* () {
        const scope = yield* Scope.make()
        const config = yield* loadCoreConfig({ env, cwd: "/" })
        const write = (line: string) => {
          lines.push(line)
          if (process.env.PEER_TEST_LOG !== undefined) process.stderr.write(`${host} ${line}`)
        }
        const log = yield* Log.make({
          spec: process.env.PEER_TEST_LOG ?? "info:gossip.state=debug",
          format: "%{time:15:04:05.000} %{level} [%{module}] %{message}",
          write
        })
        const context = yield* Layer.build(
          PeerProgram.pipe(
            Layer.provideMerge(Vital.layer),
            Layer.provide(Layer.succeed(PeerConfig, config)),
            Layer.provide(Layer.succeed(ProcessEnvironment, { ...toolEnvironment(process.env) })),
            Layer.provide(Log.layerOf(log))
          )
        ).pipe(Scope.extend(scope))
        this.scopes.set(host, scope)
        const table = Context.get(context, ChannelTable)
        const metrics = Context.get(context, Metrics)
        return {
          host,
          gossip: Context.get(context, Gossip),
          channel: () => table.get(this.spec.channel),
          lines,
          exposition: () => Effect.runPromise(Effect.map(metrics.exposition, (page) => page?.body ?? "")),
          failure: Context.get(context, Vital.Vital).failure
        }
      })
    )
    this.peers.set(host, peer)
    return peer
  }

  async stop(host: string): Promise<void> {
    const scope = this.scopes.get(host)
    this.scopes.delete(host)
    this.peers.delete(host)
    if (scope !== undefined) await Effect.runPromise(Scope.close(scope, Exit.void))
  }

  async deploy(chaincode: Omit<ChaincodeOptions, "path">, gateway = this.gateway): Promise<void> {
    const options = { ...this.options, chaincodes: [{ ...chaincode, path: chaincodeFolder(this.spec.dir) }] }
    const [made] = Either.getOrThrow(networkSpec(options, "/")).chaincodes
    if (made === undefined) throw new Error("no chaincode")
    await Effect.runPromise(
      Effect.gen(function* () {
        const { packageBytes, specBytes } = yield* packageChaincode(made, toolEnvironment(process.env))
        yield* gateway.install(made, packageBytes)
        yield* gateway.instantiate(made, specBytes)
      })
    )
  }

  async close(): Promise<void> {
    for (const host of [...this.scopes.keys()]) await this.stop(host)
    await Effect.runPromise(Scope.close(this.scope, Exit.void))
    rmSync(this.spec.dir, { recursive: true, force: true })
  }

  height(host: string): bigint {
    return this.peers.get(host)?.channel()?.ledger.height() ?? 0n
  }

  leads(host: string): boolean {
    return this.peers.get(host)?.channel()?.leads() ?? false
  }

  /** Whether any file that the peer keeps holds these bytes. */
  holds(host: string, text: string): boolean {
    const folder = layout.peersOf(this.spec).find((place) => place.host === host)?.ledger
    if (folder === undefined) throw new Error(host)
    const found = (path: string): boolean =>
      readdirSync(path, { withFileTypes: true }).some((entry) => {
        const at = join(path, entry.name)
        if (entry.isDirectory()) return found(at)
        return entry.isFile() && readFileSync(at).includes(text)
      })
    return found(folder)
  }
}

/** Waits until `holds`; what did not come is the error. */
export const until = async (what: string, holds: () => boolean | Promise<boolean>, seconds = 60): Promise<void> => {
  const end = Date.now() + seconds * 1000
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

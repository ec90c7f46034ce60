/**
 * The package's own interface, for people who do not know Effect: `startNetwork` brings a whole network up inside this
 * process and gives plain promises. Every network has its own folder, ports and nodes; any number live side by side.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { ProposalRefused } from "../client/index.js"
import { toolEnvironment } from "./environment.js"
import { StepFailed, TransactionInvalid } from "./errors.js"
import type { Gateways } from "./gateway/Gateway.js"
import type { TransactionRequest } from "./gateway/transactions.js"
import { addPeer, createChannel, deployChaincode, type Growing } from "./grow.js"
import * as layout from "./layout.js"
import { firstFailure, type NetworkEnvironment, type RunningNetwork, up } from "./Network.js"
import * as EmbeddedNodes from "./nodes/EmbeddedNodes.js"
import type { Nodes, RunningNode } from "./nodes/Nodes.js"
import { anyPorts } from "./ports.js"
import { type ConnectionProfile, connectionProfile, type WalletIdentity, walletIdentities } from "./profile.js"
import { type Resumed, resume } from "./resume.js"
import type { ChaincodeOptions, NetworkOptions } from "./spec.js"
import { stateOf, writeState } from "./state.js"

export { ProposalRefused } from "../client/index.js"
export type { BrokerAccess } from "./brokerAccess.js"
export { NetworkRefused, NodeFailed, StepFailed, TransactionInvalid } from "./errors.js"
export type { ConnectionProfile, WalletIdentity } from "./profile.js"
export type { ChaincodeOptions, CollectionOptions, NetworkOptions, OrgOptions } from "./spec.js"

export interface StartOptions extends NetworkOptions {
  /** Folder of the network. Kept by `stop`, and carried on with when it was used before. A temporary one by default. */
  readonly dir?: string
  /** Log spec of the nodes (`info`, `warning:grpc=debug`); their logs lie in the folder's `logs`. `info` by default. */
  readonly log?: string
  /** Environment for chaincode processes and build tools; this process's by default. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Told when a node ends by itself; the network should be stopped then. */
  readonly onFailure?: (error: Error) => void
}

/** What became of a transaction that was committed as valid. */
export interface Submitted {
  readonly txId: string
  /** What the chaincode returned. */
  readonly payload: Buffer
  readonly block: bigint
}

export interface CallOptions {
  /** Label of the identity that calls: `admin` (default), `user1`, `user1@org2`. */
  readonly identity?: string
  /** Data for the chaincode that never leaves the endorsers. */
  readonly transient?: Readonly<Record<string, string | Uint8Array>>
  /** Organisations whose peers endorse; all by default. */
  readonly endorsers?: ReadonlyArray<string>
  /** The channel; the network's first by default. */
  readonly channel?: string
}

/** One chaincode as an application sees it. */
export interface Contract {
  /** Has a call endorsed, ordered and committed. Rejects with the chaincode's own text when it refuses. */
  readonly submit: (name: string, ...args: ReadonlyArray<string | Uint8Array>) => Promise<Submitted>
  /** Asks a peer; nothing is ordered. */
  readonly evaluate: (name: string, ...args: ReadonlyArray<string | Uint8Array>) => Promise<Buffer>
  /** The same chaincode, called otherwise. */
  readonly with: (options: CallOptions) => Contract
}

export interface AddedPeer {
  readonly host: string
  /** `127.0.0.1:port` */
  readonly address: string
}

export interface Network {
  readonly channel: string
  /** The first channel and those beside it, as they are now. */
  readonly channels: ReadonlyArray<string>
  readonly dir: string
  /** Addresses as `127.0.0.1:port`; peers and operations by host name. */
  readonly addresses: {
    readonly orderer: string
    readonly peers: Readonly<Record<string, string>>
    readonly operations: Readonly<Record<string, string>>
  }
  /** Connection profile of the first organisation, for `gateway.connect`. */
  readonly profile: ConnectionProfile
  /** Connection profiles by organisation. */
  readonly profiles: Readonly<Record<string, ConnectionProfile>>
  /** Identities by label, as `wallet.put` takes them. */
  readonly identities: Readonly<Record<string, WalletIdentity>>
  /** The same as a folder for `Wallets.newFileSystemWallet`. */
  readonly walletFolder: string
  readonly contract: (chaincode: string, options?: CallOptions) => Contract
  /** Installs and instantiates a chaincode, or upgrades it when its version is another. */
  readonly deploy: (chaincode: ChaincodeOptions) => Promise<void>
  /**
   * Starts a further peer of an organisation (the first unless one is named), which joins every channel and gets the
   * chaincodes. Addresses and profiles have it afterwards.
   */
  readonly addPeer: (options?: { readonly org?: string }) => Promise<AddedPeer>
  /** Creates a further channel of all organisations and has every peer join it. */
  readonly createChannel: (name: string) => Promise<void>
  /** Stops every node in order, and removes the folder if it was a temporary one. */
  readonly stop: () => Promise<void>
}

/** The package's folder, seen from `dist/network/api.js` and from `src/network/api.ts`. */
const home = fileURLToPath(new URL("../..", import.meta.url))

/** Runs an effect as a promise that rejects with the error itself. */
const promise = async <A, E>(effect: Effect.Effect<A, E>): Promise<A> => {
  const exit = await Effect.runPromiseExit(effect)
  if (Exit.isSuccess(exit)) return exit.value
  const error = Cause.squash(exit.cause)
  // a refusal of the chaincode says more than the step it happened in
  throw error instanceof StepFailed && error.cause instanceof ProposalRefused ? error.cause : error
}

const contractOf = (gateways: Gateways, chaincode: string, options: CallOptions = {}): Contract => {
  const { channel, endorsers, identity, transient } = options
  const gateway = gateways(channel)
  const request = (args: ReadonlyArray<string | Uint8Array>): TransactionRequest => ({
    chaincode,
    args,
    ...(identity === undefined ? {} : { identity }),
    ...(endorsers === undefined ? {} : { endorsers }),
    ...(transient === undefined
      ? {}
      : { transient: new Map(Object.entries(transient).map(([key, value]) => [key, Buffer.from(value)])) })
  })
  return {
    submit: (...args) =>
      promise(
        Effect.flatMap(gateway.submit(request(args)), ({ block, code, payload, txId }) =>
          code === "VALID"
            ? Effect.succeed({ txId, block, payload: Buffer.from(payload) })
            : new TransactionInvalid({ txId, block, code })
        )
      ),
    evaluate: async (...args) => Buffer.from(await promise(gateway.evaluate(request(args)))),
    with: (more) => contractOf(gateways, chaincode, { ...options, ...more })
  }
}

const silent = { step: () => Effect.void }

/** Somebody took a port between our look and the node's: another try may do. */
const portTaken = (error: unknown): boolean =>
  error instanceof Error && /EADDRINUSE|address already in use/.test(error.message)

interface Started {
  readonly network: RunningNetwork
  readonly nodes: Context.Context<Nodes>
  readonly scope: Scope.CloseableScope
}

const start = (
  { ports: known, spec }: Resumed,
  environment: NetworkEnvironment,
  logSpec: string
): Effect.Effect<Started, Effect.Effect.Error<ReturnType<typeof up>>> =>
  Effect.gen(function* () {
    const ports = known ?? (yield* anyPorts(layout.peersOf(spec)))
    const scope = yield* Scope.make()
    const layer = EmbeddedNodes.layer({ logSpec, toolEnvironment: environment.toolEnvironment })
    const nodes = yield* Layer.buildWithScope(layer, scope)
    const network = yield* up(spec, ports, environment, silent).pipe(
      Effect.provide(nodes),
      Scope.extend(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    yield* writeState(spec.dir, stateOf(spec, ports))
    return { network, nodes, scope }
  })

/** Tells of the first node that ends by itself. */
const watch = (
  nodes: ReadonlyArray<RunningNode>,
  scope: Scope.Scope,
  onFailure: (error: Error) => void
): Effect.Effect<void> =>
  firstFailure({ nodes }).pipe(
    Effect.catchAll((error) => Effect.sync(() => onFailure(error))),
    Effect.forkIn(scope),
    Effect.asVoid
  )

/**
 * Brings a network up: an orderer and the peers of every organisation inside this process, the channel, and the
 * chaincodes named. Resolves when everything can be used; rejects with an Error that names the step and its cause, and
 * leaves nothing running then.
 */
export const startNetwork = async (options: StartOptions = {}): Promise<Network> => {
  const { dir, env = process.env, log = "info", onFailure } = options
  const environment = { configDir: join(home, "config"), toolEnvironment: toolEnvironment(env) }
  const attempt = async (left: number): Promise<Started> => {
    const folder = dir ?? mkdtempSync(join(tmpdir(), "fabric-effect-"))
    try {
      const asked = await promise(resume({ ...options, dir: folder }, process.cwd()))
      return await promise(start(asked, environment, log))
    } catch (error) {
      if (dir === undefined) rmSync(folder, { recursive: true, force: true })
      if (left > 0 && dir === undefined && portTaken(error)) return attempt(left - 1)
      throw error
    }
  }
  const started = await attempt(2)
  const { network, nodes, scope } = started
  const watched = async (running: ReadonlyArray<RunningNode>): Promise<void> => {
    if (onFailure !== undefined) await promise(watch(running, scope, onFailure))
  }
  await watched(network.nodes)
  const { gateways, reshape, shape, spec } = network
  const growing: Growing = {
    shape,
    reshape,
    gateways,
    environment,
    reporter: silent,
    remember: Effect.suspend(() => writeState(spec.dir, stateOf(shape().spec, shape().ports)))
  }
  // one change after the other
  const changes = Effect.unsafeMakeSemaphore(1)
  const change = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => promise(changes.withPermits(1)(effect))

  const profilesNow = () => {
    const now = shape()
    return Object.fromEntries(now.spec.orgs.map((org) => [org.name, connectionProfile(now.spec, now.ports, org)]))
  }
  const [firstOrg] = spec.orgs
  const at = (port: number): string => `127.0.0.1:${port}`
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    await promise(Scope.close(scope, Exit.void))
    if (dir === undefined) rmSync(spec.dir, { recursive: true, force: true })
  }
  return {
    channel: spec.channel,
    dir: spec.dir,
    get channels() {
      return layout.channelsOf(shape().spec)
    },
    get addresses() {
      const { ports } = shape()
      return {
        orderer: at(ports.orderer),
        peers: Object.fromEntries(Object.entries(ports.peers).map(([host, { peer }]) => [host, at(peer)])),
        operations: Object.fromEntries([
          [spec.orderer.host, at(ports.ordererOperations)],
          ...Object.entries(ports.peers).map(([host, { operations }]) => [host, at(operations)] as const)
        ])
      }
    },
    get profile() {
      return profilesNow()[firstOrg?.name ?? ""] ?? {}
    },
    get profiles() {
      return profilesNow()
    },
    identities: Object.fromEntries(walletIdentities(spec).map((identity) => [identity.label, identity])),
    walletFolder: layout.walletFolder(spec.dir),
    contract: (chaincode, call) => contractOf(gateways, chaincode, call),
    deploy: (chaincode) => change(deployChaincode(growing, chaincode, process.cwd())),
    addPeer: async ({ org } = {}) => {
      const made = await change(addPeer(growing, org).pipe(Effect.provide(nodes), Scope.extend(scope)))
      await watched([made.node])
      return { host: made.host, address: at(made.port) }
    },
    createChannel: (name) => change(createChannel(growing, name)),
    stop: () => (stopped ??= stop())
  }
}

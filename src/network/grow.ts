/** A network that grows while it runs: a further peer, a further channel, a further chaincode. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { peerEnvironment } from "./environment.js"
import { NetworkRefused, type NodeFailed, type StepFailed } from "./errors.js"
import type { Gateways } from "./gateway/Gateway.js"
import * as layout from "./layout.js"
import { extendMaterial, forClients } from "./material.js"
import { channelStep, deploy, type NetworkEnvironment, type Reporter, timed } from "./Network.js"
import { Nodes, type RunningNode } from "./nodes/Nodes.js"
import { nextPorts } from "./ports.js"
import { type ChaincodeOptions, type ChaincodeSpec, type NetworkSpec, networkSpec, type OrgSpec } from "./spec.js"
import { stateDatabaseEnvironment } from "./stateDatabase.js"

/** A network that is up, and what is needed to change it. */
export interface Growing {
  readonly shape: () => layout.Shape
  /** From now on the network is this one. */
  readonly reshape: (shape: layout.Shape) => void
  readonly gateways: Gateways
  readonly environment: NetworkEnvironment
  readonly reporter: Reporter
  /** Keeps the network as it is now in `network.json`. */
  readonly remember: Effect.Effect<void, NetworkRefused>
}

type Failure = NetworkRefused | NodeFailed | StepFailed

const MOST_PEERS = 20

const freeHost = ({ domain, hosts = [] }: OrgSpec): string => {
  for (let i = hosts.length; ; i += 1) if (!hosts.includes(`peer${i}.${domain}`)) return `peer${i}.${domain}`
}

/** The network with one more peer of an organisation, the first unless one is named by its name or MSP id. */
const withPeer = ({ ports, spec }: layout.Shape, named: string | undefined) =>
  Effect.gen(function* () {
    const org = named === undefined ? spec.orgs[0] : spec.orgs.find((o) => o.name === named || o.mspId === named)
    if (org === undefined)
      return yield* new NetworkRefused({
        reason: `there is no organisation ${named ?? ""}`,
        remedy: `choose ${spec.orgs.map(({ name }) => name).join(", ")}`
      })
    if (org.peers >= MOST_PEERS)
      return yield* new NetworkRefused({ reason: `${org.name} has ${org.peers} peers`, remedy: "choose another" })
    if (spec.stateDatabase?.startsWith("couchdb=") === true)
      return yield* new NetworkRefused({
        reason: "a peer on CouchDB needs a server of its own",
        remedy: "make the network with all its peers and servers: up --peers, --state-database"
      })
    // a name that is free, whatever the others are called
    const hosts = org.hosts && [...org.hosts, freeHost(org)]
    const grown = { ...org, peers: org.peers + 1, ...(hosts === undefined ? {} : { hosts }) }
    const orgs = spec.orgs.map((one) => (one.name === org.name ? grown : one))
    const place = layout.peersOf({ dir: spec.dir, orgs: [grown] }).at(-1)
    if (place === undefined) return yield* Effect.dieMessage("an organisation with a peer has none")
    const own = yield* nextPorts(ports)
    const shape = { spec: { ...spec, orgs }, ports: { ...ports, peers: { ...ports.peers, [place.host]: own } } }
    return { place, shape, port: own.peer }
  })

/**
 * The very package that another peer holds: code that has changed since would be refused as another chaincode. Undefined
 * when no peer has it.
 */
const installedPackage = (spec: NetworkSpec, { name, version }: ChaincodeSpec): Uint8Array | undefined => {
  const files = layout.peersOf(spec).map(({ ledger }) => join(ledger, "chaincodes", `${name}.${version}`))
  const found = files.find((file) => existsSync(file))
  return found === undefined ? undefined : readFileSync(found)
}

/** Has a peer that has just been started join every channel and install every chaincode. */
const settleIn = ({ gateways, reporter, shape }: Growing, { host }: layout.PeerPlace) =>
  Effect.gen(function* () {
    const step = timed(reporter)
    const { spec } = shape()
    for (const channel of layout.channelsOf(spec)) {
      const gateway = gateways(channel)
      yield* step(gateway.join, `${host} joined ${channel}`)
      yield* step(gateway.setAnchors, `anchor peers of ${channel}`)
    }
    for (const chaincode of spec.chaincodes) {
      const bytes = installedPackage(spec, chaincode)
      const { name, version } = chaincode
      if (bytes !== undefined)
        yield* step(gateways().install(chaincode, bytes), `installed ${name} ${version} on ${host}`)
    }
  })

/**
 * Makes a further peer's material, starts it, has it join and installs the chaincodes; the peer lives as long as the
 * scope. When that fails, the network is as it was.
 */
export const addPeer = (
  growing: Growing,
  org?: string
): Effect.Effect<
  { readonly host: string; readonly port: number; readonly node: RunningNode },
  Failure,
  Nodes | Scope.Scope
> =>
  Effect.gen(function* () {
    const before = growing.shape()
    const step = timed(growing.reporter)
    const { place, port, shape } = yield* withPeer(before, org)
    const { ports, spec } = shape
    yield* step(extendMaterial(spec), `made crypto material of ${place.host}`)
    const scope = yield* Effect.scope
    const own = yield* Scope.make()
    const grow = Effect.gen(function* () {
      const nodes = yield* Nodes
      const node = yield* step(
        nodes.peer({
          name: place.host,
          environment: {
            ...peerEnvironment(spec, ports, place, growing.environment.configDir),
            ...stateDatabaseEnvironment(spec.stateDatabase, layout.peersOf(spec).length - 1)
          },
          port,
          log: place.log
        }),
        `started ${place.host} on 127.0.0.1:${port}`
      )
      growing.reshape(shape)
      yield* settleIn(growing, place)
      yield* forClients(spec, ports)
      yield* growing.remember
      return { host: place.host, port, node }
    })
    const undo = (exit: Exit.Exit<unknown, unknown>) =>
      Exit.isSuccess(exit)
        ? Scope.addFinalizerExit(scope, (end) => Scope.close(own, end))
        : Effect.zipRight(
            Effect.sync(() => growing.reshape(before)),
            Scope.close(own, exit)
          )
    return yield* Effect.onExit(Scope.extend(grow, own), undo)
  })

/** Creates a further channel of all organisations, and has every peer join it. */
export const createChannel = (growing: Growing, name: string): Effect.Effect<void, Failure> =>
  Effect.gen(function* () {
    const { ports, spec } = growing.shape()
    // the same rules as for the first
    const checked = networkSpec({ channel: name }, spec.dir)
    if (Either.isLeft(checked)) return yield* checked.left
    if (layout.channelsOf(spec).includes(name))
      return yield* new NetworkRefused({ reason: `there is a channel ${name}`, remedy: "choose another name" })
    const grown = { ...spec, furtherChannels: [...spec.furtherChannels, name] }
    yield* channelStep(growing.gateways(name), { spec: grown, ports }, name, growing.reporter)
    growing.reshape({ spec: grown, ports })
    yield* forClients(grown, ports)
    yield* growing.remember
  })

/** Installs and instantiates a chaincode on a channel, or upgrades it when another version is there. */
export const deployChaincode = (
  growing: Growing,
  chaincode: ChaincodeOptions,
  cwd: string
): Effect.Effect<void, Failure> =>
  Effect.gen(function* () {
    const { ports, spec } = growing.shape()
    const checked = networkSpec({ channel: spec.channel, chaincodes: [chaincode] }, cwd)
    if (Either.isLeft(checked)) return yield* checked.left
    for (const one of checked.right.chaincodes) {
      const channel = one.channel ?? spec.channel
      if (!layout.channelsOf(spec).includes(channel))
        return yield* new NetworkRefused({
          reason: `there is no channel ${channel}`,
          remedy: "make it with `channel create`"
        })
      yield* deploy(growing.gateways(channel), one, growing.environment, growing.reporter)
      const others = spec.chaincodes.filter((c) => c.name !== one.name || (c.channel ?? spec.channel) !== channel)
      growing.reshape({ spec: { ...spec, chaincodes: [...others, one] }, ports })
    }
    yield* growing.remember
  })

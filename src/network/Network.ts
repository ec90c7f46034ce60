/**
 * A network from nothing to its first transaction: material, nodes, channel, chaincode, step by step; each step is
 * skipped where an earlier run has done it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { brokerEnvironment } from "./brokerAccess.js"
import { collectionsBeside, type PackagedChaincode, packageChaincode } from "./chaincode.js"
import {
  type DeskOptions,
  deskEnvironment,
  type Environment,
  ordererEnvironment,
  peerEnvironment
} from "./environment.js"
import { type NetworkRefused, type NodeFailed, StepFailed } from "./errors.js"
import { type Gateway, type Gateways, makeGateways } from "./gateway/Gateway.js"
import type { NetworkPorts, Shape } from "./layout.js"
import * as layout from "./layout.js"
import { makeChannelFile, makeMaterial } from "./material.js"
import { Nodes, type RunningNode } from "./nodes/Nodes.js"
import type { ChaincodeSpec, NetworkSpec } from "./spec.js"
import { stateDatabaseEnvironment } from "./stateDatabase.js"

/** Told of each step when it is done. */
export interface Reporter {
  readonly step: (what: string, milliseconds: number) => Effect.Effect<void>
}

export interface NetworkEnvironment {
  /** Folder with our `core.yaml` and `orderer.yaml`. */
  readonly configDir: string
  /** For the tools that build chaincode. */
  readonly toolEnvironment: Environment
  /** How chaincode is worked on; absent: it just runs. */
  readonly desk?: DeskOptions
}

export interface RunningNetwork {
  /** As it was started. */
  readonly spec: NetworkSpec
  readonly ports: NetworkPorts
  readonly nodes: ReadonlyArray<RunningNode>
  /** The first channel's. */
  readonly gateway: Gateway
  readonly gateways: Gateways
  /** As it is now. */
  readonly shape: () => Shape
  readonly reshape: (shape: Shape) => void
}

/** Fails with the first node that ends by itself; never succeeds. */
export const firstFailure = ({ nodes }: Pick<RunningNetwork, "nodes">): Effect.Effect<never, NodeFailed> =>
  nodes.reduce<Effect.Effect<never, NodeFailed>>(
    (others, { failure }) => Effect.raceFirst(others, failure),
    Effect.never
  )

type Failure = NetworkRefused | NodeFailed | StepFailed

/** Milliseconds that a step took, told to the reporter. */
export const timed =
  (reporter: Reporter) =>
  <A, E, R>(step: Effect.Effect<A, E, R>, what: string | ((result: NoInfer<A>) => string)): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const started = yield* Clock.currentTimeMillis
      const result = yield* step
      yield* reporter.step(typeof what === "string" ? what : what(result), (yield* Clock.currentTimeMillis) - started)
      return result
    })

/** Brings everything up; nodes and connections live as long as the scope. */
export const up = (
  spec: NetworkSpec,
  ports: NetworkPorts,
  environment: NetworkEnvironment,
  reporter: Reporter
): Effect.Effect<RunningNetwork, Failure, Nodes | Scope.Scope> =>
  Effect.gen(function* () {
    const nodes = yield* Nodes
    const step = timed(reporter)
    // what cannot be packaged is better known before anything runs
    const packaged = yield* Effect.forEach(spec.chaincodes, (one) => packageStep(one, environment, reporter))
    const brokers = yield* brokerEnvironment(spec.brokerAccess)
    yield* step(makeMaterial(spec, ports), (made) =>
      made ? "made crypto material and genesis block" : "found crypto material"
    )

    // ---- Nodes: started at the same time, the orderer first to be registered and last to be stopped ----
    const orderer = step(
      nodes.orderer({
        name: spec.orderer.host,
        environment: { ...ordererEnvironment(spec, ports, environment.configDir), ...brokers },
        port: ports.orderer,
        log: layout.ordererLog(spec.dir, spec.orderer)
      }),
      `started ${spec.orderer.host} on 127.0.0.1:${ports.orderer}`
    )
    const peers = layout.peersOf(spec).map((place, index) => {
      const port = ports.peers[place.host]?.peer ?? 0
      const desk = environment.desk === undefined ? {} : deskEnvironment(environment.desk, index, spec)
      return step(
        nodes.peer({
          name: place.host,
          environment: {
            ...peerEnvironment(spec, ports, place, environment.configDir),
            ...stateDatabaseEnvironment(spec.stateDatabase, index),
            ...desk
          },
          port,
          log: place.log
        }),
        `started ${place.host} on 127.0.0.1:${port}`
      )
    })
    const running = yield* Effect.all([orderer, ...peers], { concurrency: 4 })

    // ---- Channels ----
    let current: Shape = { spec, ports }
    const gateways = yield* makeGateways(() => current)
    for (const channel of layout.channelsOf(spec)) yield* channelStep(gateways(channel), current, channel, reporter)

    // ---- Chaincode ----
    for (const one of packaged) yield* installStep(gateways(one.chaincode.channel), one, reporter)
    const reshape = (shape: Shape) => {
      current = shape
    }
    return { spec, ports, nodes: running, gateway: gateways(), gateways, shape: () => current, reshape }
  })

/** Creates a channel, has the peers join it and tells it of anchor peers; each where it is not done yet. */
export const channelStep = (
  gateway: Gateway,
  { ports, spec }: Shape,
  channel: string,
  reporter: Reporter
): Effect.Effect<void, StepFailed> =>
  Effect.gen(function* () {
    const step = timed(reporter)
    yield* makeChannelFile(spec, ports, channel)
    yield* step(gateway.createChannel, (outcome) => `channel ${channel}: ${outcome}`)
    yield* step(gateway.join, (joined) =>
      joined.length === 0 ? "all peers had joined" : `joined ${joined.join(", ")}`
    )
    // a peer alone needs no anchors
    if (layout.peersOf(spec).length > 1)
      yield* step(gateway.setAnchors, (set) =>
        set.length === 0 ? "found anchor peers" : `set the anchor peers of ${set.join(", ")}`
      )
  })

// ---- Chaincode -----------------------------------------------------------------------------------------------------

interface Packaged extends PackagedChaincode {
  readonly chaincode: ChaincodeSpec
}

/** A package and what goes with it: the collections beside the code unless others are given. */
const packageStep = (
  given: ChaincodeSpec,
  { toolEnvironment }: NetworkEnvironment,
  reporter: Reporter
): Effect.Effect<Packaged, NetworkRefused | StepFailed> =>
  Effect.gen(function* () {
    const collections = given.collections ?? (yield* collectionsBeside(given.path))
    const chaincode = collections === undefined ? given : { ...given, collections }
    const bytes = yield* packageChaincode(chaincode, toolEnvironment).pipe(
      Effect.mapError((cause) =>
        cause._tag === "NetworkRefused"
          ? cause
          : new StepFailed({ step: `package ${given.name}`, reason: cause.message, cause })
      )
    )
    return { chaincode, ...bytes }
  }).pipe((packaging) => timed(reporter)(packaging, `packaged ${given.name} ${given.version}`))

/** Installs on every peer, then instantiates or upgrades; what is done already is left out. */
const installStep = (
  gateway: Gateway,
  { chaincode, packageBytes, specBytes }: Packaged,
  reporter: Reporter
): Effect.Effect<void, StepFailed> =>
  Effect.gen(function* () {
    const { name, version } = chaincode
    const step = timed(reporter)
    yield* step(gateway.install(chaincode, packageBytes), `installed ${name} ${version}`)
    yield* step(gateway.instantiate(chaincode, specBytes), (outcome) => `chaincode ${name}: ${outcome}`)
  })

/** Runs one more chaincode on a network that is up. */
export const deploy = (
  gateway: Gateway,
  chaincode: ChaincodeSpec,
  environment: NetworkEnvironment,
  reporter: Reporter
): Effect.Effect<void, NetworkRefused | StepFailed> =>
  Effect.flatMap(packageStep(chaincode, environment, reporter), (packaged) => installStep(gateway, packaged, reporter))

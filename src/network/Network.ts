/**
 * A network from nothing to its first transaction: material, nodes, channel, chaincode, step by step; each step is
 * skipped where an earlier run has done it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { collectionsBeside, packageChaincode } from "./chaincode.js"
import { type Environment, ordererEnvironment, peerEnvironment } from "./environment.js"
import { type NetworkRefused, type NodeFailed, StepFailed } from "./errors.js"
import { type Gateway, makeGateway } from "./gateway/Gateway.js"
import type { NetworkPorts } from "./layout.js"
import * as layout from "./layout.js"
import { makeMaterial } from "./material.js"
import { Nodes, type RunningNode } from "./nodes/Nodes.js"
import type { ChaincodeSpec, NetworkSpec } from "./spec.js"

/** Told of each step when it is done. */
export interface Reporter {
  readonly step: (what: string, milliseconds: number) => Effect.Effect<void>
}

export interface NetworkEnvironment {
  /** Folder with our `core.yaml` and `orderer.yaml`. */
  readonly configDir: string
  /** For the tools that build chaincode. */
  readonly toolEnvironment: Environment
}

export interface RunningNetwork {
  readonly spec: NetworkSpec
  readonly ports: NetworkPorts
  readonly nodes: ReadonlyArray<RunningNode>
  readonly gateway: Gateway
}

type Failure = NetworkRefused | NodeFailed | StepFailed

/** Milliseconds that a step took, told to the reporter. */
const timed =
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

    yield* step(makeMaterial(spec, ports), (made) =>
      made ? "made crypto material and genesis block" : "found crypto material"
    )

    // ---- Nodes ----
    const orderer = yield* step(
      nodes.orderer({
        name: layout.ORDERER_HOST,
        environment: ordererEnvironment(spec, ports, environment.configDir),
        port: ports.orderer,
        log: layout.ordererLog(spec.dir)
      }),
      `started ${layout.ORDERER_HOST} on 127.0.0.1:${ports.orderer}`
    )
    const peers = yield* step(
      Effect.forEach(
        layout.peersOf(spec),
        (peer) =>
          nodes.peer({
            name: peer.host,
            environment: peerEnvironment(spec, ports, peer, environment.configDir),
            port: ports.peers[peer.host]?.peer ?? 0,
            log: peer.log
          }),
        { concurrency: 2 }
      ),
      (running) => `started ${running.map(({ name }) => name).join(", ")}`
    )

    // ---- Channel ----
    const gateway = yield* makeGateway(spec, ports)
    yield* step(gateway.createChannel, (outcome) => `channel ${spec.channel}: ${outcome}`)
    yield* step(gateway.join, (joined) =>
      joined.length === 0 ? "all peers had joined" : `joined ${joined.join(", ")}`
    )

    // ---- Chaincode ----
    for (const chaincode of spec.chaincodes) yield* deploy(gateway, chaincode, environment, reporter)
    return { spec, ports, nodes: [orderer, ...peers], gateway }
  })

/** Packages, installs on every peer, instantiates or upgrades; whatever of it is done already is left out. */
export const deploy = (
  gateway: Gateway,
  given: ChaincodeSpec,
  environment: NetworkEnvironment,
  reporter: Reporter
): Effect.Effect<void, NetworkRefused | StepFailed> =>
  Effect.gen(function* () {
    const step = timed(reporter)
    const { name, version } = given
    const collections = given.collections ?? (yield* collectionsBeside(given.path))
    const chaincode = collections === undefined ? given : { ...given, collections }
    const { packageBytes, specBytes } = yield* step(
      Effect.mapError(packageChaincode(chaincode, environment.toolEnvironment), (cause) =>
        cause._tag === "NetworkRefused"
          ? cause
          : new StepFailed({ step: `package ${name}`, reason: cause.message, cause })
      ),
      `packaged ${name} ${version}`
    )
    yield* step(gateway.install(chaincode, packageBytes), `installed ${name} ${version}`)
    yield* step(gateway.instantiate(chaincode, specBytes), (outcome) => `chaincode ${name}: ${outcome}`)
  })

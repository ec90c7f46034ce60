/** Nodes inside this process: the programs' own Layers, each built apart with a log and a failure of its own. */
import { closeSync, openSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { loadCoreConfig, loadOrdererConfig } from "../../config/index.js"
import * as Orderer from "../../orderer/Program.js"
import { PeerProgram } from "../../peer/Peer.js"
import { PeerConfig } from "../../peer/PeerConfig.js"
import { ProcessEnvironment } from "../../peer/stages/ChaincodeRuntime.js"
import * as Log from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import * as Vital from "../../runtime/Vital.js"
import { type Environment, LOG_FORMAT } from "../environment.js"
import { NodeFailed } from "../errors.js"
import { makeFolder } from "../folders.js"
import { type NodeRequest, Nodes, type RunningNode } from "./Nodes.js"

export interface EmbeddedNodesOptions {
  /** FABRIC_LOGGING_SPEC of every node; its lines go to the node's log file. */
  readonly logSpec: string
  /** What chaincode processes get of the environment: PATH and the like. */
  readonly toolEnvironment: Environment
}

const failing =
  ({ log, name }: NodeRequest, reason: (text: string) => string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, NodeFailed, R> =>
    Effect.mapError(effect, (error) => new NodeFailed({ node: name, reason: reason(textOf(error)), log }))

/** The node's log file, appended to and closed with the scope. */
const logLayer = (request: NodeRequest, spec: string): Effect.Effect<Layer.Layer<never>, NodeFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const open = Effect.try(() => {
      makeFolder(dirname(request.log))
      return openSync(request.log, "a")
    })
    const file = yield* Effect.acquireRelease(open, (made) => Effect.sync(() => closeSync(made)))
    const write = (line: string): void => {
      try {
        writeSync(file, line)
      } catch {
        // a log that cannot be written (disk full) must not take the node with it
      }
    }
    return Log.layerOf(yield* Log.make({ spec, format: LOG_FORMAT, write }))
  }).pipe(failing(request, (text) => `has no log: ${text}`))

/** Builds a node in the caller's scope. */
const start = <A, E, E2>(
  request: NodeRequest,
  options: EmbeddedNodesOptions,
  node: Effect.Effect<Layer.Layer<A | Vital.Vital, E>, E2>
): Effect.Effect<RunningNode, NodeFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const log = yield* logLayer(request, options.logSpec)
    const layer = yield* failing(request, (text) => `has no configuration: ${text}`)(node)
    const context = yield* Layer.build(Layer.provide(layer, log)).pipe(
      failing(request, (text) => `could not be started: ${text}`)
    )
    const { failure } = Context.get(context, Vital.Vital)
    return { name: request.name, pid: process.pid, failure: failing(request, (text) => `failed: ${text}`)(failure) }
  })

/** Nothing is looked for relative to a working folder: every path of a network is absolute. */
const cwd = "/"

const ordererLayer = ({ environment: env }: NodeRequest) =>
  Effect.map(loadOrdererConfig({ env, cwd }), (config) => Orderer.layer(config, { env, cwd }))

const peerLayer = ({ environment: env }: NodeRequest, { toolEnvironment }: EmbeddedNodesOptions) =>
  Effect.map(loadCoreConfig({ env, cwd }), (config) =>
    PeerProgram.pipe(
      Layer.provideMerge(Vital.layer),
      Layer.provide(Layer.succeed(PeerConfig, config)),
      Layer.provide(Layer.succeed(ProcessEnvironment, { ...toolEnvironment }))
    )
  )

export const layer = (options: EmbeddedNodesOptions): Layer.Layer<Nodes> =>
  Layer.effect(
    Nodes,
    Effect.map(Effect.makeSemaphore(1), (lock) => {
      // one after the other: the releases of two nodes must not mingle, and one thread gains nothing by it
      const inTurn = lock.withPermits(1)
      return {
        orderer: (request) => inTurn(start(request, options, ordererLayer(request))),
        peer: (request) => inTurn(start(request, options, peerLayer(request, options)))
      }
    })
  )

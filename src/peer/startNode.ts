/**
 * `peer node start`: configuration, logging, then the stages until a signal or a failure. Gives the exit code.
 * Source: peer-endorse-validate.md 1.1, 1.3.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { type CoreConfig, type Environment, loadCoreConfig } from "../config/index.js"
import { withBatchedStderr } from "../runtime/batched.js"
import * as Log from "../runtime/Log.js"
import type { OtlpOptions } from "../runtime/Otlp.js"
import * as ProcessGuard from "../runtime/ProcessGuard.js"
import * as Program from "../runtime/Program.js"
import * as Vital from "../runtime/Vital.js"
import type { MainOptions } from "./main.js"
import { PeerProgram } from "./Peer.js"
import { PeerConfig } from "./PeerConfig.js"
import { ProcessEnvironment } from "./stages/ChaincodeRuntime.js"
import { compatibleVersion, versionInfo } from "./version.js"

const cmd = Log.module("nodeCmd", "serve")

const describe = (config: CoreConfig, devMode: boolean) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      for (const note of config.source.notes) yield* Log.module("main", "InitCmd").warning(note)
      yield* cmd.info(`Starting ${versionInfo(process)}`)
      if (!devMode) return
      yield* cmd.info("Running in chaincode development mode")
      yield* cmd.info("Disable loading validity system chaincode")
    })
  )

const present = (env: Environment): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  )

/** Where traces go, when a collector is configured. */
const otlpOf = ({ peer, tracing: { otlp } }: CoreConfig): OtlpOptions | undefined =>
  otlp.endpoint === ""
    ? undefined
    : {
        endpoint: otlp.endpoint,
        headers: otlp.headers,
        serviceName: otlp.serviceName === "" ? `peer ${peer.id}`.trim() : otlp.serviceName,
        serviceVersion: compatibleVersion,
        interval: otlp.interval
      }

/** Runs the peer until something ends it. */
const serve = (config: CoreConfig, devMode: boolean, options: MainOptions, log: Log.NodeLog): Promise<number> => {
  const node = PeerProgram.pipe(
    Layer.provideMerge(describe(config, devMode)),
    Layer.provideMerge(ProcessGuard.layer),
    Layer.provideMerge(Vital.layer),
    Layer.provideMerge(Layer.succeed(PeerConfig, config)),
    Layer.provideMerge(Layer.succeed(ProcessEnvironment, present(options.env))),
    Layer.provideMerge(Log.layerOf(log))
  )
  const program = Effect.provide(
    Effect.flatMap(Vital.Vital, ({ failure }) => {
      options.running?.()
      return failure
    }),
    node
  )
  const traceFile = options.env.FABRIC_EFFECT_TRACE_FILE
  return Program.run(program, { log, traceFile, otlp: otlpOf(config), write: options.stderr, kill: options.kill })
}

/** Runs the node; `devMode` is `--peer-chaincodedev`. */
export const startNode = (devMode: boolean, options: MainOptions): Promise<number> =>
  withBatchedStderr(options, (batching) => start(devMode, batching))

const start = async (devMode: boolean, options: MainOptions): Promise<number> => {
  const { cwd, env, stderr } = options
  const made = Log.make({
    spec: env.FABRIC_LOGGING_SPEC ?? "",
    format: env.FABRIC_LOGGING_FORMAT ?? "",
    write: stderr
  })
  const overrides = devMode ? { "chaincode.mode": "dev" } : {}
  const config = await Effect.runPromise(Effect.either(loadCoreConfig({ env, cwd, overrides })))
  // the configuration is read before logging is set up: its failure counts first
  if (Either.isLeft(config)) {
    const text = `Fatal error when initializing core config : ${config.left.message}`
    if (Either.isRight(made) && made.right.enabled("main", "error"))
      made.right.log("error", "main", "InitCmd", text, {})
    else stderr(`${text}\n`) // never a failure without a text, whatever the log's levels
    return 1
  }
  if (Either.isLeft(made)) {
    stderr(`panic: ${made.left.message}\n`)
    return 2
  }
  return serve(config.right, devMode, options, made.right)
}

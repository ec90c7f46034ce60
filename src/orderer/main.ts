/**
 * The `orderer` program: command line, logging, configuration, then the stages until a signal or a failure. Gives the
 * exit code; the launcher ends the process with it.
 * Source: orderer.md section 1, 2.1.
 */
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { type Environment, loadOrdererConfig, type OrdererConfig } from "../config/index.js"
import { withBatchedStderr } from "../runtime/batched.js"
import * as Log from "../runtime/Log.js"
import type { OtlpOptions } from "../runtime/Otlp.js"
import * as ProcessGuard from "../runtime/ProcessGuard.js"
import * as Program from "../runtime/Program.js"
import { Vital } from "../runtime/Vital.js"
import { type BenchmarkFlags, parseCommandLine } from "./commandLine.js"
import { runtimeInfo, version, versionInfo } from "./metadata.js"
import * as Orderer from "./Program.js"
import * as Benchmark from "./performance/Benchmark.js"

export { fitCollections, ofProcess } from "../runtime/collections.js"
export { ended, guarded } from "../runtime/ended.js"

export interface MainOptions {
  /** Behind the program's name. */
  readonly argv: ReadonlyArray<string>
  /** The program's path, for error texts. */
  readonly argv0: string
  readonly env: Environment
  readonly cwd: string
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Ends the process at once: a second signal. */
  readonly kill: (code: number) => void
  /** Told once when the node serves. */
  readonly running?: () => void
}

type Mode = (config: OrdererConfig, options: MainOptions) => Effect.Effect<unknown, unknown>

/** Runs the orderer until something ends it. */
const serving: Mode = (config, options) =>
  Effect.provide(
    Effect.flatMap(Vital, ({ failure }) => {
      options.running?.()
      return failure
    }),
    Layer.provideMerge(ProcessGuard.layer, Orderer.layer(config, options))
  )

/** Runs the benchmark to its end. */
const measuring =
  (flags: BenchmarkFlags): Mode =>
  (config, options) =>
    Effect.provide(
      Effect.flatMap(Vital, ({ failure }) =>
        Effect.raceFirst(failure, Benchmark.benchmark({ ...Benchmark.defaults, ...flags }, options.stdout))
      ),
      Layer.provideMerge(ProcessGuard.layer, Benchmark.layer(config, options))
    )

/** Where traces go, when a collector is configured. */
const otlpOf = ({ tracing: { otlp } }: OrdererConfig): OtlpOptions | undefined =>
  otlp.endpoint === ""
    ? undefined
    : {
        endpoint: otlp.endpoint,
        headers: otlp.headers,
        serviceName: otlp.serviceName === "" ? "orderer" : otlp.serviceName,
        serviceVersion: version,
        interval: otlp.interval
      }

const start = async (options: MainOptions, log: Log.NodeLog, mode: Mode): Promise<number> => {
  const loaded = await Effect.runPromise(Effect.either(loadOrdererConfig({ env: options.env, cwd: options.cwd })))
  if (Either.isRight(loaded)) {
    const { right: config } = loaded
    const program = Effect.provide(mode(config, options), Log.layerOf(log))
    const traceFile = options.env.FABRIC_EFFECT_TRACE_FILE
    return Program.run(program, { log, traceFile, otlp: otlpOf(config), write: options.stderr, kill: options.kill })
  }
  const error = loaded.left
  // two blanks, as the reference prints it
  const text = `failed to parse config:  ${error.message}`
  if (log.enabled("orderer.common.server", "error")) log.log("error", "orderer.common.server", "Main", text, {})
  else options.stderr(`${text}\n`) // never a failure without a text, whatever the log's levels
  return error._tag === "ConfigInvalid" && error.panic ? 2 : 1
}

export const main = (options: MainOptions): Promise<number> => withBatchedStderr(options, run)

const run = async (options: MainOptions): Promise<number> => {
  const { stderr, stdout } = options
  const log = Log.make({
    spec: options.env.FABRIC_LOGGING_SPEC ?? "",
    format: options.env.FABRIC_LOGGING_FORMAT ?? "",
    write: stderr
  })
  // the reference panics here before it looks at its arguments
  if (Either.isLeft(log)) {
    stderr(`panic: ${log.left.message}\n`)
    return 2
  }
  const command = parseCommandLine(options.argv)
  switch (command._tag) {
    case "Refused":
      stderr(`${basename(options.argv0)}: error: ${command.message}, try --help\n`)
      return 1
    case "Help":
      stderr(command.text)
      return 0
    case "Print":
      stdout(command.text)
      return 0
    case "Version":
      stdout(`${versionInfo(runtimeInfo(process))}\n`)
      return 0
    case "Start":
      return start(options, log.right, serving)
    case "Benchmark":
      return start(options, log.right, measuring(command.options))
  }
}

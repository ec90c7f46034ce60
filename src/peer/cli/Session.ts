/**
 * What every client command starts from: configuration, log and the caller's identity, in the reference's order
 * (`InitCmd`). Source: peer-endorse-validate.md 1.1; operations-cli.md 4.1.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { type CoreConfig, loadCoreConfig } from "../../config/index.js"
import { type LocalMspService, loadLocalMsp, type Signer } from "../../msp/index.js"
import * as Log from "../../runtime/Log.js"
import type { CliIo } from "./CliIo.js"
import { type CommandFailed, Ended } from "./errors.js"
import type { FlagValues } from "./flags.js"
import { progressLine } from "./progress.js"

export interface Session {
  readonly io: CliIo
  readonly config: CoreConfig
  readonly msp: LocalMspService
  readonly signer: Signer
  readonly flags: FlagValues
  readonly args: ReadonlyArray<string>
  /** Names what a person waits for from now on; shown on terminals. */
  readonly step: (what: string) => void
}

/** A command of a client. */
export type Command = (session: Session) => Effect.Effect<void, CommandFailed | Ended, Scope.Scope>

const log = Log.module("main", "InitCmd")

const legacyLevel = "CORE_LOGGING_LEVEL is no longer supported, please use the FABRIC_LOGGING_SPEC environment variable"

/** The commands that have the orderer's flags. */
const withOrderer = /^peer (channel|chaincode) /

/** The local MSP, with the reference's texts. */
const identity = (config: CoreConfig) => {
  const { peer } = config
  const options = { dir: peer.mspConfigPath, mspId: peer.localMspId, type: peer.localMspType, bccsp: peer.bccsp }
  return Effect.mapError(loadLocalMsp(options), (error) =>
    // checked before the MSP is set up, hence without the text around it
    error._tag === "LocalMspFailed" && peer.localMspId === "" ? error.detail : error.message
  )
}

/** Why the program ends: in the log, as in the reference, or without it where the log's levels would hide it. */
const told = (io: CliIo, made: ReturnType<typeof Log.make>, text: string): Effect.Effect<void> =>
  Either.isRight(made) && made.right.enabled("main", "error")
    ? Effect.provide(log.error(text), Log.layerOf(made.right))
    : Effect.sync(() => io.stderr(`${text}\n`))

/** Makes the session and runs the command in it; the log goes to `stderr`. `what` is the command's name. */
export const inSession = (
  world: CliIo,
  what: string,
  flags: FlagValues,
  args: ReadonlyArray<string>,
  command: Command
): Effect.Effect<void, CommandFailed | Ended> =>
  Effect.gen(function* () {
    const { io, step } = yield* progressLine(world, what)
    const { FABRIC_LOGGING_FORMAT: format = "", FABRIC_LOGGING_SPEC: spec = "" } = io.env
    const made = Log.make({ spec, format, write: io.stderr })
    const config = yield* Effect.either(loadCoreConfig({ env: io.env, cwd: io.cwd }))
    // the configuration is read before logging is set up: its failure counts first
    if (Either.isLeft(config)) {
      const text = `Fatal error when initializing core config : ${config.left.message}`
      yield* told(io, made, text)
      return yield* new Ended({ status: 1 })
    }
    if (Either.isLeft(made)) {
      io.stderr(`panic: ${made.left.message}\n`)
      return yield* new Ended({ status: 2 })
    }
    const legacy = flags.text("logging-level") !== "" || config.right.source.notes.includes(legacyLevel)
    // said before the format is set, so by the built-in one, and by what reads the orderer's flags again
    const early = Log.make({ spec, format: "", write: io.stderr })
    if (legacy && Either.isRight(early)) yield* Effect.provide(log.warning(legacyLevel), Log.layerOf(early.right))
    const work = Effect.gen(function* () {
      const msp = yield* Effect.either(identity(config.right))
      if (Either.isLeft(msp)) {
        yield* told(io, made, `Cannot run peer because ${msp.left}`)
        return yield* new Ended({ status: 1 })
      }
      if (legacy && withOrderer.test(what)) yield* log.at("SetOrdererEnv").warning(legacyLevel)
      const { signer } = msp.right
      return yield* Effect.scoped(command({ io, config: config.right, msp: msp.right, signer, flags, args, step }))
    })
    return yield* Effect.provide(work, Log.layerOf(made.right))
  }).pipe(Effect.scoped)

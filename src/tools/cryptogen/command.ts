/** The cryptogen program (sheet operations-cli 5). */
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { readTool, type ToolIo, versionText } from "../ToolIo.js"
import { parseCryptoConfig } from "./config.js"
import { DEFAULT_CONFIG } from "./defaultConfig.js"
import { extend, type GenerateOptions, generate } from "./generate.js"
import { type ProgramSpec, parseCommandLine } from "./kingpin.js"

const CONFIG = { name: "config", help: "The configuration template to use" } as const

const PROGRAM: ProgramSpec = {
  name: "cryptogen",
  help: "Utility for generating Hyperledger Fabric key material",
  commands: [
    {
      name: "generate",
      help: "Generate key material",
      flags: [
        { name: "output", help: "The output directory in which to place artifacts", initial: "crypto-config" },
        CONFIG
      ]
    },
    { name: "showtemplate", help: "Show the default configuration template", flags: [] },
    { name: "version", help: "Show version information", flags: [] },
    {
      name: "extend",
      help: "Extend existing network",
      flags: [
        { name: "input", help: "The input directory in which existing network place", initial: "crypto-config" },
        CONFIG
      ]
    }
  ]
}

const make = (io: ToolIo, command: string, flags: ReadonlyMap<string, string>): Effect.Effect<number> => {
  const configFile = flags.get("config")
  const read = configFile === undefined ? Either.right(DEFAULT_CONFIG) : readText(io, configFile)
  if (Either.isLeft(read)) {
    // The reference opens a folder like a file and fails when it reads.
    if (!read.left.endsWith("is a directory")) return refuse(io, `${read.left}, try --help`)
    return misconfigured(io, `Error reading config: Error reading configuration: read ${configFile}: is a directory`)
  }
  const config = parseCryptoConfig(read.right)
  if (Either.isLeft(config)) return misconfigured(io, config.left.message)
  const options: GenerateOptions = {
    // Only peer organizations are named on standard output: scripts read it.
    onOrganization: (kind, domain) => {
      if (kind === "peer") io.stdout(`${domain}\n`)
    },
    onReuse: (folder) => io.stderr(`cryptogen: using the certificate authority in ${folder}\n`)
  }
  const folder = resolve(io.cwd, flags.get(command === "extend" ? "input" : "output") ?? "crypto-config")
  return Effect.match((command === "extend" ? extend : generate)(config.right, folder, options), {
    onSuccess: () => 0,
    onFailure: (error) => {
      io.stdout(error._tag === "CryptoConfigInvalid" ? error.message : `${error.message}\n`)
      return error._tag === "CryptoConfigInvalid" ? 255 : 1
    }
  })
}

const readText = (io: ToolIo, path: string): Either.Either<string, string> =>
  Either.map(readTool(io, path), (bytes) => Buffer.from(bytes).toString("utf8"))

const misconfigured = (io: ToolIo, text: string): Effect.Effect<number> =>
  Effect.sync(() => {
    io.stdout(text)
    return 255
  })

const refuse = (io: ToolIo, text: string): Effect.Effect<number> =>
  Effect.sync(() => {
    io.stderr(`cryptogen: error: ${text}\n`)
    return 1
  })

/**
 * Runs cryptogen. In: the arguments after the program's name. Out: the exit code: 0, 1 for a wrong command line or
 * material that could not be made, 255 for a wrong configuration. Failures of the making go to standard output, as in the
 * reference; what is wrong with the command line goes to standard error.
 */
export const cryptogen = (argv: ReadonlyArray<string>, io: ToolIo): Effect.Effect<number> =>
  Effect.suspend(() => {
    const parsed = parseCommandLine(PROGRAM, argv)
    if (Either.isLeft(parsed)) return refuse(io, parsed.left)
    if (parsed.right.kind === "help") {
      if (parsed.right.to === "stdout") io.stdout(parsed.right.text)
      else io.stderr(parsed.right.text)
      return Effect.succeed(0)
    }
    const { command, flags } = parsed.right
    if (command === "showtemplate" || command === "version") {
      io.stdout(command === "version" ? versionText("cryptogen") : DEFAULT_CONFIG)
      return Effect.succeed(0)
    }
    return make(io, command, flags)
  })

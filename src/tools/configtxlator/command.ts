/**
 * configtxlator: messages to JSON and back, config updates between two configurations, and both over REST
 * (operations-cli 7; common/tools/configtxlator/main.go).
 */
import { writeFileSync } from "node:fs"
import { resolve } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Log from "../../runtime/Log.js"
import { fileFault, readTool, type ToolIo, versionText, withToolLog } from "../ToolIo.js"
import { listen } from "./rest.js"
import { protoDecode, protoEncode, type TranslationFailed, updateBetween } from "./translate.js"

const log = Log.module("configtxlator", "startServer")

/** What ends on standard error after `configtxlator: error: `. */
class Refused extends Data.TaggedError("Refused")<{ readonly text: string }> {
  override get message(): string {
    return this.text
  }
}

const commands = {
  start: {
    help: "Serve the translations over HTTP",
    flags: { hostname: "0.0.0.0", port: "7059", CORS: undefined }
  },
  proto_encode: {
    help: "JSON to a message's bytes",
    flags: { type: undefined, input: "/dev/stdin", output: "/dev/stdout" }
  },
  proto_decode: {
    help: "A message's bytes to JSON",
    flags: { type: undefined, input: "/dev/stdin", output: "/dev/stdout" }
  },
  compute_update: {
    help: "The config update that leads from one common.Config to another",
    flags: { original: undefined, updated: undefined, channel_id: undefined, output: "/dev/stdout" }
  },
  version: { help: "Print the version", flags: {} }
} as const
type Command = keyof typeof commands
const isCommand = (name: string): name is Command => Object.hasOwn(commands, name)

const required: Readonly<Record<Command, ReadonlyArray<string>>> = {
  start: [],
  proto_encode: ["type"],
  proto_decode: ["type"],
  compute_update: ["channel_id"],
  version: []
}

const help = (): string => {
  const lines = Object.entries(commands).map(([name, { flags, help }]) => {
    const shown = Object.entries(flags).map(([flag, value]) => `--${flag}=${value ?? flag.toUpperCase()}`)
    return `  ${[name, ...shown].join(" ")}\n    ${help}\n`
  })
  return `usage: configtxlator [<flags>] <command> [<args> ...]\n\nTranslates channel configurations between bytes and JSON\n\nCommands:\n${lines.join("\n")}`
}

interface Invocation {
  readonly command: Command
  readonly flags: ReadonlyMap<string, ReadonlyArray<string>>
}

/** Long flags with or without `=`; a flag given twice keeps both values, of which only CORS uses more than the last. */
const parse = (argv: ReadonlyArray<string>): Either.Either<Invocation, Refused> => {
  const refuse = (text: string) => Either.left(new Refused({ text: `${text}, try --help` }))
  const [name, ...rest] = argv
  if (name === undefined) return refuse("command not specified")
  if (name.startsWith("-")) return refuse(`unknown long flag '${name}'`)
  if (!isCommand(name)) return refuse(`expected command but got ${JSON.stringify(name)}`)
  const known = new Set(Object.keys(commands[name].flags))
  const flags = new Map<string, Array<string>>()
  for (let i = 0; i < rest.length; i++) {
    const argument = rest[i] ?? ""
    const [, flag, given] = /^--([^=]+)(?:=(.*))?$/s.exec(argument) ?? []
    if (flag === undefined) return refuse(`unexpected ${argument}`)
    if (!known.has(flag)) return refuse(`unknown long flag '--${flag}'`)
    const value = given ?? rest[++i]
    if (value === undefined) return refuse(`expected argument for flag '--${flag}'`)
    flags.set(flag, [...(flags.get(flag) ?? []), value])
  }
  const missing = required[name].find((flag) => !flags.has(flag))
  if (missing !== undefined) return refuse(`required flag --${missing} not provided`)
  return Either.right({ command: name, flags })
}

/** A file that a flag names; standard input where it names none or `/dev/stdin`. */
const readInput = (io: ToolIo, path: string | undefined): Effect.Effect<Uint8Array, Refused> =>
  path === undefined || path === "/dev/stdin"
    ? Effect.tryPromise({
        try: () => io.stdin(),
        catch: (cause) => new Refused({ text: `error reading input: ${fileFault(cause)}` })
      })
    : readFile(io, path)

const readFile = (io: ToolIo, path: string): Effect.Effect<Uint8Array, Refused> =>
  Effect.mapError(readTool(io, path), (text) => new Refused({ text: `${text}, try --help` }))

/** Replaces the file as a whole, or writes to standard output. A command that fails leaves the file as it was. */
const writeOutput = (io: ToolIo, path: string | undefined, data: Uint8Array | string): Effect.Effect<void, Refused> =>
  path === undefined || path === "/dev/stdout"
    ? Effect.sync(() => io.stdout(data))
    : Effect.try({
        try: () => writeFileSync(resolve(io.cwd, path), data, { mode: 0o600 }),
        catch: (cause) => new Refused({ text: `open ${path}: ${fileFault(cause)}, try --help` })
      })

const start = (hostname: string, port: number, origins: ReadonlyArray<string>): Effect.Effect<never, Refused> =>
  Effect.scoped(
    Effect.gen(function* () {
      const bound = yield* Effect.mapError(
        listen(hostname, port, origins),
        (error) => new Refused({ text: error.message })
      )
      const cors = origins.length > 0 ? ` with CORS [${origins.join(" ")}]` : ""
      yield* log.info(`Serving HTTP requests on ${hostname}:${bound}${cors}`)
      return yield* Effect.never
    })
  )

const execute = (io: ToolIo, { command, flags }: Invocation): Effect.Effect<void, Refused> =>
  Effect.gen(function* () {
    const last = (flag: string): string | undefined => flags.get(flag)?.at(-1)
    const translated = <A>(prefix: string, result: Either.Either<A, TranslationFailed>) =>
      Effect.mapError(result, (error) => new Refused({ text: `${prefix}: ${error.message}` }))
    switch (command) {
      case "version":
        io.stdout(versionText("configtxlator"))
        return
      case "start": {
        const port = last("port") ?? commands.start.flags.port
        if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65535) {
          return yield* new Refused({
            text: `strconv.ParseFloat: parsing ${JSON.stringify(port)}: invalid syntax, try --help`
          })
        }
        return yield* start(last("hostname") ?? commands.start.flags.hostname, Number(port), flags.get("CORS") ?? [])
      }
      case "compute_update": {
        const read = (flag: string) => {
          const path = last(flag)
          return path === undefined
            ? new Refused({ text: `Error computing update: error reading ${flag} config: invalid argument` })
            : readFile(io, path)
        }
        const original = yield* read("original")
        const updated = yield* read("updated")
        const update = updateBetween(original, updated, last("channel_id") ?? "")
        return yield* writeOutput(io, last("output"), yield* translated("Error computing update", update))
      }
      case "proto_decode": {
        const input = yield* readInput(io, last("input"))
        const json = yield* translated("Error decoding", protoDecode(last("type") ?? "", input))
        return yield* writeOutput(io, last("output"), json)
      }
      case "proto_encode": {
        const input = yield* readInput(io, last("input"))
        const json = Buffer.from(input).toString("utf8")
        // The reference says "decoding" here too.
        const bytes = yield* translated("Error decoding", protoEncode(last("type") ?? "", json))
        return yield* writeOutput(io, last("output"), bytes)
      }
    }
  })

/**
 * Runs configtxlator. In: the arguments after the program's name. Out: the exit code, 0 or 1; `start` goes on until it is
 * interrupted. Results on standard output or in files, errors on standard error.
 */
export const configtxlator = (argv: ReadonlyArray<string>, io: ToolIo): Effect.Effect<number> => {
  if (argv.length === 0 || argv.includes("--help") || argv[0] === "help") {
    return Effect.sync(() => {
      io.stderr(help())
      return argv.length === 0 ? 1 : 0
    })
  }
  const run = Effect.flatMap(parse(argv), (invocation) => execute(io, invocation))
  return withToolLog(
    io,
    Effect.match(run, {
      onFailure: ({ text }) => {
        io.stderr(`configtxlator: error: ${text}\n`)
        return 1
      },
      onSuccess: () => 0
    })
  )
}

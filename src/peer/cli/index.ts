/**
 * The `peer` command line: everything but the node itself. `commandTree.ts` and `flags.ts` read the words, `commands.ts`
 * lists the commands, `Session.ts` is what each starts from, `channel/`, `chaincode/` and `admin.ts` do them. Part of
 * `peer`; only the program's main file imports it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { versionInfo } from "../version.js"
import type { CliIo } from "./CliIo.js"
import { peerProgram } from "./commands.js"
import { resolve } from "./commandTree.js"
import type { FlagValues } from "./flags.js"
import type { Command } from "./Session.js"

export type { CliIo } from "./CliIo.js"

/** Loads what clients of nodes need, and the command; runs it. */
const session = (
  io: CliIo,
  name: string,
  flags: FlagValues,
  args: ReadonlyArray<string>,
  load: () => Promise<Command>
) =>
  Effect.promise(() => Promise.all([import("./Session.js"), load()])).pipe(
    Effect.flatMap(([{ inSession }, command]) => inSession(io, name, flags, args, command))
  )

export interface PeerCommandOptions {
  /** Starts the node and gives its exit status. */
  readonly start: (options: { readonly devMode: boolean }) => Effect.Effect<number>
}

/**
 * Runs one command line. In: the words behind the program's name. Out: the exit status. Output goes to `io` only; no
 * command ends the process.
 */
export const peerCommand = (
  argv: ReadonlyArray<string>,
  io: CliIo,
  options: PeerCommandOptions
): Effect.Effect<number> =>
  Effect.suspend(() => {
    const resolved = resolve(peerProgram, argv)
    if (resolved._tag === "Help") {
      io[resolved.stream](resolved.text)
      return Effect.succeed(0)
    }
    if (resolved._tag === "Refused") {
      io.stderr(resolved.text)
      return Effect.succeed(1)
    }
    const { args, flags, name, run, usage } = resolved
    switch (run._tag) {
      case "Version":
      case "Config":
      case "Start": {
        if (args.length > 0) {
          io.stderr(`Error: trailing args detected\n${usage}`)
          return Effect.succeed(1)
        }
        if (run._tag === "Start") return options.start({ devMode: flags.is("peer-chaincodedev") })
        if (run._tag === "Config")
          return Effect.flatMap(
            Effect.promise(() => import("./config.js")),
            ({ printConfig }) => printConfig(io)
          )
        io.stdout(versionInfo(process))
        return Effect.succeed(0)
      }
      case "Client":
        return Effect.matchCause(session(io, name, flags, args, run.load), {
          onSuccess: () => 0,
          onFailure: (cause) => {
            const known = Cause.failureOption(cause)
            if (Option.isNone(known)) {
              io.stderr(`Error: this should not have happened, please report it: ${Cause.pretty(cause)}\n`)
              return 1
            }
            const error = known.value
            if (error._tag === "Ended") return error.status
            const explanation = (error.explanation ?? []).map((line) => `${line}\n`).join("")
            io.stderr(`Error: ${error.text}\n${error.usage === true ? usage : ""}${explanation}`)
            return 1
          }
        })
    }
  })

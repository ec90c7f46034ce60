/**
 * The `peer` program: reads the command line and runs what it asks for. Gives the exit code; the launcher ends the
 * process with it. The node, and each command, are loaded when they are asked for: a script calls this program often.
 * Source: peer-endorse-validate.md 1.1.
 */
import * as Effect from "effect/Effect"
import type { CliIo } from "./cli/index.js"
import { peerCommand } from "./cli/index.js"

export { ended, guarded } from "../runtime/ended.js"

export interface MainOptions extends CliIo {
  /** Behind the program's name. */
  readonly argv: ReadonlyArray<string>
  /** Ends the process at once: a second signal. */
  readonly kill: (code: number) => void
  /** Told once when the node serves. */
  readonly running?: () => void
}

/** Beyond Fabric: without words the node starts; `--help` prints the help that Go's program prints then. */
const wordsOf = (argv: ReadonlyArray<string>): ReadonlyArray<string> => (argv.length === 0 ? ["node", "start"] : argv)

export const main = (options: MainOptions): Promise<number> =>
  Effect.runPromise(
    peerCommand(wordsOf(options.argv), options, {
      start: ({ devMode }) => Effect.promise(async () => (await import("./startNode.js")).startNode(devMode, options))
    })
  )

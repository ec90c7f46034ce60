import * as Effect from "effect/Effect"
import { peerCommand } from "../../../src/peer/cli/index.js"

export interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command line and keeps what it says. */
export const run = (
  argv: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  cwd = "/"
): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const out: Array<Uint8Array> = []
    let stderr = ""
    const io = {
      cwd,
      env,
      stdout: (data: Uint8Array | string) => void out.push(Buffer.from(data)),
      stderr: (text: string) => {
        stderr += text
      }
    }
    const status = yield* peerCommand(argv, io, { start: ({ devMode }) => Effect.succeed(devMode ? 101 : 100) })
    return { status, stdout: Buffer.concat(out).toString(), stderr }
  })

/** Words of a command line; no quotes. */
export const words = (line: string): ReadonlyArray<string> => (line === "" ? [] : line.split(" "))

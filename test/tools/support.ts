/** A tool's world in memory. */
import { stripVTControlCharacters } from "node:util"
import * as Effect from "effect/Effect"
import type { ToolIo } from "../../src/tools/ToolIo.js"

export interface Ran {
  readonly code: number
  readonly stdout: Uint8Array
  readonly stderr: string
}

/** Runs a tool to its end. */
export const runTool = async (
  tool: (argv: ReadonlyArray<string>, io: ToolIo) => Effect.Effect<number>,
  argv: ReadonlyArray<string>,
  world: { readonly cwd?: string; readonly env?: ToolIo["env"]; readonly stdin?: Uint8Array | string } = {}
): Promise<Ran> => {
  const out: Array<Uint8Array> = []
  let stderr = ""
  const code = await Effect.runPromise(
    tool(argv, {
      cwd: world.cwd ?? "/",
      env: world.env ?? {},
      stdin: () => Promise.resolve(Buffer.from(world.stdin ?? "")),
      stdout: (data) => void out.push(Buffer.from(data)),
      stderr: (text) => {
        stderr += text
      }
    })
  )
  // Log lines are coloured.
  return { code, stdout: Buffer.concat(out), stderr: stripVTControlCharacters(stderr) }
}

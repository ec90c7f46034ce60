/** Running a build tool to its end, in its own process group so that nothing of it stays behind. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import * as Log from "../../../runtime/Log.js"
import { textOf } from "../../../runtime/Stage.js"
import { ToolFailed } from "./errors.js"
import { signalGroup } from "./owner.js"

export interface ToolOptions {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  readonly uid: number | undefined
  readonly gid: number | undefined
}

const log = Log.module("chaincode.process")

/** How much of the end of the output is kept. */
const KEPT_OUTPUT = 4 * 1024

/**
 * Runs the tool; fails unless it ends with 0. Interruption, as by the time limit of a start, ends it and all that it
 * started, and says so: nobody else knows what the time went into.
 */
export const runTool = (options: ToolOptions): Effect.Effect<void, ToolFailed> =>
  Effect.async<void, ToolFailed>((resume) => {
    const command = [options.command, ...options.args].join(" ")
    const began = performance.now()
    let output = ""
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-KEPT_OUTPUT)
    }
    const child = spawn(options.command, options.args, {
      cwd: options.directory,
      env: options.environment,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid })
    })
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    child.stdout.on("error", () => {})
    child.stderr.on("error", () => {})
    child.once("error", (error) => resume(new ToolFailed({ command, exitCode: -1, output: textOf(error) })))
    child.once("close", (code) =>
      resume(code === 0 ? Effect.void : new ToolFailed({ command, exitCode: code ?? -1, output }))
    )
    return Effect.gen(function* () {
      if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL")
      // what it has printed may still be on its way
      yield* Effect.timeoutOption(Effect.interruptible(closed(child)), 1000)
      const seconds = Math.round((performance.now() - began) / 1000)
      const printed = output.trim() === "" ? "it had printed nothing" : `it had printed: ${output.trim()}`
      yield* log.warning(`${command} was ended before it was done, after ${seconds} s; ${printed}`)
    })
  })

const closed = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async((resume) => {
    child.once("close", () => resume(Effect.void))
  })

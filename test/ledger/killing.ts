/** A process of a test that commits and shows heights, killed in the middle of it. */
import { spawn } from "node:child_process"
import { joined } from "../joined.js"

/**
 * Runs a script and kills it (-9) a moment after it has printed so many lines; gives the first and the
 * last height that it printed, one a line.
 * @param within longest time in ms from the last of these lines to the kill; the moment is random
 */
export const runAndKill = async (
  script: string,
  args: ReadonlyArray<string>,
  lines: number,
  within = 10
): Promise<{ readonly first: number; readonly last: number }> => {
  const program = await joined(script)
  return new Promise((resolve, reject) => {
    const running = spawn(process.execPath, [program, ...args], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let out = ""
    let err = ""
    running.stdout.on("data", (chunk) => {
      out += String(chunk)
      // the moment differs from run to run: within the append, the database's commit, or between
      if (out.split("\n").length > lines) setTimeout(() => running.kill("SIGKILL"), Math.random() * within)
    })
    running.stderr.on("data", (chunk) => {
      err += String(chunk)
    })
    running.on("error", reject)
    running.on("close", (_code, signal) => {
      // the last line may have been cut
      const heights = out.split("\n").slice(0, -1).map(Number)
      if (signal !== "SIGKILL") reject(new Error(`ended by itself: ${err}`))
      else resolve({ first: heights[0] ?? -1, last: heights.at(-1) ?? -1 })
    })
  })
}

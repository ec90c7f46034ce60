/** Processes of a network that another command started: whether they are there, and whether they are ours. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Whether a process is there; says nothing of whose it is. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The command line of a process; undefined when it cannot be found out. */
const commandLine = (pid: number): string | undefined => {
  if (process.platform === "linux") {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8")
    } catch {
      return undefined
    }
  }
  const { stdout } = spawnSync("ps", ["-p", String(pid), "-o", "command="], { encoding: "utf8" })
  return stdout === "" || stdout === null ? undefined : stdout
}

/** Whether the process with that number runs one of our launchers: numbers are given out again. */
export const isOurs = (pid: number): boolean =>
  isAlive(pid) && /(?:orderer|peer|network)\.mjs/.test(commandLine(pid) ?? "")

const signal = (pid: number, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.ignore(Effect.try(() => process.kill(pid, name)))

const gone = (pid: number): Effect.Effect<boolean> =>
  // one that ended but was not collected by its parent has a number still, and no command line
  Effect.sync(() => !isOurs(pid)).pipe(
    Effect.repeat({
      until: (over) => over,
      schedule: Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(500))
    }),
    Effect.map(() => !isOurs(pid))
  )

/** In: the process of one of our launchers. SIGTERM, and SIGKILL when that has not helped after ten seconds. */
export const terminate = (pid: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* signal(pid, "SIGTERM")
    if (!(yield* gone(pid))) yield* signal(pid, "SIGKILL")
  })

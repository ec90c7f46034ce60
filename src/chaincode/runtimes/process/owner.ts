/**
 * Process groups and what is left of them. A process is known by its id and its start time, so that a number that the
 * system has given to someone else is never signalled.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"

/** A process as it was started by us. */
export interface ProcessMark {
  readonly pid: number
  /** Opaque; equal texts for one pid mean one process. */
  readonly startTime: string
}

const bootId = (): Promise<string> => fs.readFile("/proc/sys/kernel/random/boot_id", "utf8").then((text) => text.trim())

/** Fields of /proc/PID/stat from the third on; the second may hold anything. */
const statFields = async (pid: number): Promise<Array<string>> => {
  const text = await fs.readFile(`/proc/${pid}/stat`, "utf8")
  return text.slice(text.lastIndexOf(")") + 2).split(" ")
}

const psStartTime = (pid: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    execFile("ps", ["-o", "lstart=", "-p", String(pid)], { timeout: 5_000 }, (error, stdout) => {
      const text = stdout.trim()
      resolve(error === null && text !== "" ? text : undefined)
    })
  })

/** When a process started; undefined when there is none with this id. */
export const startTimeOf = async (pid: number): Promise<string | undefined> => {
  if (process.platform !== "linux") return psStartTime(pid)
  try {
    const fields = await statFields(pid)
    if (fields[0] === "Z") return undefined
    return `${await bootId()}/${fields[19] ?? ""}`
  } catch {
    return undefined
  }
}

/** Sends a signal to a whole process group; false when there is no such group (or it is not ours). */
export const signalGroup = (group: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    process.kill(-group, signal)
    return true
  } catch {
    return false
  }
}

/** Whether a group has members although its leader is gone (Linux only: elsewhere the watcher's work is trusted). */
const orphanedGroup = async (group: number): Promise<boolean> => {
  if (process.platform !== "linux" || !signalGroup(group, 0)) return false
  for (const entry of await fs.readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue
    const fields = await statFields(Number(entry)).catch(() => [])
    if (fields[2] === String(group) && fields[0] !== "Z") return Number(entry) !== group
  }
  return false
}

/** Ends the group of a process started earlier, if it is still there. True when something was ended. */
export const endLeftover = async (mark: ProcessMark): Promise<boolean> => {
  const startTime = await startTimeOf(mark.pid)
  const alive = startTime === mark.startTime
  if (!alive && (startTime !== undefined || !(await orphanedGroup(mark.pid)))) return false
  return signalGroup(mark.pid, "SIGKILL")
}

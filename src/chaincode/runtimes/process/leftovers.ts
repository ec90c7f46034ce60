/** Marks of running processes on disk: how the next peer finds and ends what one that died left behind. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Log from "../../../runtime/Log.js"
import { type DiskFailed, disk } from "./errors.js"
import type { Folders } from "./Folders.js"
import { endLeftover, type ProcessMark } from "./owner.js"

const log = Log.module("chaincode.process")

/** Ends what an earlier peer left running in this folder. */
export const sweep = (folders: Folders): Effect.Effect<void, DiskFailed> =>
  Effect.gen(function* () {
    for (const file of yield* disk(() => fs.readdir(folders.marks))) {
      const place = path.join(folders.marks, file)
      const mark = parseMark(yield* disk(() => fs.readFile(place, "utf8")))
      if (mark !== undefined && (yield* disk(() => endLeftover(mark)))) {
        yield* log.warning("Ended a chaincode process that an earlier peer left behind", { pid: mark.pid, mark: file })
      }
      yield* disk(() => fs.rm(place, { force: true }))
    }
  })

const parseMark = (text: string): ProcessMark | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== "object" || value === null || !("pid" in value) || !("startTime" in value)) return undefined
    const { pid, startTime } = value
    const valid = typeof pid === "number" && Number.isInteger(pid) && pid > 1 && typeof startTime === "string"
    return valid ? { pid, startTime } : undefined
  } catch {
    return undefined
  }
}

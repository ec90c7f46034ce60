/**
 * `chaincode.watch`: a Node chaincode runs in the folder that it was installed from and ends when something there
 * changes; the next invocation starts it anew, with nothing installed again. For development: what runs is no longer
 * what the ledger's fingerprint says. Source: issue 7 part 3.
 */
import { watch } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { LaunchRequest } from "../ContainerRuntime.js"

/** The folder to run in place; undefined when the package's path is none on this machine. */
export const watchedFolder = async (request: LaunchRequest): Promise<string | undefined> => {
  if (request.type !== "NODE" || !path.isAbsolute(request.path)) return undefined
  return fs.access(path.join(request.path, "package.json")).then(
    () => request.path,
    () => undefined
  )
}

/** Editors write in several steps: this many milliseconds of quiet make one change. */
const QUIET = 150

const ignored = (file: string): boolean =>
  file.split(path.sep).some((part) => part === "node_modules" || part === ".git")

/** Runs `changed` after each change below the folder, for as long as the scope lives. A watch that breaks just ends. */
export const onChange = (folder: string, changed: () => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        let timer: NodeJS.Timeout | undefined
        const watcher = watch(folder, { recursive: true }, (_, file) => {
          if (file !== null && ignored(file)) return
          clearTimeout(timer)
          timer = setTimeout(changed, QUIET)
        })
        watcher.on("error", () => {})
        return () => {
          clearTimeout(timer)
          watcher.close()
        }
      }),
      (close) => Effect.sync(close)
    )
  )

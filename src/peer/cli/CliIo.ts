/**
 * What the command line sees of the world: everything comes in as data and goes out through these, so that it runs in
 * tests and inside other programs. The exit status is the value of the command's effect.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import type { Environment } from "../../config/index.js"
import { CommandFailed } from "./errors.js"

export interface CliIo {
  /** Relative paths start here. */
  readonly cwd: string
  readonly env: Environment
  readonly stdout: (data: Uint8Array | string) => void
  readonly stderr: (text: string) => void
  /** Present when stderr is a terminal: long work may draw a line there. */
  readonly terminal?: { readonly columns: number }
}

const faults: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system"
}

/** The cause of a failed file operation as Go would say it. */
const fault = (error: unknown): string => {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""
  return faults[code] ?? (error instanceof Error ? error.message : String(error))
}

/** A file's bytes. Fails with Go's text: `open X: no such file or directory`. */
export const readBytes = (io: Pick<CliIo, "cwd">, path: string): Effect.Effect<Uint8Array, CommandFailed> =>
  Effect.try({
    // no path is no file, not the working folder
    try: () => new Uint8Array(readFileSync(path === "" ? "" : resolve(io.cwd, path))),
    catch: (error) => {
      const isFolder = error instanceof Error && "code" in error && error.code === "EISDIR"
      return new CommandFailed({ text: `${isFolder ? "read" : "open"} ${path}: ${fault(error)}` })
    }
  })

/** Writes a file; `mode` counts for new ones. */
export const writeBytes = (
  io: Pick<CliIo, "cwd">,
  path: string,
  bytes: Uint8Array,
  mode: number
): Effect.Effect<void, CommandFailed> =>
  Effect.try({
    try: () => writeFileSync(path === "" ? "" : resolve(io.cwd, path), bytes, { mode }),
    catch: (error) => new CommandFailed({ text: `open ${path}: ${fault(error)}` })
  })

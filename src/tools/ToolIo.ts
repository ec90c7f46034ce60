/**
 * What a command-line tool sees of the world: everything comes in as data and goes out through these, so that tools run in
 * tests and inside other programs. The exit code is the value of the tool's effect; no tool ends the process.
 */
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Log from "../runtime/Log.js"

export interface ToolIo {
  /** Relative paths start here. */
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** All of standard input. */
  readonly stdin: () => Promise<Uint8Array>
  readonly stdout: (data: Uint8Array | string) => void
  readonly stderr: (text: string) => void
  /** Given when standard error is a terminal: progress is drawn there. */
  readonly terminal?: { readonly columns: number }
}

/** A file's bytes, with Go's texts for the usual failures. */
export const readTool = (io: Pick<ToolIo, "cwd">, path: string): Either.Either<Uint8Array, string> => {
  try {
    return Either.right(readFileSync(resolve(io.cwd, path)))
  } catch (error) {
    return Either.left(`open ${path}: ${fileFault(error)}`)
  }
}

const faults: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
  ENOSPC: "no space left on device"
}

/** The cause of a failed file operation as Go would say it. */
export const fileFault = (error: unknown): string => {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""
  return faults[code] ?? (error instanceof Error ? error.message : String(error))
}

/** Runs a tool with its log lines on standard error, under FABRIC_LOGGING_SPEC and FABRIC_LOGGING_FORMAT. */
export const withToolLog = <R>(io: ToolIo, tool: Effect.Effect<number, never, R>): Effect.Effect<number, never, R> => {
  const { FABRIC_LOGGING_FORMAT: format = "", FABRIC_LOGGING_SPEC: spec = "" } = io.env
  return Either.match(Log.make({ spec, format, write: io.stderr }), {
    onLeft: (error) => {
      io.stderr(`${error.message}\n`)
      return Effect.succeed(1)
    },
    onRight: (log) => Effect.provide(tool, Log.layerOf(log))
  })
}

/** What the tools' `version` prints, in the reference's layout. */
export const versionText = (program: string): string =>
  `${program}:\n Version: 1.4.12\n Commit SHA: development build\n Node version: ${process.version}\n OS/Arch: ${process.platform}/${process.arch}\n`

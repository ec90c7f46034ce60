/**
 * One chaincode process: its own process group, its output to the log, its end known. A small shell stands in front: it
 * keeps a watcher on a pipe from the peer, which ends the group when the peer is gone however it went (kill -9 too),
 * sets resource limits, and then becomes the chaincode.
 */
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import * as os from "node:os"
import type { Readable } from "node:stream"
import { StringDecoder } from "node:string_decoder"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { SyncLog } from "../../../runtime/Log.js"
import { textOf } from "../../../runtime/Stage.js"
import { StartFailed } from "../ContainerRuntime.js"
import { Lines } from "../lines.js"
import { signalGroup } from "./owner.js"

export interface ProcessLimits {
  /** Open files (`ulimit -n`). */
  readonly openFiles?: number
  /** Processes and threads of the user (`ulimit -u`). */
  readonly processes?: number
  /** Bytes of memory held by the whole process group; see memory.ts. */
  readonly memory?: number
}

export interface SupervisedOptions {
  readonly chaincode: string
  readonly command: ReadonlyArray<string>
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly limits: ProcessLimits
  /** Where its lines go. */
  readonly log: SyncLog
}

export interface Supervised {
  readonly pid: number
  /** The exit code, 128 + n after signal n. By then what is left of the group has been sent SIGKILL. */
  readonly exited: Effect.Effect<number>
  readonly signal: (signal: NodeJS.Signals) => void
}

/** fd 3 is the pipe from the peer: it ends when the peer does, and the watcher takes the group down. */
const watcher = "exec 3<&0 </dev/null; (read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 & exec 3<&-;"

const script = ({ openFiles, processes }: ProcessLimits): string => {
  const limit = (flag: string, value: number | undefined) =>
    value === undefined ? "" : `ulimit -${flag} ${value} || exit 126;`
  return `${watcher}${limit("n", openFiles)}${limit("u", processes)} exec "$@"`
}

/** Hands a stream's lines to `line`, without the line end. */
const readLines = (stream: Readable | null, line: (text: string) => void): void => {
  if (stream === null) return
  const decoder = new StringDecoder("utf8")
  const lines = new Lines(line)
  stream.on("data", (chunk: Buffer) => lines.add(decoder.write(chunk)))
  stream.on("error", () => {})
  stream.on("end", () => {
    lines.add(decoder.end())
    lines.end()
  })
}

const exitCodeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + (signal === null ? 0 : os.constants.signals[signal])

/** Starts a process; fails when the system cannot. */
export const supervise = (options: SupervisedOptions): Effect.Effect<Supervised, StartFailed> =>
  Effect.gen(function* () {
    const exited = yield* Deferred.make<number>()
    const child = yield* Effect.async<ChildProcess, StartFailed>((resume) => {
      const fail = (error: unknown) =>
        resume(new StartFailed({ chaincode: options.chaincode, reason: `cannot start: ${textOf(error)}` }))
      try {
        const started = spawn("/bin/sh", ["-c", script(options.limits), "chaincode", ...options.command], {
          cwd: options.directory,
          env: options.environment,
          detached: true,
          stdio: ["pipe", "pipe", "pipe"],
          ...(options.uid === undefined ? {} : { uid: options.uid }),
          ...(options.gid === undefined ? {} : { gid: options.gid })
        })
        started.once("error", fail)
        started.stdin.on("error", () => {})
        readLines(started.stdout, (line) => options.log.info(line))
        readLines(started.stderr, (line) => options.log.info(line))
        started.once("exit", (code, signal) => {
          // whatever it left behind in its group goes with it
          if (started.pid !== undefined) signalGroup(started.pid, "SIGKILL")
          Deferred.unsafeDone(exited, Effect.succeed(exitCodeOf(code, signal)))
        })
        started.once("spawn", () => resume(Effect.succeed(started)))
      } catch (error) {
        fail(error)
      }
    })
    const pid = child.pid
    if (pid === undefined) return yield* new StartFailed({ chaincode: options.chaincode, reason: "cannot start" })
    return {
      pid,
      exited: Deferred.await(exited),
      signal: (signal) => {
        signalGroup(pid, signal)
      }
    }
  })

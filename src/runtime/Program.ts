/**
 * Runs a program from its first stage to the release of its last: signals, the one readable report of a failed start,
 * the exit code. The launchers (`peer.mjs`, `orderer.mjs`, `network.mjs`) turn the code into a process exit.
 * Source: design.md sections 3-4; orderer.md section 1 (shutdown); peer-endorse-validate.md 1.3.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { NodeLog } from "./Log.js"
import type { OtlpOptions } from "./Otlp.js"
import { StageFailed, textOf } from "./Stage.js"
import { traced } from "./Tracing.js"
import { TaskFailed } from "./Vital.js"

const numbers: Readonly<Record<string, readonly [number, string]>> = {
  SIGINT: [2, "interrupt"],
  SIGTERM: [15, "terminated"]
}

export interface ProgramOptions {
  /** Where the report and the signal line go; undefined while logging itself could not be set up. */
  readonly log: NodeLog | undefined
  readonly write: (line: string) => void
  /** Where spans go (FABRIC_EFFECT_TRACE_FILE); nowhere when absent. */
  readonly traceFile?: string | undefined
  /** The collector that spans go to; none when absent. */
  readonly otlp?: OtlpOptions | undefined
  /** Ends the process at once: a second signal. Given by the launcher. */
  readonly kill: (code: number) => void
}

/** The report of a failure: stage, cause, what to do; the trace only when the log spec says debug. */
export const report = (cause: Cause.Cause<unknown>, debug: boolean): string => {
  const reason = Cause.squash(cause)
  const lines =
    reason instanceof StageFailed
      ? [
          `Error: stage ${reason.stage} failed`,
          `  cause:  ${textOf(reason.reason)}`,
          `  remedy: ${reason.remedy}`,
          ...(debug ? [reason.trace] : [])
        ]
      : reason instanceof TaskFailed
        ? [
            `Error: ${reason.task} ended and the node cannot serve without it`,
            `  cause:  ${textOf(Cause.squash(reason.cause))}`,
            "  remedy: see the log lines before this one; start again once the cause is removed",
            ...(debug ? [Cause.pretty(reason.cause, { renderErrorCause: true })] : [])
          ]
        : [`Error: ${textOf(reason)}`, ...(debug ? [Cause.pretty(cause, { renderErrorCause: true })] : [])]
  return `${lines.join("\n")}\n`
}

const codeOf = (cause: Cause.Cause<unknown>): number => {
  const reason = Cause.squash(cause)
  return reason instanceof StageFailed ? reason.exitCode : 1
}

/**
 * Runs to the end and gives the exit code: 0 after SIGINT or SIGTERM or a normal end, the failure's code otherwise. A
 * first signal interrupts (releases run in reverse), a second one kills.
 */
export const run = (program: Effect.Effect<unknown, unknown>, options: ProgramOptions): Promise<number> => {
  const fiber = Effect.runFork(traced({ file: options.traceFile, otlp: options.otlp })(program))
  let signalled = false
  const onSignal = (signal: NodeJS.Signals) => {
    const [number, text] = numbers[signal] ?? [0, signal]
    if (signalled) return options.kill(128 + number)
    signalled = true
    options.log?.log("info", "runtime.program", "signal", `Received signal: ${number} (${text})`, {})
    fiber.unsafeInterruptAsFork(fiber.id())
  }
  const onDump = () => options.log?.log("info", "runtime.diag", "diagnose", diagnosis(), {})
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  process.on("SIGUSR1", onDump)
  return new Promise((resolve) => {
    fiber.addObserver((exit) => {
      process.off("SIGINT", onSignal)
      process.off("SIGTERM", onSignal)
      process.off("SIGUSR1", onDump)
      if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return resolve(0)
      options.write(report(exit.cause, options.log?.enabled("stage", "debug") ?? false))
      resolve(codeOf(exit.cause))
    })
  })
}

/** What the reference tells with its goroutine dump: which fibers exist and what the process holds. */
const diagnosis = (): string => {
  const memory = process.memoryUsage()
  const fibers = [...Effect.runSync(Fiber.roots)].map((fiber) => `fiber ${fiber.id().id}`)
  return [
    "Go routines report: (fibers and process, this node has no goroutines)",
    ...fibers,
    `resources ${process.getActiveResourcesInfo().join(" ")}`,
    `memory rss=${memory.rss} heapUsed=${memory.heapUsed} external=${memory.external}`
  ].join("\n")
}

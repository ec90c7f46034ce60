import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { runTool } from "../../../src/chaincode/runtimes/process/tools.js"
import { logsTo } from "../../logging.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "tool-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)
const shell = (directory: string, script: string) =>
  runTool({
    command: "sh",
    args: ["-c", script],
    directory,
    environment: { PATH: process.env.PATH ?? "" },
    uid: undefined,
    gid: undefined
  })

describe("a build tool", () => {
  it.scopedLive("that is ended before it is done leaves in the log what it had printed, and no process", () =>
    Effect.gen(function* () {
      const at = yield* folder
      const lines: Array<string> = []
      const script = "echo asking the registry; echo $$ > pid; exec sleep 600"
      const fiber = yield* Effect.fork(
        Effect.provide(
          shell(at, script),
          logsTo(() => lines)
        )
      )
      const told = Effect.try(() => Number(fs.readFileSync(path.join(at, "pid"), "utf8").trim() || "none"))
      const pid = yield* Effect.retry(
        Effect.filterOrFail(told, Number.isInteger, () => "not there"),
        { schedule: Schedule.spaced(10), times: 2000 }
      )
      yield* Fiber.interrupt(fiber)
      expect(lines.join("\n")).toMatch(
        /WARN \[chaincode\.process\] sh -c .* was ended before it was done, after \d+ s; it had printed: asking the registry/
      )
      const gone = Effect.sync(() => {
        try {
          return !/^\S+ \S+ [^Z]/.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"))
        } catch {
          return true
        }
      })
      yield* Effect.repeat(gone, { until: (is) => is, schedule: Schedule.spaced(10), times: 2000 })
      expect(yield* gone).toBe(true)
    })
  )
  it.scopedLive("that fails says how and with what output", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(shell(yield* folder, "echo no such package >&2; exit 3"))
      expect(error.message).toContain("no such package")
      expect(error).toMatchObject({ exitCode: 3 })
    })
  )
})

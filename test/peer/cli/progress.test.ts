/** The line that a person sees while a command waits. */

import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import { drawn, progressLine } from "../../../src/peer/cli/progress.js"

const CLEAR = "\r\u001b[2K"
const world = (terminal: boolean) => {
  const err: Array<string> = []
  const out: Array<string> = []
  const io = {
    cwd: "/",
    env: {},
    stdout: (data: Uint8Array | string) => void out.push(String(data)),
    stderr: (text: string) => void err.push(text),
    ...(terminal ? { terminal: { columns: 40 } } : {})
  }
  return { err, io, out }
}

describe("progress", () => {
  it.effect("is drawn after a second, every second, and goes before other output and at the end", () =>
    Effect.gen(function* () {
      const { err, io, out } = world(true)
      const work = Effect.scoped(
        Effect.gen(function* () {
          const progress = yield* progressLine(io, "peer chaincode install")
          yield* Effect.sleep("2500 millis")
          progress.step("the peer installs")
          yield* Effect.sleep("1 second")
          progress.io.stdout("result")
          progress.io.stderr("said")
          yield* Effect.sleep("600 millis")
        })
      )
      const fiber = yield* Effect.fork(work)
      for (let i = 0; i < 50; i += 1) yield* TestClock.adjust("100 millis")
      yield* Fiber.join(fiber)
      expect(out).toEqual(["result"])
      expect(err).toEqual([
        `${CLEAR}peer chaincode install … 1 s`,
        `${CLEAR}peer chaincode install … 2 s`,
        `${CLEAR}the peer installs … 0 s`,
        CLEAR,
        "said",
        `${CLEAR}the peer installs … 1 s`,
        CLEAR
      ])
    })
  )
  it.effect("is not drawn where nobody sees it, nor for what is quick", () =>
    Effect.gen(function* () {
      for (const [terminal, length] of [
        [false, "10 seconds"],
        [true, "900 millis"]
      ] as const) {
        const { err, io } = world(terminal)
        const fiber = yield* Effect.fork(
          Effect.scoped(Effect.zipRight(progressLine(io, "peer channel list"), Effect.sleep(length)))
        )
        yield* TestClock.adjust(length)
        yield* Fiber.join(fiber)
        expect(err).toEqual([])
      }
    })
  )
  it("fits the terminal", () => {
    expect(drawn("peer chaincode instantiate", 61_000, 80)).toBe("peer chaincode instantiate … 61 s")
    expect(drawn("peer chaincode instantiate", 61_000, 10)).toBe("peer chai")
  })
})

/** Benchmark mode: in this process, without network, on a channel of its own (issue 5 part 1). */
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { parseCommandLine } from "../../../src/orderer/commandLine.js"
import { main } from "../../../src/orderer/main.js"
import { chainA, temporaryFolder } from "../support/node.js"
import { environment, freePort, launch } from "../support/process.js"

const run = (argv: ReadonlyArray<string>, env: Record<string, string>, wrote: (text: string) => void = () => {}) =>
  Effect.promise(async () => {
    let [stdout, stderr] = ["", ""]
    const code = await main({
      argv,
      argv0: "/usr/bin/orderer",
      env,
      cwd: import.meta.dirname,
      stdout: (text) => {
        stdout += text
        wrote(text)
      },
      stderr: (text) => {
        stderr += text
      },
      kill: () => {}
    })
    return { code, stdout, stderr }
  })

const connects = (port: number) =>
  Effect.promise(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = net.connect(port, "127.0.0.1")
        socket.on("connect", () => {
          socket.destroy()
          resolve(true)
        })
        socket.on("error", () => resolve(false))
      })
  )

describe("benchmark mode", { timeout: 120_000 }, () => {
  it("takes counts, sizes and numbers of clients", () => {
    expect(parseCommandLine(["benchmark"])).toEqual({ _tag: "Benchmark", options: {} })
    expect(parseCommandLine(["benchmark", "--count=10", "--sizes", "1,20", "--clients=3", "--window=7"])).toEqual({
      _tag: "Benchmark",
      options: { count: 10, sizes: [1, 20], clients: [3], window: 7 }
    })
    const refused = (message: string) => ({ _tag: "Refused", message })
    expect(parseCommandLine(["benchmark", "--nothing=1"])).toEqual(refused("unknown long flag '--nothing'"))
    expect(parseCommandLine(["start", "--count=1"])).toEqual(refused("unknown long flag '--count'"))
    expect(parseCommandLine(["benchmark", "--count"])).toEqual(refused("expected argument for flag '--count'"))
    expect(parseCommandLine(["benchmark", "--sizes=1,x"])).toEqual(
      refused("flag '--sizes' wants whole numbers from 1 on, got 'x'")
    )
    expect(parseCommandLine(["benchmark", "--clients=0"])).toMatchObject({ _tag: "Refused" })
  })

  it.scopedLive("orders a given count of each size with each number of clients, then ends with 0", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const port = yield* freePort
      const reachable: Array<boolean> = []
      const env = environment(folder, port)
      const running = yield* Effect.fork(
        run(["benchmark", "--count=300", "--sizes=10,3000", "--clients=1,4"], env, () => {
          void Effect.runPromise(connects(port)).then((open) => reachable.push(open))
        })
      )
      const { code, stderr, stdout } = yield* Fiber.join(running)
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" })
      const [title, head, ...rows] = stdout.trimEnd().split("\n")
      expect(title).toMatch(/^Benchmark on channel benchmark-[0-9a-f]{8}, solo, without network; /)
      expect(head?.trim().split(/ {2,}|(?<=\S) (?=\S+\/s)/).length).toBeGreaterThan(8)
      expect(rows.map((row) => row.trim().split(/\s+/).slice(0, 3))).toEqual([
        ["10", "1", "300"],
        ["10", "4", "300"],
        ["3000", "1", "300"],
        ["3000", "4", "300"]
      ])
      for (const row of rows) {
        const numbers = row.trim().split(/\s+/).map(Number)
        expect(numbers.every((number) => Number.isFinite(number) && number >= 0)).toBe(true)
        const [, , , , accepted = 0, ordered = 0] = numbers
        expect(accepted).toBeGreaterThan(0)
        expect(ordered).toBeGreaterThan(0)
      }
      expect(reachable.includes(true)).toBe(false) // nobody listens
      expect(fs.readdirSync(folder)).toEqual([]) // its ledger is gone, and the configured one was not begun
    })
  )

  it.scopedLive("an envelope that the channel refuses ends it with one report", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const flags = ["--count=10", "--clients=1", `--sizes=${120 * 1024 * 1024}`]
      const { code, stderr } = yield* run(["benchmark", ...flags], environment(folder, yield* freePort))
      expect(code).toBe(1)
      expect(stderr).toContain("Error: Broadcast answered BAD_REQUEST: message payload is ")
      expect(fs.readdirSync(folder)).toEqual([])
    })
  )

  it.scopedLive("a start that fails names the stage", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const env = {
        ...environment(folder, yield* freePort),
        ORDERER_GENERAL_GENESISFILE: path.join(chainA, "orderer/blocks/000000.block")
      }
      const { code, stderr } = yield* run(["benchmark", "--count=1"], env)
      expect(code).toBe(2)
      expect(stderr).toContain("Error: stage bootstrap block failed")
    })
  )

  it.scopedLive("goes on without a count until a signal, and leaves nothing", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const env = environment(folder, yield* freePort)
      const started = yield* launch(["benchmark", "--clients=2", "--sizes=100"], env)
      const rows = () => started.output().stdout.split("\n").length - 3
      const wait: Effect.Effect<void> = Effect.suspend(() =>
        rows() > 0 ? Effect.void : Effect.delay(wait, "20 millis")
      )
      yield* wait
      expect(fs.readdirSync(folder)).toHaveLength(1)
      started.child.kill("SIGINT")
      expect(yield* Effect.promise(() => started.ended)).toBe(0)
      expect(fs.readdirSync(folder)).toEqual([])
    })
  )
})

/**
 * Every stage of the peer's start made to fail, die or hang: the tagged error, the exit code, the report, and that what
 * was acquired before it is released in reverse, completely, before the next release begins. The peers are whole ones,
 * with real ports, locks and files.
 */
import { Server } from "node:net"
import { it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { StageEvents } from "../../../src/runtime/Stage.js"
import { freePort } from "../node/process.js"
import { tempFolder } from "../node/support.js"
import { until } from "../support.js"
import { inOrder, recorder, run } from "./program.js"

class Sabotage extends Data.TaggedError("Sabotage")<{ readonly stage: string }> {
  override get message() {
    return `somebody broke ${this.stage}`
  }
}

/** The stages as the sheet orders them; what other parts of the peer add stands between. */
const sheet = [
  "identity",
  "operations",
  "access control",
  "ledgers",
  "addresses",
  "server settings",
  "peer server",
  "credentials",
  "certificate reload",
  "handlers",
  "orderer connections",
  "chaincode packages",
  "gossip",
  "channels",
  "deliver events",
  "system chaincodes",
  "chaincode runtime",
  "chaincode server",
  "chaincode support",
  "admin service",
  "endorser",
  "certificate monitor",
  "deployed system chaincodes",
  "open channels",
  "profiling",
  "serving"
]

/** Exit 2 where the reference panics. */
const panics = new Set([
  "ledgers",
  "handlers",
  "chaincode packages",
  "gossip",
  "system chaincodes",
  "chaincode server",
  "chaincode support",
  "deployed system chaincodes"
])

/** Fixed ports, so that a port that is not given back shows at the next start. */
const ports = Effect.map(Effect.all([freePort, freePort, freePort]), ([main, chaincode, operations]) => ({
  CORE_PEER_LISTENADDRESS: `127.0.0.1:${main}`,
  CORE_PEER_CHAINCODELISTENADDRESS: `127.0.0.1:${chaincode}`,
  CORE_OPERATIONS_LISTENADDRESS: `127.0.0.1:${operations}`
}))

/** A start and an ordered stop; the stages in their order. */
const startAndStop = (folder: string, environment: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const { events, journal } = recorder()
    const ended = yield* Effect.promise(() =>
      run({ folder, environment, events, up: () => void process.emit("SIGTERM", "SIGTERM") })
    )
    expect(ended.report).toBe("")
    expect(ended.code).toBe(0)
    expect(ended.log.join("")).toContain("Received signal: 15 (terminated)")
    expect(ended.log.join("")).not.toContain("could not close")
    const stages = journal.filter((entry) => entry.startsWith("+")).map((entry) => entry.slice(1))
    expect(journal).toEqual(inOrder(stages))
    return stages
  })

const breaking = (stage: string, how: Effect.Effect<void, unknown>) => {
  const { events, journal } = recorder()
  const broken: StageEvents = { ...events, acquiring: (name) => (name === stage ? how : Effect.void) }
  return { events: broken, journal }
}

/** Closes a listening socket of this process behind everybody's back. */
const closeListener = (port: number): void => {
  // what Node keeps of itself; there is no public way to a handle that the program does not give out
  const handles: unknown = Reflect.apply(Reflect.get(process, "_getActiveHandles"), process, [])
  for (const handle of Array.isArray(handles) ? handles : [])
    if (handle instanceof Server) {
      const address = handle.address()
      if (typeof address === "object" && address?.port === port) handle.close()
    }
}

describe("the peer's stages", () => {
  it.scopedLive("stand in the sheet's order and are released one after the other in reverse", () =>
    Effect.gen(function* () {
      const stages = yield* startAndStop(yield* tempFolder, yield* ports)
      expect(stages.filter((stage) => sheet.includes(stage))).toEqual(sheet)
    })
  )

  it.scopedLive(
    "each fails with its name, its cause and what to do; the ones before it are released in reverse",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        const environment = yield* ports
        const stages = yield* startAndStop(folder, environment)
        for (const [at, stage] of stages.entries()) {
          const before = stages.slice(0, at)
          const fails = breaking(stage, Effect.fail(new Sabotage({ stage })))
          const failed = yield* Effect.promise(() => run({ folder, environment, events: fails.events }))
          expect(failed.report, stage).toMatch(
            new RegExp(`^Error: stage ${stage} failed\\n {2}cause: {2}somebody broke ${stage}\\n {2}remedy: .+\\n$`)
          )
          if (sheet.includes(stage)) expect(failed.code, stage).toBe(panics.has(stage) ? 2 : 1)
          expect(fails.journal, stage).toEqual(inOrder(before))

          const dies = breaking(stage, Effect.die(new Error("a bug")))
          const died = yield* Effect.promise(() => run({ folder, environment, events: dies.events }))
          expect(died.report, stage).toMatch(new RegExp(`^Error: stage ${stage} failed\\n {2}cause: {2}a bug\\n`))
          expect(dies.journal, stage).toEqual(inOrder(before))
        }
        // nothing of all that is left behind: ports, locks, files
        expect(yield* startAndStop(folder, environment)).toEqual(stages)
      }),
    300_000
  )

  for (const signal of ["SIGINT", "SIGTERM"] as const)
    it.scopedLive(
      `${signal} during the start, at whatever stage, releases exactly what was acquired and ends with 0`,
      () =>
        Effect.gen(function* () {
          const folder = yield* tempFolder
          const environment = yield* ports
          const stages = yield* startAndStop(folder, environment)
          for (const [at, stage] of stages.entries()) {
            let reached = false
            const hangs = breaking(
              stage,
              Effect.zipRight(
                Effect.sync(() => {
                  reached = true
                }),
                Effect.never
              )
            )
            const ended = run({ folder, environment, events: hangs.events })
            yield* until(() => reached)
            process.emit(signal, signal)
            const { code, report } = yield* Effect.promise(() => ended)
            expect([stage, code, report]).toEqual([stage, 0, ""])
            expect(hangs.journal, stage).toEqual(inOrder(stages.slice(0, at)))
          }
          expect(yield* startAndStop(folder, environment)).toEqual(stages)
        }),
      300_000
    )

  it.scopedLive(
    "a listener that dies ends the node: ordered release, exit 1",
    () =>
      Effect.gen(function* () {
        const [main, chaincode, operations, admin] = yield* Effect.all([freePort, freePort, freePort, freePort])
        const environment = {
          CORE_PEER_LISTENADDRESS: `127.0.0.1:${main}`,
          CORE_PEER_CHAINCODELISTENADDRESS: `127.0.0.1:${chaincode}`,
          CORE_OPERATIONS_LISTENADDRESS: `127.0.0.1:${operations}`,
          CORE_PEER_ADMINSERVICE_LISTENADDRESS: `127.0.0.1:${admin}`
        }
        const folder = yield* tempFolder
        for (const [name, port] of [
          ["grpc server", main],
          ["chaincode server", chaincode],
          ["operations service", operations],
          ["admin server", admin]
        ] as const) {
          const { events, journal } = recorder()
          const ended = yield* Effect.promise(() => run({ folder, environment, events, up: () => closeListener(port) }))
          expect([name, ended.code]).toEqual([name, 1])
          expect(ended.report).toContain(`Error: ${name} ended and the node cannot serve without it\n`)
          expect(ended.report).toContain("its socket was closed")
          expect(ended.report.trim().split("\n")).toHaveLength(3)
          const stages = journal.filter((entry) => entry.startsWith("+")).map((entry) => entry.slice(1))
          expect(journal).toEqual(inOrder(stages))
        }
        yield* startAndStop(folder, environment)
      }),
    180_000
  )
})

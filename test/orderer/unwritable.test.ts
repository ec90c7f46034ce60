/**
 * A ledger folder that cannot be written any more, though there is room: every file and folder of it made immutable,
 * which stops even open files and even root (issue 5, "unwritable ledger folder").
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { StageFailed } from "../../src/runtime/Stage.js"
import { allOf } from "./support/acknowledged.js"
import {
  broadcastAll,
  createMychannel,
  deliverAll,
  message,
  seekMessage,
  signerOf,
  temporaryFolder
} from "./support/node.js"
import { health, start } from "./support/program.js"

/**
 * Of files and folders; sockets have no attributes. LMDB's lock files are left out: LMDB keeps its readers and its mutex
 * in them through a writable mapping, and the kernel ends whoever writes to the mapping of an immutable file.
 */
const change = (how: "+i" | "-i", folder: string): boolean => {
  const which = ["(", "-type", "f", "-o", "-type", "d", ")", "!", "-name", "*lock*"]
  return spawnSync("find", [folder, ...which, "-exec", "chattr", how, "{}", "+"], { stdio: "ignore" }).status === 0
}
const freeze = (folder: string): boolean => change("+i", folder)
const thaw = (folder: string): void => void change("-i", folder)

const mayFreeze = (() => {
  if (process.platform !== "linux") return false
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "orderer-freeze-"))
  const handle = fs.openSync(path.join(folder, "file"), "w")
  try {
    if (!freeze(folder)) return false
    fs.writeSync(handle, "x")
    return false // a file system that lets open files be written all the same
  } catch {
    return true
  } finally {
    fs.closeSync(handle)
    thaw(folder)
    fs.rmSync(folder, { recursive: true })
  }
})()
if (!mayFreeze)
  console.warn("the unwritable folder is not tested: this user or file system cannot make files immutable")

/** A folder that is writable again, at the latest when it is removed. */
const folderToFreeze: Effect.Effect<string, never, Scope.Scope> = Effect.flatMap(temporaryFolder, (folder) =>
  Effect.acquireRelease(Effect.succeed(folder), () => Effect.sync(() => thaw(folder)))
)

const forever = 2n ** 64n - 1n

describe.skipIf(!mayFreeze)("an unwritable ledger folder", { timeout: 120_000 }, () => {
  it.scopedLive(
    "the channel errs and says so, nothing acknowledged is lost, and it goes on when it can be written",
    () =>
      Effect.gen(function* () {
        const folder = yield* folderToFreeze
        const node = yield* start(folder)
        yield* createMychannel(node)
        const user = yield* signerOf("user1")
        const admin = yield* signerOf("ordererAdmin")
        const acknowledged: Array<string> = []
        let sent = 0
        const send = (count: number) =>
          Effect.gen(function* () {
            const texts = Array.from({ length: count }, () => `${sent++} ${"x".repeat(500)}`)
            const answers = yield* broadcastAll(
              node.client,
              texts.map((text) => message(user, "mychannel", text))
            )
            for (const [i, { status }] of answers.entries()) if (status === 200) acknowledged.push(texts[i] ?? "")
            return answers
          })
        for (let round = 0; round < 3; round += 1) {
          const answers = yield* send(25)
          expect(answers.every(({ status }) => status === 200)).toBe(true)

          // what is acknowledged and in no block yet is met by the freeze too
          expect(freeze(folder)).toBe(true)
          const refused = (yield* send(3)).find(({ status }) => status !== 200)
          expect(refused?.status).toBe(503)
          expect(refused?.info).toMatch(/^cannot enqueue: .*(EPERM|operation not permitted)/i)
          const { failed } = yield* Effect.repeat(health(node.operationsAddress), {
            until: ({ status }) => status === 503
          })
          expect(failed.map(({ component }) => component)).toEqual(["mychannel"])
          expect(failed[0]?.reason).toMatch(/EPERM|operation not permitted/i)
          expect((yield* deliverAll(node.client, seekMessage(user, "mychannel", 0n, forever))).status).toBe(503)
          // readers who asked for it still read what is there, and the other channel answers
          const bestEffort = seekMessage(user, "mychannel", 0n, 0n, { bestEffort: true })
          expect((yield* deliverAll(node.client, bestEffort)).status).toBe(200)
          expect((yield* deliverAll(node.client, seekMessage(admin, "sys", 0n, 0n))).status).toBe(200)

          thaw(folder)
          yield* Effect.repeat(health(node.operationsAddress), { until: ({ status }) => status === 200 })
          expect(yield* send(1)).toEqual([{ status: 200, info: "" }])
          yield* allOf(node, user, acknowledged)
        }
      })
  )

  it.scopedLive("a channel cannot be created meanwhile, and is there when it can be written", () =>
    Effect.gen(function* () {
      const folder = yield* folderToFreeze
      const node = yield* start(folder)
      expect(freeze(folder)).toBe(true)
      const creation = yield* Effect.fork(Effect.exit(createMychannel(node)))
      yield* Effect.repeat(health(node.operationsAddress), { until: ({ status }) => status === 503 })
      expect(node.registrar.channel("mychannel")).toBeUndefined()
      thaw(folder)
      yield* Effect.repeat(health(node.operationsAddress), { until: ({ status }) => status === 200 })
      // the request was refused, or it was taken before the disk said no and is done now
      if (Exit.isFailure(yield* creation)) yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const text = "first"
      expect(yield* broadcastAll(node.client, [message(user, "mychannel", text)])).toEqual([{ status: 200, info: "" }])
      yield* allOf(node, user, [text])
    })
  )

  it.scopedLive("a start in it fails by its stage, with a remedy; what was acknowledged is there at the next", () =>
    Effect.gen(function* () {
      const folder = yield* folderToFreeze
      const user = yield* signerOf("user1")
      const texts = Array.from({ length: 30 }, (_, i) => `${i} ${"y".repeat(500)}`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const node = yield* start(folder)
          yield* createMychannel(node)
          const answers = yield* broadcastAll(
            node.client,
            texts.map((text) => message(user, "mychannel", text))
          )
          expect(answers.every(({ status }) => status === 200)).toBe(true)
          expect(freeze(folder)).toBe(true)
        })
      )
      const exit = yield* Effect.exit(Effect.scoped(start(folder)))
      const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      expect(failure).toBeInstanceOf(StageFailed)
      expect(failure).toMatchObject({ stage: "ledgers", exitCode: 2 })
      expect(String(failure)).toMatch(/EPERM|operation not permitted/i)
      thaw(folder)
      yield* allOf(yield* start(folder), user, texts)
    })
  )
})

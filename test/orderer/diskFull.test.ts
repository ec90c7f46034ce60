/** A file system that is really full: a small tmpfs with the ledger on it (issue 5, "Disk full"). */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
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

const mount = (folder: string): boolean =>
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], { stdio: "ignore" }).status === 0
const unmount = (folder: string) => {
  // lazily: a file that is still being closed must not leave it behind
  spawnSync("umount", ["-l", folder], { stdio: "ignore" })
}

const mayMount = (() => {
  if (process.platform !== "linux") return false
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "orderer-mount-"))
  const mounted = mount(folder)
  if (mounted) unmount(folder)
  fs.rmdirSync(folder)
  return mounted
})()
if (!mayMount) console.warn("the full disk is not tested: this user may not mount a tmpfs")

/** A folder on a disk of 12 MiB. */
const smallDisk: Effect.Effect<string, never, Scope.Scope> = Effect.flatMap(temporaryFolder, (folder) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      mount(folder)
      return folder
    }),
    () => Effect.sync(() => unmount(folder))
  )
)

/** Takes all room of a disk but so many bytes; gives what gives it back. */
const fill = (folder: string, but: number) => {
  const file = path.join(folder, "ballast")
  const chunk = Buffer.alloc(16 * 1024)
  const handle = fs.openSync(file, "w")
  const free = () => {
    const { bavail, bsize } = fs.statfsSync(folder)
    return bavail * bsize
  }
  while (free() > but) fs.writeSync(handle, chunk, 0, Math.min(chunk.length, free() - but))
  fs.closeSync(handle)
  return () => fs.rmSync(file)
}

const forever = 2n ** 64n - 1n

describe.skipIf(!mayMount)("a full disk", { timeout: 120_000 }, () => {
  it.scopedLive("the channel errs and says so, nothing acknowledged is lost, and it goes on when there is room", () =>
    Effect.gen(function* () {
      const folder = yield* smallDisk
      const node = yield* start(folder)
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const acknowledged: Array<string> = []
      let sent = 0
      /** Sends until an answer is not SUCCESS, which it gives. */
      const sendUntilRefused = Effect.gen(function* () {
        for (;;) {
          const texts = Array.from({ length: 20 }, () => `${sent++} ${"x".repeat(2000)}`)
          const answers = yield* broadcastAll(
            node.client,
            texts.map((text) => message(user, "mychannel", text))
          )
          for (const [i, { status }] of answers.entries()) if (status === 200) acknowledged.push(texts[i] ?? "")
          const bad = answers.find(({ status }) => status !== 200)
          if (bad !== undefined) return bad
        }
      })
      expect(yield* health(node.operationsAddress)).toEqual({ status: 200, failed: [] })

      const empty = fill(folder, 256 * 1024)
      const refused = yield* sendUntilRefused
      expect(acknowledged.length).toBeGreaterThan(0)
      expect(refused.status).toBe(503)
      expect(refused.info).toMatch(/^cannot enqueue: .*(ENOSPC|no space left)/i)
      const { failed, status } = yield* Effect.repeat(health(node.operationsAddress), {
        until: ({ status }) => status === 503
      })
      expect(status).toBe(503)
      expect(failed.map(({ component }) => component)).toEqual(["mychannel"])
      expect((yield* deliverAll(node.client, seekMessage(user, "mychannel", 0n, forever))).status).toBe(503)
      // readers who asked for it still read what is there, and the other channel answers
      const bestEffort = seekMessage(user, "mychannel", 0n, 0n, { bestEffort: true })
      expect((yield* deliverAll(node.client, bestEffort)).status).toBe(200)
      const admin = yield* signerOf("ordererAdmin")
      expect((yield* deliverAll(node.client, seekMessage(admin, "sys", 0n, 0n))).status).toBe(200)

      empty()
      yield* Effect.repeat(health(node.operationsAddress), { until: ({ status }) => status === 200 })
      const last = "the last one"
      expect(yield* broadcastAll(node.client, [message(user, "mychannel", last)])).toEqual([{ status: 200, info: "" }])
      acknowledged.push(last)
      yield* allOf(node, user, acknowledged)
    })
  )

  it.scopedLive("what was acknowledged before is there after a stop and a start in between", () =>
    Effect.gen(function* () {
      const folder = yield* smallDisk
      const user = yield* signerOf("user1")
      const texts = Array.from({ length: 30 }, (_, i) => `${i} ${"y".repeat(4000)}`)
      const acknowledged: Array<string> = []
      const empty = yield* Effect.scoped(
        Effect.gen(function* () {
          const node = yield* start(folder)
          yield* createMychannel(node)
          const release = fill(folder, 192 * 1024)
          const answers = yield* broadcastAll(
            node.client,
            texts.map((text) => message(user, "mychannel", text))
          )
          for (const [i, { status }] of answers.entries()) if (status === 200) acknowledged.push(texts[i] ?? "")
          expect(acknowledged.length).toBeGreaterThan(0)
          return release
        })
      )
      empty()
      yield* allOf(yield* start(folder), user, acknowledged)
    })
  )
})

/** No chaincode outlives its peer, however the peer ends. */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { endLeftover, startTimeOf } from "../../../src/chaincode/runtimes/process/owner.js"
import * as processRuntime from "../../../src/chaincode/runtimes/process/ProcessRuntime.js"
import { repository } from "../support/TestPeer.js"

let folder: string
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "fe-orphan-"))
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

const runs = (pid: number): boolean => {
  try {
    return !fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ")
  } catch {
    return false
  }
}

/** Starts the peer; the result is it and the id of its chaincode's process. */
const startPeer = () => {
  const script = fileURLToPath(new URL("../support/orphanPeer.ts", import.meta.url))
  const peer = spawn(
    process.execPath,
    [path.join(repository, "node_modules", "vite-node", "vite-node.mjs"), script, folder],
    {
      cwd: repository,
      stdio: ["ignore", "pipe", "inherit"]
    }
  )
  return new Promise<{ readonly peer: typeof peer; readonly pid: number }>((resolve, reject) => {
    peer.once("exit", () => reject(new Error("the peer ended")))
    let text = ""
    peer.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      const found = /pid (\d+)\n/.exec(text)
      if (found !== null) resolve({ peer, pid: Number(found[1]) })
    })
  })
}

/** Members of a process group, by id. */
const groupOf = (group: number): ReadonlyArray<number> =>
  fs
    .readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
        return fields[2] === String(group) && fields[0] !== "Z"
      } catch {
        return false
      }
    })

const options = () => ({ folder, environment: { PATH: process.env.PATH ?? "" }, networkId: "", peerId: "" })

describe.skipIf(process.platform !== "linux")("a peer that is killed", () => {
  it("takes its chaincode along", async () => {
    const { peer, pid } = await startPeer()
    expect(runs(pid)).toBe(true)
    peer.kill("SIGKILL")
    await expect.poll(() => runs(pid), { timeout: 5_000 }).toBe(false)
  })

  it("leaves a mark by which the next peer ends what survived", async () => {
    const { peer, pid } = await startPeer()
    for (const member of groupOf(pid)) if (member !== pid) process.kill(member, "SIGKILL") // the watcher
    peer.kill("SIGKILL")
    await new Promise((resolve) => peer.once("close", resolve))
    expect(runs(pid)).toBe(true)
    expect(fs.readdirSync(path.join(folder, "running"))).toHaveLength(1)
    await Effect.runPromise(Effect.scoped(Layer.build(processRuntime.layer(options()))))
    await expect.poll(() => runs(pid), { timeout: 5_000 }).toBe(false)
    expect(fs.readdirSync(path.join(folder, "running"))).toEqual([])
  })

  it("never has a stranger killed: the start time must agree", async () => {
    const stranger = spawn("sleep", ["30"], { detached: true, stdio: "ignore" })
    const pid = stranger.pid ?? 0
    try {
      expect(await endLeftover({ pid, startTime: "another" })).toBe(false)
      expect(runs(pid)).toBe(true)
      fs.mkdirSync(path.join(folder, "running"), { recursive: true })
      fs.writeFileSync(path.join(folder, "running", "a.json"), JSON.stringify({ pid, startTime: "another" }))
      fs.writeFileSync(path.join(folder, "running", "b.json"), "not json")
      fs.writeFileSync(path.join(folder, "running", "c.json"), '{"pid":-1,"startTime":""}')
      await Effect.runPromise(Effect.scoped(Layer.build(processRuntime.layer(options()))))
      expect(runs(pid)).toBe(true)
      expect(fs.readdirSync(path.join(folder, "running"))).toEqual([])
      const startTime = (await startTimeOf(pid)) ?? ""
      expect(await endLeftover({ pid, startTime })).toBe(true)
      await expect.poll(() => runs(pid)).toBe(false)
    } finally {
      stranger.kill("SIGKILL")
    }
  })
})

/** `network.mjs up --chaincode DIR --watch --inspect`: code changed under a running network, a debugger on it. */
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import * as http from "node:http"
import { join } from "node:path"
import { afterAll, expect, it, vi } from "vitest"
import { type Command, type Ended, launch, programHome, run, sample } from "./program.js"
import { temporaryFolder } from "./support.js"

// chaincode is built and started: a busy machine takes its time
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
const at = temporaryFolder()
const home = programHome()
const program = (): string => join(home(), "network.mjs")
const network = (...args: ReadonlyArray<string>): Promise<Ended> => run(program(), args, at("."))
let command: Command | undefined
afterAll(async () => {
  command?.child.kill("SIGTERM")
  await command?.ended
})

const get = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    http
      .get({ host: "127.0.0.1", port, path: "/json/list" }, (response) => {
        let text = ""
        response.on("data", (chunk: Buffer) => {
          text += chunk.toString()
        })
        response.on("end", () => resolve(text))
      })
      .on("error", reject)
  })

it("runs the folder itself, anew after each change, with a debugger's port", async () => {
  const folder = at("assets")
  cpSync(sample, folder, { recursive: true, filter: (source) => !source.includes("node_modules") })
  const dir = at("desk")
  command = launch(
    program(),
    ["up", "--json", "--free-ports", "--dir", dir, "--chaincode", folder, "--watch", "--inspect", "0"],
    at(".")
  )
  await command.event(({ event }) => event === "up")
  const create = await network("invoke", "--dir", dir, "CreateAsset", "a1", "blue", "1", "Ann", "5")
  expect(create.code, create.stderr).toBe(0)

  const log = () => readFileSync(join(dir, "logs", "peer0.org1.example.com.log"), "utf8")
  const port = Number(/Debuggers of chaincode assets:1\.0 connect to 127\.0\.0\.1:(\d+)/.exec(log())?.[1])
  expect(await get(port)).toContain("webSocketDebuggerUrl")

  const file = join(folder, "lib", "assetTransfer.js")
  const source = readFileSync(file, "utf8")
  writeFileSync(file, source.replace("async ReadAsset(", "async Greet() { return 'changed' }\n  async ReadAsset("))
  await expect.poll(() => log().includes("Chaincode assets:1.0 has changed"), { timeout: 30_000 }).toBe(true)
  const greeting = await network("query", "--dir", dir, "Greet")
  expect(greeting.code, greeting.stderr).toBe(0)
  expect(greeting.stdout.trim()).toBe("changed")
  // nothing was installed again, and the state is as it was
  expect((await network("query", "--dir", dir, "ReadAsset", "a1")).stdout).toContain("Ann")
})

it("refuses ports that are none", async () => {
  const { code, stderr } = await network("up", "--dir", at("never"), "--inspect", "70000")
  expect(code).toBe(1)
  expect(stderr).toContain("--inspect: want a port from 0 (any) to 65535")
})

/** Commands that change a network while `up` runs it in front. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { isOurs } from "../../src/network/processes.js"
import { type Command, launch, programHome, run, sample } from "./program.js"
import { temporaryFolder } from "./support.js"

// chaincode is built and started: a busy machine takes its time
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
const at = temporaryFolder()
const home = programHome()
const dir = at("grown")
const ADDED = "peer1.org1.example.com"
const network = async (...args: ReadonlyArray<string>) => {
  const { code, stderr, stdout } = await run(join(home(), "network.mjs"), [...args, "--dir", dir, "--json"], at("."))
  const lines = stdout.split("\n").filter((line) => line !== "")
  return { code, stderr, last: lines.length === 0 ? undefined : JSON.parse(lines.at(-1) ?? "") }
}
const kept = () => JSON.parse(readFileSync(join(dir, "network.json"), "utf8"))

let command: Command
beforeAll(async () => {
  command = launch(join(home(), "network.mjs"), ["up", "--json", "--free-ports", "--dir", dir], at("."))
  await command.event(({ event }) => event === "up")
})
afterAll(async () => {
  command.child.kill("SIGTERM")
  await command.ended
})

it("peer add starts a further peer with the channel and the chaincode", async () => {
  const added = await network("peer", "add")
  expect(added).toMatchObject({ code: 0, stderr: "", last: { event: "peer", host: ADDED } })
  const { ports } = kept()
  expect(added.last.address).toBe(`127.0.0.1:${ports.peers[ADDED].peer}`)
  const status = await network("status")
  expect(status.last.nodes).toMatchObject([
    { name: "orderer.example.com", status: "up" },
    { name: "peer0.org1.example.com", status: "up" },
    { name: ADDED, status: "up", pid: expect.any(Number) }
  ])
})

it("channel create and chaincode deploy, and calls on that channel", async () => {
  expect(await network("channel", "create", "further")).toMatchObject({
    code: 0,
    stderr: "",
    last: { event: "channel", channel: "further" }
  })
  const deploy = ["chaincode", "deploy", sample, "--channel", "further", "--name", "assets"]
  expect(await network(...deploy)).toMatchObject({
    code: 0,
    last: { event: "chaincode", name: "assets", version: "1.0", channel: "further" }
  })
  const made = await network("invoke", "--channel", "further", "CreateAsset", "a", "blue", "1", "Ann", "1")
  expect(made).toMatchObject({ code: 0, last: { code: "VALID" } })
  expect((await network(...deploy, "--version", "2.0")).last).toMatchObject({ version: "2.0" })
  expect((await network("query", "--channel", "further", "AssetExists", "a")).last).toEqual({
    event: "query",
    payload: "true"
  })
  expect((await network("status")).last).toMatchObject({
    channels: ["mychannel", "further"],
    chaincodes: [{ name: "asset-transfer" }, { name: "assets", version: "2.0", channel: "further" }]
  })
})

it("refuses with one line and 1", async () => {
  const refused: ReadonlyArray<readonly [RegExp, ReadonlyArray<string>]> = [
    [/there is a channel further/, ["channel", "create", "further"]],
    [/no channel elsewhere/, ["chaincode", "deploy", sample, "--channel", "elsewhere"]],
    [/no organisation Org7/, ["peer", "add", "--org", "Org7"]],
    [/holds no chaincode/, ["chaincode", "deploy", at("none")]]
  ]
  for (const [why, args] of refused) {
    const { code, stderr } = await network(...args)
    expect(stderr, args.join(" ")).toMatch(why)
    expect([stderr.trimEnd().split("\n").length, code]).toEqual([1, 1])
  }
})

it("Ctrl-C stops the added peer too, and the next start has everything", async () => {
  const { pids }: { readonly pids: Readonly<Record<string, number>> } = kept()
  expect(Object.keys(pids)).toContain(ADDED)
  command.child.kill("SIGINT")
  expect(await command.ended).toMatchObject({ code: 0, stderr: "" })
  expect(Object.values(pids).filter(isOurs)).toEqual([])
  expect(kept().pids).toEqual({})
  const stopped = command.events().filter(({ event }) => event === "stopped")
  expect(stopped.map(({ node }) => node)).toEqual([ADDED, "peer0.org1.example.com", "orderer.example.com"])
  expect((await network("peer", "add")).stderr).toMatch(/not running \(bring the network up first\)/)

  command = launch(join(home(), "network.mjs"), ["up", "--json", "--dir", dir], at("."))
  await command.event(({ event }) => event === "up")
  expect((await network("query", "--channel", "further", "AssetExists", "a")).last).toMatchObject({ payload: "true" })
  expect((await network("status")).last.nodes).toHaveLength(3)
})

/**
 * Rich queries of a chaincode in a process of its own, through a whole network: over the built-in state, then over a
 * server with CouchDB's API on the same folder, with the index that the package brings.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { isReal, testServer, which } from "../ledger/couchdb/server.js"
import { inScope } from "../ledger/support.js"
import { type Command, type Ended, launch, programHome, run, sample } from "./program.js"
import { temporaryFolder } from "./support.js"

// chaincode is built and started: a busy machine takes its time
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
const at = temporaryFolder()
const home = programHome()
const program = (): string => join(home(), "network.mjs")
const dir = at("network")
const running = new Set<Command>()
const network = (command: string, ...args: ReadonlyArray<string>): Promise<Ended> =>
  run(program(), [command, "--dir", dir, ...args], at("."))

const up = async (...args: ReadonlyArray<string>): Promise<Command> => {
  const command = launch(program(), ["up", "--json", "--dir", dir, "--free-ports", ...args], at("."))
  running.add(command)
  await command.event(({ event }) => event === "up")
  return command
}
const stop = async (command: Command): Promise<void> => {
  command.child.kill("SIGTERM")
  await command.ended
  running.delete(command)
}
afterAll(async () => {
  for (const command of running) await stop(command)
})

/** The sample with functions that query, and an index. */
const chaincodeFolder = (): string => {
  const folder = at("assets")
  cpSync(sample, folder, { recursive: true, filter: (source) => !source.includes("node_modules") })
  const file = join(folder, "lib", "assetTransfer.js")
  const functions = `
  async Find(ctx, query) {
    const found = []
    const iterator = await ctx.stub.getQueryResult(query)
    for (let step = await iterator.next(); ; step = await iterator.next()) {
      if (step.value) found.push(step.value.key + "=" + step.value.value.toString("utf8"))
      if (step.done) break
    }
    await iterator.close()
    return JSON.stringify(found)
  }
  async Page(ctx, query, size, bookmark) {
    const { iterator, metadata } = await ctx.stub.getQueryResultWithPagination(query, Number(size), bookmark)
    const keys = []
    for (let step = await iterator.next(); ; step = await iterator.next()) {
      if (step.value) keys.push(step.value.key)
      if (step.done) break
    }
    await iterator.close()
    return JSON.stringify({ keys, bookmark: metadata.bookmark, count: metadata.fetchedRecordsCount || metadata.fetched_records_count })
  }
  async CreateAsset(`
  writeFileSync(file, readFileSync(file, "utf8").replace("\n  async CreateAsset(", functions))
  const indexes = join(folder, "META-INF/statedb/couchdb/indexes")
  mkdirSync(indexes, { recursive: true })
  writeFileSync(
    join(indexes, "byOwner.json"),
    JSON.stringify({ index: { fields: ["owner"] }, ddoc: "byOwnerDoc", name: "byOwner", type: "json" })
  )
  return folder
}

const find = async (query: object): Promise<unknown> => {
  const answer = await network("query", "Find", JSON.stringify(query))
  expect(answer.code, answer.stderr).toBe(0)
  return JSON.parse(answer.stdout)
}

describe("rich queries through a whole network", () => {
  let folder = ""
  beforeAll(async () => {
    folder = chaincodeFolder()
    const command = await up("--chaincode", folder, "--state-database", "embedded")
    for (const [id, owner, size] of [
      ["r1", "Ann", "1"],
      ["r2", "Bob", "2"],
      ["r3", "Ann", "3"]
    ]) {
      const made = await network("invoke", "CreateAsset", id ?? "", "red", size ?? "", owner ?? "", "5")
      expect(made.code, made.stderr).toBe(0)
    }
    await stop(command)
  })

  it("over the built-in state: sorted, paged, with Fabric's rules", async () => {
    const command = await up()
    expect(await find({ selector: { owner: "Ann" }, sort: [{ size: "desc" }], fields: ["size"] })).toEqual([
      'r3={"size":3}',
      'r1={"size":1}'
    ])
    const query = JSON.stringify({ selector: { color: "red" } })
    const first = JSON.parse((await network("query", "Page", query, "2", "")).stdout)
    expect(first).toMatchObject({ keys: ["r1", "r2"], count: 2 })
    const second = JSON.parse((await network("query", "Page", query, "2", first.bookmark)).stdout)
    expect(second).toMatchObject({ keys: ["r3"], count: 1 })
    const refused = await network("query", "Find", '{"selector":{"a":{"$no":1}}}')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr + refused.stdout).toContain("Invalid operator: $no")
    await stop(command)
  })

  it("says what a peer without them says", async () => {
    const command = await up("--state-database", "goleveldb")
    const refused = await network("query", "Find", '{"selector":{}}')
    expect(refused.stderr + refused.stdout).toContain("ExecuteQuery not supported for leveldb")
    await stop(command)
  })

  it(`over ${which}: the same folder, state and index in the database${isReal ? "" : " (bookmarks not proven: it has none)"}`, async () => {
    const { close, value: server } = await inScope(testServer)
    const ask = (method: string, path: string): Promise<unknown> => server.ask(method, path)
    try {
      const { username, password, couchDBAddress } = server.settings
      const login = username === "" ? "" : `${username}:${password}@`
      const command = await up("--state-database", `couchdb=${login}${couchDBAddress}`)
      expect(await find({ selector: { owner: "Ann" }, fields: ["size"] })).toEqual(['r1={"size":1}', 'r3={"size":3}'])
      expect(
        await find({ selector: { owner: { $gt: "B" } }, use_index: ["byOwnerDoc", "byOwner"], fields: ["owner"] })
      ).toEqual(['r2={"owner":"Bob"}'])
      expect(JSON.stringify(await ask("GET", "mychannel_assets/_index"))).toContain("_design/byOwnerDoc")
      const made = await network("invoke", "CreateAsset", "r4", "red", "4", "Ann", "5")
      expect(made.code, made.stderr).toBe(0)
      expect(await ask("GET", "mychannel_assets/r4")).toMatchObject({ owner: "Ann", "~version": expect.any(String) })
      await stop(command)
    } finally {
      await close()
    }
  })
})

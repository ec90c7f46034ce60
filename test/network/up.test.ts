/** `network.mjs up` as a user runs it, and the unmodified fabric-network SDK on what it leaves. */
import { cpSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { isOurs } from "../../src/network/processes.js"
import { type Command, type Ended, type Event, launch, programHome, run, sample } from "./program.js"
import { type ContractEvent, withNetwork } from "./sdk.js"
import { temporaryFolder } from "./support.js"

// chaincode is built and started: a busy machine takes its time
vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 })
const at = temporaryFolder()
const home = programHome()
const program = (): string => join(home(), "network.mjs")
const network = (...args: ReadonlyArray<string>): Promise<Ended> => run(program(), args, at("."))
const running = new Set<Command>()
const up = (...args: ReadonlyArray<string>): Command => {
  const command = launch(program(), ["up", "--json", ...args], at("."))
  running.add(command)
  void command.ended.then(() => running.delete(command))
  return command
}
afterAll(async () => {
  for (const { child } of running) child.kill("SIGTERM")
  await Promise.all([...running].map(({ ended }) => ended))
})

const isUp = ({ event }: Event): boolean => event === "up"
const stepsOf = (command: Command): ReadonlyArray<string> =>
  command
    .events()
    .filter(({ event }) => event === "step")
    .map(({ step }) => String(step))
/** The one object that a command printed. */
const json = ({ stdout }: Ended): unknown => JSON.parse(stdout)
const chaincode = "asset-transfer"

describe("a network in the foreground", () => {
  const dir = at("plain")
  let command: Command
  /** A transaction that came too late. */
  let conflicting = ""
  beforeAll(async () => {
    command = up("--free-ports", "--dir", dir)
    await command.event(isUp)
  })

  it("says what it did, step by step, with times", () => {
    expect(stepsOf(command).map((step) => step.replace(/\d+/g, "#"))).toEqual([
      "packaged asset-transfer #.#",
      "made crypto material and genesis block",
      expect.stringMatching(/^started (orderer|peer#).* on #.#.#.#:#$/),
      expect.stringMatching(/^started (orderer|peer#).* on #.#.#.#:#$/),
      "channel mychannel: created",
      "joined peer#.org#.example.com",
      "installed asset-transfer #.#",
      "chaincode asset-transfer: instantiated",
      expect.stringMatching(/^transaction [0-9a-f#]+ VALID in block #; query: \{"color":"blue"/)
    ])
    for (const { event, milliseconds } of command.events())
      if (event === "step") expect(milliseconds).toEqual(expect.any(Number))
  })

  it("takes transactions of the SDK and shows their blocks", async () => {
    const id = await withNetwork(dir, async (channel) => {
      const contract = channel.getContract(chaincode)
      const transaction = contract.createTransaction("CreateAsset")
      const made = await transaction.submit("sdk1", "red", "7", "Brad", "400")
      expect(JSON.parse(made.toString())).toMatchObject({ id: "sdk1", owner: "Brad" })
      const read = await contract.evaluateTransaction("ReadAsset", "sdk1")
      expect(JSON.parse(read.toString())).toEqual({ id: "sdk1", color: "red", size: 7, owner: "Brad", value: 400 })
      return transaction.getTransactionId()
    })
    const block = await command.event(
      ({ event, transactions }) => event === "block" && JSON.stringify(transactions).includes(String(id))
    )
    expect(block).toMatchObject({ channel: "mychannel", transactions: [{ txId: id, code: "VALID" }] })
  })

  it("sends contract events and block events", async () => {
    await withNetwork(dir, async (channel) => {
      const contract = channel.getContract(chaincode)
      const transaction = contract.createTransaction("CreateAsset")
      const id = transaction.getTransactionId()
      const contractEvent = new Promise<ContractEvent>((resolve) => {
        // the stream starts with the newest block: others' events come first
        void contract.addContractListener(async (event) => {
          if (event.getTransactionEvent().transactionId === id) resolve(event)
        })
      })
      const block = new Promise<string>((resolve) => {
        void channel.addBlockListener(async ({ blockNumber, getTransactionEvents }) => {
          if (getTransactionEvents().some(({ transactionId, isValid }) => isValid && transactionId === id))
            resolve(blockNumber.toString())
        })
      })
      await transaction.submit("sdk2", "green", "1", "Max", "10")
      const event = await contractEvent
      expect(event.eventName).toBe("CreateAsset")
      expect(JSON.parse(String(event.payload))).toMatchObject({ id: "sdk2" })
      expect(Number(await block)).toBeGreaterThan(2)
    })
  })

  it("lets the text of a chaincode's error reach the client", async () => {
    await withNetwork(dir, async (channel) => {
      const contract = channel.getContract(chaincode)
      await expect(contract.submitTransaction("Fail", "no luck today: ünïcode")).rejects.toThrow(
        "no luck today: ünïcode"
      )
      await expect(contract.evaluateTransaction("ReadAsset", "nowhere")).rejects.toThrow(
        "The asset nowhere does not exist"
      )
      await expect(contract.evaluateTransaction("NoSuchFunction")).rejects.toThrow("NoSuchFunction")
    })
  })

  it("takes 20 submits at a time", async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `parallel${i}`)
    await withNetwork(dir, async (channel) => {
      const contract = channel.getContract(chaincode)
      await Promise.all(ids.map((id) => contract.submitTransaction("CreateAsset", id, "blue", "1", "Ann", "1")))
      const all: ReadonlyArray<{ readonly id: string }> = JSON.parse(
        (await contract.evaluateTransaction("GetAllAssets")).toString()
      )
      expect(ids.filter((id) => !all.some((asset) => asset.id === id))).toEqual([])
    })
  })

  it("answers invoke, query and status", async () => {
    const args = ["--dir", dir, "--json"]
    const made = await network("invoke", ...args, "CreateAsset", "cli1", "blue", "1", "Ann", "1")
    expect([made.code, made.stderr]).toEqual([0, ""])
    expect(json(made)).toMatchObject({ event: "invoke", code: "VALID", block: expect.stringMatching(/^\d+$/) })
    const read = await network("query", "--dir", dir, "--identity", "user1", "ReadAsset", "cli1")
    expect([read.code, read.stderr]).toEqual([0, ""])
    expect(JSON.parse(read.stdout)).toMatchObject({ id: "cli1" })
    const status = await network("status", ...args)
    expect(json(status)).toMatchObject({
      tls: false,
      nodes: [
        { name: "orderer.example.com", status: "up", pid: expect.any(Number) },
        { name: "peer0.org1.example.com", status: "up", pid: expect.any(Number) }
      ],
      chaincodes: [{ name: chaincode, version: "1.0" }]
    })
  })

  it("tells why a transaction and a proposal were refused", async () => {
    conflicting = await withNetwork(dir, async (channel) => {
      const contract = channel.getContract(chaincode)
      // both read what either writes; in one block only one of them is valid
      for (let round = 0; ; round += 1) {
        const both = ["x", "y"].map((owner) => ({ owner, made: contract.createTransaction("TransferAsset") }))
        const ended = await Promise.allSettled(
          both.map(({ made, owner }) => made.submit("parallel0", `${owner}${round}`))
        )
        const lost = both.find((_, i) => ended[i]?.status === "rejected")
        if (lost !== undefined) return lost.made.getTransactionId()
      }
    })
    const told = await network("explain", "--dir", dir, conflicting)
    expect([told.code, told.stderr]).toEqual([0, ""])
    expect(told.stdout).toMatch(
      /^peer0\.org1\.example\.com:\n {2}in channel mychannel: MVCC_READ_CONFLICT, transaction \d+ of block \d+\n {2}refused by check "read conflict"/
    )
    expect(told.stdout).toMatch(/namespace asset-transfer, key "parallel0"\n {4}expected version \d+:\d+, found /)

    const proposal = await withNetwork(dir, async (channel) => {
      const made = channel.getContract(chaincode).createTransaction("Fail")
      await expect(made.submit("no luck")).rejects.toThrow("no luck")
      return made.getTransactionId()
    })
    const answer = await network("explain", "--dir", dir, "--json", proposal)
    expect(json(answer)).toMatchObject({
      event: "explain",
      peer: "peer0.org1.example.com",
      answer: { committed: [], refusals: [{ check: "simulation", reason: expect.stringContaining("no luck") }] }
    })
    const nobody = await network("explain", "--dir", dir, "nope")
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("no peer knows transaction nope")])
  })

  it("answers a command that cannot be done with one line and 1", async () => {
    const { ports } = JSON.parse(readFileSync(join(dir, "network.json"), "utf8"))
    const refused: ReadonlyArray<readonly [RegExp, ReadonlyArray<string>]> = [
      [/CreateAsset|already exists/, ["invoke", "--dir", dir, "CreateAsset", "sdk1", "x", "1", "x", "1"]],
      [/no such luck/, ["query", "--dir", dir, "Fail", "no such luck"]],
      [/identity 'nobody'/, ["query", "--dir", dir, "--identity", "nobody", "ReadAsset", "sdk1"]],
      [/is up \(orderer/, ["up", "--dir", dir]],
      [/is up \(stop it/, ["clean", "--dir", dir]],
      [/port \d+ \(orderer\) is in use/, ["up", "--dir", at("other"), "--base-port", String(ports.orderer)]],
      [/cannot write to .*--dir/, ["up", "--dir", "/proc/nowhere", "--free-ports"]],
      [/there is no network in/, ["status", "--dir", at("nowhere")]],
      [/holds no chaincode/, ["up", "--dir", at("none"), "--free-ports", "--chaincode", at(".")]],
      [/--orgs: want a count/, ["up", "--orgs", "none"]]
    ]
    for (const [why, args] of refused) {
      const { code, stderr } = await network(...args)
      expect(stderr, args.join(" ")).toMatch(why)
      expect(stderr.trimEnd().split("\n"), args.join(" ")).toHaveLength(1)
      expect(code, args.join(" ")).toBe(1)
    }
  })

  it("stops in order on Ctrl-C, with 0", async () => {
    command.child.kill("SIGINT")
    expect(await command.ended).toMatchObject({ code: 0, stderr: "" })
    const stopped = command.events().filter(({ event }) => event === "stopped")
    expect(stopped.map(({ node }) => node)).toEqual(["peer0.org1.example.com", "orderer.example.com"])
    expect(JSON.parse(readFileSync(join(dir, "network.json"), "utf8"))).toMatchObject({ pids: {} })
    // now the ledger is asked
    const told = await network("explain", "--dir", dir, conflicting)
    expect([told.code, told.stderr]).toEqual([0, ""])
    expect(told.stdout).toMatch(/: MVCC_READ_CONFLICT, transaction \d+ of block \d+\n.*\n.*\n.*\n? *.*key "parallel0"/)
    const query = await network("query", "--dir", dir, "ReadAsset", "sdk1")
    expect(query.code).toBe(1)
    expect(query.stderr.trimEnd().split("\n")).toHaveLength(1)
  })

  it("carries on with the same ledger", async () => {
    const again = up("--dir", dir)
    await again.event(isUp)
    expect(stepsOf(again)).toEqual(
      expect.arrayContaining(["found crypto material", "channel mychannel: exists", "chaincode asset-transfer: exists"])
    )
    const read = await network("query", "--dir", dir, "ReadAsset", "sdk1")
    expect(JSON.parse(read.stdout)).toMatchObject({ id: "sdk1", owner: "Brad" })
    again.child.kill("SIGINT")
    expect((await again.ended).code).toBe(0)
  })
})

describe("a start that is broken off", () => {
  const pidsOf = (dir: string): ReadonlyArray<number> =>
    Object.values(JSON.parse(readFileSync(join(dir, "network.json"), "utf8")).pids)
  const noneIsLeft = (pids: ReadonlyArray<number>) =>
    vi.waitFor(() => expect(pids.filter(isOurs)).toEqual([]), { timeout: 10_000 })
  const started = ({ step }: Event): boolean => String(step).startsWith("started ")

  it("by Ctrl-C stops what it has started, with 0", async () => {
    const dir = at("early")
    const command = up("--free-ports", "--dir", dir)
    await command.event(started)
    const pids = pidsOf(dir)
    expect(pids.length).toBeGreaterThan(0)
    command.child.kill("SIGINT")
    expect(await command.ended).toMatchObject({ code: 0, stderr: "" })
    await noneIsLeft(pids)
  })

  it("by a second Ctrl-C leaves nothing running either", async () => {
    const dir = at("twice")
    const command = up("--free-ports", "--dir", dir)
    await command.event(started)
    const pids = pidsOf(dir)
    command.child.kill("SIGINT")
    command.child.kill("SIGTERM")
    expect([130, 143, 0]).toContain((await command.ended).code)
    await noneIsLeft(pids)
  })

  it("by a node that ends says which, with 1, and stops the others", async () => {
    const dir = at("node")
    const command = up("--free-ports", "--dir", dir)
    await command.event(isUp)
    const { pids }: { readonly pids: Record<string, number> } = JSON.parse(
      readFileSync(join(dir, "network.json"), "utf8")
    )
    process.kill(pids["peer0.org1.example.com"] ?? 0, "SIGKILL")
    const { code, stderr } = await command.ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/^Error: peer0\.org1\.example\.com ended with SIGKILL/)
    await noneIsLeft(Object.values(pids))
  })
})

describe("a network with TLS, detached, with a chaincode of one's own", () => {
  const dir = at("tls")
  const mine = at("mine")

  it("comes up and returns", async () => {
    cpSync(sample, mine, { recursive: true })
    const args = ["--tls", "on", "--detach", "--free-ports", "--dir", dir, "--channel", "secret", "--chaincode", mine]
    const { code, stderr, stdout } = await network("up", ...args)
    expect([code, stderr]).toEqual([0, ""])
    expect(stdout).toContain("chaincode mine: instantiated")
    expect(stdout).toMatch(/network is up after \d+ ms/)
  })

  it("serves the SDK over TLS, private data with it", async () => {
    await withNetwork(
      dir,
      async (channel) => {
        const contract = channel.getContract("mine")
        await contract.submitTransaction("CreateAsset", "a", "blue", "1", "Ann", "1")
        await contract
          .createTransaction("SetAppraisal")
          .setTransient({ appraisal: Buffer.from("fine") })
          .submit("a")
        expect((await contract.evaluateTransaction("GetAppraisal", "a")).toString()).toBe("fine")
      },
      { channel: "secret" }
    )
  })

  it("answers commands, is stopped by down and removed by clean", async () => {
    const statusOf = async () => json(await network("status", "--json", "--dir", dir))
    expect(await statusOf()).toMatchObject({ tls: true, nodes: [{ status: "up" }, { status: "up" }] })
    const query = await network("query", "--json", "--dir", dir, "AssetExists", "a")
    expect(json(query)).toEqual({ event: "query", payload: "true" })
    const down = await network("down", "--dir", dir)
    expect(down).toMatchObject({ code: 0, stdout: "stopped peer0.org1.example.com\nstopped orderer.example.com\n" })
    expect(await statusOf()).toMatchObject({ nodes: [{ status: "down", pid: null }, { status: "down" }] })
    expect((await network("down", "--dir", dir)).stdout).toBe("nothing was running\n")
    expect(await network("clean", "--dir", dir)).toMatchObject({ code: 0 })
    expect(existsSync(dir)).toBe(false)
  })
})

describe("the program", () => {
  it("explains itself", async () => {
    const { code, stdout } = await network("--help")
    expect(code).toBe(0)
    for (const command of ["up", "down", "clean", "status", "invoke", "query", "tools"])
      expect(stdout).toContain(command)
    expect((await network("up", "--help")).stdout).toContain("--detach")
  })

  it("refuses what it does not know", async () => {
    for (const args of [["fly"], ["up", "--warp"], ["invoke"], ["tools", "nothing"]]) {
      const { code, stderr } = await network(...args)
      expect([args, code]).toEqual([args, 1])
      expect(stderr).not.toBe("")
    }
  })
})

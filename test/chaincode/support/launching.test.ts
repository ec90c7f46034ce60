/** Launches that succeed, fail, hang and crash; streams that break; processes that nobody launched. */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { afterEach, describe, expect, it } from "vitest"
import * as userRuntime from "../../../src/chaincode/runtimes/UserRuntime.js"
import { protos } from "../../../src/wire/index.js"
import { chaincodeFolder } from "./chaincodes.js"
import { run, TestPeer, type TestPeerOptions } from "./TestPeer.js"

let peer: TestPeer
const started: Array<{ kill: (signal: NodeJS.Signals) => boolean }> = []
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL")
  await peer.stop()
})

const start = async (options: TestPeerOptions = {}): Promise<TestPeer> => {
  peer = await TestPeer.start(options)
  return peer
}

/** Installs and instantiates a chaincode with this start script. */
const deploy = async (name: string, script?: string, files?: Readonly<Record<string, string>>) => {
  const folder = chaincodeFolder({
    ...(script === undefined ? {} : { start: script }),
    ...(files === undefined ? {} : { files })
  })
  const found = await peer.install(folder, name)
  peer.instantiate(found)
  return { folder, found }
}

const failure = (name: string, args: ReadonlyArray<string> = ["noop"], txId = "tx"): Promise<string> =>
  peer.invoke(name, args, { txId }).then(
    (ran) => `ran: ${ran.payload}`,
    (error: Error) => error.message
  )

/** Whether a process runs: one that has ended may wait a while for the system to clear it away. */
const runs = (pid: number): boolean => {
  try {
    return !fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ")
  } catch {
    return false
  }
}
const ended = (pid: number) => expect.poll(() => runs(pid)).toBe(false)

const metric = async (line: string): Promise<string | undefined> => {
  const page = await Effect.runPromise(peer.metrics.exposition)
  return page?.body.split("\n").find((one) => one.startsWith(line))
}

describe("a launch", () => {
  it("is one for all who ask at once, and counted for each", async () => {
    await start()
    await deploy("probe")
    const pids = await Promise.all(Array.from({ length: 8 }, () => peer.invoke("probe", ["pid"])))
    expect(new Set(pids.map(({ payload }) => payload)).size).toBe(1)
    expect(await metric('chaincode_launch_duration_count{chaincode="probe:1.0",success="true"}')).toMatch(/ 8$/)
  })

  it("gives the chaincode the environment of the reference and nothing of the peer's", async () => {
    await start({
      settings: { tlsEnabled: true },
      process: {
        environment: {
          PATH: process.env.PATH ?? "",
          CORE_PEER_ID: "peer0",
          FABRIC_LOGGING_SPEC: "debug",
          HOME: "/root",
          SECRET: "s"
        }
      }
    })
    await deploy("probe")
    const environment: Record<string, string> = JSON.parse((await peer.invoke("probe", ["env"])).payload)
    expect(Object.keys(environment).filter((key) => /^(CORE|FABRIC|SECRET)/.test(key))).toEqual([
      "CORE_CHAINCODE_BUILDLEVEL",
      "CORE_CHAINCODE_ID_NAME",
      "CORE_CHAINCODE_LOGGING_FORMAT",
      "CORE_CHAINCODE_LOGGING_LEVEL",
      "CORE_CHAINCODE_LOGGING_SHIM",
      "CORE_PEER_TLS_ENABLED",
      "CORE_PEER_TLS_ROOTCERT_FILE",
      "CORE_TLS_CLIENT_CERT_PATH",
      "CORE_TLS_CLIENT_KEY_PATH"
    ])
    expect(environment).toMatchObject({
      CORE_CHAINCODE_ID_NAME: "probe:1.0",
      CORE_PEER_TLS_ENABLED: "true",
      CORE_CHAINCODE_BUILDLEVEL: "1.4.12",
      CORE_CHAINCODE_LOGGING_LEVEL: "info"
    })
    expect(environment.HOME).toBe(path.join(peer.folder, "chaincode-runtime", "home"))
    const key = environment.CORE_TLS_CLIENT_KEY_PATH ?? ""
    expect(fs.statSync(key).mode & 0o777).toBe(0o600)
    expect(fs.statSync(path.dirname(key)).mode & 0o777).toBe(0o700)
    expect(Buffer.from(fs.readFileSync(key, "utf8"), "base64").toString()).toMatch(/^-----BEGIN EC PRIVATE KEY-----/)
    expect(fs.readFileSync(environment.CORE_PEER_TLS_ROOTCERT_FILE ?? "", "utf8")).toMatch(/^-----BEGIN CERTIFICATE/)
  })

  it("fails when the process ends before it registers; the next call launches again", async () => {
    await start()
    await deploy("broken", "node broken.js", { "broken.js": "process.exit(7)" })
    const prefix = "failed to execute transaction tx: [channel mychannel] could not launch chaincode broken:1.0: "
    expect(await failure("broken")).toBe(`${prefix}chaincode registration failed: container exited with 7`)
    expect(await failure("broken")).toBe(`${prefix}chaincode registration failed: container exited with 7`)
    expect(await metric('chaincode_launch_duration_count{chaincode="broken:1.0",success="false"}')).toMatch(/ 2$/)
    expect(await metric("chaincode_launch_failures")).toBeUndefined()
  })

  it("fails when the chaincode never registers, and ends it", async () => {
    await start({ settings: { startupTimeout: 600 } })
    await deploy("silent", "node pid.js", {
      "pid.js":
        "require('fs').writeFileSync(process.env.HOME + '/pid', String(process.pid)); setInterval(() => {}, 1000)"
    })
    const file = path.join(peer.folder, "chaincode-runtime", "home", "pid")
    expect(await failure("silent")).toContain(
      "could not launch chaincode silent:1.0: timeout expired while starting chaincode silent:1.0 for transaction"
    )
    expect(await metric('chaincode_launch_timeouts{chaincode="silent:1.0"}')).toMatch(/ 1$/)
    const pid = Number(fs.readFileSync(file, "utf8"))
    await ended(pid)
  })

  it("fails with the reason when the package is not there, or is not the one that the ledger knows", async () => {
    await start()
    expect(await failure("absent")).toBe(
      "failed to execute transaction tx: [channel mychannel] failed to get chaincode container info for absent:1.0: chaincode absent not found"
    )
    const { found } = await deploy("probe")
    const file = path.join(peer.folder, "chaincodes", "probe.1.0")
    const other = await peer.install(chaincodeFolder({ files: { "more.js": "" } }), "probe", "2.0")
    fs.rmSync(file)
    expect(await failure("probe")).toBe(
      `failed to execute transaction tx: [channel mychannel] failed to get chaincode container info for probe:1.0: could not get chaincode code: invalid deployment spec: open ${file}: no such file or directory`
    )
    const spec = protos.ChaincodeDeploymentSpec.create({
      ...found.spec,
      codePackage: other.codePackage
    })
    fs.writeFileSync(file, protos.ChaincodeDeploymentSpec.encode(spec))
    expect(await failure("probe")).toContain(
      "could not get chaincode code: chaincode fingerprint mismatch: data mismatch"
    )
    fs.writeFileSync(file, found.bytes)
    expect(await failure("probe")).toBe("ran: ok")
    fs.writeFileSync(file, "damaged while it runs")
    expect(await failure("probe")).toBe("ran: ok")
  })

  it("of a package that cannot be built names the cause", async () => {
    await start()
    const folder = chaincodeFolder()
    fs.writeFileSync(path.join(folder, "package.json"), "[]")
    const found = await peer.install(folder, "odd")
    peer.instantiate(found)
    expect(await failure("odd")).toContain(
      "could not launch chaincode odd:1.0: error starting container: error starting container: the package.json of the chaincode package is not a JSON object"
    )
    expect(await metric('chaincode_launch_failures{chaincode="odd:1.0"}')).toMatch(/ 1$/)
  })

  it("stops after too many ends in a row, and says when it goes on", async () => {
    await start({ process: { crashLoop: { exits: 2, window: "1 minute", pause: "300 millis" } } })
    await deploy("broken", "node broken.js", { "broken.js": "process.exit(7)" })
    await failure("broken")
    await failure("broken")
    expect(await failure("broken")).toContain("it ended 2 times within 1m; started again in 1s at the earliest")
    await new Promise((resolve) => setTimeout(resolve, 350))
    expect(await failure("broken")).toContain("container exited with 7")
  })
})

describe("an execution", () => {
  it("that takes too long fails alone", async () => {
    await start({ settings: { executeTimeout: 300 } })
    await deploy("probe")
    await peer.invoke("probe", ["noop"])
    const slow = failure("probe", ["putAfter", "600", "late"], "slow")
    expect(await failure("probe", ["noop"], "quick")).toBe("ran: ok")
    expect(await slow).toBe(
      "failed to execute transaction slow: error sending: timeout expired while executing transaction"
    )
    expect(await metric('chaincode_execute_timeouts{chaincode="probe:1.0"}')).toMatch(/ 1$/)
    expect(await failure("probe", ["slow", "150"], "after")).toBe("ran: awake")
    expect(peer.channel().open).toBe(0)
  })

  it("ends when the process is killed; the next one gets a new process", async () => {
    await start()
    await deploy("probe")
    const pid = Number((await peer.invoke("probe", ["pid"])).payload)
    const waiting = ["a", "b"].map((txId) => failure("probe", ["slow", "5000"], txId))
    await expect.poll(() => Effect.runSync(peer.support.running)).toEqual(["probe:1.0"])
    await peer.invoke("probe", ["noop"]) // both are in the chaincode by now
    process.kill(pid, "SIGKILL")
    expect(await Promise.all(waiting)).toEqual(
      ["a", "b"].map((txId) => `failed to execute transaction ${txId}: error sending: chaincode stream terminated`)
    )
    const next = Number((await peer.invoke("probe", ["pid"])).payload)
    expect(next).not.toBe(pid)
  })

  it("ends when the chaincode leaves by itself", async () => {
    await start()
    await deploy("probe")
    expect(await failure("probe", ["exit", "3"])).toContain("chaincode stream terminated")
    expect(await failure("probe")).toBe("ran: ok")
  })

  it("of one transaction twice at once succeeds once", async () => {
    await start()
    await deploy("probe")
    await peer.invoke("probe", ["noop"])
    const both = await Promise.all([
      failure("probe", ["slow", "100"], "same"),
      failure("probe", ["slow", "100"], "same")
    ])
    expect(both.sort()).toEqual([
      "failed to execute transaction same: error sending: txid: same(mychannel) exists",
      "ran: awake"
    ])
  })

  it("brings what the chaincode prints to the log under its name", async () => {
    const lines: Array<string> = []
    await start({ log: (line) => lines.push(line) })
    await deploy("probe")
    await peer.invoke("probe", ["say", "hello from the chaincode"])
    await expect
      .poll(() =>
        lines.some((line) => line.includes("INFO peer.chaincode.dev-peer0-probe-1.0 hello from the chaincode"))
      )
      .toBe(true)
  })
})

describe("a process that nobody launched", () => {
  const byHand = (folder: string, name: string, environment: Readonly<Record<string, string>> = {}) => {
    const { address } = peer.server.endpoint
    const child = spawn(
      "/bin/sh",
      [
        "-c",
        `${JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).scripts.start} --peer.address ${address}`
      ],
      {
        cwd: folder,
        env: { PATH: process.env.PATH, CORE_CHAINCODE_ID_NAME: name, ...environment },
        stdio: "ignore"
      }
    )
    started.push(child)
    return child
  }
  const registered = (name: string) =>
    expect.poll(() => Effect.runSync(peer.support.running), { timeout: 10_000 }).toContain(name)

  it("is ignored in net mode, without an answer", async () => {
    const lines: Array<string> = []
    await start({ log: (line) => lines.push(line) })
    byHand(chaincodeFolder(), "probe:1.0")
    await expect
      .poll(() => lines.some((line) => line.includes("peer will not accept external chaincode connection probe:1.0")), {
        timeout: 10_000
      })
      .toBe(true)
    expect(Effect.runSync(peer.support.running)).toEqual([])
  })

  it("serves in dev mode, once its chaincode is instantiated", async () => {
    await start({ settings: { devMode: true }, runtime: userRuntime.layer })
    const { folder } = await deploy("probe")
    byHand(folder, "probe:1.0")
    await registered("probe:1.0")
    expect(await failure("probe", ["put", "a", "1"])).toBe("ran: 1")
  })

  it("may come while an invocation waits for it", async () => {
    const lines: Array<string> = []
    await start({ settings: { devMode: true }, runtime: userRuntime.layer, log: (line) => lines.push(line) })
    const { folder } = await deploy("probe")
    const waiting = failure("probe")
    await expect.poll(() => lines.some((line) => line.includes("Waiting for chaincode probe:1.0"))).toBe(true)
    byHand(folder, "probe:1.0")
    expect(await waiting).toBe("ran: ok")
  })

  it("serves with acceptExternal, with TLS too, under installed names only", async () => {
    const lines: Array<string> = []
    await start({
      settings: { acceptExternal: true, tlsEnabled: true },
      runtime: userRuntime.layer,
      log: (line) => lines.push(line)
    })
    const place = (name: string) => path.join(peer.folder, "external", name)
    expect(fs.statSync(place("client.key")).mode & 0o777).toBe(0o600)
    const environment = {
      CORE_PEER_TLS_ENABLED: "true",
      CORE_TLS_CLIENT_KEY_PATH: place("client.key"),
      CORE_TLS_CLIENT_CERT_PATH: place("client.crt"),
      CORE_PEER_TLS_ROOTCERT_FILE: place("peer.crt")
    }
    const { folder } = await deploy("probe")
    byHand(folder, "probe:1.0", environment)
    await registered("probe:1.0")
    expect(await failure("probe")).toBe("ran: ok")
    byHand(folder, "absent:1.0", environment)
    await expect
      .poll(() => lines.some((line) => /Chaincode absent:1.0 .* is not installed/.test(line)), { timeout: 10_000 })
      .toBe(true)
    expect(Effect.runSync(peer.support.running)).toEqual(["probe:1.0"])
  })
})

describe("stopping", () => {
  it("ends the process", async () => {
    await start()
    await deploy("probe")
    const pid = Number((await peer.invoke("probe", ["pid"])).payload)
    await run(peer.support.stop({ name: "probe", version: "1.0" }))
    await ended(pid)
    await expect.poll(() => Effect.runSync(peer.support.running)).toEqual([])
    expect(await failure("probe")).toBe("ran: ok")
  })

  it("of the peer ends all processes and leaves no trace of them", async () => {
    await start({ settings: { tlsEnabled: true } })
    await deploy("one")
    await deploy("two")
    const pids = await Promise.all(
      ["one", "two"].map(async (name) => Number((await peer.invoke(name, ["pid"])).payload))
    )
    const folder = path.join(peer.folder, "chaincode-runtime")
    expect(fs.readdirSync(path.join(folder, "running"))).toHaveLength(2)
    expect(fs.readdirSync(path.join(folder, "tls"))).toHaveLength(2)
    await peer.stop({ keep: true })
    for (const pid of pids) await ended(pid)
    expect(fs.readdirSync(path.join(folder, "running"))).toEqual([])
    expect(fs.readdirSync(path.join(folder, "tls"))).toEqual([])
  })
})

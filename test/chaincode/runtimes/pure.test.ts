/** Names, environments and start commands. */
import { describe, expect, it } from "vitest"
import { containerName, fileNameOf, imageName, isImageName } from "../../../src/chaincode/runtimes/names.js"
import {
  chaincodeEnvironment,
  searchPathOf,
  toolEnvironment
} from "../../../src/chaincode/runtimes/process/environment.js"
import { dependenciesKey, parseProject, startCommand } from "../../../src/chaincode/runtimes/process/nodeProject.js"
import {
  chaincodeLogLevel,
  executeTimeout,
  keepaliveMillis,
  startupTimeout
} from "../../../src/chaincode/support/settings.js"

describe("names", () => {
  it("are those of the reference", () => {
    const parts = { networkId: "Dev$dev", peerId: "Peer*0" }
    expect(containerName(parts, "myCC", "1.0")).toBe("Dev-dev-Peer-0-myCC-1.0")
    // printf '%s' 'Dev$dev-Peer*0-myCC-1.0' | sha256sum
    const hash = "da96f308d6e2e6730b82edcb637c97c39fa2f06e05afcc47201fcc81c778caf7"
    expect(imageName(parts, "myCC", "1.0")).toBe(`dev-dev-peer-0-mycc-1.0-${hash}`)
  })

  it("leave out prefixes that are empty", () => {
    expect(containerName({ networkId: "", peerId: "" }, "cc", "1")).toBe("cc-1")
    expect(containerName({ networkId: "n", peerId: "" }, "cc", "1")).toBe("n-cc-1")
    expect(containerName({ networkId: "", peerId: "p" }, "cc", "1")).toBe("p-cc-1")
    expect(isImageName(imageName({ networkId: "", peerId: "" }, "cc", "1"))).toBe(true)
    expect(isImageName(imageName({ networkId: "", peerId: "" }, "-", ""))).toBe(false)
  })

  it("of files differ where container names do not", () => {
    const parts = { networkId: "n", peerId: "p" }
    expect(containerName(parts, "cc", "1+x")).toBe(containerName(parts, "cc", "1-x"))
    expect(fileNameOf(parts, "cc", "1+x")).not.toBe(fileNameOf(parts, "cc", "1-x"))
  })
})

describe("environments", () => {
  const peer = {
    PATH: "/usr/bin",
    HOME: "/root",
    LANG: "C.UTF-8",
    NODE_OPTIONS: "--inspect",
    CORE_PEER_ID: "peer0",
    FABRIC_CFG_PATH: "/etc",
    npm_config_registry: "http://localhost",
    npm_lifecycle_event: "start",
    npm_config_local_prefix: "/peer",
    INIT_CWD: "/peer",
    TOKEN: "secret"
  }

  it("of chaincode hold what the protocol says and little else", () => {
    const made = chaincodeEnvironment({ environment: [["CORE_CHAINCODE_ID_NAME", "cc:1"]] }, undefined, peer, "/home")
    expect(made).toEqual({
      PATH: searchPathOf(peer),
      HOME: "/home",
      LANG: "C.UTF-8",
      CORE_CHAINCODE_ID_NAME: "cc:1",
      CORE_PEER_TLS_ENABLED: "false"
    })
  })

  it("of build tools hold the machine's, not the peer's", () => {
    expect(toolEnvironment(peer, undefined)).toEqual({
      PATH: searchPathOf(peer),
      HOME: "/root",
      LANG: "C.UTF-8",
      npm_config_registry: "http://localhost",
      TOKEN: "secret"
    })
    expect(toolEnvironment(peer, "/other").HOME).toBe("/other")
  })
})

describe("a Node project", () => {
  const project = (scripts: Readonly<Record<string, string>>, more: object = {}) => {
    const parsed = parseProject(JSON.stringify({ name: "n", version: "1", scripts, ...more }))
    if (parsed === undefined) throw new Error("not parsed")
    return parsed
  }
  const command = (scripts: Readonly<Record<string, string>>, hasServerJs = false, hasNpmrc = false, address = "h:1") =>
    startCommand(project(scripts), hasServerJs, hasNpmrc, address)
  const NPM = ["npm", "start", "--", "--peer.address", "h:1"]

  it("starts as npm would start it, without npm where that is the same", () => {
    expect(command({ start: "fabric-chaincode-node start" })).toEqual([
      "/bin/sh",
      "-c",
      "exec fabric-chaincode-node start --peer.address h:1"
    ])
    expect(command({ start: "A=b node x.js && echo" })).toEqual([
      "/bin/sh",
      "-c",
      "A=b node x.js && echo --peer.address h:1"
    ])
    expect(command({}, true)).toEqual(["/bin/sh", "-c", "exec node server.js --peer.address h:1"])
    expect(command({})).toEqual(NPM)
    expect(command({ start: "x", prestart: "y" })).toEqual(NPM)
    expect(command({ start: "x", poststart: "y" })).toEqual(NPM)
    expect(command({ start: "x" }, false, true)).toEqual(NPM)
    expect(command({ start: "x" }, false, false, "a b'c")[2]).toBe("exec x --peer.address 'a b'\\''c'")
  })

  it("shares its dependencies only when the lock file says all", () => {
    expect(project({}, { dependencies: { a: "1" } })).toMatchObject({ hasDependencies: true, needsSources: false })
    expect(project({}, { dependencies: { a: "file:../a" } }).needsSources).toBe(true)
    expect(project({}, { workspaces: ["a"] }).needsSources).toBe(true)
    expect(project({ postinstall: "tsc" }).needsSources).toBe(true)
    expect(project({ prepare: "tsc" }).needsSources).toBe(true)
    expect(project({ build: "tsc" })).toMatchObject({ hasDependencies: false, needsSources: false })
    expect(parseProject("[]")).toBeUndefined()
    expect(parseProject("{")).toBeUndefined()
    expect(parseProject('{"scripts":5,"dependencies":[1]}')).toMatchObject({ scripts: {}, hasDependencies: false })
  })

  it("has a key for its dependencies that no other content shares", () => {
    expect(dependenciesKey(["ab", "c"])).not.toBe(dependenciesKey(["a", "bc"]))
    expect(dependenciesKey(["a"])).toBe(dependenciesKey([Buffer.from("a")]))
  })
})

describe("settings", () => {
  it("are clamped as the reference clamps them", () => {
    expect([0, 999, 1_000, 45_000].map(executeTimeout)).toEqual([30_000, 30_000, 1_000, 45_000])
    expect([0, 4_999, 5_000, 300_000].map(startupTimeout)).toEqual([5_000, 5_000, 5_000, 300_000])
    expect(["0", "5", "-5", "1s", "", "+2"].map(keepaliveMillis)).toEqual([0, 5_000, 0, 0, 0, 2_000])
    expect(["info", "DEBUG", "none", ""].map((level) => chaincodeLogLevel(level, "warning"))).toEqual([
      "info",
      "DEBUG",
      "WARNING",
      "WARNING"
    ])
  })
})

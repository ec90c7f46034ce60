import { writeFileSync } from "node:fs"
import * as net from "node:net"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeOptions, networkOptions, UpOptions } from "../../src/network/cli/options.js"
import * as layout from "../../src/network/layout.js"
import { anyPorts, portList, requireFree, usualPorts } from "../../src/network/ports.js"
import { resume } from "../../src/network/resume.js"
import { type NetworkOptions, networkSpec, OWN_ORDERER } from "../../src/network/spec.js"
import { type NetworkState, readState, stateOf, writeState } from "../../src/network/state.js"
import { stateDatabaseEnvironment } from "../../src/network/stateDatabase.js"
import { specFor, temporaryFolder } from "./support.js"

const at = temporaryFolder()
const refusal = (options: NetworkOptions): string =>
  Either.match(networkSpec(options, "/work"), { onLeft: ({ message }) => message, onRight: () => "accepted" })

describe("options", () => {
  it("has defaults for everything", () => {
    expect(Either.getOrThrow(networkSpec({}, "/work"))).toEqual({
      dir: "/work/network",
      channel: "mychannel",
      furtherChannels: [],
      orgs: [{ name: "Org1", mspId: "Org1MSP", domain: "org1.example.com", peers: 1, users: 1 }],
      orderer: OWN_ORDERER,
      brokers: [],
      tls: false,
      batchTimeoutMs: 200,
      maxMessageCount: 10,
      chaincodes: []
    })
  })

  it("tells each peer of its own state database", () => {
    const text = "couchdb=admin:pw@10.0.0.1:5984,db:5985"
    expect(networkSpec({ stateDatabase: text, orgs: [{ name: "Org1", peers: 2 }] }, "/work")).toMatchObject({
      right: { stateDatabase: text }
    })
    expect(stateDatabaseEnvironment(text, 0)).toEqual({
      CORE_LEDGER_STATE_STATEDATABASE: "CouchDB",
      CORE_LEDGER_STATE_COUCHDBCONFIG_COUCHDBADDRESS: "10.0.0.1:5984",
      CORE_LEDGER_STATE_COUCHDBCONFIG_USERNAME: "admin",
      CORE_LEDGER_STATE_COUCHDBCONFIG_PASSWORD: "pw"
    })
    expect(stateDatabaseEnvironment(text, 1)).toMatchObject({
      CORE_LEDGER_STATE_COUCHDBCONFIG_COUCHDBADDRESS: "db:5985",
      CORE_LEDGER_STATE_COUCHDBCONFIG_USERNAME: ""
    })
    expect(stateDatabaseEnvironment("embedded", 0)).toEqual({ CORE_LEDGER_STATE_EMBEDDEDRICHQUERIES: "true" })
    expect(stateDatabaseEnvironment("goleveldb", 0)).toEqual({})
    expect(stateDatabaseEnvironment(undefined, 0)).toEqual({})
  })

  it("takes a chaincode's name from its folder", () => {
    const { chaincodes } = specFor("/x", { chaincodes: [{ path: "a/fabcar" }, { path: "/b", name: "other" }] })
    expect(chaincodes).toMatchObject([
      { name: "fabcar", path: "/a/fabcar", version: "1.0", initArgs: [] },
      { name: "other", path: "/b" }
    ])
    expect(specFor("/x", { chaincodes: [{ path: "/my chain.code--2/" }] }).chaincodes[0]?.name).toBe("my_chain_code-2")
  })

  it.each<[NetworkOptions, RegExp]>([
    [{ channel: "MyChannel" }, /no channel name/],
    [{ channel: "c".repeat(250) }, /no channel name/],
    [{ stateDatabase: "mysql" }, /'mysql' is no state database \(goleveldb, embedded, or couchdb=/],
    [{ stateDatabase: "couchdb=nowhere" }, /does not name servers as host:port/],
    [{ stateDatabase: "couchdb=a:1", orgs: [{ name: "Org1", peers: 2 }] }, /2 peers need a CouchDB each/],
    [{ stateDatabase: "couchdb=a:1,b@a:1" }, /does not name servers/],
    [{ stateDatabase: "couchdb=a:1,a:1", orgs: [{ name: "Org1", peers: 2 }] }, /2 peers need a CouchDB each/],
    [{ channel: "system-channel" }, /taken/],
    [{ orgs: [] }, /needs an organisation/],
    [{ orgs: [{ name: "Org 1" }] }, /no organisation name/],
    [{ orgs: [{ name: "Orderer" }] }, /taken/],
    [{ orgs: [{ name: "Org1" }, { name: "org1" }] }, /taken/],
    [{ orgs: [{ name: "Org1", peers: 0 }] }, /cannot have 0 peers/],
    [{ orgs: [{ name: "Org1", peers: 1.5 }] }, /cannot have 1.5 peers/],
    [{ orgs: [{ name: "Org1", peers: Number.NaN }] }, /cannot have NaN peers/],
    [{ orgs: [{ name: "Org1", users: -1 }] }, /cannot have -1 users/],
    [{ batchTimeout: 0 }, /batch timeout of 0 ms/],
    [{ batchTimeout: Number.POSITIVE_INFINITY }, /batch timeout/],
    [{ maxMessageCount: 0 }, /blocks of 0 transactions/],
    [{ chaincodes: [{ path: "a" }, { path: "b/a" }] }, /chaincode name 'a' is taken/],
    [{ chaincodes: [{ path: "a", name: "no such name" }] }, /no chaincode name/],
    [{ chaincodes: [{ path: "lscc" }] }, /system chaincode's/],
    [{ chaincodes: [{ path: "a", version: "1/2" }] }, /no chaincode version/]
  ])("refuses %j", (options, why) => {
    expect(refusal(options)).toMatch(why)
  })
})

describe("command line", () => {
  const parsed = (given: unknown) => networkOptions(Schema.decodeUnknownSync(UpOptions)(given))

  it("asks for nothing that was not named", () => {
    expect(parsed({})).toEqual({})
    expect(parsed({ chaincode: ["./mine", "other"] }).chaincodes).toEqual([{ path: "./mine" }, { path: "other" }])
  })

  it.each([
    [{}, undefined],
    [{ tls: true }, true],
    [{ tls: "on" }, true],
    [{ tls: "off" }, false]
  ])("reads --tls of %j as %s", (given, tls) => {
    expect(parsed(given).tls).toBe(tls)
  })

  it("counts organisations and peers", () => {
    expect(parsed({ orgs: "2", peers: "3" }).orgs).toEqual([
      { name: "Org1", peers: 3 },
      { name: "Org2", peers: 3 }
    ])
  })

  it.each<[object, string]>([
    [{ tls: "maybe" }, "--tls: want on or off"],
    [{ batchTimeout: "soon" }, "--batch-timeout: want milliseconds, at least 1"],
    [{ basePort: "70 50" }, "--base-port: want a port from 1 to 65535"],
    [{ basePort: "70500" }, "--base-port: want a port from 1 to 65535"],
    [{ init: "a b" }, '--init: want a JSON list of texts, such as ["init","a","100"]'],
    [{ init: '["a",1]' }, '--init: want a JSON list of texts, such as ["init","a","100"]'],
    [{ tls: "maybe", maxMessages: "0" }, "--tls: want on or off; --max-messages: want a count from 1 to 1000000"],
    ...["two", "0", "-1", "1.5", "NaN", "1e9", ""].map((orgs): [object, string] => [
      { orgs },
      "--orgs: want a count from 1 to 50"
    ])
  ])("refuses %j", async (given, why) => {
    const { message } = await Effect.runPromise(Effect.flip(decodeOptions(UpOptions, given)))
    expect(message).toBe(`${why} (see --help)`)
  })

  it("reads Init's arguments in either form", () => {
    for (const init of ['["init","a"]', '{"Args":["init","a"]}'])
      expect(parsed({ chaincode: ["x"], init, policy: "OR('Org1MSP.member')" }).chaincodes).toEqual([
        { path: "x", initArgs: ["init", "a"], policy: "OR('Org1MSP.member')" }
      ])
  })
})

describe("ports", () => {
  it("are Fabric's own where nothing else is said, all different", () => {
    const peers = layout.peersOf(specFor("/x", { orgs: [{ name: "Org1", peers: 2 }, { name: "Org2" }] }))
    const ports = usualPorts(peers)
    expect(ports.orderer).toBe(7050)
    expect(ports.peers["peer0.org1.example.com"]).toMatchObject({ peer: 7051, chaincode: 7052 })
    expect(ports.peers["peer1.org1.example.com"]).toMatchObject({ peer: 8051, chaincode: 8052 })
  })

  it("never clash, whatever the base and the number of peers", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1024, max: 30_000 }), (count, base) => {
        const peers = Array.from({ length: count }, (_, i) => ({ host: `peer${i}` }))
        const all = portList(usualPorts(peers, base)).map(([port]) => port)
        expect(new Set(all).size).toBe(all.length)
      })
    )
  })

  it("that are free are all different and can be listened on", async () => {
    const peers = layout.peersOf(specFor("/x", { orgs: [{ name: "Org1", peers: 3 }] }))
    const list = portList(await Effect.runPromise(anyPorts(peers)))
    expect(new Set(list.map(([port]) => port)).size).toBe(2 + 3 * 3)
    for (const [port, what] of list) await Effect.runPromise(requireFree(port, what))
  })

  it("in use are refused by name", async () => {
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    const failure = await Effect.runPromise(Effect.flip(requireFree(address.port, "orderer")))
    expect(failure.message).toMatch(new RegExp(`^port ${address.port} \\(orderer\\) is in use \\(`))
    server.close()
  })

  it("out of range are refused, not thrown", async () => {
    const failure = await Effect.runPromise(Effect.flip(requireFree(70_000, "orderer")))
    expect(failure.message).toMatch(/port 70000 \(orderer\)/)
  })
})

describe("state", () => {
  const state: NetworkState = {
    format: 1,
    channel: "mychannel",
    furtherChannels: ["further"],
    brokers: [],
    orderer: OWN_ORDERER,
    orgs: [{ name: "Org1", mspId: "Org1MSP", domain: "org1.example.com", peers: 1, users: 1 }],
    tls: true,
    batchTimeoutMs: 200,
    maxMessageCount: 10,
    ports: { orderer: 1, ordererOperations: 2, peers: { p: { peer: 3, chaincode: 4, operations: 5 } } },
    chaincodes: [{ name: "assets", version: "1.0", path: "/a", initArgs: ["init"], policy: "AND('Org1MSP.peer')" }],
    pids: { "orderer.example.com": 12 }
  }

  it("comes back as it was written", async () => {
    const dir = at("deep/er/state")
    expect(await Effect.runPromise(readState(dir))).toBeUndefined()
    await Effect.runPromise(writeState(dir, state))
    expect(await Effect.runPromise(readState(dir))).toEqual(state)
  })

  it.each([
    ["not json", "{", /cannot be read/],
    ["of another version", JSON.stringify({ ...state, format: 2 }), /not of this version/],
    ["of another shape", "[]", /not of this version/]
  ])("that is %s is refused with what to do", async (name, text, why) => {
    const dir = at(name)
    await Effect.runPromise(writeState(dir, state))
    writeFileSync(join(dir, "network.json"), text)
    const { message } = await Effect.runPromise(Effect.flip(readState(dir)))
    expect(message).toMatch(why)
    expect(message).toContain("clean")
  })

  it("in a folder that cannot be written is one line", async () => {
    const file = at("file")
    writeFileSync(file, "")
    for (const dir of ["/proc/nowhere", join(file, "below")]) {
      const { message } = await Effect.runPromise(Effect.flip(writeState(dir, state)))
      expect(message).toMatch(/^cannot write to .* \(choose another folder with --dir\)$/)
    }
  })
})

describe("a folder that was used before", () => {
  const made = async (name: string, change: Partial<NetworkState> = {}) => {
    const spec = specFor(at(name), { tls: true, batchTimeout: 50, chaincodes: [{ path: at(".") }, { path: "/gone" }] })
    const ports = usualPorts(layout.peersOf(spec))
    await Effect.runPromise(writeState(spec.dir, { ...stateOf(spec, ports), ...change }))
    return { spec, ports }
  }
  const resumed = (options: NetworkOptions) => Effect.runPromise(Effect.either(resume(options, "/")))

  it("keeps what it was made with, and the chaincodes whose code is there", async () => {
    const { ports, spec } = await made("kept")
    const again = Either.getOrThrow(await resumed({ dir: spec.dir }))
    expect(again).toEqual({ ports, spec: { ...spec, chaincodes: spec.chaincodes.slice(0, 1) } })
  })

  it("takes the chaincodes that are named", async () => {
    const { spec } = await made("named")
    const again = Either.getOrThrow(await resumed({ dir: spec.dir, chaincodes: [{ path: "/other" }] }))
    expect(again.spec.chaincodes).toMatchObject([{ name: "other" }])
  })

  it.each<[NetworkOptions, RegExp]>([
    [{ tls: false }, /made otherwise: TLS is on \(/],
    [{ channel: "other", batchTimeout: 51 }, /its channel is mychannel; its batch timeout is 50 ms \(/],
    [{ orgs: [{ name: "Org1", peers: 2 }] }, /it has Org1 with 1 peer \(/],
    [{ maxMessageCount: 1 }, /its blocks hold 10 transactions \(/]
  ])("refuses %j", async (options, why) => {
    const { spec } = await made("other")
    const answer = await resumed({ dir: spec.dir, ...options })
    expect(Either.isLeft(answer) && answer.left.message).toMatch(why)
  })

  it("takes a process that has a node's number for no node of ours", async () => {
    const { spec } = await made("reused", { pids: { "orderer.example.com": process.pid } })
    expect(Either.isRight(await resumed({ dir: spec.dir }))).toBe(true)
  })
})

/**
 * What whole peers tell whom over the wire, and after a configuration has taken rights away: refusals (acceptance 24), the
 * cache and TLS with whatever certificate (25), a peer whose certificate is revoked (26).
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { Bundle, computeUpdate } from "../../../src/channelconfig/index.js"
import { configUpdateEnvelope, discover, fetchBlock, moment } from "../../../src/client/index.js"
import { decodePemAll } from "../../../src/crypto/pem.js"
import { generateKey, parsePrivateKeyPem } from "../../../src/crypto/privateKey.js"
import { type Connections, makeConnections } from "../../../src/network/gateway/connections.js"
import * as layout from "../../../src/network/layout.js"
import { connect } from "../../../src/transport/index.js"
import { common, type discovery, msp } from "../../../src/wire/index.js"
import { lastConfigIndex } from "../../../src/wire/protoutil.js"
import { crl, Holder } from "../../msp/support.js"
import { authority } from "../../transport/material.js"
import { GossipNetwork, until } from "./support.js"

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const [one, two] = ["peer0.org1.example.com", "peer0.org2.example.com"]
const CHANNEL = "mychannel"

let network: GossipNetwork
let scope: Scope.CloseableScope
let connections: Connections
const run = Effect.runPromise

beforeAll(async () => {
  network = await GossipNetwork.make({
    orgs: [{ name: "Org1" }, { name: "Org2" }],
    environments: { [two]: { CORE_PEER_DISCOVERY_ORGMEMBERSALLOWEDACCESS: "true" } }
  })
  scope = await run(Scope.make())
  connections = await run(
    Scope.extend(
      makeConnections(() => network),
      scope
    )
  )
  for (const host of [one, two]) await network.start(host)
  await run(network.gateway.createChannel)
  await run(network.gateway.join)
  await run(network.gateway.setAnchors)
  await until("the peers to see each other", () =>
    [one, two].every((host) => network.peer(host).gossip.peersOfChannel(CHANNEL).length === 1)
  )
})
afterAll(async () => {
  await run(Scope.close(scope, Exit.void))
  await network.close()
})

const pemOf = (folder: string, end: string): Uint8Array => {
  const found = readdirSync(folder).find((name) => name.endsWith(end))
  if (found === undefined) throw new Error(`${folder} holds no ${end}`)
  return readFileSync(join(folder, found))
}

/** What a peer's discovery service answers somebody, or why it does not. */
const ask = (host: string, label: string, query: Parameters<typeof discover>[2][number]) =>
  run(
    Effect.gen(function* () {
      const [result] = yield* discover(yield* connections.peer(host), yield* connections.identity(label), [query])
      return result
    })
  )
/** External endpoints that the first peer tells its own user of, by organisation. */
const told = async (): Promise<Readonly<Record<string, number>>> => {
  const result = await ask(one, "user1", { channel: CHANNEL, peerQuery: {} })
  expect(result?.error).toBeUndefined()
  return Object.fromEntries([...(result?.members?.peersByOrg ?? [])].map(([org, { peers }]) => [org, peers.length]))
}

/** Orders a change of the channel's configuration, signed by both administrators, and waits for it on the first peer. */
const change = (changed: (application: common.ConfigGroup) => common.ConfigGroup): Promise<void> =>
  run(
    Effect.gen(function* () {
      const signers = yield* Effect.forEach(network.spec.orgs, (org) => connections.admin(org))
      const [signer] = signers
      if (signer === undefined) return yield* Effect.dieMessage("nobody signs")
      const orderer = yield* connections.orderer
      const fetch = (start: bigint | "newest") =>
        Effect.map(fetchBlock(orderer, { channelId: CHANNEL, signer, seek: { start, stop: start } }), (bytes) =>
          common.Block.decode(bytes)
        )
      const before = yield* Bundle.fromBlock(yield* fetch(lastConfigIndex(yield* fetch("newest"))))
      const { config } = before
      const application = config.channelGroup?.groups.get("Application")
      if (config.channelGroup === undefined || application === undefined) return yield* Effect.dieMessage("no group")
      const groups = new Map(config.channelGroup.groups).set("Application", changed(application))
      const update = yield* computeUpdate(config, { ...config, channelGroup: { ...config.channelGroup, groups } })
      const moments = yield* Effect.forEach([signer, ...signers], () => moment)
      const spare = yield* moment
      const bytes = common.ConfigUpdate.encode({ ...update, channelId: CHANNEL })
      yield* connections.order(configUpdateEnvelope(CHANNEL, bytes, signers, signer, () => moments.pop() ?? spare))
    })
  )

/** The group of Org2 with a list of revoked certificates. */
const revoking = (group: common.ConfigGroup, list: Uint8Array): common.ConfigGroup => {
  const value = group.values.get("MSP")
  if (value === undefined) throw new Error("no MSP")
  const { config, type } = msp.MSPConfig.decode(value.value)
  const fabric = msp.FabricMSPConfig.encode({ ...msp.FabricMSPConfig.decode(config), revocationList: [list] })
  return {
    ...group,
    values: new Map(group.values).set("MSP", { ...value, value: msp.MSPConfig.encode({ config: fabric, type }) })
  }
}

it("members of the network are told to administrators, to users where the settings say so (24)", async () => {
  const local = { localPeers: {} }
  const error = async (...args: Parameters<typeof ask>) => (await ask(...args))?.error?.content
  const orgs = async (...args: Parameters<typeof ask>) => [...((await ask(...args))?.members?.peersByOrg.keys() ?? [])]
  expect(await error(one, "user1", local)).toBe("access denied")
  expect((await orgs(one, "admin", local)).sort()).toEqual(["Org1MSP", "Org2MSP"])
  expect((await orgs(two, "user1@org2", local)).sort()).toEqual(["Org1MSP", "Org2MSP"])
  // an administrator of another organisation is none here
  expect(await error(one, "admin@org2", local)).toBe("access denied")
  expect(await error(one, "admin", { channel: "elsewhere", peerQuery: {} })).toBe("access denied")
  expect(await error(one, "admin", { channel: CHANNEL, ...local })).toBe("unknown or missing request type")
  expect(await error(one, "admin", { configQuery: {} })).toBe("unknown or missing request type")
})

it("the same request gets the same answer again, with a client certificate that nobody vouches for (25)", async () => {
  const nobody = authority("nobody").issue("client")
  const place = layout.peersOf(network.spec).find(({ host }) => host === one)
  const rootCerts = [readFileSync(join(place?.material ?? "", "tls", "ca.crt"))]
  const answers = await run(
    Effect.scoped(
      Effect.gen(function* () {
        const tls = { rootCerts, clientCert: nobody.certificate, clientKey: nobody.key }
        const channel = yield* connect(`127.0.0.1:${network.ports.peers[one]?.peer}`, { tls })
        const signer = yield* connections.identity("user1")
        const queries = [{ channel: CHANNEL, configQuery: {} }]
        return yield* Effect.forEach([1, 2, 3], () => discover(channel, signer, queries))
      })
    )
  )
  const [first, ...others] = answers.map(([result]) => result?.configResult)
  expect([...(first?.msps.keys() ?? [])].sort()).toEqual(["OrdererMSP", "Org1MSP", "Org2MSP"])
  for (const other of others) expect(other).toEqual(first)
})

it("a revoked peer's identity and connection go at once, and it leaves the members that are told", async () => {
  const { gossip: core } = network.peer(one)
  const { pkiId } = network.peer(two).gossip
  expect(core.identityOf(pkiId)?.org).toBe("Org2MSP")
  expect(await told()).toEqual({ Org1MSP: 1, Org2MSP: 1 })

  const folder = join(layout.crypto(network.spec.dir), "peerOrganizations", "org2.example.com", "ca")
  const key = Either.getOrThrow(parsePrivateKeyPem(pemOf(folder, "_sk")))
  if (!("curve" in key)) throw new Error("not an ECDSA key")
  const holder = (pem: Uint8Array, of = generateKey()) => new Holder(of, decodePemAll(pem)[0]?.bytes ?? pem)
  const ca = holder(pemOf(folder, "-cert.pem"), key)
  const place = layout.peersOf(network.spec).find(({ host }) => host === two)
  const revoked = holder(pemOf(join(place?.material ?? "", "msp", "signcerts"), ".pem"))
  const list = crl(ca, [revoked])
  await change((application) => {
    const group = application.groups.get("Org2MSP")
    if (group === undefined) throw new Error("no Org2")
    return { ...application, groups: new Map(application.groups).set("Org2MSP", revoking(group, list)) }
  })

  await until("the identity to go", () => core.identityOf(pkiId) === undefined)
  await until("the member to go", () => core.peers().length === 0)
  expect(core.peersOfChannel(CHANNEL)).toEqual([])
  // the organisation has no identity that is known any more, or none that can be reached
  expect((await told()).Org2MSP ?? 0).toBe(0)
  // it goes on knocking: it dials, and dials again, and stays out
  const lines = () => network.peer(one).lines.filter((line) => /Authentication failed|failed classifying/.test(line))
  await until("it to be refused", () => lines().length > 1)
  expect(core.identityOf(pkiId)).toBeUndefined()
  expect((await told()).Org2MSP ?? 0).toBe(0)
})

it("an organisation that is put out is refused, whatever was remembered of its users", async () => {
  const query = { channel: CHANNEL, configQuery: {} }
  expect((await ask(one, "user1@org2", query))?.configResult?.msps.has("Org2MSP")).toBe(true)
  expect((await ask(one, "user1@org2", query))?.error).toBeUndefined()
  await change((application) => {
    const groups = new Map(application.groups)
    groups.delete("Org2MSP")
    return { ...application, groups }
  })
  await until("it to be refused", async () => {
    const result: discovery.QueryResult | undefined = await ask(one, "user1@org2", query)
    return result?.error?.content === "access denied"
  })
  expect((await ask(one, "user1", query))?.configResult?.msps.has("Org2MSP")).toBe(false)
})

import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { Bundle } from "../../src/channelconfig/index.js"
import { loadLocalMsp } from "../../src/msp/index.js"
import * as layout from "../../src/network/layout.js"
import { makeMaterial } from "../../src/network/material.js"
import { connectionProfile, walletIdentities } from "../../src/network/profile.js"
import { common } from "../../src/wire/index.js"
import { Gateway, Wallets } from "./sdk.js"
import { portsFor, specFor, temporaryFolder } from "./support.js"

const at = temporaryFolder()

const made = async (name: string, options: Parameters<typeof specFor>[1] = {}) => {
  const spec = specFor(at(name), options)
  const ports = await portsFor(spec)
  const started = performance.now()
  const fresh = await Effect.runPromise(makeMaterial(spec, ports))
  return { spec, ports, fresh, took: performance.now() - started }
}

describe("material", () => {
  it("has a genesis block that gives a bundle with the organisations, limits and addresses asked for", async () => {
    const { ports, spec } = await made("genesis", {
      orgs: [{ name: "Org1", peers: 2 }, { name: "Buyer" }],
      batchTimeout: 150,
      maxMessageCount: 7
    })
    const block = common.Block.decode(readFileSync(layout.genesisFile(spec.dir)))
    const bundle = Either.getOrThrow(Bundle.fromBlock(block))
    expect(bundle.channelId).toBe(layout.SYSTEM_CHANNEL)
    expect(bundle.orderer?.batchTimeoutMs).toBe(150)
    expect(bundle.orderer?.batchSize.maxMessageCount).toBe(7)
    expect(bundle.channel.ordererAddresses).toEqual([`127.0.0.1:${ports.orderer}`])
    expect([...(bundle.consortiums?.consortiums.get(layout.CONSORTIUM)?.orgs.keys() ?? [])]).toEqual([
      "BuyerMSP",
      "Org1MSP"
    ])
    expect(
      ["/Channel/Readers", "/Channel/Orderer/BlockValidation", "/Channel/Admins"].every((path) =>
        bundle.policyManager.has(path)
      )
    ).toBe(true)
  })

  it("has identities that their own MSP takes, in their roles", async () => {
    const { spec } = await made("roles")
    const [org] = spec.orgs
    if (org === undefined) throw new Error("no organisation")
    const places = [
      [join(layout.ordererMaterial(spec.dir), "msp"), layout.ORDERER_MSP_ID],
      ...layout.peersOf(spec).map(({ material }) => [join(material, "msp"), org.mspId] as const),
      ...["Admin", "User1"].map((user) => [join(layout.userMaterial(spec.dir, org, user), "msp"), org.mspId] as const)
    ] as const
    for (const [dir = "", mspId = ""] of places) {
      const { msp, signer } = await Effect.runPromise(loadLocalMsp({ dir, mspId }))
      const identity = Either.getOrThrow(msp.deserializeIdentity(signer.serialized))
      expect(Either.isRight(msp.validate(identity)), dir).toBe(true)
    }
  })

  it("is made once, and clients' files again at each start", async () => {
    const { fresh, spec } = await made("twice")
    expect(fresh).toBe(true)
    const before = readFileSync(layout.genesisFile(spec.dir))
    const other = await portsFor(spec)
    expect(await Effect.runPromise(makeMaterial(spec, other))).toBe(false)
    expect(readFileSync(layout.genesisFile(spec.dir)).equals(before)).toBe(true)
    const [org] = spec.orgs
    if (org === undefined) throw new Error("no organisation")
    expect(readFileSync(layout.profileFile(spec.dir, org), "utf8")).toContain(`127.0.0.1:${other.orderer}`)
  })

  it("keeps keys from others", async () => {
    const { spec } = await made("modes")
    const wallet = layout.walletFolder(spec.dir)
    for (const name of readdirSync(wallet)) expect(statSync(join(wallet, name)).mode & 0o077, name).toBe(0)
  })

  it("says what failed where the folder cannot be written", async () => {
    const spec = specFor("/proc/nowhere")
    const failure = await Effect.runPromise(Effect.flip(makeMaterial(spec, await portsFor(spec))))
    expect(failure.message).toMatch(/^make the folder: (ENOENT|EACCES|EPERM)/)
  })
})

/** Nobody listens: the client need not wait 3 s for every node before it says so. */
const impatient = (profile: Record<"peers" | "orderers", Record<string, { grpcOptions: object }>>) => {
  for (const node of [...Object.values(profile.peers), ...Object.values(profile.orderers)])
    Object.assign(node.grpcOptions, { "grpc-wait-for-ready-timeout": 1 })
  return profile
}

describe("what fabric-network opens", () => {
  it.each([false, true])("wallet and profile, TLS %s", async (tls) => {
    const { spec } = await made(`client-${tls}`, { tls, orgs: [{ name: "Org1", users: 2 }, { name: "Org2" }] })
    const wallet = await Wallets.newFileSystemWallet(layout.walletFolder(spec.dir))
    expect((await wallet.list()).sort()).toEqual(["admin", "admin@org2", "user1", "user1@org2", "user2"])
    for (const org of spec.orgs) {
      const profile = impatient(JSON.parse(readFileSync(layout.profileFile(spec.dir, org), "utf8")))
      const label = org.name === "Org1" ? "user1" : "user1@org2"
      const identity = await wallet.get(label)
      expect(identity).toMatchObject({ type: "X.509", mspId: org.mspId })
      const gateway = new Gateway()
      await gateway.connect(profile, { wallet, identity: label, discovery: { enabled: false, asLocalhost: false } })
      try {
        expect(gateway.getIdentity()).toMatchObject({ mspId: org.mspId })
      } finally {
        gateway.disconnect()
      }
    }
  })

  it("names every peer and the orderer with the right address and role", async () => {
    const { ports, spec } = await made("profile", { orgs: [{ name: "Org1", peers: 2 }, { name: "Org2" }] })
    const [org] = spec.orgs
    if (org === undefined) throw new Error("no organisation")
    expect(connectionProfile(spec, ports, org)).toMatchObject({
      client: { organization: "Org1" },
      organizations: {
        Org1: { mspid: "Org1MSP", peers: ["peer0.org1.example.com", "peer1.org1.example.com"] },
        Org2: { mspid: "Org2MSP", peers: ["peer0.org2.example.com"] }
      },
      orderers: { "orderer.example.com": { url: `grpc://127.0.0.1:${ports.orderer}` } },
      peers: {
        "peer1.org1.example.com": { url: `grpc://127.0.0.1:${ports.peers["peer1.org1.example.com"]?.peer}` }
      }
    })
    expect(walletIdentities(spec).map(({ label }) => label)).toEqual(["admin", "user1", "admin@org2", "user1@org2"])
  })
})

/** A network from a crypto-config folder and a configtx.yaml with names of their own. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { Bundle } from "../../src/channelconfig/index.js"
import { type Network, type StartOptions, startNetwork } from "../../src/network/api.js"
import { generate, parseCryptoConfig } from "../../src/tools/cryptogen/index.js"
import { common } from "../../src/wire/index.js"
import { temporaryFolder } from "./support.js"

// chaincode is built and started: a busy machine takes its time
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
const at = temporaryFolder()
const root = fileURLToPath(new URL("../..", import.meta.url))
const sample = join(root, "samples/chaincode/asset-transfer")

/** Our sample's configuration with other domains, and organisations whose names are not their MSP ids. */
const configtx = readFileSync(join(root, "config/configtx.yaml"), "utf8")
  .replaceAll("org1.example.com", "seller.test")
  .replaceAll("org2.example.com", "buyer.test")
  .replaceAll("example.com", "orderers.test")
  .replaceAll(/Name: Org(\d)MSP/g, "Name: Company$1")
  .replaceAll("MaxMessageCount: 500", "MaxMessageCount: 7")
const cryptoConfig = `
OrdererOrgs:
  - {Name: Orderer, Domain: orderers.test, EnableNodeOUs: true, Specs: [{Hostname: first, SANS: [127.0.0.1]}]}
PeerOrgs:
  - Name: One
    Domain: seller.test
    EnableNodeOUs: true
    Specs: [{Hostname: alpha, SANS: [127.0.0.1]}, {Hostname: beta, SANS: [127.0.0.1]}]
    Users: {Count: 2}
  - {Name: Two, Domain: buyer.test, EnableNodeOUs: true, Template: {Count: 1}, Users: {Count: 0}}
`
const given = at("given")
const options: StartOptions = {
  dir: at("network"),
  batchTimeout: 50,
  cryptoConfig: join(given, "crypto-config"),
  configtx: join(given, "configtx.yaml")
}
let network: Network | undefined
const running = (): Network => {
  if (network === undefined) throw new Error("no network")
  return network
}
beforeAll(async () => {
  mkdirSync(given)
  writeFileSync(join(given, "configtx.yaml"), configtx)
  const config = Either.getOrThrow(parseCryptoConfig(cryptoConfig))
  await Effect.runPromise(generate(config, join(given, "crypto-config")))
  network = await startNetwork({ ...options, chaincodes: [{ path: sample, name: "assets" }] })
})
afterAll(() => network?.stop())

it("has the hosts, organisations and identities of the material", () => {
  const { addresses, identities, profiles } = running()
  expect(Object.keys(addresses.peers)).toEqual(["alpha.seller.test", "beta.seller.test", "peer0.buyer.test"])
  expect(Object.keys(addresses.operations)).toContain("first.orderers.test")
  expect(Object.keys(profiles)).toEqual(["Org1", "Org2"])
  expect(Object.entries(identities).map(([label, { mspId }]) => `${label} ${mspId}`)).toEqual([
    "admin Org1MSP",
    "user1 Org1MSP",
    "user2 Org1MSP",
    "admin@org2 Org2MSP"
  ])
})

it("keeps the file's limits and policies; anchors are the first peers on this machine", async () => {
  const file = readFileSync(join(running().dir, "genesis.block"))
  const genesis = await Effect.runPromise(Bundle.fromBlock(common.Block.decode(file)))
  expect(genesis.orderer?.batchSize.maxMessageCount).toBe(7)
  expect(genesis.channel.ordererAddresses).toEqual([running().addresses.orderer])
  const config = await running().contract("cscc").evaluate("GetConfigBlock", "mychannel")
  const { application } = await Effect.runPromise(Bundle.fromBlock(common.Block.decode(config)))
  expect(
    [...(application?.orgs ?? [])].map(([name, { anchorPeers, mspId }]) => [name, mspId, anchorPeers.length])
  ).toEqual([
    ["Company1", "Org1MSP", 1],
    ["Company2", "Org2MSP", 1]
  ])
})

it("orders and commits for both organisations, and grows", async () => {
  const contract = running().contract("assets")
  await contract.submit("CreateAsset", "a1", "blue", "1", "Ann", "5")
  const read = await contract.with({ identity: "admin@org2", endorsers: ["Org2"] }).evaluate("AssetExists", "a1")
  expect(read.toString()).toBe("true")
  expect((await running().addPeer({ org: "Org2MSP" })).host).toBe("peer1.buyer.test")
  await running().createChannel("further")
  expect(running().channels).toEqual(["mychannel", "further"])
  // the material that was given stays as it was
  expect(readdirSync(join(given, "crypto-config/peerOrganizations/buyer.test/peers"))).toEqual(["peer0.buyer.test"])
})

it("carries on without being told of the material again", async () => {
  await running().stop()
  network = await startNetwork({ dir: running().dir })
  expect(Object.keys(running().addresses.peers)).toContain("peer1.buyer.test")
  const read = await running().contract("assets").evaluate("AssetExists", "a1")
  expect(read.toString()).toBe("true")
})

it.each<readonly [string, StartOptions, RegExp]>([
  ["half of it", { cryptoConfig: options.cryptoConfig ?? "" }, /name both/],
  ["organisations beside it", { ...options, orgs: [{ name: "Org1" }] }, /leave --orgs/],
  ["a profile that is not there", { ...options, channelProfile: "None" }, /Could not find profile: +None/],
  ["a profile for something else", { ...options, genesisProfile: "TwoOrgsChannel" }, /no orderer's genesis/],
  ["another file's name", { ...options, configtx: "/x/other.yaml" }, /not called configtx.yaml/],
  ["other material", { ...options, cryptoConfig: at("nowhere") }, /has no organisation with the CA of OrdererMSP/],
  [
    "TLS without certificates for this machine",
    { ...options, tls: true },
    /buyer\.test.* no certificate for 127\.0\.0\.1/
  ]
])("refuses %s", async (name, asked, why) => {
  await expect(startNetwork({ ...asked, dir: at(`refused ${name}`) })).rejects.toThrow(why)
})

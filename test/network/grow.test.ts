/** Networks that grow while they run, through the API. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { type Network, startNetwork } from "../../src/network/api.js"
import { protos } from "../../src/wire/index.js"
import { Gateway, Wallets } from "./sdk.js"
import { temporaryFolder } from "./support.js"

// chaincode is built and started: a busy machine takes its time
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
const at = temporaryFolder()
const sample = fileURLToPath(new URL("../../samples/chaincode/asset-transfer", import.meta.url))

const dir = at("grown")
let network: Network
beforeAll(async () => {
  network = await startNetwork({ dir, batchTimeout: 20, orgs: [{ name: "Org1" }, { name: "Org2" }] })
})
afterAll(() => network.stop())

const kept = () => JSON.parse(readFileSync(join(dir, "network.json"), "utf8"))
const FIRST = "peer0.org1.example.com"
const ADDED = "peer1.org2.example.com"

/** Of each peer, whether it takes a channel's blocks from the orderer, by the last that its log says of it. */
const leaders = (channel: string): ReadonlyArray<boolean> =>
  Object.keys(network.addresses.peers).map((host) => {
    const lines = readFileSync(join(dir, "logs", `${host}.log`), "utf8").split("\n")
    const said = lines.filter((line) => line.endsWith(` delivery service for channel ${channel}`))
    return said.at(-1)?.includes("Elected as a leader, starting") ?? false
  })

/** Names and versions that a peer itself says it has, through the unmodified SDK. */
const answer = async (host: string, channel: string, chaincode: string, name: string, ...args: Array<string>) => {
  const wallet = await Wallets.newInMemoryWallet()
  for (const [label, { version: _, ...identity }] of Object.entries(network.identities))
    await wallet.put(label, identity)
  const gateway = new Gateway()
  const identity = host.includes("org2") ? "admin@org2" : "admin"
  const org = host.includes("org2") ? "Org2" : "Org1"
  await gateway.connect(
    { ...network.profiles[org] },
    { wallet, identity, discovery: { enabled: false, asLocalhost: false } }
  )
  try {
    const made = (await gateway.getNetwork(channel)).getContract(chaincode)
    const peer = (await gateway.getNetwork(channel)).getChannel().getEndorser(host)
    return await made
      .createTransaction(name)
      .setEndorsingPeers([peer])
      .evaluate(...args)
  } finally {
    gateway.disconnect()
  }
}

describe("a network that runs", () => {
  it("gets a further channel that all peers are on", async () => {
    await network.createChannel("further")
    expect(network.channels).toEqual(["mychannel", "further"])
    expect(kept()).toMatchObject({ channel: "mychannel", furtherChannels: ["further"] })
    for (const host of Object.keys(network.addresses.peers)) {
      const channels = protos.ChannelQueryResponse.decode(await answer(host, "further", "cscc", "GetChannels"))
      expect(channels.channels.map(({ channelId }) => channelId).sort()).toEqual(["further", "mychannel"])
    }
  })

  it("refuses channels that cannot be, and says why", async () => {
    await expect(network.createChannel("further")).rejects.toThrow(/there is a channel further/)
    await expect(network.createChannel("Not One")).rejects.toThrow(/no channel name/)
    await expect(network.deploy({ path: sample, channel: "elsewhere" })).rejects.toThrow(/no channel elsewhere/)
    await expect(network.addPeer({ org: "Org9" })).rejects.toThrow(/no organisation Org9 \(choose Org1, Org2\)/)
    expect(network.channels).toEqual(["mychannel", "further"])
  })

  it("runs a chaincode on the further channel alone, and upgrades it there", async () => {
    await network.deploy({ path: sample, name: "assets", channel: "further" })
    const contract = network.contract("assets", { channel: "further" })
    await contract.submit("CreateAsset", "a1", "blue", "1", "Ann", "5")
    await expect(network.contract("assets").evaluate("AssetExists", "a1")).rejects.toThrow(/assets not found/)
    await network.deploy({ path: sample, name: "assets", channel: "further", version: "2.0" })
    expect((await contract.evaluate("AssetExists", "a1")).toString()).toBe("true")
    expect(kept().chaincodes).toMatchObject([{ name: "assets", version: "2.0", channel: "further" }])
  })

  it("elects who takes the blocks, in an organisation of one peer too", () => {
    for (const channel of ["mychannel", "further"]) expect(leaders(channel)).toEqual([true, true])
  })

  it("gets a further peer with every channel, block and chaincode", async () => {
    const added = await network.addPeer({ org: "Org2" })
    expect(added).toEqual({ host: ADDED, address: network.addresses.peers[ADDED] })
    expect(Object.keys(network.addresses.peers)).toEqual([FIRST, "peer0.org2.example.com", ADDED])
    expect(kept()).toMatchObject({ orgs: [{ peers: 1 }, { peers: 2 }] })
    // its own answer, from its own ledger and its own chaincode process
    await vi.waitFor(
      async () => expect((await answer(ADDED, "further", "assets", "AssetExists", "a1")).toString()).toBe("true"),
      { timeout: 120_000, interval: 500 }
    )
    const [, profile] = Object.values(network.profiles)
    expect(profile).toMatchObject({ organizations: { Org2: { peers: ["peer0.org2.example.com", ADDED] } } })
  })

  it("has one leader in the organisation that grew: the other peer is told by it", async () => {
    // both may lead for a moment: the later one proposes itself before it has heard of the first
    await vi.waitFor(
      () => {
        for (const channel of ["mychannel", "further"]) {
          const [org1, ...org2] = leaders(channel)
          expect([org1, org2.filter((leads) => leads).length, org2.length]).toEqual([true, 1, 2])
        }
      },
      { timeout: 120_000, interval: 250 }
    )
  })

  it("carries on with all of it after a restart", async () => {
    await network.stop()
    network = await startNetwork({ dir })
    expect(network.channels).toEqual(["mychannel", "further"])
    expect(Object.keys(network.addresses.peers)).toContain(ADDED)
    await network.contract("assets", { channel: "further" }).submit("CreateAsset", "a2", "blue", "1", "Ann", "5")
    await vi.waitFor(
      async () => expect((await answer(ADDED, "further", "assets", "AssetExists", "a2")).toString()).toBe("true"),
      { timeout: 120_000, interval: 500 }
    )
  })
})

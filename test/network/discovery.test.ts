/** The unmodified SDK with discovery on (its default), which must find peers, orderer and endorsement plans by itself. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { type Network, startNetwork } from "../../src/network/api.js"
import { Gateway, Wallets } from "./sdk.js"
import { temporaryFolder } from "./support.js"

vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 })
const at = temporaryFolder()
const sample = fileURLToPath(new URL("../../samples/chaincode/asset-transfer", import.meta.url))

/** A profile that knows one peer and no orderer: all else must be discovered. */
const profileOf = (dir: string): Record<string, unknown> => {
  const full: Record<string, unknown> = JSON.parse(readFileSync(join(dir, "connection-org1.json"), "utf8"))
  const { channels: _, orderers: __, ...rest } = full
  return rest
}

const withDiscovery = async <A>(
  dir: string,
  use: (gateway: InstanceType<typeof Gateway>) => Promise<A>
): Promise<A> => {
  const wallet = await Wallets.newFileSystemWallet(join(dir, "wallet"))
  const gateway = new Gateway()
  await gateway.connect(profileOf(dir), { wallet, identity: "user1", discovery: { enabled: true, asLocalhost: false } })
  try {
    return await use(gateway)
  } finally {
    gateway.disconnect()
  }
}

describe.each([
  { what: "one peer", name: "one", options: { orgs: [{ name: "Org1" }], tls: false } },
  {
    what: "three peers of two organisations, with TLS",
    name: "three",
    options: {
      orgs: [{ name: "Org1", peers: 2 }, { name: "Org2" }],
      tls: true,
      policy: "AND('Org1MSP.peer', 'Org2MSP.peer')"
    }
  }
])("fabric-network with discovery on, against $what", ({ name, options: { policy, ...options } }) => {
  const dir = at(name)
  let network: Network
  beforeAll(async () => {
    const chaincode = { path: sample, name: "assets", ...(policy === undefined ? {} : { policy }) }
    network = await startNetwork({ ...options, dir, batchTimeout: 50, chaincodes: [chaincode] })
    // what gossip tells of the others is there when all of them are
    const peers = Object.keys(network.addresses.peers).length
    await vi.waitFor(
      () =>
        withDiscovery(dir, async (gateway) => {
          const channel = (await gateway.getNetwork("mychannel")).getChannel()
          expect(channel.getEndorsers()).toHaveLength(peers)
        }),
      { timeout: 60_000, interval: 500 }
    )
  })
  afterAll(() => network.stop())

  it("submits with the discovered plan and reads back", () =>
    withDiscovery(dir, async (gateway) => {
      const contract = (await gateway.getNetwork("mychannel")).getContract("assets")
      await contract.submitTransaction("CreateAsset", "d1", "red", "7", "Dora", "9")
      const read = await contract.evaluateTransaction("ReadAsset", "d1")
      expect(JSON.parse(read.toString())).toMatchObject({ id: "d1", owner: "Dora" })
    }))

  it("reports a chaincode's error text", () =>
    withDiscovery(dir, async (gateway) => {
      const contract = (await gateway.getNetwork("mychannel")).getContract("assets")
      await expect(contract.submitTransaction("Fail", "not like this")).rejects.toThrow(/not like this/)
    }))
})

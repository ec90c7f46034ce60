import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Network, startNetwork } from "../../src/network/api.js"
import { temporaryFolder } from "./support.js"

const at = temporaryFolder()
const chaincodes = [{ path: fileURLToPath(new URL("../../samples/chaincode/asset-transfer", import.meta.url)) }]

describe("three networks side by side", () => {
  const networks: Array<Network> = []
  afterAll(() => Promise.all(networks.map((network) => network.stop())))

  it("come up in one process, each with its own channel, organisations and ports", async () => {
    networks.push(
      ...(await Promise.all([
        startNetwork({ channel: "one" }),
        startNetwork({ channel: "two", tls: true }),
        startNetwork({ channel: "three", orgs: [{ name: "Seller", peers: 2 }, { name: "Buyer" }] })
      ]))
    )
    expect(networks.map(({ channel }) => channel)).toEqual(["one", "two", "three"])
    expect(Object.keys(networks[2]?.addresses.peers ?? {})).toEqual([
      "peer0.seller.example.com",
      "peer1.seller.example.com",
      "peer0.buyer.example.com"
    ])
    const all = networks.flatMap(({ addresses: { orderer, peers } }) => [orderer, ...Object.values(peers)])
    expect(new Set(all).size).toBe(all.length)
  })

  it("answer through system chaincodes, each from its own ledger", async () => {
    for (const network of networks) {
      const info = await network.contract("qscc").evaluate("GetChainInfo", network.channel)
      expect(info.length).toBeGreaterThan(0)
      await expect(network.contract("qscc").evaluate("GetChainInfo", "elsewhere")).rejects.toThrow(/elsewhere/)
    }
  })

  it("leave no folder and no listener behind", async () => {
    const [first] = networks.splice(0, 1)
    if (first === undefined) throw new Error("no network")
    expect(existsSync(first.dir)).toBe(true)
    await first.stop()
    await first.stop()
    expect(existsSync(first.dir)).toBe(false)
    await expect(first.contract("qscc").evaluate("GetChainInfo", "one")).rejects.toThrow()
  })
})

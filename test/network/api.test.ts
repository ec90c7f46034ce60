import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { type Network, startNetwork } from "../../src/network/api.js"
import { Gateway, Wallets } from "./sdk.js"
import { temporaryFolder } from "./support.js"

// chaincode is built and started: a busy machine takes its time
vi.setConfig({ testTimeout: 120_000, hookTimeout: 180_000 })
const at = temporaryFolder()
const sample = fileURLToPath(new URL("../../samples/chaincode/asset-transfer", import.meta.url))

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

describe("a network with a chaincode", () => {
  const dir = at("kept")
  let network: Network
  beforeAll(async () => {
    network = await startNetwork({ dir, batchTimeout: 20, chaincodes: [{ path: sample, name: "assets" }] })
  })
  afterAll(() => network.stop())

  it("submits and evaluates, as different people", async () => {
    const contract = network.contract("assets")
    const { block, payload, txId } = await contract.submit("CreateAsset", "a1", "blue", "1", "Ann", "5")
    expect(JSON.parse(payload.toString())).toMatchObject({ id: "a1" })
    expect(block).toBeGreaterThanOrEqual(2n)
    expect(txId).toMatch(/^[0-9a-f]{64}$/)
    const read = await contract.with({ identity: "user1" }).evaluate("ReadAsset", "a1")
    expect(JSON.parse(read.toString())).toMatchObject({ owner: "Ann" })
    await expect(contract.with({ identity: "nobody" }).evaluate("ReadAsset", "a1")).rejects.toThrow(/'nobody'/)
  })

  it("rejects with the chaincode's text", async () => {
    const contract = network.contract("assets")
    await expect(contract.submit("Fail", "not today")).rejects.toThrow("not today")
    await expect(contract.evaluate("ReadAsset", "none")).rejects.toMatchObject({ _tag: "ProposalRefused", status: 500 })
    await expect(network.contract("nothing").submit("x")).rejects.toThrow(/chaincode nothing not found/)
  })

  it("rejects a transaction that the peers took for invalid, with its code", async () => {
    const contract = network.contract("assets")
    await contract.submit("CreateAsset", "contested", "blue", "1", "Ann", "5")
    const answers = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => contract.submit("TransferAsset", "contested", `owner${i}`))
    )
    const refused = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []))
    expect(refused.length).toBeGreaterThan(0)
    expect(answers.some(({ status }) => status === "fulfilled")).toBe(true)
    for (const reason of refused)
      expect(reason).toMatchObject({ _tag: "TransactionInvalid", code: "MVCC_READ_CONFLICT" })
  })

  it("hands transient data to endorsers only", async () => {
    const contract = network.contract("assets", { transient: { appraisal: "dear" } })
    await contract.submit("SetAppraisal", "a1")
    expect((await contract.evaluate("GetAppraisal", "a1")).toString()).toBe("dear")
  })

  it("is opened by the SDK through profile and identities", async () => {
    const wallet = await Wallets.newInMemoryWallet()
    for (const [label, { version: _, ...identity }] of Object.entries(network.identities))
      await wallet.put(label, identity)
    const gateway = new Gateway()
    await gateway.connect({ ...network.profile }, { wallet, identity: "user1", discovery: { enabled: false } })
    try {
      const contract = (await gateway.getNetwork(network.channel)).getContract("assets")
      await contract.submitTransaction("CreateAsset", "sdk", "blue", "1", "Ann", "5")
      expect((await contract.evaluateTransaction("AssetExists", "sdk")).toString()).toBe("true")
    } finally {
      gateway.disconnect()
    }
  })

  it("upgrades a chaincode and runs another one", async () => {
    await network.deploy({ path: sample, name: "assets", version: "2.0" })
    expect((await network.contract("assets").evaluate("AssetExists", "a1")).toString()).toBe("true")
    await network.deploy({ path: sample, name: "others" })
    expect((await network.contract("others").evaluate("AssetExists", "a1")).toString()).toBe("false")
    await expect(network.deploy({ path: at("nowhere") })).rejects.toThrow(/holds no chaincode/)
  })

  it("keeps its folder, and carries on with it", async () => {
    await network.stop()
    await expect(startNetwork({ dir, tls: true })).rejects.toThrow(/made otherwise: TLS is off/)
    network = await startNetwork({ dir })
    expect((await network.contract("assets").evaluate("AssetExists", "a1")).toString()).toBe("true")
  })
})

describe("two organisations", () => {
  let network: Network
  beforeAll(async () => {
    const policy = "AND('Org1MSP.peer','Org2MSP.peer')"
    const chaincodes = [{ path: sample, name: "assets", policy }]
    network = await startNetwork({ orgs: [{ name: "Org1" }, { name: "Org2" }], batchTimeout: 20, chaincodes })
  })
  afterAll(() => network.stop())

  it("endorse together; one alone is not enough", async () => {
    const contract = network.contract("assets", { identity: "user1@org2" })
    await contract.submit("CreateAsset", "both", "blue", "1", "Ann", "5")
    await expect(
      contract.with({ endorsers: ["Org2"] }).submit("CreateAsset", "alone", "blue", "1", "Ann", "5")
    ).rejects.toMatchObject({ _tag: "TransactionInvalid", code: "ENDORSEMENT_POLICY_FAILURE" })
    await expect(contract.with({ endorsers: ["Org3"] }).submit("CreateAsset", "x")).rejects.toThrow(/Org3/)
    expect((await contract.evaluate("AssetExists", "both")).toString()).toBe("true")
    expect((await contract.with({ endorsers: ["Org2"] }).evaluate("AssetExists", "alone")).toString()).toBe("false")
  })
})

describe("a start that cannot be", () => {
  it("rejects and leaves nothing behind", async () => {
    await expect(startNetwork({ channel: "Not A Channel" })).rejects.toThrow(/no channel name/)
    await expect(startNetwork({ chaincodes: [{ path: at("nowhere") }] })).rejects.toThrow(/holds no chaincode/)
    await expect(startNetwork({ log: "no=such=level" })).rejects.toThrow(/orderer.example.com .*log/)
  })
})

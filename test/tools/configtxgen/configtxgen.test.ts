/** The command on the recorded configtx.yaml and on our documented samples. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Either from "effect/Either"
import { afterAll, describe, expect, it } from "vitest"
import { Bundle } from "../../../src/channelconfig/index.js"
import { configtxgen } from "../../../src/tools/configtxgen/index.js"
import { common } from "../../../src/wire/index.js"
import { bundleOf, bytesOf, chainA, configEnvelopeOf, outcome } from "../../channelconfig/support.js"
import { runTool } from "../support.js"

const folder = mkdtempSync(join(tmpdir(), "configtxgen-"))
afterAll(() => rmSync(folder, { recursive: true }))
const at = (name: string) => join(folder, name)
const run = (argv: ReadonlyArray<string>, env = {}) => runTool(configtxgen, argv, { cwd: folder, env })
const withA = ["-configPath", chainA]

describe("the command", () => {
  it("writes the recorded genesis block, channel transaction and anchor peer updates", async () => {
    expect((await run([...withA, "-profile", "Genesis", "-channelID=sys", "--outputBlock", "g.block"])).code).toBe(0)
    const block = common.Block.decode(readFileSync(at("g.block")))
    const recorded = common.Block.decode(bytesOf("genesis.block"))
    expect(configEnvelopeOf(block)).toEqual(configEnvelopeOf(recorded))
    const channel = [...withA, "-profile", "Channel", "-channelID", "mychannel"]
    const made = await run([
      ...channel,
      "-outputCreateChannelTx",
      "c.tx",
      "-outputAnchorPeersUpdate",
      "a.tx",
      "-asOrg",
      "Org1MSP"
    ])
    expect(made.code).toBe(0)
    const data = (bytes: Uint8Array) => {
      const payload = common.Payload.decode(common.Envelope.decode(bytes).payload)
      return common.ConfigUpdate.decode(common.ConfigUpdateEnvelope.decode(payload.data).configUpdate)
    }
    expect(data(readFileSync(at("c.tx")))).toEqual(data(bytesOf("mychannel.tx")))
    expect(data(readFileSync(at("a.tx")))).toEqual(data(bytesOf("anchors1.tx")))
    expect(made.stderr).toMatch(
      /\[common\.tools\.configtxgen\] doOutputChannelCreateTx -> INFO \d+ Writing new channel tx/
    )
  })

  it("inspects, also without a configtx.yaml, and prints organisations", async () => {
    const block = await run(["-inspectBlock", `${chainA}genesis.block`])
    expect(block.code).toBe(0)
    expect(JSON.parse(block.stdout.toString()).data.data[0].payload.header.channel_header.channel_id).toBe("sys")
    const tx = await run(["-inspectChannelCreateTx", `${chainA}mychannel.tx`])
    expect(JSON.parse(tx.stdout.toString()).payload.data.config_update.channel_id).toBe("mychannel")
    const org = await run([...withA, "-printOrg", "Org1MSP"])
    expect(JSON.parse(org.stdout.toString()).values.MSP.value.config.name).toBe("Org1MSP")
  })

  it("lets the environment set what the profile has", async () => {
    const argv = [...withA, "-profile", "Genesis", "-channelID", "sys", "-outputBlock", "env.block"]
    expect((await run(argv, { CONFIGTX_ORDERER_BATCHTIMEOUT: "750ms" })).code).toBe(0)
    expect(bundleOf(common.Block.decode(readFileSync(at("env.block")))).orderer?.batchTimeoutMs).toBe(750)
  })

  it.each([
    [
      ["-outputBlock", "x", "-channelID", "c"],
      1,
      "Could not find configtx.yaml. Please make sure that FABRIC_CFG_PATH or -configPath is set"
    ],
    [
      [...withA, "-profile", "Nope", "-channelID", "c", "-outputBlock", "x"],
      1,
      "Could not find profile:  Nope. Please make sure"
    ],
    [
      [...withA, "-profile", "Channel", "-channelID", "c", "-outputBlock", "x"],
      1,
      "Error on outputBlock: refusing to generate block which is missing orderer section"
    ],
    [
      [...withA, "-profile", "Genesis", "-channelID", "c", "-outputCreateChannelTx", "x"],
      1,
      "channel template configs must contain an application section"
    ],
    [
      [...withA, "-profile", "Channel", "-channelID", "c", "-outputAnchorPeersUpdate", "x"],
      1,
      "Must specify an organization to update the anchor peer for"
    ],
    [
      [...withA, "-profile", "Channel", "-channelID", "c", "-outputAnchorPeersUpdate", "x", "-asOrg", "No"],
      1,
      "No organization name matching: No"
    ],
    [[...withA, "-printOrg", "No"], 1, "Error on printOrg: organization No not found"],
    [["-inspectBlock", "nowhere"], 1, "Error on inspectBlock: Could not read block nowhere"],
    [["-inspectBlock", `${chainA}configtx.yaml`], 1, "error unmarshaling to block"],
    [
      [...withA, "-profile", "Genesis", "-channelID", "c", "-outputBlock", "no/such/folder"],
      1,
      "Error writing genesis block: open no/such/folder: no such file or directory"
    ],
    [["-frobnicate"], 2, "flag provided but not defined: -frobnicate"],
    [["-profile"], 2, "flag needs an argument: -profile"],
    [["-h"], 0, "Usage of configtxgen:"]
  ])("%j ends with %i", async (argv, code, text) => {
    const ran = await run(argv)
    expect(ran.stderr).toContain(text)
    expect(ran.code).toBe(code)
  })

  it("tells its version, and warns of a missing channel id", async () => {
    expect((await run(["-version"])).stdout.toString()).toMatch(/^configtxgen:\n Version: 1\.4\.12\n/)
    const ran = await run([...withA, "-profile", "Genesis", "-outputBlock", "t.block"])
    expect(ran.stderr).toContain("defaulting to 'testchainid'")
    expect(bundleOf(common.Block.decode(readFileSync(at("t.block")))).channelId).toBe("testchainid")
  })

  it("a base profile lets a channel transaction change more than the application section", async () => {
    const argv = [...withA, "-profile", "Channel", "-channelID", "c", "-outputCreateChannelTx", "b.tx"]
    const ran = await run([...argv, "-channelCreateTxBaseProfile", "Genesis"])
    // The recorded channel profile has no orderer section, so against the system channel it removes one: still an update.
    expect(ran.code).toBe(0)
    const payload = common.Payload.decode(common.Envelope.decode(readFileSync(at("b.tx"))).payload)
    const update = common.ConfigUpdate.decode(common.ConfigUpdateEnvelope.decode(payload.data).configUpdate)
    expect(update.writeSet?.version).toBe(1n)
    expect(update.writeSet?.groups.has("Orderer")).toBe(false)
  })
})

describe("the documented samples", () => {
  const samples = fileURLToPath(new URL("../../../config/", import.meta.url))
  const place = mkdtempSync(join(tmpdir(), "samples-"))
  cpSync(join(samples, "configtx.yaml"), join(place, "configtx.yaml"))
  symlinkSync(join(chainA, "crypto-config"), join(place, "crypto-config"))
  afterAll(() => rmSync(place, { recursive: true }))

  it.each([
    ["SoloGenesis", "solo"],
    ["KafkaGenesis", "kafka"]
  ])("%s makes a system channel that loads", async (profile, type) => {
    const argv = [
      "-configPath",
      place,
      "-profile",
      profile,
      "-channelID",
      "system-channel",
      "-outputBlock",
      `${profile}.block`
    ]
    const ran = await run(argv)
    expect(ran.stderr).not.toMatch(/WARN|ERRO|FATA/)
    const bundle = Bundle.fromBlock(common.Block.decode(readFileSync(at(`${profile}.block`))))
    expect(outcome(bundle)).toBe("ok")
    const { consortiums, missingPolicies, orderer, ordererEndpoints, ordererSupport } = Either.getOrThrow(bundle)
    expect(outcome(ordererSupport)).toBe("ok")
    expect(orderer?.consensusType).toBe(type)
    expect(missingPolicies).toEqual([])
    expect([...(consortiums?.consortiums.keys() ?? [])]).toEqual(["SampleConsortium"])
    expect(ordererEndpoints.byOrg.get("OrdererOrg")).toEqual(["orderer.example.com:7050"])
  })

  it("TwoOrgsChannel makes a channel creation transaction", async () => {
    const ran = await run([
      "-configPath",
      place,
      "-profile",
      "TwoOrgsChannel",
      "-channelID",
      "mychannel",
      "-outputCreateChannelTx",
      "two.tx"
    ])
    expect(ran.code).toBe(0)
    expect(existsSync(at("two.tx"))).toBe(true)
  })
})

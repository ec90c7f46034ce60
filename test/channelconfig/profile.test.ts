/** configtx.yaml and what is made of it, against the recorded files of the Go tools. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Either from "effect/Either"
import { afterAll, describe, expect, it } from "vitest"
import {
  Bundle,
  type ConfigtxSource,
  decodeConfigUpdate,
  equalConfigs,
  etcdRaftMetadata,
  loadOrganizations,
  loadProfile,
  makeAnchorPeersUpdate,
  makeChannelCreationTransaction,
  makeGenesisBlock,
  type Profile
} from "../../src/channelconfig/index.js"
import { common } from "../../src/wire/index.js"
import { bytesOf, chainA, configEnvelopeOf, outcome } from "./support.js"

const source = (more: Partial<ConfigtxSource> = {}): ConfigtxSource => ({
  configPath: chainA,
  env: {},
  cwd: "/",
  ...more
})
const profile = (name: string, more?: Partial<ConfigtxSource>): Profile =>
  Either.getOrThrow(loadProfile(name, source(more)))
const freshness = { now: 1_600_000_000_123, nonce: new Uint8Array(24).fill(7) }
const warnings: Array<string> = []
const warn = (text: string) => void warnings.push(text)

const opened = (envelope: common.Envelope) => {
  const payload = common.Payload.decode(envelope.payload)
  return {
    payload,
    header: common.ChannelHeader.decode(payload.header?.channelHeader ?? new Uint8Array()),
    signatureHeader: payload.header?.signatureHeader
  }
}
const firstEnvelope = (block: common.Block) => common.Envelope.decode(block.data?.data[0] ?? new Uint8Array())
const updateOf = (envelope: common.Envelope) => {
  const update = common.ConfigUpdateEnvelope.decode(opened(envelope).payload.data)
  return { signatures: update.signatures, update: Either.getOrThrow(decodeConfigUpdate(update.configUpdate)) }
}

describe("recorded outputs of configtxgen", () => {
  it.each([
    ["Genesis", "sys", "genesis.block"],
    ["GenesisKafka", "syskafka", "genesis-kafka.block"]
  ])("the genesis block of %s is the recorded tree", (name, channelId, file) => {
    const ours = Either.getOrThrow(makeGenesisBlock(profile(name), channelId, freshness, warn))
    const recorded = common.Block.decode(bytesOf(file))
    const [mine, theirs] = [configEnvelopeOf(ours)?.config, configEnvelopeOf(recorded)?.config]
    if (mine === undefined || theirs === undefined) throw new Error("no config")
    expect(mine).toEqual(theirs)
    expect(equalConfigs(mine, theirs)).toBe(true)
    const header = (block: common.Block) => ({ ...opened(firstEnvelope(block)).header, timestamp: undefined, txId: "" })
    expect(header(ours)).toEqual(header(recorded))
    expect(opened(firstEnvelope(ours)).header.txId).toMatch(/^[0-9a-f]{64}$/)
    expect(opened(firstEnvelope(ours)).header.timestamp).toMatchObject({ seconds: 1_600_000_000n, nanos: 0 })
    expect(ours.metadata).toEqual(recorded.metadata)
    expect(ours.header?.previousHash).toEqual(recorded.header?.previousHash)
    expect(outcome(Bundle.fromBlock(ours))).toBe("ok")
  })

  it("the channel creation transaction is the recorded tree", () => {
    const ours = Either.getOrThrow(makeChannelCreationTransaction("mychannel", profile("Channel"), freshness.now, warn))
    const recorded = common.Envelope.decode(bytesOf("mychannel.tx"))
    expect(updateOf(ours)).toEqual(updateOf(recorded))
    const header = (envelope: common.Envelope) => ({ ...opened(envelope).header, timestamp: undefined })
    expect(header(ours)).toEqual(header(recorded))
    expect(opened(ours).signatureHeader).toEqual(opened(recorded).signatureHeader)
  })

  it.each([
    ["Org1MSP", "anchors1.tx"],
    ["Org2MSP", "anchors2.tx"]
  ])("the anchor peer update of %s is the recorded tree", (org, file) => {
    const ours = Either.getOrThrow(makeAnchorPeersUpdate("mychannel", profile("Channel"), org))
    const recorded = common.Envelope.decode(bytesOf(file))
    expect(updateOf(ours)).toEqual(updateOf(recorded))
    expect(opened(ours).header).toEqual(opened(recorded).header)
  })

  it("makes no use of default policies here", () => expect(warnings).toEqual([]))
})

describe("reading configtx.yaml", () => {
  const folders: Array<string> = []
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true })
  })
  const folderWith = (yaml: string): string => {
    const folder = mkdtempSync(join(tmpdir(), "configtx-"))
    folders.push(folder)
    writeFileSync(join(folder, "configtx.yaml"), yaml)
    return folder
  }
  const load = (yaml: string, more: Partial<ConfigtxSource> = {}) =>
    loadProfile("P", source({ configPath: folderWith(yaml), ...more }))

  it("lets the environment reach into the chosen profile, and only what the file has", () => {
    const env = {
      CONFIGTX_ORDERER_BATCHTIMEOUT: "7s",
      CONFIGTX_ORDERER_BATCHSIZE_MAXMESSAGECOUNT: "11",
      CONFIGTX_ORDERER_ADDRESSES: "[a:1, b:2]",
      CONFIGTX_ORDERER_MAXCHANNELS: "5",
      CONFIGTX_ORDERER_ORDERERTYPE: ""
    }
    const loaded = profile("Genesis", { env })
    expect(loaded.orderer).toMatchObject({
      batchTimeout: 7_000_000_000n,
      batchSize: { maxMessageCount: 11, absoluteMaxBytes: 10 << 20 },
      addresses: ["a:1", "b:2"],
      maxChannels: 0n,
      ordererType: "solo"
    })
  })

  it("finds the file by FABRIC_CFG_PATH and by the working folder", () => {
    expect(outcome(loadProfile("Genesis", { env: { FABRIC_CFG_PATH: chainA }, cwd: "/" }))).toBe("ok")
    expect(outcome(loadProfile("Genesis", { env: {}, cwd: chainA }))).toBe("ok")
    expect(outcome(loadProfile("Genesis", { configPath: "nowhere", env: {}, cwd: "/" }))).toBe(
      'Error reading configuration:  Unsupported Config Type ""'
    )
  })

  it("fills in what is unset", () => {
    const loaded = Either.getOrThrow(load("Profiles: {P: {Orderer: {}}}"))
    expect(loaded.orderer).toMatchObject({
      ordererType: "solo",
      addresses: ["127.0.0.1:7050"],
      batchTimeout: 2_000_000_000n,
      batchSize: { maxMessageCount: 500, absoluteMaxBytes: 10 << 20, preferredMaxBytes: 2 << 20 },
      maxChannels: 0n
    })
    expect(
      Either.getOrThrow(load("Profiles: {P: {Orderer: {OrdererType: kafka, Addresses: []}}}")).orderer
    ).toMatchObject({
      kafkaBrokers: ["127.0.0.1:9092"],
      addresses: []
    })
    const orgs = Either.getOrThrow(
      loadOrganizations(source({ configPath: folderWith("Organizations: [{Name: A, MSPDir: x}]") }))
    )
    expect(orgs[0]).toMatchObject({ mspType: "bccsp", adminPrincipal: "Role.ADMIN" })
    expect(orgs[0]?.mspDir).toMatch(/configtx-.*\/x$/)
  })

  it.each([
    [
      "Profiles: {P: {orderer: {batchsize: {maxmessagecount: '0x10', AbsoluteMaxBytes: 99 mB, PreferredMaxBytes: 1g}}}}",
      "ok"
    ],
    ["Profiles: {Q: {}}", "Could not find profile:  P"],
    ["Profiles: {P: {Orderer: {OrdererType: pbft}}}", "unknown orderer type: pbft"],
    [
      "Profiles: {P: {Nope: 1, Orderer: {What: 2}}}",
      /2 error\(s\).*'Profiles\[P\].Orderer' has invalid keys: What.*'Profiles\[P\]' has invalid keys: Nope/s
    ],
    ["Profiles: {P: {Orderer: {BatchTimeout: soon}}}", /cannot parse 'Profiles\[P\].Orderer.BatchTimeout' as int/],
    ["Profiles: {P: {Orderer: {BatchSize: {MaxMessageCount: -1}}}}", /MaxMessageCount.*overflows uint/],
    ["Profiles: {P: {Orderer: {BatchSize: {AbsoluteMaxBytes: 4g}}}}", /value '4g' overflows uint32/],
    ["Profiles: {P: {Capabilities: {V1_1: maybe}}}", /cannot parse 'Profiles\[P\].Capabilities\[V1_1\]' as bool/],
    ["Profiles: {P: {Orderer: {OrdererType: etcdraft}}}", "etcdraft raft configuration missing"],
    [
      "Profiles: {P: {Orderer: {OrdererType: etcdraft, EtcdRaft: {}}}}",
      "etcdraft configuration did not specify any consenter"
    ],
    [
      "Profiles: {P: {Orderer: {OrdererType: etcdraft, EtcdRaft: {Consenters: [{Host: h, ClientTLSCert: c, ServerTLSCert: s}]}}}}",
      "consenter info in etcdraft configuration did not specify port"
    ],
    [
      "Profiles: {P: {Orderer: {OrdererType: etcdraft, EtcdRaft: {Consenters: [{Host: h}], Options: {ElectionTick: 1, HeartbeatTick: 1}}}}}",
      "election tick must be greater than heartbeat tick"
    ],
    [
      "Profiles: {P: {Orderer: {OrdererType: etcdraft, EtcdRaft: {Consenters: [{Host: h}], Options: {TickInterval: often}}}}}",
      "Etcdraft TickInterval (often) must be in time duration format"
    ],
    ["Profiles: [", /Error reading configuration: {2}While parsing config: /],
    ["just text", "Error reading configuration:  the document is no map"]
  ])("%s", (yaml, expected) => {
    const text = outcome(load(yaml))
    if (typeof expected === "string") expect(text).toBe(expected)
    else expect(text).toMatch(expected)
  })

  it("an etcdraft profile carries the certificates' contents", () => {
    const folder = folderWith(`
Profiles:
  P:
    Orderer:
      OrdererType: etcdraft
      EtcdRaft: {Consenters: [{Host: o1, Port: 7050, ClientTLSCert: tls/c.pem, ServerTLSCert: tls/s.pem}]}
      Capabilities: {V1_4_2: true}
      Organizations: [{Name: O, ID: OrdererMSP, MSPDir: msp, OrdererEndpoints: ["o1:7050"]}]
    Capabilities: {V1_4_3: true}
    Consortiums: {}
`)
    cpSync(join(chainA, "crypto-config/ordererOrganizations/example.com/msp"), join(folder, "msp"), { recursive: true })
    const lines: Array<string> = []
    const loaded = Either.getOrThrow(loadProfile("P", source({ configPath: folder })))
    const failed = makeGenesisBlock(loaded, "sys", freshness, () => {})
    expect(outcome(failed)).toMatch(
      /could not create orderer group: cannot marshal metadata .* cannot load client cert for consenter o1:7050: /
    )
    cpSync(join(folder, "configtx.yaml"), join(folder, "tls/c.pem"))
    cpSync(join(folder, "configtx.yaml"), join(folder, "tls/s.pem"))
    const block = Either.getOrThrow(makeGenesisBlock(loaded, "sys", freshness, (text) => void lines.push(text)))
    expect(lines.filter((line) => line.startsWith("Default policy emission is deprecated")).length).toBe(3)
    const bundle = Either.getOrThrow(Bundle.fromBlock(block))
    if (bundle.orderer === undefined) throw new Error("no orderer section")
    expect(bundle.orderer.consensusType).toBe("etcdraft")
    expect(bundle.ordererEndpoints.byOrg.get("O")).toEqual(["o1:7050"])
    const { consenters, options } = Either.getOrThrow(etcdRaftMetadata(bundle.orderer))
    expect(options).toMatchObject({ tickInterval: "500ms", electionTick: 10, snapshotIntervalSize: 20 << 20 })
    expect(Buffer.from(consenters[0]?.clientTlsCert ?? []).toString()).toContain("OrdererType: etcdraft")
  })
})

/** What makes a configuration illegal, what may follow what, and what capabilities change (rules 59 to 65b, 83 to 85). */
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import {
  aclFor,
  aclPolicyFor,
  applicationCapabilities,
  Bundle,
  BundleSource,
  channelCapabilities,
  defaultAcls,
  formatGoDuration,
  newGroup,
  ordererCapabilities,
  parseGoDuration,
  validateChannelId,
  validateConfigId,
  validateNew
} from "../../src/channelconfig/index.js"
import { common, msp, orderer, protos } from "../../src/wire/index.js"
import { blocksOf, bundleOf, outcome } from "./support.js"

const channel = blocksOf("orderer/blocks").map((block) => block)[0]
const system = blocksOf("system/blocks")[0]
const app = bundleOf(channel)
const sys = bundleOf(system)

type Group = common.ConfigGroup
type Change = (group: Group) => Group

/** Applies a change to the group at a path. */
const at =
  (path: ReadonlyArray<string>, change: Change): Change =>
  (group) => {
    const [name, ...rest] = path
    if (name === undefined) return change(group)
    const inner = group.groups.get(name) ?? newGroup()
    return { ...group, groups: new Map(group.groups).set(name, at(rest, change)(inner)) }
  }
const value =
  (key: string, bytes: Uint8Array): Change =>
  (group) => ({
    ...group,
    values: new Map(group.values).set(key, common.ConfigValue.create({ value: bytes, modPolicy: "Admins" }))
  })
const without =
  (kind: "values" | "groups", key: string): Change =>
  (group) => {
    const values = new Map(group.values)
    const groups = new Map(group.groups)
    ;(kind === "values" ? values : groups).delete(key)
    return { ...group, values, groups }
  }
const sub =
  (name: string, inner: Group = newGroup()): Change =>
  (group) => ({ ...group, groups: new Map(group.groups).set(name, inner) })
const all =
  (...changes: ReadonlyArray<Change>): Change =>
  (group) =>
    changes.reduce((g, change) => change(g), group)

const rebuilt = (bundle: Bundle, change: Change, channelId = bundle.channelId) =>
  Bundle.fromConfig(channelId, { ...bundle.config, channelGroup: change(bundle.channelGroup) })

const capabilities = (...names: ReadonlyArray<string>): Uint8Array =>
  common.Capabilities.encode({ capabilities: new Map(names.map((name) => [name, {}])) })
const batch = (maxMessageCount: number, absoluteMaxBytes: number, preferredMaxBytes: number): Uint8Array =>
  orderer.BatchSize.encode({ maxMessageCount, absoluteMaxBytes, preferredMaxBytes })
const timeout = (text: string): Uint8Array => orderer.BatchTimeout.encode({ timeout: text })
const brokers = (...list: ReadonlyArray<string>): Uint8Array => orderer.KafkaBrokers.encode({ brokers: list })
const acls = protos.ACLs.encode({ acls: new Map([["qscc/GetChainInfo", { policyRef: "Admins" }]]) })
const endpoints = common.OrdererAddresses.encode({ addresses: ["o:7050"] })

const failed = "initializing channelconfig failed: "
const inGroup = (group: string) => `${failed}could not create channel ${group} sub-group config: `

describe("illegal configurations", () => {
  it.each<readonly [string, Change, string]>([
    ["the configuration as it is", (g) => g, "ok"],
    [
      "channel capabilities without orderer ones",
      at(["Orderer"], without("values", "Capabilities")),
      "cannot enable channel capabilities without orderer support first"
    ],
    [
      "application capabilities without orderer ones",
      all(without("values", "Capabilities"), at(["Orderer"], without("values", "Capabilities"))),
      "cannot enable application capabilities without orderer support first"
    ],
    ["an unknown section", sub("Other"), `${failed}Disallowed channel group: Other`],
    ["an unknown value", value("Odd", new Uint8Array()), `${failed}failed to deserialize values: Unexpected key Odd`],
    [
      "a value named like something of every object",
      value("toString", new Uint8Array()),
      `${failed}failed to deserialize values: Unexpected key toString`
    ],
    ["no hashing algorithm", without("values", "HashingAlgorithm"), `${failed}Unknown hashing algorithm type: `],
    ["SHA3", value("HashingAlgorithm", common.HashingAlgorithm.encode({ name: "SHA3_256" })), "ok"],
    [
      "another hashing algorithm",
      value("HashingAlgorithm", common.HashingAlgorithm.encode({ name: "MD5" })),
      `${failed}Unknown hashing algorithm type: MD5`
    ],
    [
      "another width",
      value("BlockDataHashingStructure", common.BlockDataHashingStructure.encode({ width: 7 })),
      `${failed}BlockDataHashStructure width only supported at MaxUint32 in this version`
    ],
    ["no orderer addresses, capability V1_4_3", without("values", "OrdererAddresses"), "ok"],
    [
      "no orderer addresses, capability V1_3",
      all(without("values", "OrdererAddresses"), value("Capabilities", capabilities("V1_3"))),
      `${failed}Must set some OrdererAddresses`
    ],
    [
      "no batch size",
      at(["Orderer"], without("values", "BatchSize")),
      `${inGroup("Orderer")}Attempted to set the batch size max message count to an invalid value: 0`
    ],
    [
      "no absolute size",
      at(["Orderer"], value("BatchSize", batch(1, 0, 1))),
      `${inGroup("Orderer")}Attempted to set the batch size absolute max bytes to an invalid value: 0`
    ],
    [
      "no preferred size",
      at(["Orderer"], value("BatchSize", batch(1, 1, 0))),
      `${inGroup("Orderer")}Attempted to set the batch size preferred max bytes to an invalid value: 0`
    ],
    [
      "preferred beyond absolute",
      at(["Orderer"], value("BatchSize", batch(1, 5, 9))),
      `${inGroup("Orderer")}Attempted to set the batch size preferred max bytes (9) greater than the absolute max bytes (5).`
    ],
    [
      "a timeout without unit",
      at(["Orderer"], value("BatchTimeout", timeout("5"))),
      `${inGroup("Orderer")}Attempted to set the batch timeout to a invalid value: time: missing unit in duration "5"`
    ],
    [
      "a timeout of nothing",
      at(["Orderer"], value("BatchTimeout", timeout("0s"))),
      `${inGroup("Orderer")}Attempted to set the batch timeout to a non-positive value: 0s`
    ],
    [
      "a negative timeout",
      at(["Orderer"], value("BatchTimeout", timeout("-1m"))),
      `${inGroup("Orderer")}Attempted to set the batch timeout to a non-positive value: -1m0s`
    ],
    ["brokers", at(["Orderer"], value("KafkaBrokers", brokers("a:1", ":70", "k-0.x:65535"))), "ok"],
    [
      "a broker without port",
      at(["Orderer"], value("KafkaBrokers", brokers("a:1", "b"))),
      `${inGroup("Orderer")}Invalid broker entry: b`
    ],
    [
      "a broker with two colons",
      at(["Orderer"], value("KafkaBrokers", brokers("a:1:2"))),
      `${inGroup("Orderer")}Invalid broker entry: a:1:2`
    ],
    [
      "a broker that ends with a dot",
      at(["Orderer"], value("KafkaBrokers", brokers("a.:1"))),
      `${inGroup("Orderer")}Invalid broker entry: a.:1`
    ],
    [
      "a broker's port too high",
      at(["Orderer"], value("KafkaBrokers", brokers("a:65536"))),
      `${inGroup("Orderer")}Invalid broker entry: a:65536`
    ],
    [
      "groups below an orderer organisation",
      at(["Orderer", "OrdererOrg"], sub("x")),
      `${inGroup("Orderer")}OrdererOrg config does not allow sub-groups`
    ],
    [
      "groups below an application organisation",
      at(["Application", "Org1MSP"], sub("x")),
      `${inGroup("Application")}ApplicationOrg config does not allow sub-groups`
    ],
    ["endpoints, capability V1_4_3", at(["Orderer", "OrdererOrg"], value("Endpoints", endpoints)), "ok"],
    [
      "endpoints, capability V1_3",
      all(value("Capabilities", capabilities("V1_3")), at(["Orderer", "OrdererOrg"], value("Endpoints", endpoints))),
      `${inGroup("Orderer")}Orderer Org OrdererOrg cannot contain endpoints value until V1_4_2+ capabilities have been enabled`
    ],
    [
      "ACLs, capability V1_1",
      at(["Application"], all(value("Capabilities", capabilities("V1_1")), value("ACLs", acls))),
      `${inGroup("Application")}ACLs may not be specified without the required capability`
    ],
    [
      "an organisation without MSP",
      at(["Application", "Org1MSP"], without("values", "MSP")),
      `${inGroup("Application")}setting up the MSP manager failed: expected at least one CA certificate`
    ],
    [
      "an MSP of an unknown type",
      at(["Application", "Org1MSP"], value("MSP", msp.MSPConfig.encode({ type: 7 }))),
      `${inGroup("Application")}Setup error: unsupported msp type 7`
    ],
    ["values of the Consortiums group are not looked at", at(["Consortiums"], value("Odd", Uint8Array.of(0xff))), "ok"],
    [
      "values of a consortium are",
      at(["Consortiums", "C"], value("Odd", Uint8Array.of(0xff))),
      `${inGroup("Consortiums")}failed to deserialize values: Unexpected key Odd`
    ],
    [
      "groups below an organisation of a consortium",
      at(["Consortiums", "C", "O"], sub("x")),
      `${inGroup("Consortiums")}organizations do not support sub-groups`
    ],
    [
      "a policy without content",
      (g) => ({ ...g, policies: new Map(g.policies).set("P", common.ConfigPolicy.create()) }),
      "initializing policymanager failed: policy P at path Channel was nil"
    ],
    [
      "an underscore in an organisation's name",
      at(["Application"], (g) => sub("Org_1", g.groups.get("Org1MSP"))(g)),
      "initializing configtx manager failed: error converting config to map: Illegal characters in key: [Group]  "
    ]
  ])("%s", (_, change, text) => {
    expect(outcome(rebuilt(app, change))).toBe(text)
  })

  it("two definitions of one MSP must be equal", () => {
    const org = app.channelGroup.groups.get("Application")?.groups.get("Org1MSP")
    expect(outcome(rebuilt(app, at(["Application"], sub("Again", org))))).toBe("ok")
    const config = msp.MSPConfig.decode(org?.values.get("MSP")?.value ?? new Uint8Array())
    const fabric = msp.FabricMSPConfig.decode(config.config)
    const other = msp.MSPConfig.encode({
      config: msp.FabricMSPConfig.encode({ ...fabric, admins: [], tlsRootCerts: [] })
    })
    const changed = at(["Application"], all(sub("Again", org), at(["Again"], value("MSP", other))))
    expect(outcome(rebuilt(app, changed))).toBe(
      `${inGroup("Application")}Attempted to define two different versions of MSP: Org1MSP`
    )
  })

  it("names of channels and elements", () => {
    const long = "a".repeat(250)
    for (const [id, text] of [
      ["mychannel.x-1", "ok"],
      ["", "channel ID illegal, cannot be empty"],
      [long, "channel ID illegal, cannot be longer than 249"],
      ["1a", "channel ID '1a' contains illegal characters"],
      ["My", "channel ID 'My' contains illegal characters"],
      ["a\n", "channel ID 'a\n' contains illegal characters"]
    ] as const) {
      expect(outcome(validateChannelId(id))).toBe(text)
    }
    expect(outcome(rebuilt(app, (g) => g, "My"))).toBe(
      "initializing configtx manager failed: bad channel ID: channel ID 'My' contains illegal characters"
    )
    for (const [id, text] of [
      ["A.b-1", "ok"],
      ["..", "name '..' for config ID is not allowed"],
      ["a_b", "config ID 'a_b' contains illegal characters"],
      [long, "config ID illegal, cannot be longer than 249"],
      ["", "config ID illegal, cannot be empty"]
    ] as const) {
      expect(outcome(validateConfigId(id))).toBe(text)
    }
  })

  it("blocks and envelopes that hold no configuration", () => {
    const block = (data: ReadonlyArray<Uint8Array>) => common.Block.create({ data: { data } })
    expect(outcome(Bundle.fromBlock(common.Block.create()))).toBe("block data is nil")
    expect(outcome(Bundle.fromBlock(block([])))).toBe("envelope index out of bounds")
    expect(outcome(Bundle.fromBlock(block([Uint8Array.of(0xff)])))).toContain(
      "block data does not carry an envelope at index 0"
    )
    const envelope = (payload: Uint8Array) => outcome(Bundle.fromEnvelope(common.Envelope.create({ payload })))
    expect(envelope(Uint8Array.of(0xff))).toContain("failed to unmarshal payload from envelope: ")
    expect(envelope(new Uint8Array())).toBe("envelope header cannot be nil")
    expect(envelope(common.Payload.encode({ header: {} }))).toBe("channelconfig Config cannot be nil")
    expect(envelope(common.Payload.encode({ header: {}, data: Uint8Array.of(0xff) }))).toContain(
      "failed to unmarshal config envelope from payload: "
    )
    const bare = common.ConfigEnvelope.encode({ config: {} })
    expect(envelope(common.Payload.encode({ header: {}, data: bare }))).toBe("config must contain a channel group")
  })
})

describe("what may follow what", () => {
  const next = (from: Bundle, change: Change) => outcome(validateNew(from, Either.getOrThrow(rebuilt(from, change))))
  const org2 = app.channelGroup.groups.get("Application")?.groups.get("Org2MSP")
  const type = (name: string) => at(["Orderer"], value("ConsensusType", orderer.ConsensusType.encode({ type: name })))

  it("sections stay, MSP ids stay", () => {
    expect(next(app, (g) => g)).toBe("ok")
    expect(next(app, without("groups", "Orderer"))).toBe("current config has orderer section, but new config does not")
    expect(next(app, without("groups", "Application"))).toBe(
      "current config has application section, but new config does not"
    )
    expect(next(sys, without("groups", "Consortiums"))).toBe(
      "current config has consortiums section, but new config does not"
    )
    expect(next(app, sub("Consortiums"))).toBe("current config has no consortiums section, but new config does")
    expect(next(app, at(["Application"], sub("Org1MSP", org2)))).toBe(
      "application org Org1MSP attempted to change MSP ID from Org1MSP to Org2MSP"
    )
    const noAnchors = org2 === undefined ? undefined : without("values", "AnchorPeers")(org2)
    expect(next(app, at(["Orderer"], sub("OrdererOrg", noAnchors)))).toBe(
      "orderer org OrdererOrg attempted to change MSP ID from OrdererMSP to Org2MSP"
    )
    expect(next(sys, at(["Consortiums", "SampleConsortium"], sub("Org1MSP", noAnchors)))).toBe(
      "consortium SampleConsortium org Org1MSP attempted to change MSP ID from Org1MSP to Org2MSP"
    )
    expect(next(app, at(["Application"], without("groups", "Org1MSP")))).toBe("ok")
  })

  it("the consensus type stays unless the current channel capability lets it go", () => {
    expect(next(app, type("kafka"))).toBe("ok")
    const old = Either.getOrThrow(rebuilt(app, value("Capabilities", capabilities("V1_3"))))
    expect(next(old, type("kafka"))).toBe("attempted to change consensus type from solo to kafka")
  })
})

describe("capabilities", () => {
  it("each name turns on what it should", () => {
    const mspVersions = [[], ["V1_1"], ["V1_1", "V1_3"], ["V1_4_2"], ["V1_4_3", "V1_1"]].map(
      (names) => channelCapabilities(names).mspVersion
    )
    expect(mspVersions).toEqual(["1.0", "1.1", "1.3", "1.3", "1.4.3"])
    expect(channelCapabilities(["V1_3"])).toMatchObject({
      consensusTypeMigration: false,
      orgSpecificOrdererEndpoints: false
    })
    expect(channelCapabilities(["V1_4_2"])).toMatchObject({
      consensusTypeMigration: true,
      orgSpecificOrdererEndpoints: true
    })
    expect(ordererCapabilities([])).toMatchObject({
      predictableChannelTemplate: false,
      resubmission: false,
      expirationCheck: false
    })
    expect(ordererCapabilities(["V1_1"])).toMatchObject({
      predictableChannelTemplate: true,
      resubmission: true,
      expirationCheck: true,
      consensusTypeMigration: false
    })
    expect(ordererCapabilities(["V1_4_2"])).toMatchObject({ resubmission: true, consensusTypeMigration: true })
    expect(applicationCapabilities(["V1_1"])).toMatchObject({
      forbidDuplicateTxIdInBlock: true,
      v11Validation: true,
      acls: false,
      privateChannelData: false
    })
    expect(applicationCapabilities(["V1_1_PVTDATA_EXPERIMENTAL"])).toMatchObject({
      privateChannelData: true,
      v11Validation: false
    })
    expect(applicationCapabilities(["V1_2"])).toMatchObject({
      acls: true,
      collectionUpgrade: true,
      v12Validation: true,
      keyLevelEndorsement: false
    })
    expect(applicationCapabilities(["V1_3"])).toMatchObject({
      v13Validation: true,
      keyLevelEndorsement: true,
      storePvtDataOfInvalidTx: false
    })
    expect(applicationCapabilities(["V1_4_2"])).toMatchObject({
      v11Validation: true,
      keyLevelEndorsement: true,
      storePvtDataOfInvalidTx: true
    })
  })

  it("an unknown name makes the node stop, each node for its own section and the channel's", () => {
    const of = (path: ReadonlyArray<string>, ...names: ReadonlyArray<string>) => {
      const bundle = Either.getOrThrow(rebuilt(app, at(path, value("Capabilities", capabilities(...names)))))
      return [outcome(bundle.ordererSupport), outcome(bundle.peerSupport)]
    }
    const channel = "Channel capability V1_2 is required but not supported"
    expect(of([], "V1_2", "V1_1")).toEqual([channel, channel])
    expect(of(["Orderer"], "V1_3")).toEqual(["Orderer capability V1_3 is required but not supported", "ok"])
    expect(of(["Application"], "V1_4_3")).toEqual(["ok", "Application capability V1_4_3 is required but not supported"])
    expect(of(["Application"], "V1_1_RESOURCETREE_EXPERIMENTAL")).toEqual(["ok", "ok"])
  })
})

describe("ACLs", () => {
  it("configured ones replace the defaults, relative ones stand below Application, empty ones count as absent", () => {
    const configured = protos.ACLs.encode({
      acls: new Map([
        ["qscc/GetChainInfo", { policyRef: "Admins" }],
        ["peer/Propose", { policyRef: "/Channel/Orderer/Admins" }],
        ["event/Block", { policyRef: "" }],
        ["my/Own", { policyRef: "MyPolicy" }]
      ])
    })
    const bundle = Either.getOrThrow(rebuilt(app, at(["Application"], value("ACLs", configured))))
    expect(aclFor(bundle, "qscc/GetChainInfo")).toEqual({ policy: "/Channel/Application/Admins", configured: true })
    expect(aclPolicyFor(bundle, "peer/Propose")).toBe("/Channel/Orderer/Admins")
    expect(aclFor(bundle, "event/Block")).toEqual({ policy: "/Channel/Application/Readers", configured: false })
    expect(aclPolicyFor(bundle, "my/Own")).toBe("/Channel/Application/MyPolicy")
    expect(aclPolicyFor(bundle, "lscc/Install")).toBeUndefined()
    expect(aclPolicyFor({}, "peer/ChaincodeToChaincode")).toBe("/Channel/Application/Writers")
    expect(defaultAcls.size).toBe(20)
  })
})

describe("the bundle in force", () => {
  it("reaches its actors first and at each change, in order, until they leave", () => {
    const seen: Array<string> = []
    const source = new BundleSource(app, (b) => seen.push(`a ${b.channelId}`))
    const leave = source.subscribe((b) => seen.push(`b ${b.channelId}`))
    source.update(sys)
    expect(source.current()).toBe(sys)
    leave()
    source.update(app)
    expect(seen).toEqual(["a mychannel", "b mychannel", "a sys", "b sys", "a mychannel"])
  })
})

describe("Go durations", () => {
  it.each([
    ["2s", 2_000_000_000n, "2s"],
    ["500ms", 500_000_000n, "500ms"],
    ["1m", 60_000_000_000n, "1m0s"],
    ["1h15m30.918s", 4_530_918_000_000n, "1h15m30.918s"],
    ["1.5h", 5_400_000_000_000n, "1h30m0s"],
    ["10us", 10_000n, "10µs"],
    ["-.5s", -500_000_000n, "-500ms"],
    ["+3ns", 3n, "3ns"],
    ["0", 0n, "0s"],
    ["100.00100s", 100_001_000_000n, "1m40.001s"]
  ])("%s", (text, nanoseconds, shown) => {
    expect(Either.getOrThrow(parseGoDuration(text))).toBe(nanoseconds)
    expect(formatGoDuration(nanoseconds)).toBe(shown)
  })
  it.each([
    ["", 'time: invalid duration ""'],
    ["3", 'time: missing unit in duration "3"'],
    ["3x", 'time: unknown unit "x" in duration "3x"'],
    [".s", 'time: invalid duration ".s"'],
    ["5 s", 'time: unknown unit " s" in duration "5 s"'],
    ["9223372036854775808ns", 'time: invalid duration "9223372036854775808ns"'],
    ['"\né', 'time: invalid duration "\\"\\x0a\\xc3\\xa9"']
  ])("%j is refused", (text, expected) => expect(outcome(parseGoDuration(text))).toBe(expected))
})

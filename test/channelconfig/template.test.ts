/** Channel creation: the checks of the request, and the template (orderer.md 3.4; acceptance checks 6 and 7). */
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import {
  Bundle,
  channelGenesisBlock,
  newChannelTemplate,
  newGroup,
  proposeConfigUpdate,
  validateNew
} from "../../src/channelconfig/index.js"
import { common } from "../../src/wire/index.js"
import { blockDataHash, makePayload } from "../../src/wire/protoutil.js"
import { blocksOf, bundleOf, bytesOf, outcome, person, updateEnvelope } from "./support.js"

const system = bundleOf(blocksOf("system/blocks")[0])
const creation = common.Envelope.decode(bytesOf("mychannel.tx"))
const payload = common.Payload.decode(creation.payload)
const { configUpdate } = common.ConfigUpdateEnvelope.decode(payload.data)
const update = common.ConfigUpdate.decode(configUpdate)

/** A creation request with another update or header. */
const request = (changed: Partial<common.ConfigUpdate>, channelId = "mychannel"): common.Envelope =>
  updateEnvelope(channelId, common.ConfigUpdate.encode({ ...update, ...changed }), [])
const writeSet = (change: (group: common.ConfigGroup) => common.ConfigGroup) => ({
  writeSet: change(update.writeSet ?? newGroup())
})
const application = (change: (group: common.ConfigGroup) => common.ConfigGroup) =>
  writeSet((group) => ({
    ...group,
    groups: new Map(group.groups).set("Application", change(group.groups.get("Application") ?? newGroup()))
  }))
const consortium = (name: string) =>
  writeSet((group) => ({
    ...group,
    values: new Map([["Consortium", common.ConfigValue.create({ value: common.Consortium.encode({ name }) })]])
  }))
const refusal = (envelope: common.Envelope, from: Bundle = system) => outcome(newChannelTemplate(from, envelope))
const withPayload = (bytes: Uint8Array) => common.Envelope.create({ payload: bytes })

describe("the request", () => {
  it("is refused with the reference's texts", () => {
    expect(refusal(withPayload(Uint8Array.of(0xff)))).toContain(
      "Failing initial channel config creation because of payload unmarshaling error: "
    )
    expect(refusal(withPayload(common.Payload.encode({ data: Uint8Array.of(0xff) })))).toContain(
      "Failing initial channel config creation because of config update envelope unmarshaling error: "
    )
    expect(refusal(withPayload(common.Payload.encode({})))).toBe(
      "Failed initial channel config creation because config update header was missing"
    )
    expect(refusal(withPayload(common.Payload.encode({ header: { channelHeader: Uint8Array.of(0xff) } })))).toContain(
      "Failed initial channel config creation because channel header was malformed: "
    )
    const garbled = common.ConfigUpdateEnvelope.encode({ configUpdate: Uint8Array.of(0xff) })
    expect(refusal(withPayload(makePayload({}, {}, garbled)))).toContain(
      "Failing initial channel config creation because of config update unmarshaling error: "
    )
    expect(refusal(request({}, "other"))).toBe(
      "Failing initial channel config creation: mismatched channel IDs: 'mychannel' != 'other'"
    )
    expect(refusal(request({ writeSet: undefined }))).toBe("Config update has an empty writeset")
    expect(refusal(request(writeSet((g) => ({ ...g, groups: new Map() }))))).toBe(
      "Config update has missing application group"
    )
    expect(refusal(request(application((g) => ({ ...g, version: 0n }))))).toBe(
      "Config update for channel creation does not set application group version to 1, was 0"
    )
    expect(refusal(request(writeSet((g) => ({ ...g, values: new Map() }))))).toBe("Consortium config value missing")
    expect(refusal(request({}), bundleOf(blocksOf("orderer/blocks")[0]))).toBe(
      "The ordering system channel does not appear to support creating channels"
    )
    expect(refusal(request(consortium("Nope")))).toBe("Unknown consortium name: Nope")
    expect(refusal(request(application((g) => ({ ...g, groups: new Map() }))))).toBe(
      "Proposed configuration has no application group members, but consortium contains members"
    )
    expect(refusal(request(application((g) => ({ ...g, groups: new Map([["Org3MSP", newGroup()]]) }))))).toBe(
      "Attempted to include a member which is not in the consortium"
    )
  })
})

describe("the template", () => {
  const template = Either.getOrThrow(newChannelTemplate(system, creation))
  const propose = async (...people: ReadonlyArray<readonly ["Org1MSP" | "Org2MSP" | "OrdererMSP", string]>) =>
    proposeConfigUpdate(
      template,
      updateEnvelope("mychannel", configUpdate, await Promise.all(people.map((who) => person(...who))))
    )

  it("is the system channel's configuration with versions 0, and the consortium's organisations", () => {
    expect(template.sequence).toBe(0n)
    expect(template.consortiums).toBeUndefined()
    expect([...(template.application?.orgs.keys() ?? [])].sort()).toEqual(["Org1MSP", "Org2MSP"])
    expect(template.channel.consortium).toBe("SampleConsortium")
    expect(template.channelGroup.modPolicy).toBe(system.channelGroup.modPolicy)
    const versions = (group: common.ConfigGroup): ReadonlyArray<bigint> => [
      group.version,
      ...[...group.values.values(), ...group.policies.values()].map((element) => element.version),
      ...[...group.groups.values()].flatMap(versions)
    ]
    expect(new Set(versions(template.channelGroup))).toEqual(new Set([0n]))
  })

  it("one administrator of one organisation may create the channel", async () => {
    const proposed = Either.getOrThrow(await propose(["Org2MSP", "Admin"]))
    expect(proposed.config?.sequence).toBe(1n)
    const created = Either.getOrThrow(Bundle.fromConfig("mychannel", proposed.config))
    expect(outcome(validateNew(template, created))).toBe("ok")
  })

  it("a user or the orderer's administrator may not", async () => {
    const text =
      "error authorizing update: error validating DeltaSet: policy for [Group]  /Channel/Application not satisfied: implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Admins' sub-policies to be satisfied"
    expect(outcome(await propose())).toBe(text)
    expect(outcome(await propose(["Org1MSP", "User1"], ["OrdererMSP", "Admin"]))).toBe(text)
  })

  it("creating a channel that exists fails on the read set", async () => {
    const existing = bundleOf(blocksOf("orderer/blocks")[0])
    const envelope = updateEnvelope("mychannel", configUpdate, [await person("Org1MSP", "Admin")])
    expect(outcome(proposeConfigUpdate(existing, envelope))).toBe(
      "error authorizing update: error validating ReadSet: proposed update requires that key [Group]  /Channel/Application be at version 0, but it is currently at version 1"
    )
  })

  it("without the orderer capability, versions and the missing mod_policy are as in 1.0", () => {
    const orderer = system.channelGroup.groups.get("Orderer") ?? newGroup()
    const values = new Map(orderer.values)
    values.delete("Capabilities")
    const root = new Map(system.channelGroup.values)
    root.delete("Capabilities")
    const batchSize = values.get("BatchSize")
    if (batchSize === undefined) throw new Error("no batch size")
    values.set("BatchSize", { ...batchSize, version: 4n })
    const old = Either.getOrThrow(
      Bundle.fromConfig("sys", {
        ...system.config,
        channelGroup: {
          ...system.channelGroup,
          values: root,
          groups: new Map(system.channelGroup.groups).set("Orderer", { ...orderer, values })
        }
      })
    )
    const made = Either.getOrThrow(newChannelTemplate(old, creation))
    expect(made.channelGroup.modPolicy).toBe("")
    expect(made.channelGroup.groups.get("Orderer")?.values.get("BatchSize")?.version).toBe(4n)
  })

  it("a consortium without members lets anybody in", () => {
    const empty = Either.getOrThrow(
      Bundle.fromConfig("sys", {
        ...system.config,
        channelGroup: {
          ...system.channelGroup,
          groups: new Map(system.channelGroup.groups).set(
            "Consortiums",
            newGroup({
              groups: new Map([
                [
                  "Empty",
                  newGroup({
                    values:
                      system.channelGroup.groups.get("Consortiums")?.groups.get("SampleConsortium")?.values ?? new Map()
                  })
                ]
              ])
            })
          )
        }
      })
    )
    const asked = request({ ...consortium("Empty") })
    expect(Either.getOrThrow(newChannelTemplate(empty, asked)).application?.orgs.size).toBe(0)
  })
})

describe("a created channel's first block", () => {
  it("holds the envelope and nothing else", () => {
    const bytes = common.Envelope.encode(creation)
    const block = channelGenesisBlock(bytes)
    expect(block.header).toMatchObject({ number: 0n, previousHash: new Uint8Array(), dataHash: blockDataHash([bytes]) })
    expect(block.metadata?.metadata.every((slot) => slot.length === 0)).toBe(true)
    expect(block.data?.data).toEqual([bytes])
  })
})

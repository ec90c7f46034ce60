/** The recorded chain under our configuration code: block signatures, config blocks, recorded updates and refusals. */
import { readFileSync } from "node:fs"
import * as Either from "effect/Either"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  Bundle,
  blockSignedData,
  computeUpdate,
  decodeConfig,
  equalConfigEnvelopes,
  equalConfigs,
  newChannelTemplate,
  proposeConfigUpdate,
  validateConfigEnvelope,
  validateNew,
  verifyBlock
} from "../../src/channelconfig/index.js"
import { blockValidation, verifyAhead } from "../../src/policy/index.js"
import { copyBytes } from "../../src/wire/bytes.js"
import { common } from "../../src/wire/index.js"
import { blocksOf, bundleOf, bytesOf, configEnvelopeOf, outcome, person, updateEnvelope } from "./support.js"

const chain = blocksOf("orderer/blocks")
const system = blocksOf("system/blocks")

/** Each block with the bundle that was in force when it was made; undefined for a chain's first. */
const withBundles = (blocks: ReadonlyArray<common.Block>) => {
  let bundle: Bundle | undefined
  return blocks.map((block) => {
    const before = bundle
    if (configEnvelopeOf(block) !== undefined) bundle = bundleOf(block)
    return { block, before }
  })
}

describe("blocks of the recorded orderer", () => {
  it("all verify against BlockValidation, also from signatures checked ahead", async () => {
    let verified = 0
    for (const { before, block } of [...withBundles(chain), ...withBundles(system)]) {
      if (before === undefined) continue
      expect(outcome(verifyBlock(before, block)), `block ${block.header?.number}`).toBe("ok")
      const policy = before.policyManager.getPolicy(blockValidation)
      const wanted = policy.verifications(Either.getOrThrow(blockSignedData(block)))
      expect(wanted.length).toBe(1)
      expect(outcome(verifyBlock(before, block, await verifyAhead(wanted)))).toBe("ok")
      verified++
    }
    expect(verified).toBe(chain.length + system.length - 2)
  })

  it("a bit flipped anywhere in header, data or signature fails", () => {
    const blocks = withBundles(chain).filter(({ before }) => before !== undefined)
    const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
      const copy = copyBytes(bytes)
      const at = Math.floor(bit / 8) % copy.length
      copy[at] = (copy[at] ?? 0) ^ (1 << (bit % 8))
      return copy
    }
    fc.assert(
      fc.property(
        fc.constantFrom(...blocks),
        fc.constantFrom("number", "previousHash", "dataHash", "data", "value", "signatureHeader", "signature"),
        fc.nat(),
        ({ before, block }, part, bit) => {
          if (before === undefined || block.header === undefined || block.data === undefined)
            throw new Error("no block")
          const slots = [...(block.metadata?.metadata ?? [])]
          const metadata = common.Metadata.decode(slots[0] ?? new Uint8Array())
          const [first] = metadata.signatures
          if (first === undefined) throw new Error("no signature")
          const { header } = block
          const withHeader = (changed: Partial<common.BlockHeader>) => ({ ...block, header: { ...header, ...changed } })
          const withMetadata = (changed: Partial<common.Metadata>) => {
            slots[0] = common.Metadata.encode({ ...metadata, ...changed })
            return { ...block, metadata: { metadata: slots, unknown: undefined } }
          }
          const change = (): common.Block => {
            switch (part) {
              case "number":
                return withHeader({ number: header.number ^ (1n << BigInt(bit % 62)) })
              case "previousHash":
                return withHeader({ previousHash: flip(header.previousHash, bit) })
              case "dataHash":
                return withHeader({ dataHash: flip(header.dataHash, bit) })
              case "data": {
                const data = [...(block.data?.data ?? [])]
                const i = bit % data.length
                data[i] = flip(data[i] ?? new Uint8Array(), bit)
                return { ...block, data: { data, unknown: undefined } }
              }
              case "value":
                return withMetadata({
                  value: flip(metadata.value.length === 0 ? Uint8Array.of(0) : metadata.value, bit)
                })
              case "signatureHeader":
                return withMetadata({ signatures: [{ ...first, signatureHeader: flip(first.signatureHeader, bit) }] })
              default:
                return withMetadata({ signatures: [{ ...first, signature: flip(first.signature, bit) }] })
            }
          }
          expect(outcome(verifyBlock(before, change()))).not.toBe("ok")
        }
      ),
      { numRuns: 400 }
    )
  })

  it("a block without signatures, metadata or header is refused", () => {
    const bundle = bundleOf(chain[0])
    const block = chain[1]
    if (block === undefined) throw new Error("no block")
    expect(outcome(verifyBlock(bundle, { ...block, header: undefined }))).toBe(
      "Invalid Block on channel [mychannel]. Header must be different from nil."
    )
    expect(outcome(verifyBlock(bundle, { ...block, metadata: undefined }))).toBe(
      "Block with id [1] on channel [mychannel] does not have metadata. Block not valid."
    )
    expect(
      outcome(
        verifyBlock(bundle, { ...block, metadata: common.BlockMetadata.create({ metadata: [new Uint8Array()] }) })
      )
    ).toBe(
      "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied"
    )
  })
})

describe("config blocks of the recorded chain", () => {
  it("each follows from the one before, by our rules and to the same tree", () => {
    let bundle: Bundle | undefined
    let followed = 0
    for (const block of chain) {
      const envelope = configEnvelopeOf(block)
      if (envelope === undefined) continue
      const next = bundleOf(block)
      if (bundle !== undefined) {
        expect(outcome(validateConfigEnvelope(bundle, envelope))).toBe("ok")
        if (envelope.lastUpdate === undefined) throw new Error("no update")
        const proposed = Either.getOrThrow(proposeConfigUpdate(bundle, envelope.lastUpdate))
        expect(equalConfigEnvelopes(proposed, envelope)).toBe(true)
        expect(outcome(validateNew(bundle, next))).toBe("ok")
        expect(next.sequence).toBe(bundle.sequence + 1n)
        followed++
      }
      expect(next.missingPolicies).toEqual([])
      expect(outcome(next.ordererSupport)).toBe("ok")
      expect(outcome(next.peerSupport)).toBe("ok")
      bundle = next
    }
    expect(followed).toBeGreaterThanOrEqual(3)
  })

  it("the channel's first configuration follows from the template of the system channel", () => {
    const first = configEnvelopeOf(chain[0] ?? common.Block.create())
    if (first?.lastUpdate === undefined) throw new Error("no creation update")
    const template = Either.getOrThrow(newChannelTemplate(bundleOf(system[0]), first.lastUpdate))
    expect(template.sequence).toBe(0n)
    expect(template.channelId).toBe("mychannel")
    const proposed = Either.getOrThrow(proposeConfigUpdate(template, first.lastUpdate))
    expect(equalConfigEnvelopes(proposed, first)).toBe(true)
    expect(proposed.config?.sequence).toBe(1n)
  })

  it("decode to what the recording says", () => {
    const bundle = bundleOf(chain[0])
    expect(bundle.channel).toMatchObject({
      hashingAlgorithm: "SHA256",
      ordererAddresses: ["127.0.0.1:7050"],
      consortium: "SampleConsortium"
    })
    expect(bundle.channel.capabilities).toMatchObject({ names: ["V1_4_3"], mspVersion: "1.4.3" })
    expect(bundle.orderer).toMatchObject({
      consensusType: "solo",
      consensusState: "NORMAL",
      batchSize: { maxMessageCount: 100, absoluteMaxBytes: 10 << 20, preferredMaxBytes: 2 << 20 },
      batchTimeoutMs: 500,
      maxChannels: 0n,
      kafkaBrokers: []
    })
    expect([...(bundle.application?.orgs.values() ?? [])].map((org) => [org.mspId, org.anchorPeers])).toEqual([
      ["Org1MSP", []],
      ["Org2MSP", []]
    ])
    expect([...bundle.mspManager.msps.keys()].sort()).toEqual(["OrdererMSP", "Org1MSP", "Org2MSP"])
    expect(bundle.consortiums).toBeUndefined()
    const last = chain.filter((block) => configEnvelopeOf(block) !== undefined).at(-1)
    expect([...(bundleOf(last).application?.orgs.get("Org1MSP")?.anchorPeers ?? [])]).toEqual([
      { host: "127.0.0.1", port: 7051 }
    ])
  })
})

describe.each(["acl", "acl2", "batch"])("recorded update %s", (name) => {
  const part = (which: string) => bytesOf(`config/${name}.${which}.pb`)
  const configOf = (which: string) => Either.getOrThrow(decodeConfig(part(which)))
  const before = Either.getOrThrow(Bundle.fromConfigBytes("mychannel", part("before")))
  const admins = async () => [
    await person("Org1MSP", "Admin"),
    await person("Org2MSP", "Admin"),
    await person("OrdererMSP", "Admin")
  ]

  it("gives the recorded configuration", async () => {
    const envelope = updateEnvelope("mychannel", part("update"), await admins())
    const proposed = Either.getOrThrow(proposeConfigUpdate(before, envelope))
    expect(proposed.config?.sequence).toBe(before.sequence + 1n)
    if (proposed.config === undefined) throw new Error("no config")
    // The recording's "after" is what the administrator edited: versions and sequence are the orderer's to set.
    expect(outcome(computeUpdate(proposed.config, configOf("after")))).toBe(
      "no differences detected between original and updated config"
    )
    expect(outcome(validateConfigEnvelope(before, proposed))).toBe("ok")
  })

  it("is what computeUpdate finds between before and after", () => {
    const computed = Either.getOrThrow(computeUpdate(configOf("before"), configOf("after")))
    const recorded = common.ConfigUpdate.decode(part("update"))
    expect({ ...computed, channelId: "mychannel" }).toEqual(recorded)
    expect(equalConfigs(configOf("before"), configOf("after"))).toBe(false)
  })
})

describe("refused updates", () => {
  const refusal = (name: string): string =>
    Buffer.from(bytesOf(`config/${name}.refused.txt`))
      .toString()
      .split("'mychannel': ")[1]
      ?.trim() ?? ""
  it.each([
    ["acl2", ["Org1MSP"]],
    ["batch", ["Org1MSP", "Org2MSP"]]
  ] as const)("%s gives the recorded text when too few signed", async (name, mspIds) => {
    const before = Either.getOrThrow(Bundle.fromConfigBytes("mychannel", bytesOf(`config/${name}.before.pb`)))
    const signers = await Promise.all(mspIds.map((mspId) => person(mspId, "Admin")))
    const envelope = updateEnvelope("mychannel", bytesOf(`config/${name}.update.pb`), signers)
    expect(outcome(proposeConfigUpdate(before, envelope))).toBe(refusal(name))
  })
})

describe("stale and concurrent updates", () => {
  it("of two updates of one configuration the second is refused, unless they touch different things", async () => {
    const bundle = Either.getOrThrow(Bundle.fromConfigBytes("mychannel", bytesOf("config/batch.before.pb")))
    const people = [
      await person("Org1MSP", "Admin"),
      await person("Org2MSP", "Admin"),
      await person("OrdererMSP", "Admin")
    ]
    const apply = (on: Bundle, update: Uint8Array) => {
      const proposed = proposeConfigUpdate(on, updateEnvelope("mychannel", update, people))
      return Either.map(proposed, ({ config }) => Either.getOrThrow(Bundle.fromConfig("mychannel", config)))
    }
    const changed = (key: string, timeout: string): Uint8Array => {
      const config = Either.getOrThrow(decodeConfig(bytesOf("config/batch.before.pb")))
      const root = config.channelGroup ?? common.ConfigGroup.create()
      const orderer = root.groups.get("Orderer") ?? common.ConfigGroup.create()
      const old = orderer.values.get(key) ?? common.ConfigValue.create()
      const values = new Map(orderer.values).set(key, {
        ...old,
        value: Buffer.concat([old.value, Buffer.from(timeout, "hex")])
      })
      const groups = new Map(root.groups).set("Orderer", { ...orderer, values })
      const update = Either.getOrThrow(computeUpdate(config, { ...config, channelGroup: { ...root, groups } }))
      return common.ConfigUpdate.encode({ ...update, channelId: "mychannel" })
    }
    // A second encoding of a field replaces the first: other batch timeouts, another batch size.
    const [slow, slower, large] = [
      changed("BatchTimeout", "0a023973"),
      changed("BatchTimeout", "0a03313073"),
      changed("BatchSize", "0807")
    ]
    const first = Either.getOrThrow(apply(bundle, slow))
    expect(first.orderer?.batchTimeoutMs).toBe(9000)
    expect(outcome(apply(first, slower))).toMatch(
      /^error authorizing update: error validating DeltaSet: attempt to set key \[Value\] {2}\/Channel\/Orderer\/BatchTimeout to version (\d), but key is at version \1$/
    )
    const second = Either.getOrThrow(apply(first, large))
    expect(second.orderer).toMatchObject({ batchTimeoutMs: 9000, batchSize: { maxMessageCount: 7 } })
    expect(second.sequence).toBe(bundle.sequence + 2n)
  })

  it("a Kafka channel's configuration loads", () => {
    const bundle = bundleOf(
      common.Block.decode(readFileSync(new URL("../vectors/kafka-a/000000.block", import.meta.url)))
    )
    expect(bundle.orderer).toMatchObject({ consensusType: "kafka", kafkaBrokers: ["127.0.0.1:19092"] })
  })
})

/** JSON of messages against what Go's configtxlator makes of the same bytes and documents. */
import { readFileSync } from "node:fs"
import * as Either from "effect/Either"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { equalConfigs } from "../../../src/channelconfig/index.js"
import { protoDecode, protoEncode } from "../../../src/tools/configtxlator/index.js"
import { deepMarshalJson, deepUnmarshalJson, messageNamed, plain } from "../../../src/tools/protolator/index.js"
import { toHex } from "../../../src/wire/bytes.js"
import { common, orderer } from "../../../src/wire/index.js"
import { blocksOf, bytesOf, configEnvelopeOf, outcome } from "../../channelconfig/support.js"
import { readCases } from "../../policy/corpus.js"

const corpus = (name: string): string => readFileSync(new URL(`corpus/${name}.txt`, import.meta.url), "utf8")

describe("recorded from Go", () => {
  it.each([
    ["genesis", "common.Block", "genesis.block"],
    ["transaction", "common.Block", "orderer/blocks/000007.block"],
    ["creation", "common.Envelope", "mychannel.tx"]
  ])("prints %s to the letter", (name, type, file) => {
    expect(Either.getOrThrow(protoDecode(type, bytesOf(file)))).toBe(corpus(name))
  })

  it("reads and refuses documents as Go does", () => {
    const cases = readCases<{ type: string; json: string; bytes?: string; error?: string }>(
      new URL("corpus/encode.jsonl", import.meta.url)
    )
    for (const { bytes, error, json, type } of cases) {
      const made = Either.match(protoEncode(type, json), { onLeft: (e) => e.message, onRight: toHex })
      expect(made, json).toBe(error ?? bytes)
    }
  })
})

describe("there and back", () => {
  it("no recorded block changes: config blocks as trees, others to the byte as Go would write them", () => {
    for (const folder of ["blocks", "orderer/blocks", "system/blocks"]) {
      for (const block of blocksOf(folder)) {
        const bytes = common.Block.encode(block)
        const json = protoDecode("common.Block", bytes)
        // One recorded block holds an envelope of an invented type, which nobody can print.
        if (Either.isLeft(json)) {
          expect(json.left.message).toContain("decoding type 99 is unimplemented")
          continue
        }
        const back = Either.getOrThrow(protoEncode("common.Block", json.right))
        expect(Either.getOrThrow(protoDecode("common.Block", back))).toBe(json.right)
        const [before, after] = [configEnvelopeOf(block)?.config, configEnvelopeOf(common.Block.decode(back))?.config]
        expect(before === undefined).toBe(after === undefined)
        if (before !== undefined && after !== undefined) expect(equalConfigs(before, after)).toBe(true)
      }
    }
  })

  it("any configuration group keeps its content", () => {
    const key = fc.stringMatching(/^[a-zA-Z0-9.-]{1,6}$/)
    const version = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
    const group: fc.Arbitrary<common.ConfigGroup> = fc.letrec<{ group: common.ConfigGroup }>((tie) => ({
      group: fc
        .record({
          version,
          modPolicy: fc.string(),
          groups: fc.oneof({ maxDepth: 2 }, fc.constant([]), fc.array(fc.tuple(key, tie("group")), { maxLength: 2 })),
          values: fc.array(fc.tuple(key, fc.record({ version, value: fc.uint8Array(), modPolicy: fc.string() })), {
            maxLength: 2
          }),
          policies: fc.array(fc.tuple(key, fc.record({ version, modPolicy: fc.string() })), { maxLength: 2 })
        })
        .map(({ groups, policies, values, ...rest }) =>
          common.ConfigGroup.create({
            ...rest,
            groups: new Map(groups),
            values: new Map(values),
            policies: new Map(policies)
          })
        )
    })).group
    fc.assert(
      fc.property(group, (made) => {
        const bytes = common.ConfigGroup.encode(made)
        const json = Either.getOrThrow(protoDecode("common.ConfigGroup", bytes))
        expect(Buffer.from(Either.getOrThrow(protoEncode("common.ConfigGroup", json)))).toEqual(Buffer.from(bytes))
      }),
      { numRuns: 200 }
    )
  })

  it("metadata of etcdraft is expanded, that of other types has no content", () => {
    const bytes = orderer.ConsensusType.encode({ type: "etcdraft", metadata: Buffer.from("0a050a01681001", "hex") })
    const json = Either.getOrThrow(protoDecode("orderer.ConsensusType", bytes))
    expect(JSON.parse(json)).toMatchObject({ metadata: { consenters: [{ host: "h", port: 1 }], options: null } })
    const kafka = orderer.ConsensusType.encode({ type: "kafka", metadata: Buffer.from("0a050a01681001", "hex") })
    expect(JSON.parse(Either.getOrThrow(protoDecode("orderer.ConsensusType", kafka)))).toMatchObject({ metadata: {} })
  })
})

describe("hostile input", () => {
  it("no bytes and no text make it throw", () => {
    const types = ["common.Block", "common.Config", "common.Envelope", "protos.Transaction", "rwset.TxReadWriteSet"]
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 60 }), fc.json(), (type, bytes, json) => {
        protoDecode(type, bytes)
        protoEncode(type, json)
      }),
      { numRuns: 1000 }
    )
  })

  it("nesting beyond reason is refused", () => {
    const deep = `${'{"groups":{"a":'.repeat(5000)}{}${"}}".repeat(5000)}`
    expect(outcome(protoEncode("common.ConfigGroup", deep))).toContain("nested more than 1000 levels deep")
  })

  it("numbers are exact, and text that looks like one stays text", () => {
    const type = messageNamed("common.ChannelHeader")
    if (type === undefined) throw new Error("no such message")
    const header = Either.getOrThrow(deepUnmarshalJson(plain(type), '{"epoch": 9007199254740993, "tx_id": "#12"}'))
    expect(header).toMatchObject({ epoch: 9007199254740993n, txId: "#12" })
    expect(Either.getOrThrow(deepMarshalJson(plain(type), header))).toContain('"epoch": "9007199254740993"')
  })
})

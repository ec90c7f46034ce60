/** Values of flags, JSON inputs and Go's texts. */
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { endorsingPeers } from "../../../src/peer/cli/chaincode/connectionProfile.js"
import { callFault, readCall, readCollections, readTransient } from "../../../src/peer/cli/chaincode/input.js"
import { chaincodeLine } from "../../../src/peer/cli/chaincode/packages.js"
import { chainInfoJson } from "../../../src/peer/cli/channel/commands.js"
import { flag, list, readFlags, text } from "../../../src/peer/cli/flags.js"
import { byteList, proposalResponseText, responseText } from "../../../src/peer/cli/goText.js"
import { common, protos } from "../../../src/wire/index.js"

const keys = "'Args' or 'Function' and 'Args'"

describe("the call (-c)", () => {
  test.each([
    ['{"Args":["a","b"]}', ["a", "b"]],
    ['{"args":["a"],"Function":"f"}', ["f", "a"]],
    ['{"Args":null}', []],
    ['{"Args":[null,"é"]}', ["", "é"]],
    ["{}", []]
  ])("%s", (given, args) => {
    expect(callFault(given, true)).toBeUndefined()
    expect(readCall(given)).toEqual(Either.right(args))
  })
  test.each([
    ["{}", `empty JSON chaincode parameters must contain the following keys: ${keys}`],
    ['{"x":1}', `non-empty JSON chaincode parameters must contain the following keys: ${keys}`],
    ['{"Args":[],"x":1}', `non-empty JSON chaincode parameters must contain the following keys: ${keys}`],
    ['{"Args":', "chaincode argument error: unexpected end of JSON input"],
    ["x", "chaincode argument error: invalid character 'x' looking for beginning of value"],
    ["[]", `non-empty JSON chaincode parameters must contain the following keys: ${keys}`]
  ])("%s is none", (given, fault) => {
    expect(callFault(given, false)).toBe(fault)
  })
  test.each([
    ['{"Args":[1]}', "cannot unmarshal number into Go struct field strArgs.Args of type string"],
    ['{"Args":"x"}', "cannot unmarshal string into Go struct field strArgs.Args of type []string"]
  ])("%s has the wrong types", (given, fault) => {
    expect(readCall(given)).toEqual(Either.left(`chaincode argument error: json: ${fault}`))
  })
})

test("transient data is base64, exactly", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.uint8Array()), (map) => {
      const json = JSON.stringify(
        Object.fromEntries(Object.entries(map).map(([name, value]) => [name, Buffer.from(value).toString("base64")]))
      )
      const read = Either.getOrThrow(readTransient(json))
      expect(new Map([...(read ?? [])].map(([name, value]) => [name, [...value]]))).toEqual(
        new Map(Object.entries(map).map(([name, value]) => [name, [...value]]))
      )
    })
  )
  expect(readTransient("")).toEqual(Either.right(undefined))
  // spare bits are not looked at
  expect(Either.getOrThrow(readTransient('{"v":"YR==\\n"}'))?.get("v")).toEqual(Uint8Array.of(0x61))
})

test.each([
  ["c2V", 0],
  ["YWFhYQ", 4],
  ["YQ===", 4],
  ["!", 0],
  ["Y Q=", 1],
  ["YQ=a", 2],
  ["YQ=", 3],
  ["YQ==YQ==", 4],
  ["YWI_", 3]
])("transient data %s is none, from byte %i on", (given, at) => {
  expect(readTransient(`{"v":"${given}"}`)).toEqual(
    Either.left(`error parsing transient string: illegal base64 data at input byte ${at}`)
  )
})

describe("collections", () => {
  const policy = "OR('Org1MSP.member')"
  test("keep 64-bit numbers exact", () => {
    const file = `[{"name":"a","policy":"${policy}","requiredPeerCount":1,"maxPeerCount":2,"blockToLive":18446744073709551615,"memberOnlyRead":true}]`
    const { config } = common.CollectionConfigPackage.decode(Either.getOrThrow(readCollections(file)))
    expect(config[0]?.staticCollectionConfig).toMatchObject({
      name: "a",
      requiredPeerCount: 1,
      maximumPeerCount: 2,
      blockToLive: 18446744073709551615n,
      memberOnlyRead: true
    })
  })
  test.each([
    ['[{"name":1}]', "cannot unmarshal number into Go struct field collectionConfigJson.name of type string"],
    [
      '[{"requiredPeerCount":1.5}]',
      "cannot unmarshal number 1.5 into Go struct field collectionConfigJson.requiredPeerCount of type int32"
    ]
  ])("%s", (file, fault) => {
    expect(readCollections(file)).toEqual(Either.left(`could not parse the collection configuration: json: ${fault}`))
  })
  test("a wrong policy is named", () => {
    const read = readCollections('[{"name":"a","policy":"nonsense"}]')
    expect(Either.isLeft(read) && read.left.startsWith("invalid policy nonsense")).toBe(true)
  })
})

test("the peers of a connection profile", () => {
  const profile = `
channels:
  ch:
    peers:
      p1: {endorsingPeer: true}
      p2: {endorsingPeer: false}
      p3: {endorsingPeer: true}
peers:
  p1: {url: "grpcs://h1:7051", tlsCACerts: {path: /ca1}}
  p3: {url: h3:7051}
`
  expect(endorsingPeers(profile, "ch")).toEqual(
    Either.right([
      { address: "h1:7051", rootFile: "/ca1" },
      { address: "h3:7051", rootFile: "" }
    ])
  )
  expect(endorsingPeers(profile, "other")).toEqual(Either.right(undefined))
  expect(endorsingPeers(profile.replace("p3: {url", "p4: {url"), "ch")).toEqual(
    Either.left("peer 'p3' is defined in the channel config but doesn't have associated peer config")
  )
})

describe("flags", () => {
  const specs = [text("name", "", "n"), flag("raw", "", "r"), flag("hex", "", "x"), list("peer", "")]
  const read = (...args: ReadonlyArray<string>) => Either.getOrThrow(readFlags(specs, args))
  test("stand anywhere, joined or apart", () => {
    const { values, words } = read("a", "-rxn", "v", "--peer", "1", "b", "--peer=2,3", "--", "-r")
    expect([values.text("name"), values.is("raw"), values.is("hex")]).toEqual(["v", true, true])
    expect(values.list("peer")).toEqual(["1", "2,3"])
    expect(words).toEqual(["a", "b", "-r"])
  })
  test.each([["-n=v"], ["-nv"], ["--name=v"]])("%s", (word) => {
    expect(read(word).values.text("name")).toBe("v")
  })
  test("a switch takes a value only behind a sign", () => {
    const { values, words } = read("--raw", "false", "--hex=false")
    expect([values.is("raw"), values.is("hex"), words]).toEqual([true, false, ["false"]])
  })
})

describe("Go's texts", () => {
  const response = protos.Response.create({ status: 500, message: 'no "x"\n', payload: Buffer.from([0, 0x41, 0xff]) })
  test("of a response", () => {
    expect(responseText(response)).toBe('status:500 message:"no \\"x\\"\\n" payload:"\\000A\\377" ')
    expect(responseText(undefined)).toBe("<nil>")
  })
  test("of a proposal response", () => {
    const answer = protos.ProposalResponse.create({ version: 1, response: { status: 200, payload: Buffer.from("OK") } })
    expect(proposalResponseText(answer)).toBe('version:1 response:<status:200 payload:"OK" > ')
  })
  test("of bytes", () => {
    expect(byteList(Buffer.from("12"))).toBe("[49 50]")
  })
  test("of a chaincode and a chain", () => {
    const info = protos.ChaincodeInfo.create({ name: "n", version: "v", id: Buffer.from([0xab]) })
    expect(chaincodeLine(info)).toBe("Name: n, Version: v, Id: ab")
    const chain = common.BlockchainInfo.create({ height: 2n ** 63n, currentBlockHash: Buffer.from("a") })
    expect(chainInfoJson(chain)).toBe('{"height":9223372036854775808,"currentBlockHash":"YQ=="}')
  })
})

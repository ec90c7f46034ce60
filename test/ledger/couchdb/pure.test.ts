/** Names, documents and JSON of CouchDB's mode, against values that the reference's rules give. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  decodeVersion,
  documentOf,
  encodeVersion,
  keyValueFault,
  readDocument
} from "../../../src/ledger/couchdb/documents.js"
import { metadataDatabase, namespaceDatabase } from "../../../src/ledger/couchdb/names.js"
import { marshalJson, normalised, parseExactly, parseJsonObject } from "../../../src/ledger/statedb/goJson.js"
import { sha256, toHex, utf8 } from "../../../src/wire/protoutil.js"
import { text } from "../support.js"

const hashOf = (name: string) => toHex(sha256(utf8(name)))

describe("names of databases", () => {
  it("escape upper case and dots", () => {
    expect(metadataDatabase("my.channel")).toBe("my$channel_")
    expect(namespaceDatabase("ch", "MyCC")).toBe("ch_$my$c$c")
    expect(namespaceDatabase("my.ch", "cc$$pColl")).toBe("my$ch_cc$$p$coll")
    expect(() => namespaceDatabase("ch", "cc+é")).toThrow("does not match pattern")
  })
  it("are cut to fit, each with the hash of the whole name", () => {
    const channel = "c".repeat(249)
    expect(metadataDatabase(channel)).toBe(`${"c".repeat(50)}(${hashOf(channel)})_`)
    const chaincode = "A".repeat(60)
    expect(namespaceDatabase(channel, chaincode)).toBe(
      `${"c".repeat(50)}_${"$a".repeat(25)}(${hashOf(`${channel}_${chaincode}`)})`
    )
    const collection = `${"n".repeat(120)}$$p${"k".repeat(120)}`
    expect(namespaceDatabase("ch", collection)).toBe(
      `ch_${"n".repeat(50)}$$p${"k".repeat(49)}(${hashOf(`ch_${collection}`)})`
    )
  })
})

describe("versions", () => {
  it("are read as written, and in the form of peers before metadata", () => {
    // {1: 01 2c.. } of block 300, transaction 5: opv(300) || opv(5) = 02 01 2c 01 05
    expect(encodeVersion({ blockNum: 300n, txNum: 5n }, undefined)).toBe(
      `\0${Buffer.from("0a0502012c0105", "hex").toString("base64")}`
    )
    expect(decodeVersion("7:3")).toEqual({ version: { blockNum: 7n, txNum: 3n }, metadata: undefined })
    for (const bad of [
      "",
      "x",
      "\0",
      "\0====",
      "\0CgM=",
      5,
      undefined,
      `\0${Buffer.from([0x0a, 0x80]).toString("base64")}`
    ])
      expect(() => decodeVersion(bad), String(bad)).toThrow("cannot be read")
  })
  it("come back for any number and metadata", () =>
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.bigInt(0n, 2n ** 32n),
        fc.uint8Array({ maxLength: 300 }),
        (block, tx, m) => {
          const metadata = m.length === 0 ? undefined : m
          const back = decodeVersion(encodeVersion({ blockNum: block, txNum: tx }, metadata))
          expect(back.version).toEqual({ blockNum: block, txNum: tx })
          expect(back.metadata === undefined ? undefined : [...back.metadata]).toEqual(
            metadata === undefined ? undefined : [...metadata]
          )
        }
      )
    ))
})

describe("JSON as Go writes it", () => {
  it.each([
    ['{ "b":1, "a":2 }', '{"a":2,"b":1}'],
    ['{"n":[1.0,0.10,1e21,1E-7,-0,123456789012345678901]}', '{"n":[1,0.1,1e+21,1e-7,0,123456789012345680000]}'],
    [
      '{"s":"<>&\\u2028\\u0007\\/\\ud83d\\ude00\\b\\f\\n\\r\\t\\u007f"}',
      '{"s":"\\u003c\\u003e\\u0026\\u2028\\u0007/😀\\u0008\\u000c\\n\\r\\t\u007f"}'
    ],
    ['{"a":1,"a":{"x":2}}', '{"a":{"x":2}}'],
    ['{"\\uFFFD":1,"\\ud800\\udc00":2}', '{"\uFFFD":1,"\u{10000}":2}'],
    ['{"a":[],"o":{},"t":true,"z":null}', '{"a":[],"o":{},"t":true,"z":null}'],
    ["  {}", "{}"]
  ])("%s", (written, read) => {
    expect(text(normalised(utf8(written)))).toBe(read)
  })
  it.each([
    "[1]",
    '"s"',
    "1",
    "null",
    "",
    "{",
    '{"a":1e999}',
    '{"a":[{"b":-1E400}]}',
    `{"a":1${"0".repeat(309)}}`,
    '{"a":1} x',
    "\uFEFF{}",
    "\0"
  ])("%j stays as it is", (value) => {
    expect(Buffer.from(normalised(utf8(value))).toString()).toBe(value)
    expect(parseJsonObject(utf8(value))).toBeUndefined()
  })
  it.each([
    ['{"a":[1.0,-0,1e400,9007199254740993],"b":"1 n2"}', '{"a":[1.0,-0,1e400,9007199254740993],"b":"1 n2"}'],
    [' {"n":{"$gt":12345678901234567890}} and more', '{"n":{"$gt":12345678901234567890}}'],
    ['{"s":"\\"]}{[","\\ud800":1,"__proto__":2}', '{"__proto__":2,"s":"\\"]}{[","\uFFFD":1}'],
    ['[1,"x"] 2', '[1,"x"]'],
    ["true", "true"],
    ["-1.5", "-1.5"]
  ])("a query %s goes on with all its digits, without what comes behind it", (written, read) => {
    expect(Buffer.from(marshalJson(parseExactly(written))).toString()).toBe(read)
  })
  it.each([
    "",
    "{",
    '{"a":01}',
    "{1:2}",
    '{"a":1 2}',
    '{"a":"1',
    '{"a":"[1',
    '{"a":+1}',
    '{"a":"\n"}',
    "}",
    "]{}",
    '"'
  ])("a query %j is refused", (written) => {
    expect(() => parseExactly(written)).toThrow(SyntaxError)
  })
  it("once more changes nothing, and means the same", () =>
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const once = normalised(utf8(JSON.stringify(value)))
        expect(text(normalised(once))).toBe(text(once))
        expect(JSON.parse(text(once))).toEqual(JSON.parse(JSON.stringify(value)))
        expect(marshalJson(JSON.parse(text(once)))).toBe(text(once))
      })
    ))
})

describe("documents", () => {
  const version = { blockNum: 1n, txNum: 0n }
  it("come back from CouchDB as the value", () =>
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue()), (value) => {
        const bytes = utf8(JSON.stringify(value))
        if (keyValueFault("k", bytes) !== undefined) return
        const document: unknown = JSON.parse(
          marshalJson({ ...documentOf("k", bytes, { version, metadata: undefined }), _rev: "1-x" })
        )
        const { held, isAttachment, key } = readDocument(document)
        expect([key, isAttachment, held.version]).toEqual(["k", false, version])
        expect(text(held.value ?? utf8(""))).toBe(text(normalised(bytes)))
      })
    ))
  it("refuse what is none", () => {
    for (const bad of [null, [], {}, { "~version": encodeVersion(version, undefined) }, { _id: "a", "~version": 1 }])
      expect(() => readDocument(bad)).toThrow()
  })
  it("with numbers beyond a double are attachments, their fields beside them", () => {
    const value = utf8('{"a":1e999,"b":[1,-1e999],"c":"x"}')
    const document: unknown = JSON.parse(marshalJson(documentOf("k", value, { version, metadata: undefined })))
    expect(document).toMatchObject({
      a: null,
      b: [1, null],
      c: "x",
      _attachments: { valueBytes: { data: Buffer.from(value).toString("base64") } }
    })
    expect(readDocument(document).isAttachment).toBe(true)
    const reserved = documentOf("k", utf8('{"_deleted":true,"a":1e999}'), { version, metadata: undefined })
    expect(reserved).not.toHaveProperty("_deleted")
    expect(reserved).not.toHaveProperty("a")
  })
  it("with fields that CouchDB keeps for itself are attachments", () => {
    const document = documentOf("k", utf8('{"_id":"x"}'), { version, metadata: undefined })
    expect(document).toMatchObject({ _id: "k", _attachments: { valueBytes: {} } })
    expect(keyValueFault("a\ud800", utf8(""))).toMatch(/must be a UTF-8 string/)
    expect(keyValueFault("a\ud83d\ude00", utf8(""))).toBeUndefined()
  })
})

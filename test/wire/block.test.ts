import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { common, google, WireError } from "../../src/wire/index.js"
import {
  blockDataHash,
  blockHeaderBytes,
  blockHeaderHash,
  canonicalEnvelope,
  compareBytes,
  compareUtf8,
  computeTxId,
  EMPTY,
  fromHex,
  fromUtf8,
  lastConfigIndex,
  metadataSlot,
  millisecondsOf,
  newBlock,
  proposalHash,
  proposalHashOfTx,
  proposalPayloadForTx,
  timestampOf,
  toHex,
  toSafeNumber,
  transactionsFilter,
  utf8,
  withMetadataSlot
} from "../../src/wire/protoutil.js"
import * as raw from "../../src/wire/raw.js"

const header = (number: bigint, previous = "", data = "") => ({
  number,
  previousHash: fromHex(previous),
  dataHash: fromHex(data)
})

describe("a block's header bytes", () => {
  // As Go's encoding/asn1 writes the same structure.
  it.each([
    [0n, "3007020100" + "0400" + "0400"],
    [127n, "300702017f04000400"],
    [128n, "30080202008004000400"],
    [256n, "30080202010004000400"],
    [2n ** 63n - 1n, "300e02087fffffffffffffff04000400"]
  ])("of number %s", (number, expected) => assert.equal(toHex(blockHeaderBytes(header(number))), expected))
  it("hold hashes of any length", () => {
    for (const size of [32, 127, 128, 255, 256, 65_535, 65_536]) {
      const bytes = blockHeaderBytes({ number: 1n, previousHash: new Uint8Array(size), dataHash: EMPTY })
      const head = size < 128 ? 2 : size < 256 ? 3 : size < 65_536 ? 4 : 5
      const body = 3 + head + size + 2
      const outer = body < 128 ? 2 : body < 256 ? 3 : body < 65_536 ? 4 : 5
      assert.equal(bytes.length, outer + body)
    }
  })
  it("of a block with a million entries does not end the process", () =>
    assert.equal(toHex(blockDataHash(Array.from({ length: 1_000_000 }, () => EMPTY))), toHex(blockDataHash([]))))
  it("are what is hashed", () =>
    assert.equal(
      toHex(blockHeaderHash(header(0n))),
      toHex(blockDataHash([fromHex("3007020100"), fromHex("04000400")]))
    ))
})

describe("a new block", () => {
  const block = newBlock(7n, utf8("previous"), [utf8("a"), utf8("b")])
  it("has the hash of its entries and five empty slots", () => {
    assert.equal(toHex(block.header?.dataHash ?? EMPTY), toHex(blockDataHash([utf8("ab")])))
    assert.equal(toHex(common.Block.encode({ metadata: block.metadata })), `1a0a${"0a00".repeat(5)}`)
    assert.equal(lastConfigIndex(block), 0n)
    assert.equal(transactionsFilter(block).length, 0)
  })
  it("takes a slot without touching the others or the block given", () => {
    const value = common.LastConfig.encode({ index: 5n })
    const slot = common.Metadata.encode({ value })
    const next = withMetadataSlot(block, common.BlockMetadataIndex.LAST_CONFIG, slot)
    assert.equal(lastConfigIndex(next), 5n)
    assert.equal(lastConfigIndex(block), 0n)
    assert.equal(metadataSlot(next, 9).length, 0)
    assert.equal(common.Block.decode(common.Block.encode(next)).metadata?.metadata.length, 5)
  })
})

describe("raw readers", () => {
  const bytes = common.Block.encode(newBlock(7n, utf8("p"), [utf8("a"), EMPTY, utf8("b")]))
  it("find a block's parts without decoding it", () => {
    assert.deepEqual(raw.blockEntries(bytes).map(toHex), ["61", "", "62"])
    assert.equal(raw.blockMetadata(bytes).length, 5)
    const found = raw.blockHeader(bytes)
    assert.equal(common.BlockHeader.decode(found ?? EMPTY).number, 7n)
    assert.equal(toHex(raw.path(bytes, 1, 2) ?? EMPTY), "70")
    assert.isUndefined(raw.path(bytes, 9, 2))
    assert.equal(raw.varint(found ?? EMPTY, 1), 7n)
  })
  it("merge a message that comes twice", () => {
    const twice = fromHex("0a020807" + "0a031201aa")
    assert.equal(toHex(raw.path(twice, 1, 2) ?? EMPTY), "aa")
    assert.equal(common.BlockHeader.decode(raw.blockHeader(twice) ?? EMPTY).number, 7n)
    assert.deepEqual(raw.blockEntries(fromHex("12030a0161" + "12030a0162")).map(toHex), ["61", "62"])
  })
  it("tell absent from empty and refuse what does not decode", () => {
    assert.isTrue(raw.has(fromHex("0a00"), 1))
    assert.isFalse(raw.has(fromHex("1200"), 1))
    assert.isFalse(raw.has(fromHex("0801"), 1))
    for (const bad of ["0a05", "00", "0b", "0a0012"]) assert.throws(() => raw.field(fromHex(bad), 1), WireError)
  })
})

describe("bytes and text", () => {
  it("sort as Go sorts", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 4 }), fc.string({ unit: "binary", maxLength: 4 }), (a, b) => {
        assert.equal(Math.sign(compareUtf8(a, b)), Math.sign(compareBytes(utf8(a), utf8(b))))
      })
    )
    assert.isBelow(compareUtf8("\uffff", "\u{10000}"), 0)
  })
  it("refuse what is not hex, not UTF-8 or not a safe number", () => {
    for (const text of ["a", "zz", "0x", "0a "]) assert.throws(() => fromHex(text), WireError)
    assert.throws(() => fromUtf8(fromHex("ff")), WireError)
    assert.equal(fromUtf8(fromHex("efbbbf61")), "\ufeffa")
    assert.equal(toSafeNumber(2n ** 53n - 1n), 2 ** 53 - 1)
    assert.throws(() => toSafeNumber(2n ** 53n), WireError)
  })
})

describe("proposals", () => {
  // SHA-256 of nothing, of "nonce" followed by "creator".
  it("have the id of nonce and creator", () => {
    assert.equal(computeTxId(EMPTY, EMPTY), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert.equal(computeTxId(utf8("nonce"), utf8("creator")), toHex(blockDataHash([utf8("noncecreator")])))
  })
  it("lose all but their input on the way into a transaction", () => {
    const given = fromHex("12060a016b120176" + "0a0161" + "7801")
    assert.equal(toHex(proposalPayloadForTx(given)), "0a0161")
    assert.equal(proposalPayloadForTx(fromHex("0a00")).length, 0)
    const headers = common.Header.create({ channelHeader: utf8("c"), signatureHeader: utf8("s") })
    assert.equal(
      toHex(proposalHash(headers, given)),
      toHex(proposalHashOfTx(headers.channelHeader, headers.signatureHeader, fromHex("0a0161")))
    )
  })
  it("are re-encoded canonically in envelopes", () =>
    assert.equal(toHex(canonicalEnvelope(fromHex("7801" + "1200" + "0a0170"))), "0a01707801"))
})

describe("timestamps", () => {
  it("go to protobuf and back", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(10 ** 13), max: 10 ** 13 }), (milliseconds) => {
        const timestamp = timestampOf(milliseconds)
        assert.isTrue(timestamp.nanos >= 0 && timestamp.nanos < 1e9)
        assert.equal(millisecondsOf(timestamp), milliseconds)
      })
    )
    assert.equal(toHex(google.Timestamp.encode(timestampOf(-1))), "08ffffffffffffffffff0110c08faedc03")
  })
})

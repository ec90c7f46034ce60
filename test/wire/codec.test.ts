import { assert, describe, it } from "vitest"
import { common, etcdraft, orderer, protos, WireError } from "../../src/wire/index.js"
import { fromHex, toHex, utf8 } from "../../src/wire/protoutil.js"
import * as raw from "../../src/wire/raw.js"

const hex = (text: string) => fromHex(text.replace(/\s/g, ""))
const refusal = (decode: () => unknown): string => {
  try {
    decode()
  } catch (error) {
    if (error instanceof WireError) return error.message
    throw error
  }
  return "accepted"
}

describe("decoding as Go's library does (peer-endorse-validate.md traps 5-7)", () => {
  it("takes a known field with another wire type for an unknown one", () => {
    const envelope = common.Envelope.decode(hex("08 01  12 01 ff"))
    assert.equal(envelope.payload.length, 0)
    assert.equal(toHex(envelope.signature), "ff")
    assert.equal(toHex(envelope.unknown ?? new Uint8Array()), "0801")
    assert.equal(toHex(common.Envelope.encode(envelope)), "1201ff0801")
  })
  it("keeps unknown fields in order and writes them last", () => {
    const bytes = hex("7a 01 61  0a 01 70  80 01 05  12 01 73  a5 01 01020304")
    assert.equal(
      toHex(common.Envelope.encode(common.Envelope.decode(bytes))),
      "0a0170120173" + "7a0161800105a50101020304"
    )
  })
  it("merges a singular message that comes twice", () => {
    const block = common.Block.decode(hex("0a 02 08 07   0a 03 12 01 aa"))
    assert.equal(block.header?.number, 7n)
    assert.equal(toHex(block.header?.previousHash ?? new Uint8Array()), "aa")
  })
  it("takes the last member of a oneof, read afresh", () => {
    const position = orderer.SeekPosition.decode(hex("1a 02 08 05   0a 00"))
    assert.isUndefined(position.specified)
    assert.isDefined(position.newest)
    const twice = orderer.SeekPosition.decode(hex("1a 02 08 05   1a 00"))
    assert.equal(twice.specified?.number, 0n)
  })
  it("refuses strings that are not UTF-8, surrogates included", () => {
    assert.include(
      refusal(() => common.ChannelHeader.decode(hex("22 01 ff"))),
      "invalid UTF-8"
    )
    assert.include(
      refusal(() => common.ChannelHeader.decode(hex("22 03 eda080"))),
      "invalid UTF-8"
    )
    assert.equal(common.ChannelHeader.decode(hex("22 03 efbbbf")).channelId, "\ufeff")
  })
  it.each([
    ["a cut varint", "08 80", "unexpected EOF"],
    ["a length beyond the end", "0a 05 01", "unexpected EOF"],
    ["a huge length", "0a ff ff ff ff ff ff ff ff 7f", "unexpected EOF"],
    ["field number 0", "02 00", "proto: common.Envelope: illegal tag 0 (wire type 2)"],
    ["wire type 7", "0f", "proto: can't skip unknown wire type 7"],
    ["an open group", "7b 08 01", "unexpected EOF"]
  ])("refuses %s", (_, bytes, text) => {
    assert.equal(
      refusal(() => common.Envelope.decode(hex(bytes))),
      text
    )
  })
  it("reads packed and unpacked numbers, mixed too, and writes packed ones", () => {
    const ids = [1n, 300n, 2n ** 64n - 1n]
    const packed = "0a0d" + "01" + "ac02" + "ffffffffffffffffff01"
    assert.deepEqual(etcdraft.BlockMetadata.decode(hex(packed)).consenterIds, ids)
    assert.deepEqual(etcdraft.BlockMetadata.decode(hex("08 01  0a 02 ac02  08 ffffffffffffffffff01")).consenterIds, ids)
    assert.equal(toHex(etcdraft.BlockMetadata.encode({ consenterIds: ids })), packed)
    assert.equal(
      refusal(() => etcdraft.BlockMetadata.decode(hex("0a 02 01 80"))),
      "unexpected EOF"
    )
  })
  it("keeps 64 bits exact, negative numbers included", () => {
    const max = 2n ** 64n - 1n
    assert.equal(orderer.SeekSpecified.decode(orderer.SeekSpecified.encode({ number: max })).number, max)
    const offsets = {
      lastOffsetPersisted: -3n,
      lastOriginalOffsetProcessed: 2n ** 62n,
      lastResubmittedConfigOffset: -1n
    }
    const bytes = orderer.KafkaMetadata.encode(offsets)
    assert.deepInclude(orderer.KafkaMetadata.decode(bytes), offsets)
    assert.equal(toHex(orderer.KafkaMetadata.encode({ lastOffsetPersisted: 7n })), "0807")
  })
  it("tells an empty field from an absent one by the raw reader", () => {
    assert.isTrue(raw.has(hex("0a 00"), 1))
    assert.isFalse(raw.has(hex("12 00"), 1))
    assert.deepEqual(raw.fields(hex("0a 01 61 12 00 0a 01 62"), 1).map(toHex), ["61", "62"])
    assert.equal(raw.varint(hex("08 96 01"), 1), 150n)
  })
  it("sorts maps by the bytes of their keys", () => {
    const a = protos.ChaincodeInput.encode({
      decorations: new Map([
        ["b", utf8("2")],
        ["a", utf8("1")]
      ])
    })
    const b = protos.ChaincodeInput.encode({
      decorations: new Map([
        ["a", utf8("1")],
        ["b", utf8("2")]
      ])
    })
    assert.equal(toHex(a), toHex(b))
    assert.deepEqual([...protos.ChaincodeInput.decode(a).decorations.keys()], ["a", "b"])
  })
})

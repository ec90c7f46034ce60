/** Hostile inputs: none ends the process, and work grows with the size of the input only. */
import { assert, describe, it } from "vitest"
import { common, protos, WireError } from "../../src/wire/index.js"
import { concatBytes, fromHex, toHex, utf8 } from "../../src/wire/protoutil.js"

const length = (n: number): Uint8Array => {
  const out: Array<number> = []
  let rest = n
  while (rest > 127) {
    out.push((rest & 127) | 128)
    rest >>>= 7
  }
  return Uint8Array.from([...out, rest])
}
const field = (number: number, body: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.from([number * 8 + 2]), length(body.length), body)
const times = (n: number, bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(n * bytes.length)
  for (let i = 0; i < n; i++) out.set(bytes, i * bytes.length)
  return out
}
const refusal = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof WireError) return error.message
    throw error
  }
  return "accepted"
}
const nested = (levels: number): Uint8Array => {
  let policy = common.SignaturePolicy.encode({ signedBy: 0 })
  for (let i = 0; i < levels; i++) policy = field(2, field(2, policy))
  return policy
}

describe("limits", () => {
  it("reads and writes policies 250 levels deep, and refuses deeper ones without overflowing the stack", () => {
    const deep = nested(250)
    assert.equal(toHex(common.SignaturePolicy.encode(common.SignaturePolicy.decode(deep))), toHex(deep))
    assert.equal(
      refusal(() => common.SignaturePolicy.decode(nested(251))),
      "proto: message nested too deeply"
    )
    assert.equal(
      refusal(() => common.SignaturePolicy.decode(nested(3_000))),
      "proto: message nested too deeply"
    )
  })
  it("refuses groups of the config nested too deeply, and to write what could not be read", () => {
    let bytes: Uint8Array = new Uint8Array()
    let group: common.ConfigGroup = common.ConfigGroup.create()
    for (let i = 0; i < 501; i++) {
      bytes = field(2, concatBytes(fromHex("0a0167"), field(2, bytes)))
      group = { ...common.ConfigGroup.create(), groups: new Map([["g", group]]) }
    }
    const text = "proto: message nested too deeply"
    assert.equal(
      refusal(() => common.ConfigGroup.decode(bytes)),
      text
    )
    assert.equal(
      refusal(() => common.ConfigGroup.encode(group)),
      text
    )
  })
  it("passes over a million open groups without recursion", () => {
    const groups = times(1_000_000, fromHex("7b"))
    assert.equal(
      refusal(() => common.Envelope.decode(groups)),
      "unexpected EOF"
    )
    const closed = concatBytes(groups, times(1_000_000, fromHex("7c")))
    assert.equal(common.Envelope.decode(closed).unknown?.length, 2_000_000)
  })
  it("keeps half a million unknown fields in time that grows with their number", () => {
    const bytes = times(500_000, fromHex("7801"))
    const started = performance.now()
    assert.equal(toHex(common.Envelope.decode(bytes).unknown ?? new Uint8Array()), toHex(bytes))
    assert.isBelow(performance.now() - started, 5_000)
  })
  it("merges half a million occurrences of one message in time that grows with their number", () => {
    const bytes = times(500_000, fromHex("0a027801"))
    const started = performance.now()
    assert.equal(common.Block.decode(bytes).header?.unknown?.length, 1_000_000)
    assert.isBelow(performance.now() - started, 5_000)
  })
  it("reads half a million map entries in time that grows with their number", () => {
    const one = (i: number) => field(2, field(1, utf8(String(i))))
    const bytes = Buffer.concat(Array.from({ length: 500_000 }, (_, i) => one(i % 200_000)))
    const started = performance.now()
    assert.equal(protos.ChaincodeProposalPayload.decode(bytes).transientMap.size, 200_000)
    assert.isBelow(performance.now() - started, 10_000)
  })
  it("allocates nothing for lengths that the input does not have", () => {
    for (const bytes of ["0affffffff07", "0affffffffffffffff7f", "0affffffffffffffffff01", "0a80808080808080808002"])
      assert.equal(
        refusal(() => common.Envelope.decode(fromHex(bytes))),
        "unexpected EOF"
      )
  })
})

describe("encoding", () => {
  it("refuses numbers that their field cannot hold", () => {
    assert.include(
      refusal(() => common.ChannelHeader.encode({ type: 2 ** 31 })),
      "out of range for int32"
    )
    assert.include(
      refusal(() => common.ChannelHeader.encode({ type: 0.5 })),
      "out of range for int32"
    )
    assert.include(
      refusal(() => common.ChannelHeader.encode({ type: Number.NaN })),
      "out of range for int32"
    )
    assert.include(
      refusal(() => common.BlockDataHashingStructure.encode({ width: -1 })),
      "out of range for uint32"
    )
    assert.include(
      refusal(() => common.LastConfig.encode({ index: -1n })),
      "out of range for uint64"
    )
    assert.include(
      refusal(() => common.LastConfig.encode({ index: 2n ** 64n })),
      "out of range for uint64"
    )
  })
  it("refuses strings that are not Unicode, short and long", () => {
    for (const text of ["\ud800", `${"x".repeat(100)}\udc00`])
      assert.equal(
        refusal(() => common.ChannelHeader.encode({ channelId: text })),
        "proto: invalid UTF-8 detected"
      )
  })
  it("goes on rightly after a refusal, and inside another encode", () => {
    refusal(() => common.ChannelHeader.encode({ channelId: "before", txId: "\ud800" }))
    assert.equal(toHex(common.Envelope.encode({ payload: utf8("p") })), "0a0170")
    const inner = {
      get payload() {
        return common.Envelope.encode({ payload: utf8("inner") })
      },
      signature: utf8("s")
    }
    assert.equal(toHex(common.Envelope.encode(inner)), "0a070a05696e6e6572120173")
  })
  it("hands out bytes of its own, large ones too", () => {
    const payload = new Uint8Array(3_000_000).fill(7)
    const large = common.Envelope.encode({ payload })
    const small = common.Envelope.encode({ payload: utf8("p") })
    common.Envelope.encode({ payload: utf8("q") })
    assert.equal(toHex(small), "0a0170")
    assert.equal(small.buffer.byteLength, 3)
    assert.equal(large.length, 3_000_005)
    assert.equal(common.Envelope.decode(large).payload.length, 3_000_000)
  })
  it("writes present but empty messages, zero oneof members, and both parts of map entries", () => {
    assert.equal(toHex(common.ConfigEnvelope.encode({ config: {} })), "0a00")
    assert.equal(toHex(common.SignaturePolicy.encode({ signedBy: 0 })), "0800")
    assert.equal(toHex(common.Capabilities.encode({ capabilities: new Map([["", {}]]) })), "0a040a001200")
  })
})

import * as Either from "effect/Either"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { contentSize, makeEnvelope, readEnvelope } from "../../src/orderer/msgprocessor/envelope.js"
import { common } from "../../src/wire/index.js"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const canonical = (input: string) => Either.map(readEnvelope(Buffer.from(input, "hex")), (read) => hex(read.canonical))

describe("canonical envelopes (orderer.md section 4 item 7)", () => {
  it.each([
    ["both fields in order", "0a02aabb1201cc", "0a02aabb1201cc"],
    ["signature first", "1201cc0a02aabb", "0a02aabb1201cc"],
    ["the last of a repeated field", "0a01aa0a01bb1201cc", "0a01bb1201cc"],
    ["empty fields dropped", "0a001200", ""],
    ["a length written too long", "0a8200aabb", "0a02aabb"],
    ["a known tag written too long", "8a0002aabb", "0a02aabb"],
    ["unknown fields last, in order", "18051a01ff0a01aa2007", "0a01aa18051a01ff2007"],
    ["an unknown tag in its shortest form", "988000050a01aa", "0a01aa1805"],
    ["an unknown value as it came", "1885000a01aa", "0a01aa188500"],
    ["a known number with another wire type is unknown", "08010a01aa", "0a01aa0801"],
    ["a group", "1b08011c0a01aa", "0a01aa1b08011c"],
    ["nested groups", "1b23241c", "1b23241c"],
    ["a tag of more than 53 bits", "f8ffffffffffffffff0105", "f8ffffffffffffffff0105"],
    ["a tag of more than 53 bits, of bytes", "faffffffffffffffff010105", "faffffffffffffffff010105"],
    ["nothing", "", ""]
  ])("%s", (_name, input, output) => {
    expect(canonical(input)).toEqual(Either.right(output))
  })
  it.each([
    ["a cut length", "0a05aa", "unexpected EOF"],
    ["a cut tag", "80", "unexpected EOF"],
    ["an endless varint", "18ffffffffffffffffffff01", "unexpected EOF"],
    ["an open group", "1b0801", "unexpected EOF"],
    ["a length of 2^63", "0affffffffffffffff7f", "unexpected EOF"],
    ["the end of a group that never began", "1c", "proto: can't skip unknown wire type 4"],
    ["wire type 7", "1f00", "proto: can't skip unknown wire type 7"]
  ])("refuses %s", (_name, input, text) => {
    expect(canonical(input)).toEqual(Either.left(text))
  })
  it("gives the received bytes themselves when they are canonical", () => {
    const bytes = makeEnvelope(new Uint8Array(300).fill(1), new Uint8Array(70).fill(2)).canonical
    const read = readEnvelope(bytes)
    expect(Either.isRight(read) && read.right.canonical).toBe(bytes)
    const within = Buffer.concat([Buffer.from("0a", "hex"), bytes]).subarray(1)
    const slice = readEnvelope(within)
    expect(Either.isRight(slice) && slice.right.canonical).toBe(within)
  })
  it("never throws, and its output reads as itself", () => {
    const field = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.uint8Array({ maxLength: 200 }).map((value) => makeEnvelope(value, new Uint8Array()).canonical),
      fc
        .constantFrom("1803", "1a0101", "0a0101", "120102", "8a000103", "1b1c", "2101020304050607", "2d01020304")
        .map((text) => Uint8Array.from(Buffer.from(text, "hex")))
    )
    fc.assert(
      fc.property(fc.array(field, { maxLength: 6 }), (parts) => {
        const read = readEnvelope(Buffer.concat(parts))
        if (Either.isLeft(read)) return
        const decoded = common.Envelope.decode(Buffer.concat(parts))
        expect(hex(read.right.canonical)).toBe(hex(common.Envelope.encode(decoded)))
        const again = Either.getOrThrow(readEnvelope(read.right.canonical))
        expect(hex(again.canonical)).toBe(hex(read.right.canonical))
        expect(hex(again.payload)).toBe(hex(read.right.payload))
        expect(hex(again.signature)).toBe(hex(read.right.signature))
        expect(contentSize(read.right.canonical)).toBe(read.right.payload.length + read.right.signature.length)
      }),
      { numRuns: 2000 }
    )
  })
})

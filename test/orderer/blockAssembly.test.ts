import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { annotate, consenterMetadataOf, encodeBlock, nextBlock } from "../../src/orderer/multichannel/blockAssembly.js"
import { common } from "../../src/wire/index.js"
import { toHex } from "../../src/wire/protoutil.js"

const bytes = (maxLength: number) => fc.uint8Array({ maxLength })

describe("block assembly", () => {
  it("encodes blocks as the codec does", () => {
    const header = fc.record({
      number: fc.bigInt({ min: 0n, max: 2n ** 64n - 2n }),
      previousHash: bytes(32),
      dataHash: bytes(32)
    })
    const entry = fc.oneof(
      bytes(40),
      fc.nat(300).map((length) => new Uint8Array(length * 100))
    )
    fc.assert(
      fc.property(
        header,
        fc.array(entry, { maxLength: 12 }),
        fc.option(bytes(30), { nil: undefined }),
        fc.bigInt({ min: 0n, max: 1n << 40n }),
        (last, entries, consenterMetadata, lastConfig) => {
          const plain = nextBlock(last, entries)
          expect(toHex(encodeBlock(plain))).toBe(toHex(common.Block.encode(plain)))
          const signing = {
            signatureHeader: new Uint8Array([1, 2]),
            sign: (message: Uint8Array) => message.subarray(0, 70)
          }
          const signed = annotate(plain, { consenterMetadata, lastConfig }, signing)
          const encoded = encodeBlock(signed)
          expect(toHex(encoded)).toBe(toHex(common.Block.encode(signed)))
          expect(toHex(consenterMetadataOf(signed))).toBe(toHex(consenterMetadata ?? new Uint8Array()))
        }
      ),
      { numRuns: 300 }
    )
  })
})

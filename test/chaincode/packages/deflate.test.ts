/** Compression like Go's: bytes by Go 1.4.12's build (Go's compress/flate), and what zlib reads of ours. */
import { createHash } from "node:crypto"
import { inflateRawSync } from "node:zlib"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { goDeflate } from "../../../src/chaincode/packages/deflate.js"

/** Reproducible bytes of several kinds. */
const material = (kind: string, size: number): Buffer => {
  let seed = 7
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const word = Buffer.from(Array.from({ length: 211 }, () => next(256)))
  const bytes: Readonly<Record<string, (at: number) => number>> = {
    zeros: () => 0,
    noise: () => next(256),
    letters: () => 97 + next(3),
    skewed: () => Math.floor(next(1000) ** 2 / 4000),
    repeats: (at) => (next(50) === 0 ? next(256) : (word[at % word.length] ?? 0))
  }
  return Buffer.from(Array.from({ length: size }, (_, at) => bytes[kind]?.(at) ?? 0))
}

describe("is Go's, byte for byte", () => {
  test.each([
    ["zeros", 0, "f067985d352d2da6"],
    ["zeros", 1000, "5acd95dc0ebac0cf"],
    ["zeros", 200_000, "7b814787b6478b23"],
    ["noise", 3, "2573bb084772ee78"],
    ["noise", 70_000, "c1846d087861297c"],
    ["letters", 3000, "46531cefa7db7a24"],
    ["letters", 150_000, "bdedbf2ef921498e"],
    ["skewed", 3000, "54db1904eb349e6f"],
    ["skewed", 150_000, "b4124fdd23ffa248"],
    ["repeats", 3000, "975e3c88d13ac08e"],
    ["repeats", 150_000, "00f4878a334dffed"]
  ])("%s, %i bytes", (kind, size, digest) => {
    const packed = goDeflate([material(kind, size)])
    expect(inflateRawSync(packed).equals(material(kind, size))).toBe(true)
    expect(createHash("sha256").update(packed).digest("hex").slice(0, 16)).toBe(digest)
  })
})

test("whatever comes is read by zlib, in whatever parts it came", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 5 }), (parts) => {
      expect(inflateRawSync(goDeflate(parts)).equals(Buffer.concat(parts))).toBe(true)
    }),
    { numRuns: 50 }
  )
})

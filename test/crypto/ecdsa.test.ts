import { createPublicKey, sign as nodeSign, verify as nodeVerify } from "node:crypto"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CURVES, type CurveName } from "../../src/crypto/curves.js"
import { hex, toBigInt } from "../../src/crypto/der.js"
import { encode, integer, sequence, unsignedInteger } from "../../src/crypto/derWriter.js"
import {
  admitSignature,
  decodeSignature,
  generateKey,
  isLowS,
  type PrivateKey,
  sign,
  signAsync,
  toLowS,
  verify,
  verifyAsync
} from "../../src/crypto/index.js"

const names: ReadonlyArray<CurveName> = ["P-224", "P-256", "P-384", "P-521"]
const keys = new Map(names.map((name) => [name, generateKey(name)]))
const keyOf = (name: CurveName): PrivateKey => keys.get(name) ?? generateKey(name)
const message = Buffer.from("message")

const highSOf = (signature: Uint8Array, order: bigint): Uint8Array => {
  const { r, s } = Either.getOrThrow(decodeSignature(signature))
  return sequence(unsignedInteger(r), integer(order - toBigInt(s)))
}

const positive = fc.bigInt({ min: 1n, max: (1n << 521n) - 1n })

describe("low S", () => {
  it("has the halves of the sheet", () => {
    expect(CURVES["P-256"].half.toString(16)).toBe("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8")
    expect(CURVES["P-384"].half.toString(16)).toBe(
      "7fffffffffffffffffffffffffffffffffffffffffffffffe3b1a6c0fa1b96efac0d06d9245853bd76760cb5666294b9"
    )
  })

  it.each(names)("the order of %s is the one that OpenSSL computes with", (name) => {
    const key = keyOf(name)
    for (let i = 0; i < 8; i++) {
      const signature = nodeSign("sha256", message, key.signing.key)
      expect(nodeVerify("sha256", message, key.publicKey.key, highSOf(signature, key.curve.order))).toBe(true)
    }
  })

  it.each(names)("is what we sign with and all that we accept on %s", async (name) => {
    const key = keyOf(name)
    for (let i = 0; i < 20; i++) {
      const text = Buffer.of(i)
      const signature = i % 2 === 0 ? sign(key, text) : await signAsync(key, text)
      const { canonical, s } = Either.getOrThrow(decodeSignature(signature))
      expect(canonical).toBe(true)
      expect(isLowS(s, key.curve)).toBe(true)
      expect(verify(key.publicKey, text, signature)).toBe(true)
      expect(await verifyAsync(key.publicKey, text, signature)).toBe(true)
      const high = highSOf(signature, key.curve.order)
      expect(verify(key.publicKey, text, high)).toBe(false)
      expect(await verifyAsync(key.publicKey, text, high)).toBe(false)
      expect(Either.getOrThrow(Either.flip(admitSignature(key.publicKey, high))).message).toMatch(
        /Invalid S\. Must be smaller than half the order \[\d+\]\[\d+\]\./
      )
      expect(Either.getOrThrow(toLowS(high, key.curve))).toEqual(signature)
    }
  })

  it("draws the line at the half exactly", () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.bigInt({ min: -3n, max: 3n }), (name, offset) => {
        const { half } = CURVES[name]
        const { s } = Either.getOrThrow(decodeSignature(sequence(integer(1), integer(half + offset))))
        expect(isLowS(s, CURVES[name])).toBe(offset <= 0n)
      })
    )
  })
})

describe("the decoder of signatures over messages", () => {
  it("reads what it writes", () => {
    fc.assert(
      fc.property(positive, positive, (r, s) => {
        const der = sequence(integer(r), integer(s))
        const parts = Either.getOrThrow(decodeSignature(der))
        expect([toBigInt(parts.r), toBigInt(parts.s), parts.canonical]).toEqual([r, s, true])
        expect(parts.der).toBe(der)
      })
    )
  })

  it("ignores octets behind the sequence and elements behind s, and canonicalises them away", () => {
    fc.assert(
      fc.property(
        positive,
        positive,
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.uint8Array({ maxLength: 20 }),
        (r, s, behind, inside) => {
          const plain = sequence(integer(r), integer(s))
          for (const der of [
            Buffer.concat([plain, behind]),
            sequence(integer(r), integer(s), encode(4, inside)),
            Buffer.concat([sequence(integer(r), integer(s), inside), behind])
          ]) {
            const parts = Either.getOrThrow(decodeSignature(der))
            expect(parts.canonical).toBe(false)
            expect(hex(parts.der)).toBe(hex(plain))
          }
        }
      )
    )
  })

  it("refuses leading zeros and other superfluous sign octets", () => {
    fc.assert(
      fc.property(positive, positive, fc.integer({ min: 1, max: 3 }), fc.boolean(), (r, s, zeros, first) => {
        const padded = (value: bigint) => {
          const minimal = integer(value).subarray(2)
          return encode(2, new Uint8Array(zeros), minimal)
        }
        const der = first ? sequence(padded(r), integer(s)) : sequence(integer(r), padded(s))
        expect(Either.isLeft(decodeSignature(der))).toBe(true)
      })
    )
  })

  it("refuses numbers that are not positive", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 300n), max: 0n }), positive, (bad, good) => {
        expect(Either.getOrThrow(Either.flip(decodeSignature(sequence(integer(bad), integer(good))))).message).toBe(
          "invalid signature, R must be larger than zero"
        )
        expect(Either.getOrThrow(Either.flip(decodeSignature(sequence(integer(good), integer(bad))))).message).toBe(
          "invalid signature, S must be larger than zero"
        )
      })
    )
  })

  it("refuses lengths that are not minimal", () => {
    const der = sign(keyOf("P-256"), message)
    for (const longer of [
      Buffer.concat([Buffer.of(0x30, 0x81, der.length - 2), der.subarray(2)]),
      Buffer.concat([Buffer.of(0x30, 0x82, 0, der.length - 2), der.subarray(2)]),
      Buffer.concat([Buffer.of(0x30, 0x80), der.subarray(2), Buffer.of(0, 0)])
    ]) {
      expect(Either.isLeft(decodeSignature(longer))).toBe(true)
    }
  })

  it("answers garbage with a value", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(verify(keyOf("P-256").publicKey, message, bytes)).toBe(false)
      })
    )
  })
})

describe("verification", () => {
  const key = keyOf("P-256")
  const signature = sign(key, message)

  it("takes three trailing octets, as Go does", async () => {
    const longer = Buffer.concat([signature, Buffer.from("abc")])
    expect(verify(key.publicKey, message, longer)).toBe(true)
    expect(await verifyAsync(key.publicKey, message, longer)).toBe(true)
  })

  it("hashes by family, whatever the curve", () => {
    const large = keyOf("P-384")
    for (const family of ["SHA2", "SHA3"] as const) {
      const der = sign(large, message, family)
      expect(nodeVerify(family === "SHA2" ? "sha256" : "sha3-256", message, large.publicKey.key, der)).toBe(true)
      expect(verify(large.publicKey, message, der, family)).toBe(true)
      expect(verify(large.publicKey, message, der, family === "SHA2" ? "SHA3" : "SHA2")).toBe(false)
    }
  })

  it("refuses an empty signature, another message, another key, numbers beyond the order", async () => {
    const reason = (bytes: Uint8Array) => Either.getOrThrow(Either.flip(admitSignature(key.publicKey, bytes))).message
    expect(reason(new Uint8Array())).toBe("Invalid signature. Cannot be empty.")
    expect(verify(key.publicKey, Buffer.from("other"), signature)).toBe(false)
    expect(verify(generateKey().publicKey, message, signature)).toBe(false)
    const { s } = Either.getOrThrow(decodeSignature(signature))
    for (const r of [key.curve.order, key.curve.order + 1n, 1n << 4096n]) {
      const der = sequence(integer(r), unsignedInteger(s))
      expect(verify(key.publicKey, message, der)).toBe(false)
      expect(await verifyAsync(key.publicKey, message, der)).toBe(false)
    }
  })

  it("is quick to refuse a megabyte of s", () => {
    const huge = sequence(integer(1), unsignedInteger(new Uint8Array(1 << 20).fill(0x7f)))
    const start = performance.now()
    expect(verify(key.publicKey, message, huge)).toBe(false)
    expect(performance.now() - start).toBeLessThan(1000)
  })

  it("agrees with a key that went through SubjectPublicKeyInfo", () => {
    const spki = createPublicKey(key.publicKey.key.export({ format: "pem", type: "spki" }))
    expect(nodeVerify("sha256", message, spki, signature)).toBe(true)
  })
})

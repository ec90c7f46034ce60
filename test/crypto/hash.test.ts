import { createHash } from "node:crypto"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { hex } from "../../src/crypto/der.js"
import { hash, isHashName, providerDefaults, sha256, signatureHash } from "../../src/crypto/index.js"

describe("hashes", () => {
  it("have the published values of the empty input", () => {
    expect(hex(sha256())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    expect(hex(hash("SHA256", new Uint8Array()))).toBe(hex(sha256()))
    expect(hex(hash("SHA384", new Uint8Array()))).toBe(
      "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"
    )
    expect(hex(hash("SHA3_256", new Uint8Array()))).toBe(
      "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"
    )
    expect(hex(hash("SHA3_384", new Uint8Array()))).toBe(
      "0c63a75b845e4f7d01107d852e4c2485c51a50aaaa94fc61995e71bbee983a2ac3713831264adb47fb6bd1e058d5f004"
    )
  })

  it("take chunks as one input", () => {
    const whole = createHash("sha256").update("abcdef").digest("hex")
    expect(hex(sha256(Buffer.from("abc"), new Uint8Array(), Buffer.from("def")))).toBe(whole)
    expect(hex(sha256(Buffer.from("abcdef")))).toBe(whole)
  })

  it("are chosen by BCCSP's settings", () => {
    expect(Either.getOrThrow(providerDefaults("SHA2", 256))).toEqual({ hash: "SHA256", curve: "P-256" })
    expect(Either.getOrThrow(providerDefaults("SHA2", 384))).toEqual({ hash: "SHA384", curve: "P-384" })
    expect(Either.getOrThrow(providerDefaults("SHA3", 256))).toEqual({ hash: "SHA3_256", curve: "P-256" })
    expect(Either.getOrThrow(providerDefaults("SHA3", 384))).toEqual({ hash: "SHA3_384", curve: "P-384" })
    expect(Either.getOrThrow(Either.flip(providerDefaults("MD5", 256))).message).toBe("Hash Family not supported [MD5]")
    expect(Either.getOrThrow(Either.flip(providerDefaults("SHA2", 512))).message).toBe(
      "Security level not supported [512]"
    )
    expect([isHashName("SHA3_256"), isHashName("sha256"), isHashName("toString")]).toEqual([true, false, false])
    expect([signatureHash("SHA2"), signatureHash("SHA3")]).toEqual(["SHA256", "SHA3_256"])
  })
})

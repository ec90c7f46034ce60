import { generateKeyPairSync, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { hex } from "../../src/crypto/der.js"
import { encode, sequence } from "../../src/crypto/derWriter.js"
import {
  CertPool,
  certificatePem,
  decodePem,
  decodePemAll,
  encodePem,
  isCrlSignedBy,
  parseCertificate,
  parseCertificatePem,
  parseCrl,
  sanitise,
  verifyChains
} from "../../src/crypto/index.js"
import { highS } from "../msp/cases.js"
import { ca, crl, DAY, ExtendedKeyUsage, issue, KeyUsage, NOW, pem, subCa } from "../msp/support.js"

const chainA = new URL("../vectors/chain-a/crypto-config/", import.meta.url)

describe("certificates of chain-a", () => {
  const file = new URL(
    "peerOrganizations/org1.example.com/peers/peer0.org1.example.com/msp/signcerts/peer0.org1.example.com-cert.pem",
    chainA
  )
  const text = readFileSync(file)
  const certificate = Either.getOrThrow(parseCertificatePem(text) ?? Either.left(new Error("no PEM")))

  it("say what OpenSSL reads from them", () => {
    const theirs = new X509Certificate(text)
    expect(certificate.serialNumber).toBe(BigInt(`0x${theirs.serialNumber}`))
    expect(certificate.notBefore).toBe(Date.parse(theirs.validFrom))
    expect(certificate.notAfter).toBe(Date.parse(theirs.validTo))
    expect(hex(certificate.der)).toBe(theirs.raw.toString("hex"))
    expect(hex(certificate.spki)).toBe(theirs.publicKey.export({ format: "der", type: "spki" }).toString("hex"))
    expect(theirs.subject.split("\n").map((line) => line.split("=")[1])).toEqual(
      certificate.subject.attributes.map(({ value }) => value)
    )
  })

  it("carry the organizational unit, the usage and the SKI that Fabric looks for", () => {
    expect(certificate.ous).toEqual(["peer"])
    expect([certificate.isCA, certificate.keyUsage, certificate.extendedKeyUsages]).toEqual([
      false,
      KeyUsage.digitalSignature,
      []
    ])
    expect(certificate.subject.commonName).toBe("peer0.org1.example.com")
    expect(certificate.ski).toHaveLength(32)
  })

  it("come back as the same PEM", () => {
    expect(Buffer.from(certificatePem(certificate)).toString()).toBe(text.toString())
  })
})

describe("parsing", () => {
  it("keeps no hold on the message that a certificate came in", () => {
    const message = Buffer.concat([Buffer.alloc(1 << 16), ca().der])
    const certificate = Either.getOrThrow(parseCertificate(message.subarray(1 << 16)))
    expect(certificate.der.buffer.byteLength).toBeLessThan(1 << 16)
    message.fill(0)
    expect(certificate.der[0]).toBe(0x30)
  })

  it("takes every unit of a multi-valued name", () => {
    const { ous } = issue(ca(), { ous: [["b", "a"], ["c"], ["ü"]] }).certificate
    expect([...ous].sort()).toEqual(["a", "b", "c", "ü"])
  })

  it("takes RSA and Ed25519 keys, with and without a use for them", () => {
    const root = ca()
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey
    const ed = generateKeyPairSync("ed25519").publicKey
    const kinds = [rsa, ed].map((key) => {
      const holder = issue(root, { spki: key.export({ format: "der", type: "spki" }) })
      return [holder.certificate.publicKey.kind, holder.certificate.ski.length]
    })
    expect(kinds).toEqual([
      ["rsa", 32],
      ["ed25519", 0]
    ])
  })

  it("refuses octets behind the certificate, and a point that is not on the curve", () => {
    const good = ca()
    const behind = parseCertificate(Buffer.concat([good.der, Buffer.of(0)]))
    expect(Either.getOrThrow(Either.flip(behind)).message).toBe("x509: trailing data")
    const off = Buffer.from(good.der)
    const at = off.indexOf(Buffer.from(good.key.publicKey.point))
    off[at + 64] = (off[at + 64] ?? 0) ^ 1
    expect(Either.isLeft(parseCertificate(off))).toBe(true)
  })

  it("is done with a megabyte of PEM in a moment, be it garbage or a certificate with a megabyte inside", () => {
    const start = performance.now()
    const garbage = Buffer.from(`-----BEGIN CERTIFICATE-----\n${"A".repeat(1 << 20)}\n-----END CERTIFICATE-----\n`)
    expect(Either.isLeft(parseCertificatePem(garbage) ?? Either.left(undefined))).toBe(true)
    const markers = Buffer.from("\n-----END A-----".repeat(1 << 16))
    expect(decodePem(markers)).toBeUndefined()
    const begins = Buffer.from("-----BEGIN A-----\n".repeat(1 << 16))
    expect(decodePem(begins)).toBeUndefined()
    const large = issue(ca(), { extra: [{ oid: "1.2.3.4", value: new Uint8Array(1 << 20) }] })
    expect(
      Either.getOrThrow(parseCertificatePem(pem(large)) ?? Either.left(new Error())).extensions.at(-1)?.value
    ).toHaveLength(1 << 20)
    const names = issue(ca(), { dns: Array.from({ length: 50_000 }, (_, i) => `host${i}.example.com`) })
    expect(names.certificate.alternativeNames?.dns).toHaveLength(50_000)
    expect(performance.now() - start).toBeLessThan(3000)
  })
})

describe("PEM", () => {
  const block = Buffer.from(encodePem("X", Buffer.from("hello"))).toString()

  it("starts at the beginning of a line only", () => {
    expect(decodePem(Buffer.from(`text\n${block}`))?.type).toBe("X")
    expect(decodePem(Buffer.from(` ${block}`))).toBeUndefined()
    expect(decodePem(Buffer.from(`text ${block}`))).toBeUndefined()
  })

  it("takes CRLF, and a missing line end at the end", () => {
    expect(decodePem(Buffer.from(block.replaceAll("\n", "\r\n")))?.bytes).toEqual(Buffer.from("hello"))
    expect(decodePem(Buffer.from(block.trimEnd()))?.bytes).toEqual(Buffer.from("hello"))
  })

  it("passes over a block that does not hold together", () => {
    const broken = "-----BEGIN X-----\nAAA\n-----END X-----\n"
    expect(decodePem(Buffer.from(broken))).toBeUndefined()
    expect(decodePem(Buffer.from(broken + block))?.bytes).toEqual(Buffer.from("hello"))
    expect(decodePem(Buffer.from(`-----BEGIN Y-----\nAAAA\n-----END Z-----\n${block}`))?.type).toBe("X")
  })

  it("gives all blocks of a bundle", () => {
    expect(decodePemAll(Buffer.from(block + block + block))).toHaveLength(3)
  })

  it("breaks lines at 64 characters", () => {
    for (const size of [0, 1, 47, 48, 49, 96, 97]) {
      const lines = Buffer.from(encodePem("X", new Uint8Array(size)))
        .toString()
        .split("\n")
      expect(lines.every((line) => line.length <= 64)).toBe(true)
      expect(decodePem(Buffer.from(lines.join("\n")))?.bytes).toHaveLength(size)
    }
  })
})

describe("chains", () => {
  const root = ca()
  const at = NOW - 30 * DAY + 1000

  it("enumerate every way to the roots", () => {
    const key = ca().key
    const first = ca({ key })
    const second = ca({ key, notBefore: NOW - 29 * DAY })
    const leaf = issue(first, { notBefore: NOW - 28 * DAY })
    const found = verifyChains(leaf.certificate, {
      roots: new CertPool([first.certificate, second.certificate]),
      intermediates: new CertPool(),
      at: NOW
    })
    expect(Either.getOrThrow(found)).toHaveLength(2)
  })

  it("stop at a hundred checks", () => {
    const key = root.key
    const crowd = Array.from({ length: 60 }, (_, i) => subCa(root, { cn: "ca", key, notBefore: NOW - 29 * DAY - i }))
    const leaf = issue(crowd[0], { notBefore: NOW })
    const found = verifyChains(leaf.certificate, {
      roots: new CertPool([ca({ cn: "other" }).certificate]),
      intermediates: new CertPool(crowd.map((holder) => holder.certificate)),
      at: NOW
    })
    expect(Either.isLeft(found)).toBe(true)
  })

  it("can be asked for another usage (TLS clients)", () => {
    const client = issue(root, { eku: [ExtendedKeyUsage.clientAuth] })
    const options = { roots: new CertPool([root.certificate]), intermediates: new CertPool(), at }
    expect(Either.isLeft(verifyChains(client.certificate, options))).toBe(true)
    expect(Either.isRight(verifyChains(client.certificate, { ...options, usage: "clientAuth" }))).toBe(true)
  })

  it("work over RSA and Ed25519 authorities too", () => {
    // The certificate writer signs with ECDSA only; these come from OpenSSL.
    const file = readFileSync(new URL("./other-authorities.pem", import.meta.url))
    const certificates = decodePemAll(file).map(({ bytes }) => Either.getOrThrow(parseCertificate(bytes)))
    for (let i = 0; i < certificates.length; i += 2) {
      const [issuer, leaf] = certificates.slice(i, i + 2)
      if (issuer === undefined || leaf === undefined) throw new Error("pairs expected")
      const options = { roots: new CertPool([issuer]), intermediates: new CertPool(), at: leaf.notBefore + 1000 }
      const algorithm = leaf.signatureAlgorithm
      const found = verifyChains(leaf, options)
      expect([algorithm.kind, algorithm.hash, Either.isRight(found)]).toEqual([
        algorithm.kind,
        algorithm.hash,
        algorithm.hash !== "sha1"
      ])
    }
    expect(certificates.filter((_, i) => i % 2 === 1).map((c) => c.signatureAlgorithm.kind)).toEqual([
      "rsa",
      "rsa-pss",
      "ed25519",
      "rsa"
    ])
  })
})

describe("sanitising", () => {
  it("rewrites a high-S signature and nothing else", () => {
    const root = ca()
    const high = issue(root, { rewrite: highS }).certificate
    const low = Either.getOrThrow(sanitise(high, root.certificate))
    expect(hex(low.tbs)).toBe(hex(high.tbs))
    expect(hex(low.der)).not.toBe(hex(high.der))
    expect(hex(highS(low.signature))).toBe(hex(high.signature))
    expect(Either.getOrThrow(sanitise(low, root.certificate))).toBe(low)
  })
})

describe("revocation lists", () => {
  it("hold serial numbers and the authority's key identifier, and are signed", () => {
    const root = ca()
    const leaf = issue(root)
    const list = Either.getOrThrow(parseCrl(crl(root, [leaf])))
    expect([...list.revoked]).toEqual([leaf.certificate.serialNumber])
    expect(hex(list.authorityKeyId ?? new Uint8Array())).toBe(hex(root.certificate.subjectKeyId))
    expect(isCrlSignedBy(list, root.certificate)).toBe(true)
    expect(isCrlSignedBy(list, ca().certificate)).toBe(false)
    const der = decodePem(crl(root, [leaf]))?.bytes ?? new Uint8Array()
    expect([...Either.getOrThrow(parseCrl(der)).revoked]).toEqual([...list.revoked])
    expect(Either.isLeft(parseCrl(sequence(encode(0x30))))).toBe(true)
  })
})

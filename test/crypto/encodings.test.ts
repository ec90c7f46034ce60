/** Mutated certificates, PEM, signatures and revocation lists: nothing throws, and Go's parsers (an oracle) agree. */
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { toBigInt } from "../../src/crypto/der.js"
import { encode, integer, oid, sequence } from "../../src/crypto/derWriter.js"
import { decodePem, generateKey, parseCertificate, parseCrl, sign } from "../../src/crypto/index.js"
import { decodeSignature } from "../../src/crypto/signature.js"
import { base64, Oracle } from "../msp/oracle.js"
import { ca, crl, ExtendedKeyUsage, issue, pem, subCa } from "../msp/support.js"

const oraclePath = process.env.FABRIC_MSP_ORACLE
const runs = Number(process.env.FABRIC_MSP_FUZZ ?? "1500")

const subtree = (tag: number, content: string) => sequence(encode(tag, Buffer.from(content, "latin1")))
/** A CA with every extension that the parser looks into. */
const rich = ca({
  eku: [ExtendedKeyUsage.any],
  extra: [
    { oid: "2.5.29.32", value: sequence(sequence(oid("1.2.3.4")), sequence(oid("2.5.29.32.0"))) },
    {
      oid: "2.5.29.36",
      critical: true,
      value: sequence(encode(0x80, Uint8Array.of(0)), encode(0x81, Uint8Array.of(3)))
    },
    { oid: "2.5.29.33", value: sequence(sequence(oid("1.2.3"), oid("1.2.4"))) },
    { oid: "2.5.29.54", value: integer(2) },
    {
      oid: "2.5.29.30",
      critical: true,
      value: sequence(
        encode(
          0xa0,
          subtree(0x82, "example.com"),
          subtree(0x81, "a@b.com"),
          subtree(0x86, ".host.com"),
          subtree(0x87, "\x0a\x00\x00\x00\xff\x00\x00\x00")
        ),
        encode(0xa1, subtree(0x82, "evil.com"))
      )
    }
  ]
})
const leaf = issue(rich, {
  dns: ["a.example.com", "*.b"],
  ips: [Uint8Array.of(1, 2, 3, 4)],
  ous: [["a", "b"], ["ü"]],
  eku: [ExtendedKeyUsage.clientAuth, "1.2.3"],
  extra: [
    {
      oid: "1.3.6.1.5.5.7.1.1",
      value: sequence(sequence(oid("1.3.6.1.5.5.7.48.1"), encode(0x86, Buffer.from("http://x"))))
    },
    { oid: "2.5.29.31", value: sequence(sequence(encode(0xa0, encode(0xa0, encode(0x86, Buffer.from("http://crl")))))) }
  ]
})
const named = issue(rich, {
  extra: [
    {
      oid: "2.5.29.17",
      value: sequence(
        encode(0x81, Buffer.from("me@example.com")),
        encode(0x86, Buffer.from("https://user@host.example.com:80/path?q=%20#f")),
        encode(0x82, Buffer.from("dns")),
        encode(0x87, Buffer.alloc(16))
      )
    }
  ]
})
const certificates = [rich, leaf, named, subCa(rich), issue(rich, { key: generateKey("P-384") })].map(({ der }) => der)
const list = crl(rich, [leaf, named])
const lists = [list, decodePem(list)?.bytes ?? list]
const key = generateKey()
const signatures = Array.from({ length: 10 }, (_, i) => sign(key, Buffer.of(i)))
const bundle = Buffer.concat([
  Buffer.from("text: x\n"),
  pem(leaf),
  Buffer.from("-----BEGIN X Y-----\r\nProc-Type: 4\r\nDEK-Info: z\r\n\r\nAAAA\r\n-----END X Y-----\r\nrest\n"),
  pem(rich)
])

type Edit = readonly [kind: "set" | "drop" | "insert" | "cut", at: number, octet: number]
const TELLING = [0, 1, 2, 3, 4, 6, 0x0a, 0x20, 0x2d, 0x30, 0x31, 0x3a, 0x7f, 0x80, 0x81, 0x82, 0xa0, 0xff]
const edit: fc.Arbitrary<Edit> = fc.tuple(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant("set" as const) },
    { weight: 2, arbitrary: fc.constantFrom("drop" as const, "insert" as const) },
    { weight: 1, arbitrary: fc.constant("cut" as const) }
  ),
  fc.nat(),
  fc.oneof(fc.nat(255), fc.constantFrom(...TELLING))
)
const edits = fc.array(edit, { minLength: 1, maxLength: 3 })

const apply = (bytes: Uint8Array, changes: ReadonlyArray<Edit>): Uint8Array => {
  let out = Buffer.from(bytes)
  for (const [kind, place, octet] of changes) {
    if (out.length === 0) break
    const at = place % out.length
    if (kind === "set") out[at] = octet
    else if (kind === "drop") out = Buffer.concat([out.subarray(0, at), out.subarray(at + 1)])
    else if (kind === "insert") out = Buffer.concat([out.subarray(0, at), Buffer.of(octet), out.subarray(at)])
    else out = out.subarray(0, at)
  }
  return out
}

const mutated = (originals: ReadonlyArray<Uint8Array>) =>
  fc.tuple(fc.constantFrom(...originals), edits).map(([bytes, changes]) => apply(bytes, changes))

const PEM_BITS = [
  "-----BEGIN ",
  "-----END ",
  "-----",
  "\n",
  "A",
  "A-----\n",
  "AAAA\n",
  "a: b\n",
  "\r\n",
  " ",
  "=",
  "\t"
]
const pemSoup = fc.array(fc.constantFrom(...PEM_BITS), { maxLength: 24 }).map((bits) => Buffer.from(bits.join("")))

const subjects = {
  cert: {
    input: mutated(certificates),
    own: (bytes: Uint8Array) => (Either.isRight(parseCertificate(bytes)) ? "" : "refused")
  },
  crl: { input: mutated(lists), own: (bytes: Uint8Array) => (Either.isRight(parseCrl(bytes)) ? "" : "refused") },
  sig: {
    input: mutated(signatures),
    own: (bytes: Uint8Array) =>
      Either.match(decodeSignature(bytes), {
        onLeft: () => "refused",
        onRight: ({ r, s }) => `${toBigInt(r)},${toBigInt(s)}`
      })
  },
  pem: {
    input: fc.oneof(mutated([bundle, bundle.subarray(9), pem(leaf)]), pemSoup),
    own: (bytes: Uint8Array) => {
      const block = decodePem(bytes)
      if (block === undefined) return "nil"
      return `${block.type}|${block.headers.size}|${base64(block.bytes)}|${base64(block.rest)}`
    }
  }
} as const

const theirs = (op: keyof typeof subjects, result: string): string => {
  if (op === "cert" || op === "crl") return result === "" ? "" : "refused"
  return op === "sig" && result.startsWith("ERR") ? "refused" : result
}

describe.each(Object.keys(subjects) as ReadonlyArray<keyof typeof subjects>)("%s", (op) => {
  const { input, own } = subjects[op]

  it("never throws on mutated input", () => {
    fc.assert(
      fc.property(input, (bytes) => {
        own(bytes)
      }),
      { numRuns: 1000 }
    )
  })

  it.skipIf(oraclePath === undefined)("agrees with Go on mutated input", { timeout: 600_000 }, async () => {
    const oracle = new Oracle(oraclePath ?? "")
    try {
      await fc.assert(
        fc.asyncProperty(input, async (bytes) => {
          const answer = await oracle.ask({ Op: op, Data: base64(bytes) })
          const expected = theirs(op, answer.Result ?? "")
          // A label that is not UTF-8 does not survive the way through JSON.
          if (!expected.includes("\ufffd")) expect(own(bytes)).toBe(expected)
        }),
        { numRuns: runs }
      )
    } finally {
      oracle.close()
    }
  })
})

/** What an MSP refuses, one by one, with the texts of the sheet; the wide comparison with Go is verdicts.test.ts. */
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { generateKey, sign } from "../../src/crypto/index.js"
import { MspCollector, MspManager, makeMsp } from "../../src/msp/index.js"
import { common, msp } from "../../src/wire/index.js"
import { highS } from "./cases.js"
import {
  ALL_NODE_OUS,
  build,
  ca,
  configOf,
  creator,
  crl,
  DAY,
  ExtendedKeyUsage,
  type Holder,
  issue,
  KeyUsage,
  mspOf,
  NOW,
  ou,
  pem,
  role,
  serialized,
  subCa,
  textOf
} from "./support.js"

const root = ca()
const plain = mspOf({ roots: [root] })
/** Why the MSP refuses the holder's creator bytes, at deserialization or validation. */
const refusal = (holder: Holder, own = plain): string => {
  const identity = own.deserializeIdentity(creator(holder))
  return Either.isLeft(identity) ? identity.left.message : textOf(own.validate(identity.right))
}

describe("an identity", () => {
  it("that is expired or not yet valid by the wall clock is a valid one", () => {
    expect(refusal(issue(root, { notBefore: NOW - 20 * DAY, notAfter: NOW - 10 * DAY }))).toBe("")
    expect(refusal(issue(root, { notBefore: NOW + 900 * DAY, notAfter: NOW + 901 * DAY }))).toBe("")
  })

  it("dated outside of its CA's life is refused", () => {
    expect(refusal(issue(root, { notBefore: NOW - 31 * DAY }))).toMatch(
      /^the supplied identity is not valid: x509: certificate has expired or is not yet valid: .* is before/
    )
    expect(refusal(issue(root, { notBefore: NOW + 3651 * DAY, notAfter: NOW + 3652 * DAY }))).toMatch(/ is after /)
  })

  it("of another CA is refused", () => {
    expect(refusal(issue(ca()))).toMatch(
      /^the supplied identity is not valid: x509: certificate signed by unknown authority/
    )
  })

  it("with two chains is refused", () => {
    const key = generateKey()
    const first = ca({ key })
    const second = ca({ key, notBefore: NOW - 29 * DAY })
    expect(refusal(issue(first, { notBefore: NOW - 20 * DAY }), mspOf({ roots: [first, second] }))).toBe(
      "this MSP only supports a single validation chain, got 2"
    )
  })

  it("whose issuer may not sign, or that is good for clients only, is refused", () => {
    const mute = ca({ keyUsage: KeyUsage.digitalSignature })
    expect(refusal(issue(mute), mspOf({ roots: [mute] }))).toMatch(/parent certificate cannot sign this kind/)
    expect(refusal(issue(root, { eku: [ExtendedKeyUsage.clientAuth] }))).toBe(
      "the supplied identity is not valid: x509: certificate specifies an incompatible key usage"
    )
    expect(refusal(issue(root, { eku: [ExtendedKeyUsage.any] }))).toBe("")
  })

  it("issued by an internal node, or being a CA, is refused", () => {
    const sub = subCa(root)
    const own = mspOf({ roots: [root], intermediates: [sub] })
    expect(refusal(issue(sub), own)).toBe("")
    expect(refusal(issue(root), own)).toMatch(
      /^could not obtain certification chain: invalid validation chain\. Parent certificate should be a leaf/
    )
    expect(refusal(subCa(root))).toBe(
      "could not obtain certification chain: An X509 certificate with Basic Constraint: Certificate Authority equals true cannot be used as an identity"
    )
  })

  it("that is revoked is refused; a list without AKI refuses everybody", () => {
    const leaf = issue(root)
    const other = issue(root)
    const own = mspOf({ roots: [root], crls: [crl(root, [leaf])] })
    const revoked = "could not validate identity against certification chain: The certificate has been revoked"
    expect([refusal(leaf, own), refusal(other, own)]).toEqual([revoked, ""])
    const poisoned = mspOf({ roots: [root], crls: [crl(root, [], null)] })
    expect(refusal(other, poisoned)).toMatch(/could not obtain Authority Key Identifier for crl/)
  })

  it("without the right organizational unit is refused", () => {
    const own = mspOf({ roots: [root], ous: [["dept", root]] })
    expect(refusal(issue(root, { ous: [["dept"]] }), own)).toBe("")
    expect(refusal(issue(root), own)).toBe(
      "could not validate identity's OUs: the identity certificate does not contain an Organizational Unit (OU)"
    )
    expect(refusal(issue(root, { ous: [["x"], ["y"]] }), own)).toMatch(
      /^could not validate identity's OUs: none of the identity's organizational units \[x\([0-9A-F]{16}\) y\([0-9A-F]{16}\)\] are in MSP Org1MSP$/
    )
    const classified = mspOf({ roots: [root], nodeOus: ALL_NODE_OUS }, "1.4.3")
    expect(refusal(issue(root, { ous: [["client"], ["peer"]] }), classified)).toMatch(
      /the identity must be a client, a peer, an orderer or an admin identity to be valid, not a combination of them/
    )
    expect(refusal(issue(root, { ous: [["orderer"]] }), mspOf({ roots: [root], nodeOus: ALL_NODE_OUS }))).toMatch(
      /the identity must be a client or a peer identity to be valid, not a combination of them/
    )
    const certified = mspOf(
      { roots: [root], nodeOus: { ...ALL_NODE_OUS, peerOuIdentifier: ou("peer", pem(root)) } },
      "1.4.3"
    )
    expect(refusal(issue(root, { ous: [["peer"]] }), certified)).toBe("")
  })

  it("in no PEM, in garbage, or in a megabyte of it is refused quickly", () => {
    const reason = (idBytes: Uint8Array) => textOf(plain.deserializeIdentity(serialized("Org1MSP", idBytes)))
    expect(reason(Buffer.from("garbage"))).toBe("could not decode the PEM structure")
    const start = performance.now()
    const huge = `-----BEGIN CERTIFICATE-----\n${"QUJD\n".repeat(1 << 18)}-----END CERTIFICATE-----\n`
    expect(reason(Buffer.from(huge))).toBe("parseCertificate failed: x509: malformed certificate")
    expect(reason(Buffer.alloc(1 << 20, "-----BEGIN A-----\n"))).toBe("could not decode the PEM structure")
    expect(performance.now() - start).toBeLessThan(2000)
    expect(textOf(plain.deserializeIdentity(Buffer.from("ff", "hex")))).toMatch(
      /^could not deserialize a SerializedIdentity: /
    )
  })

  it("of another MSP is refused, differently by an MSP and by a manager", () => {
    const foreign = creator(issue(root), "Org2MSP")
    expect(textOf(plain.deserializeIdentity(foreign))).toBe("expected MSP ID Org1MSP, received Org2MSP")
    expect(textOf(new MspManager([plain]).deserializeIdentity(foreign))).toBe("MSP Org2MSP is unknown")
  })

  it("with a high-S certificate is the one with the low-S certificate", () => {
    const high = issue(root, { rewrite: highS })
    const identity = Either.getOrThrow(plain.deserializeIdentity(creator(high)))
    const again = Either.getOrThrow(plain.deserializeIdentity(identity.serialized))
    expect(again.id).toBe(identity.id)
    expect(Buffer.from(identity.serialized).equals(creator(high))).toBe(false)
    expect(textOf(plain.validate(identity))).toBe("")
    const named = common.MSPPrincipal.create({
      principalClassification: common.MSPPrincipal_Classification.IDENTITY,
      principal: creator(high)
    })
    expect(textOf(plain.satisfiesPrincipal(again, named))).toBe("")
  })
})

describe("a signature", () => {
  it("with high S is refused with its text, three octets behind a good one do not matter", () => {
    const leaf = issue(root)
    const identity = Either.getOrThrow(plain.deserializeIdentity(creator(leaf)))
    const message = Buffer.from("m")
    const good = sign(leaf.key, message)
    expect(textOf(identity.checkSignature(message, highS(good)))).toMatch(
      /^could not determine the validity of the signature: Failed verifing with opts \[<nil>\]: Invalid S\. Must be smaller than half the order \[/
    )
    expect(textOf(identity.checkSignature(message, Buffer.concat([good, Buffer.from("abc")])))).toBe("")
    expect(textOf(identity.checkSignature(Buffer.from("n"), good))).toBe("The signature is invalid")
    expect(textOf(identity.checkSignature(message, new Uint8Array()))).toBe(
      "could not determine the validity of the signature: Invalid signature. Cannot be empty."
    )
  })
})

describe("a configuration", () => {
  const admin = issue(root)
  const reason = (config: Parameters<typeof configOf>[0], now = NOW) => textOf(build(configOf(config), "1.4.3", now))

  it("with a TLS CA that is expired now is refused, though it was fine before", () => {
    const tls = ca({ cn: "tls", notAfter: NOW + DAY })
    const config = { roots: [root], admins: [admin], tlsRoots: [tls] }
    expect(reason(config)).toBe("")
    expect(reason(config, NOW + 2 * DAY)).toMatch(/^CA Certificate is not valid, \(SN: \d+\): could not obtain/)
  })

  it("without admins and admin unit is refused under 1.4.3 only", () => {
    expect(reason({ roots: [root] })).toBe("administrators must be declared when no admin ou classification is set")
    expect(textOf(build(configOf({ roots: [root] }), "1.3"))).toBe("")
  })

  it("with two definitions of one MSP is refused, with one definition twice is not", () => {
    const of = (admins: ReadonlyArray<Holder>) =>
      msp.MSPConfig.create({ type: 0, config: msp.FabricMSPConfig.encode(configOf({ roots: [root], admins })) })
    const collector = new MspCollector({ version: "1.3", now: NOW })
    const first = Either.getOrThrow(collector.propose(of([admin])))
    expect(Either.getOrThrow(collector.propose(of([admin])))).toBe(first)
    expect(textOf(collector.propose(of([])))).toBe("Attempted to define two different versions of MSP: Org1MSP")
    expect(textOf(collector.propose(msp.MSPConfig.create({ type: 0 })))).toBe(
      "setting up the MSP manager failed: expected at least one CA certificate"
    )
  })

  it("of type Idemix or of an unknown type is refused by name", () => {
    const of = (type: number) => makeMsp(msp.MSPConfig.create({ type }), { version: "1.4.3" })
    expect(textOf(of(1))).toBe("Setup error: unsupported msp type 1: this node does not implement Idemix MSPs")
    expect(textOf(of(2))).toBe("Setup error: unsupported msp type 2")
    expect(Either.getOrThrow(Either.flip(of(1)))._tag).toBe("MspTypeUnsupported")
  })

  it("that is no message is refused", () => {
    const config = msp.MSPConfig.create({ type: 0, config: Buffer.from("ffff", "hex") })
    expect(textOf(makeMsp(config, { version: "1.3" }))).toMatch(/^failed unmarshalling fabric msp config: /)
  })
})

describe("a combined principal", () => {
  it("nested very deeply is answered, not an overflow", () => {
    let nested = role("MEMBER")
    for (let i = 0; i < 5000; i++) {
      nested = common.MSPPrincipal.create({
        principalClassification: common.MSPPrincipal_Classification.COMBINED,
        principal: common.CombinedPrincipal.encode({ principals: [nested] })
      })
    }
    const identity = Either.getOrThrow(plain.deserializeIdentity(creator(issue(root))))
    expect(textOf(plain.satisfiesPrincipal(identity, nested))).toBe("")
  })
})

describe("well-formedness", () => {
  it("is the shape of the PEM and of the signature, no more", () => {
    const leaf = issue(ca())
    const reason = (idBytes: Uint8Array) => textOf(plain.isWellFormed(serialized("Org1MSP", idBytes)))
    expect(reason(pem(leaf))).toBe("")
    expect(reason(pem(issue(root, { rewrite: highS })))).toBe("")
    expect(reason(Buffer.concat([pem(leaf), Buffer.from("\n")]))).toMatch(/has trailing bytes$/)
    expect(reason(Buffer.from(Buffer.from(pem(leaf)).toString().replaceAll("CERTIFICATE", "KEY")))).toBe(
      "pem type is KEY, should be 'CERTIFICATE' or missing"
    )
    expect(reason(Buffer.from(Buffer.from(pem(leaf)).toString().replaceAll(" CERTIFICATE", " ")))).toBe("")
    expect(reason(Buffer.from("x"))).toBe("PEM decoding resulted in an empty block")
    expect(reason(pem(issue(root, { rewrite: (s) => Buffer.concat([s, Buffer.of(0)]) })))).toMatch(
      /non canonical signature$/
    )
    const manager = new MspManager([plain])
    expect(textOf(manager.isWellFormed(serialized("Nobody", pem(leaf))))).toBe("")
    expect(textOf(manager.isWellFormed(Buffer.from("x")))).toBe("no MSP provider recognizes the identity")
    expect(textOf(new MspManager([]).isWellFormed(creator(leaf)))).toBe("no MSP provider recognizes the identity")
  })
})

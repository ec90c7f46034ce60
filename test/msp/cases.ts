/**
 * Configurations, identities and principals whose verdicts were recorded from Go 1.4.12 (verdicts.json). Every case is
 * made of fresh keys; `verdicts.test.ts` replays the recorded ones and, with an oracle at hand, compares new ones live.
 */
import { generateKeyPairSync, sign as nodeSign } from "node:crypto"
import * as Either from "effect/Either"
import { extensions } from "../../src/crypto/certificateWriter.js"
import { CURVES } from "../../src/crypto/curves.js"
import { contextTag, hex } from "../../src/crypto/der.js"
import { encode, integer, octetString, oid, sequence, unsignedInteger } from "../../src/crypto/derWriter.js"
import { generateKey, sha256, sign } from "../../src/crypto/index.js"
import { decodeSignature } from "../../src/crypto/signature.js"
import type { MspVersion } from "../../src/msp/index.js"
import { common, type msp } from "../../src/wire/index.js"
import {
  ALL_NODE_OUS,
  ca,
  configOf,
  creator,
  crl,
  DAY,
  ExtendedKeyUsage,
  type Holder,
  issue,
  KeyUsage,
  NOW,
  ou,
  pem,
  role,
  serialized,
  subCa
} from "./support.js"

export interface Case {
  readonly name: string
  readonly version: MspVersion
  readonly config: msp.FabricMSPConfig
  readonly identities: ReadonlyArray<Uint8Array>
  readonly principals: ReadonlyArray<common.MSPPrincipal>
  readonly messages: ReadonlyArray<Uint8Array>
  readonly signatures: ReadonlyArray<Uint8Array>
}

const ALL: ReadonlyArray<MspVersion> = ["1.0", "1.1", "1.3", "1.4.3"]
const ROLES = [role("MEMBER"), role("ADMIN"), role("CLIENT"), role("PEER"), role("ORDERER")]

const made = (
  name: string,
  version: MspVersion,
  config: msp.FabricMSPConfig,
  identities: ReadonlyArray<Uint8Array> = [],
  principals: ReadonlyArray<common.MSPPrincipal> = [],
  signed: ReadonlyArray<readonly [Uint8Array, Uint8Array]> = []
): Case => ({
  name,
  version,
  config,
  identities,
  principals,
  messages: signed.map(([message]) => message),
  signatures: signed.map(([, signature]) => signature)
})

const critical = (oidText: string, value: Uint8Array) => ({ oid: oidText, critical: true, value })
const plain = (oidText: string, value: Uint8Array) => ({ oid: oidText, value })

/** The same signature with s replaced by N - s. */
export const highS = (signature: Uint8Array, order = CURVES["P-256"].order): Uint8Array => {
  const { r, s } = Either.getOrThrow(decodeSignature(signature))
  return sequence(unsignedInteger(r), integer(order - BigInt(`0x${hex(s)}`)))
}

const nameConstraint = (dns: string, excluded = false) =>
  critical(
    "2.5.29.30",
    sequence(encode(contextTag(excluded ? 1 : 0, true), sequence(encode(contextTag(2), Buffer.from(dns)))))
  )

const ipConstraint = (ip: ReadonlyArray<number>, mask: ReadonlyArray<number>) =>
  critical(
    "2.5.29.30",
    sequence(encode(contextTag(0, true), sequence(encode(contextTag(7), Uint8Array.from([...ip, ...mask])))))
  )

const policies = (...oids: ReadonlyArray<string>) => plain("2.5.29.32", sequence(...oids.map((p) => sequence(oid(p)))))
const requireExplicit = critical("2.5.29.36", sequence(encode(contextTag(0), Uint8Array.of(0))))

/** Leaves of every kind under one root, without NodeOUs. */
const certificateTable = (): ReadonlyArray<Case> => {
  const root = ca()
  const other = ca()
  const p384 = generateKey("P-384")
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const ed = generateKeyPairSync("ed25519")
  const revoked = issue(root)
  const leaf = issue(root)
  const leaves: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["valid", creator(leaf)],
    ["wrong CA", creator(issue(other))],
    ["self-signed", creator(ca({ cn: "alone", isCA: false }))],
    ["the root itself", creator(root)],
    ["CA as identity", creator(subCa(root))],
    ["CA by key usage only", creator(issue(root, { keyUsage: KeyUsage.certSign }))],
    ["client-only EKU", creator(issue(root, { eku: [ExtendedKeyUsage.clientAuth] }))],
    ["server EKU", creator(issue(root, { eku: [ExtendedKeyUsage.serverAuth] }))],
    ["any EKU", creator(issue(root, { eku: [ExtendedKeyUsage.any, ExtendedKeyUsage.clientAuth] }))],
    ["unknown EKU", creator(issue(root, { eku: ["1.2.3.4.5"] }))],
    ["expired", creator(issue(root, { notBefore: NOW - 20 * DAY, notAfter: NOW - 10 * DAY }))],
    ["not yet valid", creator(issue(root, { notBefore: NOW + 700 * DAY, notAfter: NOW + 800 * DAY }))],
    ["older than its CA", creator(issue(root, { notBefore: NOW - 31 * DAY }))],
    ["one second older than its CA", creator(issue(root, { notBefore: NOW - 30 * DAY - 1000 }))],
    ["two seconds older than its CA", creator(issue(root, { notBefore: NOW - 30 * DAY - 2000 }))],
    ["after its CA", creator(issue(root, { notBefore: NOW + 3651 * DAY, notAfter: NOW + 3700 * DAY }))],
    [
      "in the last second of its CA",
      creator(issue(root, { notBefore: NOW + 3650 * DAY - 1000, notAfter: NOW + 4000 * DAY }))
    ],
    ["ends before it starts", creator(issue(root, { notBefore: NOW, notAfter: NOW - DAY }))],
    ["lives zero seconds", creator(issue(root, { notBefore: NOW, notAfter: NOW }))],
    ["no AKI", creator(issue(root, { aki: false }))],
    ["no basic constraints", creator(issue(root, { basicConstraints: false }))],
    ["no key usage", creator(issue(root, { keyUsage: 0 }))],
    ["P-384 leaf", creator(issue(root, { key: p384 }))],
    ["P-521 leaf", creator(issue(root, { key: generateKey("P-521") }))],
    ["P-224 leaf", creator(issue(root, { key: generateKey("P-224") }))],
    ["RSA leaf", creator(issue(root, { spki: rsa.publicKey.export({ format: "der", type: "spki" }) }))],
    ["Ed25519 leaf", creator(issue(root, { spki: ed.publicKey.export({ format: "der", type: "spki" }) }))],
    ["high-S certificate", creator(issue(root, { rewrite: highS }))],
    [
      "certificate signature with trailing octet",
      creator(issue(root, { rewrite: (s) => Buffer.concat([s, Buffer.of(0)]) }))
    ],
    ["unhandled critical extension", creator(issue(root, { extra: [critical("1.2.3.4", octetString())] }))],
    ["unknown extension", creator(issue(root, { extra: [plain("1.2.3.4", octetString())] }))],
    [
      "duplicate extension",
      creator(issue(root, { extra: [plain("1.2.3.4", octetString()), plain("1.2.3.4", octetString())] }))
    ],
    ["critical SKI", creator(issue(root, { extra: [critical("2.5.29.14", octetString(Buffer.of(1)))] }))],
    ["bad key usage", creator(issue(root, { keyUsage: 0, extra: [critical("2.5.29.15", octetString())] }))],
    ["serial zero", creator(issue(root, { serial: Uint8Array.of(0) }))],
    ["revoked", creator(revoked)],
    ["another MSP", creator(leaf, "Org2MSP")],
    ["no PEM", serialized("Org1MSP", Buffer.from("garbage"))],
    ["empty", serialized("Org1MSP", new Uint8Array())],
    [
      "no certificate in PEM",
      serialized("Org1MSP", Buffer.from("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
    ],
    [
      "other label",
      serialized("Org1MSP", Buffer.from(Buffer.from(pem(leaf)).toString().replaceAll("CERTIFICATE", "THING")))
    ],
    ["text before", serialized("Org1MSP", Buffer.concat([Buffer.from("Subject: x\n\n"), pem(leaf)]))],
    ["text after", serialized("Org1MSP", Buffer.concat([pem(leaf), Buffer.from("more")]))],
    ["CRLF", serialized("Org1MSP", Buffer.from(Buffer.from(pem(leaf)).toString().replaceAll("\n", "\r\n")))],
    ["indented", serialized("Org1MSP", Buffer.from(Buffer.from(pem(leaf)).toString().replaceAll("-----B", " -----B")))],
    ["no final line end", serialized("Org1MSP", Buffer.from(Buffer.from(pem(leaf)).toString().trimEnd()))],
    ["not a message", Buffer.from("ffffffff", "hex")]
  ]
  const config = configOf({ roots: [root], admins: [leaf], crls: [crl(root, [revoked])] })
  return (["1.0", "1.3", "1.4.3"] as const).map((version) =>
    made(
      `certificates: ${leaves.map(([name]) => name).join(", ")}`,
      version,
      config,
      leaves.map(([, identity]) => identity),
      ROLES
    )
  )
}

const chainShapes = (): ReadonlyArray<Case> => {
  const one = (
    name: string,
    roots: ReadonlyArray<Holder>,
    leaves: ReadonlyArray<Holder>,
    more: Partial<Parameters<typeof configOf>[0]> = {}
  ) =>
    made(
      name,
      "1.3",
      configOf({ roots, ...more }),
      leaves.map((leaf) => creator(leaf)),
      [role("MEMBER")]
    )
  const root = ca()
  const sub = subCa(root)
  const subSub = subCa(sub, { cn: "second" })
  const limited = ca({ maxPathLen: 0 })
  const limitedSub = subCa(limited)
  const key = generateKey()
  const firstIssue = ca({ key })
  const secondIssue = ca({ key, notBefore: NOW - 29 * DAY })
  const noSign = ca({ keyUsage: KeyUsage.digitalSignature })
  const noUsage = ca({ keyUsage: 0 })
  const clientEku = ca({ eku: [ExtendedKeyUsage.clientAuth] })
  const bothEku = ca({ eku: [ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth] })
  const dnsCa = ca({ extra: [nameConstraint("example.com")] })
  const excludeCa = ca({ extra: [nameConstraint("evil.com", true)] })
  const ipCa = ca({ extra: [ipConstraint([10, 0, 0, 0], [255, 0, 0, 0])] })
  const policyCa = ca({ extra: [policies("1.2.3.4"), requireExplicit] })
  const anyPolicySub = subCa(policyCa, { extra: [policies("2.5.29.32.0"), requireExplicit] })
  const p384Root = ca({ key: generateKey("P-384"), hash: "sha384" })
  const highRoot = ca({ rewrite: highS })
  const highSub = subCa(highRoot, { rewrite: highS })
  const expiredRoot = ca({ notBefore: NOW - 900 * DAY, notAfter: NOW - 800 * DAY })
  const revokedSub = subCa(root, { cn: "revoked" })
  const sha1Like = ca({ hash: "sha512" })
  return [
    one("leaf of root, root has an intermediate", [root], [issue(root), issue(sub)], { intermediates: [sub] }),
    one("two levels of intermediates", [root], [issue(root), issue(sub), issue(subSub)], {
      intermediates: [sub, subSub]
    }),
    one("intermediate listed as root too", [root, sub], [issue(root), issue(sub)], { intermediates: [sub] }),
    one("intermediate as root only", [sub], [issue(sub), issue(root)]),
    one("path length 0 without intermediate", [limited], [issue(limited)]),
    one("path length 0 with intermediate", [limited], [issue(limitedSub)], { intermediates: [limitedSub] }),
    one("re-issued root", [firstIssue, secondIssue], [issue(firstIssue), issue(firstIssue, { notBefore: NOW })]),
    one("the same root twice", [root, root], [issue(root)]),
    one("root that may not sign", [noSign], [issue(noSign)]),
    one("root without key usage", [noUsage], [issue(noUsage)]),
    one("root with client EKU only", [clientEku], [issue(clientEku)]),
    one("root with both EKUs", [bothEku], [issue(bothEku), issue(bothEku, { eku: [ExtendedKeyUsage.clientAuth] })]),
    one(
      "name constraints",
      [dnsCa, excludeCa],
      [
        issue(dnsCa, { dns: ["a.example.com"] }),
        issue(dnsCa, { dns: ["example.com"] }),
        issue(dnsCa, { dns: ["notexample.com"] }),
        issue(dnsCa, { dns: ["EXAMPLE.com", "b.org"] }),
        issue(dnsCa),
        issue(dnsCa, { ips: [Uint8Array.of(1, 2, 3, 4)] })
      ]
    ),
    one(
      "excluded names",
      [excludeCa],
      [
        issue(excludeCa, { dns: ["a.evil.com"] }),
        issue(excludeCa, { dns: ["*.evil.com"] }),
        issue(excludeCa, { dns: ["*.com"] }),
        issue(excludeCa, { dns: ["good.com", "bad..name"] })
      ]
    ),
    one(
      "address constraints",
      [ipCa],
      [
        issue(ipCa, { ips: [Uint8Array.of(10, 1, 1, 1)] }),
        issue(ipCa, { ips: [Uint8Array.of(11, 1, 1, 1)] }),
        issue(ipCa, { ips: [new Uint8Array(16)] })
      ]
    ),
    one(
      "explicit policy demanded by the anchor",
      [policyCa],
      [issue(policyCa), issue(policyCa, { extra: [policies("1.2.3.4")] })]
    ),
    one(
      "explicit policy demanded by an intermediate",
      [policyCa],
      [
        issue(anyPolicySub),
        issue(anyPolicySub, { extra: [policies("1.2.3.4")] }),
        issue(anyPolicySub, { extra: [policies("2.5.29.32.0")] })
      ],
      { intermediates: [anyPolicySub] }
    ),
    one(
      "P-384 root",
      [p384Root],
      [
        issue(p384Root, { hash: "sha384" }),
        issue(p384Root, { hash: "sha384", rewrite: (s) => highS(s, CURVES["P-384"].order) })
      ]
    ),
    one("SHA-512 root", [sha1Like], [issue(sha1Like, { hash: "sha512" })]),
    one("high-S root", [highRoot], [issue(highRoot), issue(highRoot, { rewrite: highS })]),
    one("high-S root and intermediate", [highRoot], [issue(highSub, { rewrite: highS })], { intermediates: [highSub] }),
    one(
      "expired root",
      [expiredRoot],
      [issue(expiredRoot, { notBefore: NOW - 850 * DAY, notAfter: NOW - 840 * DAY }), issue(expiredRoot)]
    ),
    one("revoked intermediate", [root], [], { intermediates: [revokedSub], crls: [crl(root, [revokedSub])] }),
    one("list of the intermediate", [root], [issue(sub)], { intermediates: [sub], crls: [crl(sub, [])] })
  ]
}

const revocations = (): ReadonlyArray<Case> => {
  const root = ca()
  const other = ca({ cn: "ca" })
  const leaf = issue(root)
  const admin = issue(root)
  const member = [role("MEMBER"), role("ADMIN")]
  const lists: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>]> = [
    ["revoked", [crl(root, [leaf])]],
    ["two lists", [crl(root, []), crl(root, [leaf])]],
    ["no AKI", [crl(root, [leaf], null)]],
    ["no AKI, nothing revoked", [crl(root, [], null)]],
    ["foreign AKI", [crl(root, [leaf], Buffer.from("other"))]],
    ["signed by another CA with our AKI", [crl(other, [leaf], root.certificate.subjectKeyId)]],
    ["admin revoked", [crl(root, [admin])]],
    ["garbage", [Buffer.from("garbage")]],
    ["PEM not at the start", [Buffer.concat([Buffer.from("\n"), crl(root, [leaf])])]]
  ]
  return lists.flatMap(([name, crls]) =>
    (["1.0", "1.4.3"] as const).map((version) =>
      made(
        `revocation: ${name}`,
        version,
        configOf({ roots: [root], admins: [admin], crls }),
        [creator(leaf), creator(admin)],
        member
      )
    )
  )
}

const nodeOuMatrix = (): ReadonlyArray<Case> => {
  const root = ca()
  const sub = subCa(root)
  const units: ReadonlyArray<ReadonlyArray<ReadonlyArray<string>>> = [
    [["client"]],
    [["peer"]],
    [["admin"]],
    [["orderer"]],
    [],
    [["dept"]],
    [["client"], ["peer"]],
    [["client", "peer"]],
    [["client"], ["client"]],
    [["admin"], ["dept"]],
    [["admin", "client"]]
  ]
  const leaves = units.map((ous) => creator(issue(sub, { ous })))
  const adminLeaf = issue(sub, { ous: [["admin"]] })
  const clientLeaf = issue(sub, { ous: [["client"]] })
  const bare = issue(sub)
  const base = { roots: [root], intermediates: [sub] }
  const every = (
    name: string,
    nodeOus: Parameters<typeof configOf>[0]["nodeOus"],
    admins: ReadonlyArray<Holder>,
    versions = ALL
  ) =>
    versions.map((version) =>
      made(
        `NodeOUs: ${name}`,
        version,
        configOf({ ...base, admins, nodeOus }),
        [...leaves, ...admins.map((a) => creator(a))],
        ROLES
      )
    )
  return [
    ...every("all", ALL_NODE_OUS, []),
    ...every("all, client admin", ALL_NODE_OUS, [clientLeaf]),
    ...every("all, admin admin", ALL_NODE_OUS, [adminLeaf]),
    ...every("all, bare admin", ALL_NODE_OUS, [bare]),
    ...every("none", undefined, [clientLeaf]),
    ...every("disabled", { ...ALL_NODE_OUS, enable: false }, [bare]),
    ...every("client and peer", { enable: true, clientOuIdentifier: ou("client"), peerOuIdentifier: ou("peer") }, [
      clientLeaf
    ]),
    ...every("peer only", { enable: true, peerOuIdentifier: ou("peer") }, [clientLeaf]),
    ...every("admin only", { enable: true, adminOuIdentifier: ou("admin") }, []),
    ...every("admin only, with client admin", { enable: true, adminOuIdentifier: ou("admin") }, [clientLeaf]),
    ...every("empty message", { enable: true }, [clientLeaf]),
    ...every("empty names", { enable: true, clientOuIdentifier: ou(""), peerOuIdentifier: ou("") }, [clientLeaf]),
    ...every(
      "right certifier",
      {
        enable: true,
        clientOuIdentifier: ou("client", pem(sub)),
        peerOuIdentifier: ou("peer", pem(sub)),
        adminOuIdentifier: ou("admin", pem(sub)),
        ordererOuIdentifier: ou("orderer", pem(sub))
      },
      [clientLeaf]
    ),
    ...every("wrong certifier", { ...ALL_NODE_OUS, peerOuIdentifier: ou("peer", pem(root)) }, [clientLeaf]),
    ...every("certifier outside", { ...ALL_NODE_OUS, peerOuIdentifier: ou("peer", pem(ca())) }, [clientLeaf]),
    ...every("certifier garbage", { ...ALL_NODE_OUS, clientOuIdentifier: ou("client", Buffer.from("x")) }, [
      clientLeaf
    ]),
    ...every("same name twice", { ...ALL_NODE_OUS, adminOuIdentifier: ou("client", pem(sub)) }, [clientLeaf])
  ]
}

const ouIdentifiers = (): ReadonlyArray<Case> => {
  const root = ca()
  const sub = subCa(root)
  const second = subCa(root, { cn: "second" })
  const subSub = subCa(sub, { cn: "third" })
  const one = (
    name: string,
    ous: ReadonlyArray<readonly [string, Holder]>,
    intermediates: ReadonlyArray<Holder> = [sub, second]
  ) =>
    made(
      `OU identifiers: ${name}`,
      "1.3",
      configOf({ roots: [root], intermediates, ous }),
      [
        creator(issue(sub, { ous: [["dept"]] })),
        creator(issue(second, { ous: [["dept"]] })),
        creator(issue(sub, { ous: [["x"], ["dept"]] })),
        creator(issue(sub, { ous: [["x"], ["y"]] })),
        creator(issue(sub))
      ],
      [role("MEMBER")]
    )
  return [
    one("one", [["dept", sub]]),
    one("both", [
      ["dept", sub],
      ["dept", second]
    ]),
    one("twice", [
      ["dept", sub],
      ["dept", sub]
    ]),
    one("root", [["dept", root]]),
    one("unknown CA", [["dept", ca()]]),
    one("internal intermediate", [["dept", sub]], [sub, subSub]),
    made(
      "OU identifiers: root without intermediates",
      "1.3",
      configOf({ roots: [root], ous: [["dept", root]] }),
      [creator(issue(root, { ous: [["dept"]] })), creator(issue(root))],
      [role("MEMBER")]
    )
  ]
}

const principals = (): ReadonlyArray<Case> => {
  const root = ca()
  const leaf = issue(root, { ous: [["dept"], ["client"]] })
  const other = issue(root)
  const Kind = common.MSPPrincipal_Classification
  const of = (principalClassification: number, principal: Uint8Array) =>
    common.MSPPrincipal.create({ principalClassification: principalClassification as 0, principal })
  const unit = (name: string, certifiersIdentifier: Uint8Array, mspIdentifier = "Org1MSP") =>
    of(
      Kind.ORGANIZATION_UNIT,
      common.OrganizationUnit.encode({ mspIdentifier, organizationalUnitIdentifier: name, certifiersIdentifier })
    )
  const combined = (...parts: ReadonlyArray<common.MSPPrincipal>) =>
    of(Kind.COMBINED, common.CombinedPrincipal.encode({ principals: [...parts] }))
  const anonymity = (anonymityType: number) =>
    of(Kind.ANONYMITY, common.MSPIdentityAnonymity.encode({ anonymityType: anonymityType as 0 }))
  const rawRole = (number: number) =>
    of(Kind.ROLE, common.MSPRole.encode({ mspIdentifier: "Org1MSP", role: number as 0 }))
  const certifiers = sha256(root.certificate.der)
  const list = [
    ...ROLES,
    rawRole(5),
    role("MEMBER", "Org2MSP"),
    role("ADMIN", "Org2MSP"),
    of(Kind.ROLE, Buffer.from("ff", "hex")),
    of(Kind.ROLE, new Uint8Array()),
    of(Kind.IDENTITY, creator(leaf)),
    of(Kind.IDENTITY, creator(other)),
    of(Kind.IDENTITY, creator(leaf, "Org2MSP")),
    of(Kind.IDENTITY, Buffer.from("garbage")),
    unit("dept", certifiers),
    unit("client", certifiers),
    unit("dept", new Uint8Array()),
    unit("other", certifiers),
    unit("dept", certifiers, "Org2MSP"),
    of(Kind.ORGANIZATION_UNIT, Buffer.from("ff", "hex")),
    anonymity(0),
    anonymity(1),
    anonymity(2),
    combined(),
    combined(role("MEMBER"), unit("dept", certifiers)),
    combined(role("MEMBER"), unit("nope", certifiers), role("MEMBER", "Org9MSP")),
    combined(combined(role("MEMBER")), anonymity(0), combined(unit("dept", certifiers))),
    combined(combined()),
    of(Kind.COMBINED, Buffer.from("ff", "hex")),
    of(5, new Uint8Array()),
    of(77, Buffer.from("x"))
  ]
  return ALL.map((version) =>
    made("principals", version, configOf({ roots: [root], admins: [other] }), [creator(leaf), creator(other)], list)
  )
}

const setupFaults = (): ReadonlyArray<Case> => {
  const root = ca()
  const admin = issue(root)
  const base = { roots: [root], admins: [admin] }
  const expiredTls = ca({ cn: "tls", notBefore: NOW - 900 * DAY, notAfter: NOW - 800 * DAY })
  const tls = ca({ cn: "tls" })
  const tlsSub = subCa(tls, { cn: "tls intermediate" })
  const configs: ReadonlyArray<readonly [string, msp.FabricMSPConfig]> = [
    ["good", configOf(base)],
    ["no root", configOf({ roots: [] })],
    ["no admins", configOf({ roots: [root] })],
    ["root without CA", configOf({ ...base, roots: [root, ca({ isCA: false, cn: "noca" })] })],
    ["root without SKI", configOf({ ...base, roots: [root, ca({ ski: false, cn: "noski" })] })],
    ["garbage root", { ...configOf(base), rootCerts: [Buffer.from("garbage")] }],
    ["empty PEM root", { ...configOf(base), rootCerts: [Buffer.from("-----BEGIN A-----\n-----END A-----\n")] }],
    ["intermediate of nobody", configOf({ ...base, intermediates: [subCa(ca())] })],
    ["intermediate without CA", configOf({ ...base, intermediates: [issue(root, { ski: true })] })],
    ["foreign admin", configOf({ ...base, admins: [issue(ca())] })],
    ["garbage admin", { ...configOf(base), admins: [Buffer.from("garbage")] }],
    [
      "expired admin",
      configOf({ ...base, admins: [issue(root, { notBefore: NOW - 9 * DAY, notAfter: NOW - 8 * DAY })] })
    ],
    ["TLS", configOf({ ...base, tlsRoots: [tls], tlsIntermediates: [tlsSub] })],
    ["expired TLS root", configOf({ ...base, tlsRoots: [expiredTls] })],
    ["TLS intermediate of nobody", configOf({ ...base, tlsRoots: [tls], tlsIntermediates: [subCa(root)] })],
    ["TLS without CA", configOf({ ...base, tlsRoots: [ca({ isCA: false, ski: true })] })],
    ["TLS without SKI", configOf({ ...base, tlsRoots: [ca({ ski: false })] })],
    [
      "SHA3",
      configOf({ ...base, crypto: { signatureHashFamily: "SHA3", identityIdentifierHashFunction: "SHA3_384" } })
    ],
    ["SHA384", configOf({ ...base, crypto: { identityIdentifierHashFunction: "SHA384" } })],
    ["unknown family", configOf({ ...base, crypto: { signatureHashFamily: "SHA9" } })],
    ["unknown hash", configOf({ ...base, crypto: { identityIdentifierHashFunction: "MD5" } })],
    ["empty name", configOf({ ...base, name: "" })]
  ]
  return configs.flatMap(([name, config]) =>
    ALL.map((version) => made(`setup: ${name}`, version, config, [creator(admin)], [role("MEMBER"), role("ADMIN")]))
  )
}

const signatures = (): ReadonlyArray<Case> => {
  const message = Buffer.from("a message")
  return (["P-256", "P-384", "P-224", "P-521"] as const).flatMap((curve) => {
    const root = ca()
    const leaf = issue(root, { key: generateKey(curve) })
    const { order, half } = CURVES[curve]
    const good = sign(leaf.key, message)
    const { r, s } = Either.getOrThrow(decodeSignature(good))
    const wrap = (...parts: ReadonlyArray<Uint8Array>) => sequence(...parts)
    const list: ReadonlyArray<readonly [Uint8Array, Uint8Array]> = [
      [message, good],
      [Buffer.from("another"), good],
      [message, highS(good, order)],
      [message, new Uint8Array()],
      [message, Buffer.concat([good, Buffer.from("abc")])],
      [message, wrap(unsignedInteger(r), unsignedInteger(s), integer(7))],
      [message, wrap(encode(2, Buffer.of(0), r), unsignedInteger(s))],
      [message, wrap(encode(2, Buffer.concat([Buffer.of(0, 0), r])), unsignedInteger(s))],
      [message, wrap(unsignedInteger(r), integer(0))],
      [message, wrap(integer(0), unsignedInteger(s))],
      [message, wrap(integer(-1), unsignedInteger(s))],
      [message, wrap(unsignedInteger(r), integer(half))],
      [message, wrap(unsignedInteger(r), integer(half + 1n))],
      [message, wrap(integer(order), unsignedInteger(s))],
      [message, wrap(integer(1n << 4000n), unsignedInteger(s))],
      [message, wrap(unsignedInteger(r))],
      [message, Buffer.concat([Buffer.of(0x30, 0x81, good.length - 2), good.subarray(2)])],
      [message, Buffer.from("garbage")],
      [message, nodeSign("sha384", message, leaf.key.signing.key)]
    ]
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
    const rsaLeaf = issue(root, { spki: rsa.publicKey.export({ format: "der", type: "spki" }) })
    return [
      made(
        `signatures: ${curve}`,
        "1.4.3",
        configOf({ roots: [root], admins: [leaf] }),
        list.map(() => creator(leaf)),
        [],
        list
      ),
      made(
        `signatures: RSA under ${curve}`,
        "1.4.3",
        configOf({ roots: [root], admins: [leaf] }),
        [creator(rsaLeaf)],
        [role("MEMBER")],
        [[message, nodeSign("sha256", message, rsa.privateKey)]]
      )
    ]
  })
}

/** All cases, new keys each time. */
export const makeCases = (): ReadonlyArray<Case> => [
  ...certificateTable(),
  ...chainShapes(),
  ...revocations(),
  ...nodeOuMatrix(),
  ...ouIdentifiers(),
  ...principals(),
  ...setupFaults(),
  ...signatures(),
  made("extensions", "1.3", configOf({ roots: [ca({ extra: [extensions.authorityKeyId(Buffer.of(1, 2, 3))] })] }))
]

/**
 * Writing X.509 v3 certificates and revocation lists signed with ECDSA: what cryptogen issues, and what tests need.
 * A small DER writer instead of a certificate library because this runs at every start of a developer's network and the
 * library alone takes longer to load than a whole network's material takes to make.
 */
import * as Either from "effect/Either"
import { type Certificate, parseCertificate } from "./certificate.js"
import { contextTag } from "./der.js"
import {
  bitString,
  directoryString,
  encode,
  integer,
  octetString,
  oid,
  sequence,
  set,
  TRUE,
  time,
  unsignedInteger
} from "./derWriter.js"
import { signWith } from "./ecdsa.js"
import type { PrivateKey } from "./privateKey.js"

/** One relative distinguished name: attributes that stand together. */
export type Rdn = ReadonlyArray<{ readonly oid: string; readonly value: string }>

/** A distinguished name from RDNs in order. */
export const encodeName = (rdns: ReadonlyArray<Rdn>): Uint8Array =>
  sequence(
    ...rdns.map((rdn) => set(...rdn.map((attribute) => sequence(oid(attribute.oid), directoryString(attribute.value)))))
  )

/** An extension to write. */
export interface ExtensionTemplate {
  readonly oid: string
  readonly critical?: boolean
  readonly value: Uint8Array
}

const extensionBytes = (extension: ExtensionTemplate): Uint8Array =>
  sequence(oid(extension.oid), ...(extension.critical === true ? [TRUE] : []), octetString(extension.value))

/** The extensions that certificates of a Fabric network carry. */
export const extensions = {
  /** Key usage from Go's bit numbers (`KeyUsage` in extensions.ts); critical. */
  keyUsage: (usage: number): ExtensionTemplate => {
    let bits = 0
    for (let i = 0; i < 8; i++) if ((usage & (1 << i)) !== 0) bits |= 0x80 >> i
    let unused = 0
    while (unused < 7 && (bits & (1 << unused)) === 0) unused++
    return { oid: "2.5.29.15", critical: true, value: bitString(Uint8Array.of(bits), unused) }
  },
  extendedKeyUsage: (usages: ReadonlyArray<string>): ExtensionTemplate => ({
    oid: "2.5.29.37",
    value: sequence(...usages.map(oid))
  }),
  /** Basic constraints; critical. */
  basicConstraints: (isCA: boolean, maxPathLen?: number): ExtensionTemplate => ({
    oid: "2.5.29.19",
    critical: true,
    value: sequence(...(isCA ? [TRUE] : []), ...(maxPathLen === undefined ? [] : [integer(maxPathLen)]))
  }),
  subjectKeyId: (keyId: Uint8Array): ExtensionTemplate => ({ oid: "2.5.29.14", value: octetString(keyId) }),
  authorityKeyId: (keyId: Uint8Array): ExtensionTemplate => ({
    oid: "2.5.29.35",
    value: sequence(encode(contextTag(0), keyId))
  }),
  /** DNS names and IP addresses (4 or 16 octets). */
  alternativeNames: (dns: ReadonlyArray<string>, ips: ReadonlyArray<Uint8Array>): ExtensionTemplate => ({
    oid: "2.5.29.17",
    value: sequence(
      ...dns.map((name) => encode(contextTag(2), Buffer.from(name, "utf8"))),
      ...ips.map((ip) => encode(contextTag(7), ip))
    )
  })
} as const

/** What a new certificate says. `spki` is a whole SubjectPublicKeyInfo; times are milliseconds since the epoch. */
export interface CertificateTemplate {
  /** Positive; big-endian octets. */
  readonly serialNumber: Uint8Array
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: Uint8Array
  readonly extensions: ReadonlyArray<ExtensionTemplate>
}

const ECDSA_OIDS = {
  sha256: "1.2.840.10045.4.3.2",
  sha384: "1.2.840.10045.4.3.3",
  sha512: "1.2.840.10045.4.3.4"
} as const

/** Signs a to-be-signed part: SEQUENCE { part, algorithm, signature }. `rewrite` may replace the signature's octets. */
const signed = (
  tbs: Uint8Array,
  algorithm: Uint8Array,
  key: PrivateKey,
  hash: keyof typeof ECDSA_OIDS,
  rewrite: (signature: Uint8Array) => Uint8Array
): Uint8Array => sequence(tbs, algorithm, bitString(rewrite(signWith(key.signing.key, key.curve, hash, tbs))))

const keep = (signature: Uint8Array): Uint8Array => signature

/** The DER of a certificate over the template, signed with low S. */
export const writeCertificate = (
  template: CertificateTemplate,
  issuerKey: PrivateKey,
  hash: keyof typeof ECDSA_OIDS = "sha256",
  rewrite: (signature: Uint8Array) => Uint8Array = keep
): Uint8Array => {
  const algorithm = sequence(oid(ECDSA_OIDS[hash]))
  const tbs = sequence(
    encode(contextTag(0, true), integer(2)),
    unsignedInteger(template.serialNumber),
    algorithm,
    template.issuer,
    sequence(time(template.notBefore), time(template.notAfter)),
    template.subject,
    template.spki,
    ...(template.extensions.length === 0
      ? []
      : [encode(contextTag(3, true), sequence(...template.extensions.map(extensionBytes)))])
  )
  return signed(tbs, algorithm, issuerKey, hash, rewrite)
}

/** `writeCertificate`, parsed. */
export const issueCertificate = (
  template: CertificateTemplate,
  issuerKey: PrivateKey,
  hash: keyof typeof ECDSA_OIDS = "sha256",
  rewrite: (signature: Uint8Array) => Uint8Array = keep
): Certificate => Either.getOrThrow(parseCertificate(writeCertificate(template, issuerKey, hash, rewrite)))

/** The whole SubjectPublicKeyInfo of a key. */
export const spkiOf = (key: PrivateKey): Uint8Array => key.publicKey.key.export({ format: "der", type: "spki" })

/** What a new revocation list says. */
export interface CrlTemplate {
  readonly issuer: Uint8Array
  readonly thisUpdate: number
  readonly nextUpdate: number
  readonly revoked: ReadonlyArray<bigint>
  /** Undefined writes no authority key identifier, which poisons an MSP. */
  readonly authorityKeyId: Uint8Array | undefined
}

/** The DER of a revocation list, version 2. */
export const writeCrl = (template: CrlTemplate, issuerKey: PrivateKey): Uint8Array => {
  const algorithm = sequence(oid(ECDSA_OIDS.sha256))
  const keyId = template.authorityKeyId
  const tbs = sequence(
    integer(1),
    algorithm,
    template.issuer,
    time(template.thisUpdate),
    time(template.nextUpdate),
    ...(template.revoked.length === 0
      ? []
      : [sequence(...template.revoked.map((serial) => sequence(integer(serial), time(template.thisUpdate))))]),
    ...(keyId === undefined
      ? []
      : [encode(contextTag(0, true), sequence(extensionBytes(extensions.authorityKeyId(keyId))))])
  )
  return signed(tbs, algorithm, issuerKey, "sha256", keep)
}

/**
 * X.509 certificates, parsed once into plain values with the verdicts of Go's crypto/x509 (sheet rules 1, 20, 31).
 * Slices of a certificate share memory with its own copy of the DER, never with the message it came in.
 */
import * as Either from "effect/Either"
import { contextTag, DerReader, sameBytes, Tag } from "./der.js"
import { CertificateMalformed } from "./errors.js"
import { type Extension, type ExtensionFields, readExtensions } from "./extensions.js"
import { Malformed, malformed } from "./malformed.js"
import { ATTRIBUTE, type Name, parseName, valuesOf } from "./name.js"
import { decodePem, encodePem } from "./pem.js"
import { type PublicKey, parsePublicKey, rightAlign } from "./publicKey.js"
import { type SignatureAlgorithm, signatureAlgorithmOf } from "./signatureAlgorithm.js"

/** A parsed certificate. Times are milliseconds since the epoch. */
export interface Certificate extends ExtensionFields {
  /** The whole encoding. */
  readonly der: Uint8Array
  /** The encoding of the part that is signed. */
  readonly tbs: Uint8Array
  readonly version: 1 | 2 | 3
  readonly serialNumber: bigint
  /** The algorithm identifier's whole encoding, as it stands outside of the signed part. */
  readonly algorithmIdentifier: Uint8Array
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly signature: Uint8Array
  readonly issuer: Name
  readonly subject: Name
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: Uint8Array
  readonly publicKey: PublicKey
  readonly extensions: ReadonlyArray<Extension>
  /** Basic constraints with CA=true. */
  readonly isCA: boolean
  /** Every organizational unit of the subject, multi-valued RDNs included. */
  readonly ous: ReadonlyArray<string>
  /** SHA-256 of the public key as the software provider computes it; empty for keys it cannot import. */
  readonly ski: Uint8Array
}

const parseExtension = (content: DerReader): Extension => {
  const oid = content.oid() ?? malformed("x509: malformed extension OID field")
  const critical = content.peek(Tag.BOOLEAN)
    ? (content.boolean() ?? malformed("x509: malformed extension critical field"))
    : false
  const value = content.bytes(Tag.OCTET_STRING) ?? malformed("x509: malformed extension value field")
  return { oid, critical, value }
}

const parseExtensions = (tbs: DerReader): ReadonlyArray<Extension> => {
  const wrapper = contextTag(3, true)
  if (!tbs.peek(wrapper)) return []
  const list = tbs.read(wrapper)?.read(Tag.SEQUENCE) ?? malformed("x509: malformed extensions")
  const extensions: Array<Extension> = []
  const seen = new Set<string>()
  while (!list.empty) {
    const extension = parseExtension(list.read(Tag.SEQUENCE) ?? malformed("x509: malformed extension"))
    if (seen.has(extension.oid)) malformed(`x509: certificate contains duplicate extension with OID "${extension.oid}"`)
    seen.add(extension.oid)
    extensions.push(extension)
  }
  return extensions
}

const parseVersion = (tbs: DerReader): 1 | 2 | 3 => {
  const wrapper = contextTag(0, true)
  if (!tbs.peek(wrapper)) return 1
  const content = tbs.read(wrapper) ?? malformed("x509: malformed version")
  const value = content.smallInteger()
  if (value === undefined || value < 0 || !content.empty) return malformed("x509: malformed version")
  return value === 0 ? 1 : value === 1 ? 2 : value === 2 ? 3 : malformed("x509: invalid version")
}

const skipOptional = (tbs: DerReader, number: number, what: string): void => {
  if (tbs.peek(contextTag(number)) && tbs.any() === undefined) malformed(`x509: malformed ${what}`)
}

const parse = (der: Uint8Array): Certificate => {
  const outer = new DerReader(der)
  const certificate = outer.element(Tag.SEQUENCE) ?? malformed("x509: malformed certificate")
  if (!outer.empty) malformed("x509: trailing data")
  const input = certificate.content
  const signed = input.element(Tag.SEQUENCE) ?? malformed("x509: malformed tbs certificate")
  const tbs = signed.content
  const version = parseVersion(tbs)
  const serialNumber = tbs.integer() ?? malformed("x509: malformed serial number")
  const inner = tbs.element(Tag.SEQUENCE) ?? malformed("x509: malformed signature algorithm identifier")
  const algorithm = input.element(Tag.SEQUENCE) ?? malformed("x509: malformed algorithm identifier")
  if (!sameBytes(inner.content.rest, algorithm.content.rest)) {
    malformed("x509: inner and outer signature algorithm identifiers don't match")
  }
  const signatureAlgorithm = signatureAlgorithmOf(algorithm.content)
  const issuer = parseName((tbs.element(Tag.SEQUENCE) ?? malformed("x509: malformed issuer")).raw)
  const validity = tbs.read(Tag.SEQUENCE) ?? malformed("x509: malformed validity")
  const notBefore = validity.time() ?? malformed("x509: malformed validity time")
  const notAfter = validity.time() ?? malformed("x509: malformed validity time")
  const subject = parseName((tbs.element(Tag.SEQUENCE) ?? malformed("x509: malformed issuer")).raw)
  const spki = tbs.element(Tag.SEQUENCE) ?? malformed("x509: malformed spki")
  const publicKey = parsePublicKey(spki.content)
  if (version > 1) {
    skipOptional(tbs, 1, "issuerUniqueID")
    skipOptional(tbs, 2, "subjectUniqueID")
  }
  const extensions = version === 3 ? parseExtensions(tbs) : []
  const fields = readExtensions(extensions)
  const signature = input.bitString() ?? malformed("x509: malformed signature")
  return {
    ...fields,
    der,
    tbs: signed.raw,
    version,
    serialNumber,
    algorithmIdentifier: algorithm.raw,
    signatureAlgorithm,
    signature: rightAlign(signature.bytes, signature.unused),
    issuer,
    subject,
    notBefore,
    notAfter,
    spki: spki.raw,
    publicKey,
    extensions,
    isCA: fields.basicConstraints?.isCA ?? false,
    ous: valuesOf(subject, ATTRIBUTE.organizationalUnit),
    ski: publicKey.kind === "ec" || publicKey.kind === "rsa" ? publicKey.ski : new Uint8Array()
  }
}

/** Parses one certificate from DER, copying the input first. Octets behind the certificate are refused. */
export const parseCertificate = (der: Uint8Array): Either.Either<Certificate, CertificateMalformed> => {
  try {
    return Either.right(parse(Uint8Array.from(der)))
  } catch (error) {
    if (error instanceof Malformed) return Either.left(new CertificateMalformed({ detail: error.message }))
    throw error
  }
}

/** Parses the first PEM block of the input, whatever its label; undefined when there is no block. */
export const parseCertificatePem = (pem: Uint8Array): Either.Either<Certificate, CertificateMalformed> | undefined => {
  const block = decodePem(pem)
  return block === undefined ? undefined : parseCertificate(block.bytes)
}

/** A fresh PEM encoding, the form in which identities are serialized. */
export const certificatePem = (certificate: Certificate): Uint8Array => encodePem("CERTIFICATE", certificate.der)

const SUBJECT_KEY_IDENTIFIER = "2.5.29.14"

/** The content of the subject key identifier extension, undefined when there is none (msp getSubjectKeyIdentifierFromCert). */
export const subjectKeyIdOf = (certificate: Certificate): Uint8Array | undefined =>
  certificate.extensions.some((extension) => extension.oid === SUBJECT_KEY_IDENTIFIER)
    ? certificate.subjectKeyId
    : undefined

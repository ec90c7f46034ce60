/**
 * Certificate revocation lists as Fabric uses them (sheet rule 24): serial numbers, the authority key identifier and the
 * signature. Dates are read over: neither list nor entries expire.
 */
import * as Either from "effect/Either"
import type { Certificate } from "./certificate.js"
import { contextTag, DerReader, Tag, view } from "./der.js"
import { CrlMalformed } from "./errors.js"
import { Malformed, malformed } from "./malformed.js"
import { decodePem } from "./pem.js"
import { rightAlign } from "./publicKey.js"
import { type SignatureAlgorithm, signatureAlgorithmOf, signatureFault } from "./signatureAlgorithm.js"

/** A parsed list. */
export interface Crl {
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly signature: Uint8Array
  readonly revoked: ReadonlySet<bigint>
  /**
   * The key identifier inside the authority key identifier extension; empty when that names none, undefined when there
   * is no such extension or it does not parse (`authorityKeyFault` says which).
   */
  readonly authorityKeyId: Uint8Array | undefined
  readonly authorityKeyFault: string
}

const AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
const PEM_PREFIX = Buffer.from("-----BEGIN X509 CRL")

const isTime = (reader: DerReader): boolean => reader.peek(Tag.UTC_TIME) || reader.peek(Tag.GENERALIZED_TIME)

const readExtension = (content: DerReader) => {
  const oid = content.oid() ?? malformed("asn1: structure error: extension")
  if (content.peek(Tag.BOOLEAN) && content.boolean() === undefined) malformed("asn1: syntax error: invalid boolean")
  const value = content.bytes(Tag.OCTET_STRING) ?? malformed("asn1: structure error: extension value")
  return { oid, value }
}

const readRevoked = (tbs: DerReader): ReadonlySet<bigint> => {
  const revoked = new Set<bigint>()
  if (!tbs.peek(Tag.SEQUENCE)) return revoked
  const list = tbs.read(Tag.SEQUENCE) ?? malformed("asn1: syntax error: data truncated")
  while (!list.empty) {
    const entry = list.read(Tag.SEQUENCE) ?? malformed("asn1: structure error: revoked certificate")
    revoked.add(entry.integer() ?? malformed("asn1: structure error: serial number"))
    if (entry.time() === undefined) malformed("asn1: structure error: revocation time")
  }
  return revoked
}

const readAuthorityKey = (value: Uint8Array): Pick<Crl, "authorityKeyId" | "authorityKeyFault"> => {
  const content = new DerReader(value).read(Tag.SEQUENCE)
  if (content === undefined) return { authorityKeyId: undefined, authorityKeyFault: "failed to unmarshal AKI" }
  if (!content.peek(contextTag(0))) return { authorityKeyId: new Uint8Array(), authorityKeyFault: "" }
  const keyId = content.bytes(contextTag(0))
  return { authorityKeyId: keyId, authorityKeyFault: keyId === undefined ? "failed to unmarshal AKI" : "" }
}

const readAuthorityKeyOf = (tbs: DerReader): Pick<Crl, "authorityKeyId" | "authorityKeyFault"> => {
  let authority: Pick<Crl, "authorityKeyId" | "authorityKeyFault"> = {
    authorityKeyId: undefined,
    authorityKeyFault: "authorityKeyIdentifier not found in certificate"
  }
  if (!tbs.peek(contextTag(0, true))) return authority
  const list = tbs.read(contextTag(0, true))?.read(Tag.SEQUENCE) ?? malformed("asn1: structure error: extensions")
  let found = false
  while (!list.empty) {
    const extension = readExtension(list.read(Tag.SEQUENCE) ?? malformed("asn1: structure error: extension"))
    if (extension.oid !== AUTHORITY_KEY_IDENTIFIER || found) continue
    found = true
    authority = readAuthorityKey(extension.value)
  }
  return authority
}

const parse = (der: Uint8Array): Crl => {
  const outer = new DerReader(der)
  const list = outer.read(Tag.SEQUENCE) ?? malformed("asn1: structure error: tags don't match")
  if (!outer.empty) malformed("x509: trailing data after CRL")
  const signed = list.element(Tag.SEQUENCE) ?? malformed("asn1: structure error: tags don't match")
  const tbs = signed.content
  if (tbs.peek(Tag.INTEGER) && tbs.smallInteger() === undefined) malformed("asn1: structure error: integer too large")
  if (tbs.read(Tag.SEQUENCE)?.oid() === undefined) malformed("asn1: structure error: signature algorithm")
  if (tbs.read(Tag.SEQUENCE) === undefined) malformed("asn1: structure error: issuer")
  if (tbs.time() === undefined) malformed("asn1: structure error: this update")
  if (isTime(tbs) && tbs.time() === undefined) malformed("asn1: structure error: next update")
  const revoked = readRevoked(tbs)
  const authority = readAuthorityKeyOf(tbs)
  const algorithm = list.read(Tag.SEQUENCE) ?? malformed("asn1: structure error: signature algorithm")
  const signature = list.bitString() ?? malformed("asn1: structure error: signature")
  return {
    tbs: signed.raw,
    signatureAlgorithm: signatureAlgorithmOf(algorithm),
    signature: rightAlign(signature.bytes, signature.unused),
    revoked,
    ...authority
  }
}

/**
 * Parses a list from DER, or from PEM when its marker `-----BEGIN X509 CRL` is the very first octet (sheet section 4).
 */
export const parseCrl = (input: Uint8Array): Either.Either<Crl, CrlMalformed> => {
  const isPem = view(input).subarray(0, PEM_PREFIX.length).equals(PEM_PREFIX)
  const block = isPem ? decodePem(input) : undefined
  const der = block?.type === "X509 CRL" ? block.bytes : input
  try {
    return Either.right(parse(Uint8Array.from(der)))
  } catch (error) {
    if (error instanceof Malformed) return Either.left(new CrlMalformed({ detail: error.message }))
    throw error
  }
}

/** Whether the list is signed by this certificate's key. SHA-1 counts here. */
export const isCrlSignedBy = (crl: Crl, issuer: Certificate): boolean =>
  signatureFault(crl.signatureAlgorithm, issuer.publicKey, crl.tbs, crl.signature, true) === undefined

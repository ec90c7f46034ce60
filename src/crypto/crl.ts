/**
 * Certificate revocation lists as Fabric uses them (sheet rule 24): serial numbers, the authority key identifier and the
 * signature. Dates are read over: neither list nor entries expire.
 */
import * as Either from "effect/Either"
import { Asn1Reader, checkTime } from "./asn1.js"
import type { Certificate } from "./certificate.js"
import { contextTag, DerReader, isMinimalInteger, Tag, view } from "./der.js"
import { CrlMalformed } from "./errors.js"
import { Malformed, malformed } from "./malformed.js"
import { decodePem } from "./pem.js"
import { rightAlign } from "./publicKey.js"
import { type SignatureAlgorithm, signatureAlgorithm, signatureFault } from "./signatureAlgorithm.js"

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

interface ListExtension {
  readonly oid: string
  readonly value: Uint8Array
}

const readExtensions = (list: Asn1Reader): ReadonlyArray<ListExtension> =>
  list.elements(Tag.SEQUENCE).map(({ content }) => {
    const oid = content.oid()
    const critical = content.optional(Tag.BOOLEAN)?.content.rest
    if (critical !== undefined && (critical.length !== 1 || (critical[0] !== 0 && critical[0] !== 0xff))) {
      malformed("asn1: syntax error: invalid boolean")
    }
    return { oid, value: content.field(Tag.OCTET_STRING).content.rest }
  })

const readAlgorithm = (content: Asn1Reader): SignatureAlgorithm => {
  const oid = content.oid()
  return signatureAlgorithm(oid, content.optionalAny()?.raw ?? new Uint8Array())
}

const readIssuer = (issuer: Asn1Reader): void => {
  for (const set of issuer.elements(Tag.SET)) {
    for (const { content } of set.content.elements(Tag.SEQUENCE)) {
      content.oid()
      content.any()
    }
  }
}

const readRevoked = (list: Asn1Reader | undefined): ReadonlySet<bigint> => {
  const revoked = new Set<bigint>()
  for (const { content } of list?.elements(Tag.SEQUENCE) ?? []) {
    revoked.add(content.integer())
    content.time()
    const extensions = content.optional(Tag.SEQUENCE)
    if (extensions !== undefined) readExtensions(extensions.content)
  }
  return revoked
}

const authorityKeyOf = (
  extensions: ReadonlyArray<ListExtension>
): Pick<Crl, "authorityKeyId" | "authorityKeyFault"> => {
  const extension = extensions.find(({ oid }) => oid === AUTHORITY_KEY_IDENTIFIER)
  if (extension === undefined) {
    return { authorityKeyId: undefined, authorityKeyFault: "authorityKeyIdentifier not found in certificate" }
  }
  const content = new DerReader(extension.value).read(Tag.SEQUENCE)
  if (content === undefined) return { authorityKeyId: undefined, authorityKeyFault: "failed to unmarshal AKI" }
  if (!content.peek(contextTag(0))) return { authorityKeyId: new Uint8Array(), authorityKeyFault: "" }
  const keyId = content.bytes(contextTag(0))
  return { authorityKeyId: keyId, authorityKeyFault: keyId === undefined ? "failed to unmarshal AKI" : "" }
}

const parse = (der: Uint8Array): Crl => {
  const outer = new Asn1Reader(der)
  const list = outer.field(Tag.SEQUENCE).content
  const signed = list.field(Tag.SEQUENCE)
  const tbs = signed.content
  const version = tbs.optional(Tag.INTEGER)?.content.rest
  if (version !== undefined && (!isMinimalInteger(version) || version.length > 8)) {
    malformed("asn1: structure error: integer too large")
  }
  readAlgorithm(tbs.field(Tag.SEQUENCE).content)
  readIssuer(tbs.field(Tag.SEQUENCE).content)
  tbs.time()
  const nextUpdate = tbs.optional(Tag.UTC_TIME)
  if (nextUpdate !== undefined) checkTime(nextUpdate)
  const revoked = readRevoked(tbs.optional(Tag.SEQUENCE)?.content)
  const extensions = tbs.optionalExplicit(0, Tag.SEQUENCE)
  const authority = authorityKeyOf(extensions === undefined ? [] : readExtensions(extensions.content))
  const signatureAlgorithm = readAlgorithm(list.field(Tag.SEQUENCE).content)
  const signature = list.bitString()
  if (!outer.empty) malformed("x509: trailing data after CRL")
  return {
    tbs: signed.raw,
    signatureAlgorithm,
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

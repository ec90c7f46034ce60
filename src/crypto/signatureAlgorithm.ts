/** Signature algorithms of certificates and revocation lists, and the check of one signature (Go's checkSignature). */
import * as crypto from "node:crypto"
import * as Either from "effect/Either"
import { contextTag, DerReader, Tag, view } from "./der.js"
import { verifyDer } from "./ecdsa.js"
import { malformed } from "./malformed.js"
import type { PublicKey } from "./publicKey.js"
import { decodeSignature } from "./signature.js"

/** An algorithm by what it asks for. `unknown` never verifies. `hash` is OpenSSL's name. */
export interface SignatureAlgorithm {
  readonly kind: "ecdsa" | "rsa" | "rsa-pss" | "dsa" | "ed25519" | "unknown"
  readonly hash: string
}

const UNKNOWN: SignatureAlgorithm = { kind: "unknown", hash: "" }

const KNOWN: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ["1.2.840.113549.1.1.4", { kind: "rsa", hash: "md5" }],
  ["1.2.840.113549.1.1.5", { kind: "rsa", hash: "sha1" }],
  ["1.3.14.3.2.29", { kind: "rsa", hash: "sha1" }],
  ["1.2.840.113549.1.1.11", { kind: "rsa", hash: "sha256" }],
  ["1.2.840.113549.1.1.12", { kind: "rsa", hash: "sha384" }],
  ["1.2.840.113549.1.1.13", { kind: "rsa", hash: "sha512" }],
  ["1.2.840.10040.4.3", { kind: "dsa", hash: "sha1" }],
  ["2.16.840.1.101.3.4.3.2", { kind: "dsa", hash: "sha256" }],
  ["1.2.840.10045.4.1", { kind: "ecdsa", hash: "sha1" }],
  ["1.2.840.10045.4.3.2", { kind: "ecdsa", hash: "sha256" }],
  ["1.2.840.10045.4.3.3", { kind: "ecdsa", hash: "sha384" }],
  ["1.2.840.10045.4.3.4", { kind: "ecdsa", hash: "sha512" }],
  ["1.3.101.112", { kind: "ed25519", hash: "" }]
])

const RSA_PSS = "1.2.840.113549.1.1.10"
const MGF1 = "1.2.840.113549.1.1.8"
const PSS_HASHES: ReadonlyMap<string, { readonly hash: string; readonly salt: number }> = new Map([
  ["2.16.840.1.101.3.4.2.1", { hash: "sha256", salt: 32 }],
  ["2.16.840.1.101.3.4.2.2", { hash: "sha384", salt: 48 }],
  ["2.16.840.1.101.3.4.2.3", { hash: "sha512", salt: 64 }]
])

const explicit = (content: DerReader, number: number): DerReader | undefined =>
  content.peek(contextTag(number, true)) ? content.read(contextTag(number, true)) : undefined

const isEmptyOrNull = (content: DerReader): boolean => content.empty || view(content.rest).equals(Buffer.of(5, 0))

const pssAlgorithm = (parameters: DerReader): SignatureAlgorithm => {
  const content = parameters.read(Tag.SEQUENCE)
  if (content === undefined) return UNKNOWN
  const digest = explicit(content, 0)?.read(Tag.SEQUENCE)
  const digestOid = digest?.oid()
  const generator = explicit(content, 1)?.read(Tag.SEQUENCE)
  const generatorOid = generator?.oid()
  const inner = generator?.read(Tag.SEQUENCE)
  const innerOid = inner?.oid()
  const salt = explicit(content, 2)?.smallInteger()
  const trailer = explicit(content, 3)?.smallInteger() ?? 1
  const known = PSS_HASHES.get(digestOid ?? "")
  const fits =
    digest !== undefined &&
    inner !== undefined &&
    generatorOid === MGF1 &&
    innerOid === digestOid &&
    isEmptyOrNull(digest) &&
    isEmptyOrNull(inner) &&
    trailer === 1
  return fits && known !== undefined && known.salt === salt ? { kind: "rsa-pss", hash: known.hash } : UNKNOWN
}

/** The algorithm of an AlgorithmIdentifier's content. Throws `Malformed` when that is no algorithm identifier. */
export const signatureAlgorithmOf = (content: DerReader): SignatureAlgorithm => {
  const copy = new DerReader(content.rest)
  const oid = copy.oid() ?? malformed("x509: malformed OID")
  const parameters = copy.empty ? new Uint8Array() : (copy.any()?.raw ?? malformed("x509: malformed parameters"))
  return signatureAlgorithm(oid, parameters)
}

/** The algorithm by OID and the whole encoding of its parameters, empty when it has none. */
export const signatureAlgorithm = (oid: string, parameters: Uint8Array): SignatureAlgorithm => {
  if (oid === RSA_PSS) return pssAlgorithm(new DerReader(parameters))
  const known = KNOWN.get(oid) ?? UNKNOWN
  return known.kind === "ed25519" && parameters.length > 0 ? UNKNOWN : known
}

const NAMES: Readonly<Record<PublicKey["kind"], string>> = {
  ec: "ECDSA",
  rsa: "RSA",
  ed25519: "Ed25519",
  dsa: "DSA",
  unknown: "unknown"
}

/**
 * Why the signature over `signed` is not this key's, or undefined when it is. SHA-1 counts only where `allowSha1` says so
 * (revocation lists); MD5 never does. ECDSA signatures must be in canonical form here; high S is legal.
 */
export const signatureFault = (
  algorithm: SignatureAlgorithm,
  key: PublicKey,
  signed: Uint8Array,
  signature: Uint8Array,
  allowSha1: boolean
): string | undefined => {
  const unsupported = "x509: cannot verify signature: algorithm unimplemented"
  if (algorithm.kind === "unknown" || key.kind === "dsa" || key.kind === "unknown") return unsupported
  if (algorithm.hash === "md5" || (algorithm.hash === "sha1" && !allowSha1)) {
    return `x509: cannot verify signature: insecure algorithm ${algorithm.hash}-${algorithm.kind}`
  }
  const wanted = algorithm.kind === "ecdsa" ? "ec" : algorithm.kind === "rsa-pss" ? "rsa" : algorithm.kind
  if (key.kind !== wanted) {
    return `x509: signature algorithm specifies an ${algorithm.kind} public key, but have public key of type ${NAMES[key.kind]}`
  }
  switch (key.kind) {
    case "ec": {
      const parts = decodeSignature(signature)
      const valid =
        Either.isRight(parts) && parts.right.canonical && verifyDer(algorithm.hash, signed, key.key, signature)
      return valid ? undefined : "x509: ECDSA verification failure"
    }
    case "rsa": {
      const valid = verifyRsa(algorithm, key.key, signed, signature)
      return valid ? undefined : "crypto/rsa: verification error"
    }
    case "ed25519":
      return verifyWith(null, signed, key.key, signature) ? undefined : "x509: Ed25519 verification failure"
  }
}

const verifyRsa = (algorithm: SignatureAlgorithm, key: crypto.KeyObject, signed: Uint8Array, signature: Uint8Array) =>
  verifyWith(
    algorithm.hash,
    signed,
    algorithm.kind === "rsa"
      ? { key, padding: crypto.constants.RSA_PKCS1_PADDING }
      : {
          key,
          padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
          saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST
        },
    signature
  )

const verifyWith = (
  hash: string | null,
  signed: Uint8Array,
  key: crypto.KeyObject | crypto.VerifyKeyObjectInput,
  signature: Uint8Array
): boolean => {
  try {
    return crypto.verify(hash, signed, key, signature)
  } catch {
    return false
  }
}

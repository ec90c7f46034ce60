/**
 * Certificates with canonical low-S signatures (sheet rule 28, trap 5; msp/cert.go): same signed part, rewritten
 * signature, new encoding. Identity identifiers, serialized identities and comparisons use the rewritten form.
 */
import * as Either from "effect/Either"
import { type Certificate, parseCertificate } from "./certificate.js"
import { DerReader, sameBytes, Tag } from "./der.js"
import { bitString, sequence } from "./derWriter.js"
import { CertificateMalformed, type SignatureMalformed } from "./errors.js"
import { decodeSignature, toLowS } from "./signature.js"

/** Whether the certificate's signature algorithm is one of the ECDSA ones. */
export const isEcdsaSigned = (certificate: Certificate): boolean => certificate.signatureAlgorithm.kind === "ecdsa"

/**
 * The certificate with its signature in low-S form relative to the parent's curve; the certificate itself when it has
 * that form already. Call it for ECDSA-signed certificates only.
 */
export const sanitise = (
  certificate: Certificate,
  parent: Certificate
): Either.Either<Certificate, CertificateMalformed | SignatureMalformed> => {
  const key = parent.publicKey
  // Go crashes here; a certificate that claims an ECDSA signature under another kind of key is refused instead.
  if (key.kind !== "ec")
    return Either.left(new CertificateMalformed({ detail: "parent certificate has no ECDSA public key" }))
  const low = toLowS(certificate.signature, key.curve)
  if (Either.isLeft(low)) return Either.left(low.left)
  if (sameBytes(low.right, certificate.signature)) return Either.right(certificate)
  return parseCertificate(sequence(certificate.tbs, rewrittenAlgorithm(certificate), bitString(low.right)))
}

/** OID and parameters only, as Go re-encodes an algorithm identifier. */
const rewrittenAlgorithm = (certificate: Certificate): Uint8Array => {
  const content = new DerReader(certificate.algorithmIdentifier).read(Tag.SEQUENCE)
  const parts = [content?.any()?.raw, content?.any()?.raw].filter((part) => part !== undefined)
  return sequence(...parts)
}

/**
 * Why the certificate's ECDSA signature is not in canonical encoding, or undefined when it is; high S is fine
 * (sheet rule 32, used by gossip only).
 */
export const canonicalFormFault = (certificate: Certificate): string | undefined => {
  if (!isEcdsaSigned(certificate)) return undefined
  const parts = decodeSignature(certificate.signature)
  if (Either.isLeft(parts)) return parts.left.detail
  return parts.right.canonical ? undefined : "non canonical signature"
}

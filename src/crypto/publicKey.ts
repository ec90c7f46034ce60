/**
 * Public keys out of SubjectPublicKeyInfo, with the verdicts of Go's crypto/x509 parser. The OpenSSL key object of a key
 * is made once, here; everything later reuses it.
 */
import { createPublicKey, type KeyObject } from "node:crypto"
import { type Curve, curveOfOid } from "./curves.js"
import { DerReader, isPositiveInteger, Tag, view } from "./der.js"
import { bitString, oid, sequence, unsignedInteger } from "./derWriter.js"
import { sha256 } from "./hash.js"
import { malformed } from "./malformed.js"

/** A key on one of the four curves; `point` is 0x04, X, Y. */
export interface EcPublicKey {
  readonly kind: "ec"
  readonly curve: Curve
  readonly point: Uint8Array
  /** SHA-256 of the point: Fabric's subject key identifier (sheet rule 5). */
  readonly ski: Uint8Array
  readonly key: KeyObject
}

export interface RsaPublicKey {
  readonly kind: "rsa"
  /** SHA-256 of the PKCS#1 encoding (bccsp/sw/rsakey.go). */
  readonly ski: Uint8Array
  readonly key: KeyObject
}

export interface Ed25519PublicKey {
  readonly kind: "ed25519"
  readonly key: KeyObject
}

/** A key whose algorithm parses but never verifies anything here: DSA, or unknown to Go. */
export interface UnusablePublicKey {
  readonly kind: "dsa" | "unknown"
}

export type PublicKey = EcPublicKey | RsaPublicKey | Ed25519PublicKey | UnusablePublicKey

const OID = {
  rsa: "1.2.840.113549.1.1.1",
  dsa: "1.2.840.10040.4.1",
  ec: "1.2.840.10045.2.1",
  ed25519: "1.3.101.112"
} as const

const openssl = (spki: Uint8Array, detail: string): KeyObject => {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
  } catch {
    return malformed(detail)
  }
}

const rsaKey = (parameters: Uint8Array, bits: Uint8Array, algorithm: Uint8Array): RsaPublicKey => {
  if (!(parameters.length === 2 && parameters[0] === Tag.NULL && parameters[1] === 0)) {
    return malformed("x509: RSA key missing NULL parameters")
  }
  const body = new DerReader(bits).read(Tag.SEQUENCE) ?? malformed("x509: invalid RSA public key")
  const modulus = body.integerBytes() ?? malformed("x509: invalid RSA modulus")
  const exponent = body.integerBytes() ?? malformed("x509: invalid RSA public exponent")
  if (exponent.length > 8) return malformed("x509: invalid RSA public exponent")
  if (!isPositiveInteger(modulus)) return malformed("x509: RSA modulus is not a positive number")
  if (!isPositiveInteger(exponent)) return malformed("x509: RSA public exponent is not a positive number")
  const pkcs1 = sequence(unsignedInteger(modulus), unsignedInteger(exponent))
  const key = openssl(sequence(algorithm, bitString(pkcs1)), "x509: invalid RSA public key")
  return { kind: "rsa", ski: sha256(pkcs1), key }
}

const BAD_POINT = "x509: invalid ECDSA public key point"

/** OpenSSL checks here that the point is on the curve. */
const ecKeyObject = (curve: Curve, point: Uint8Array): KeyObject => {
  if (curve.name === "P-224")
    return openssl(sequence(sequence(oid(OID.ec), oid(curve.oid)), bitString(point)), BAD_POINT)
  // Half the time of the DER decoder of OpenSSL 3; P-224 has no JWK name.
  const coordinate = (from: number) => view(point).toString("base64url", from, from + curve.bytes)
  try {
    return createPublicKey({
      key: { kty: "EC", crv: curve.name, x: coordinate(1), y: coordinate(1 + curve.bytes) },
      format: "jwk"
    })
  } catch {
    return malformed(BAD_POINT)
  }
}

const ecKey = (parameters: Uint8Array, point: Uint8Array): EcPublicKey => {
  const named = new DerReader(parameters).oid() ?? malformed("x509: invalid ECDSA parameters")
  const curve = curveOfOid(named) ?? malformed("x509: unsupported elliptic curve")
  // OpenSSL would take compressed points too; Go takes this form only.
  if (point.length !== 1 + 2 * curve.bytes || point[0] !== 4) return malformed(BAD_POINT)
  return { kind: "ec", curve, point, ski: sha256(point), key: ecKeyObject(curve, point) }
}

/**
 * The key of a SubjectPublicKeyInfo (its content, without the outer header).
 * Throws `Malformed` with Go's reason; a caller at the folder's edge turns that into a value.
 */
export const parsePublicKey = (spki: DerReader): PublicKey => {
  const algorithm = spki.element(Tag.SEQUENCE) ?? malformed("x509: malformed public key algorithm identifier")
  const identifier = algorithm.content.oid() ?? malformed("x509: malformed OID")
  const parameters = algorithm.content.empty
    ? new Uint8Array()
    : (algorithm.content.any()?.raw ?? malformed("x509: malformed parameters"))
  const bits = spki.bitString() ?? malformed("x509: malformed subjectPublicKey")
  const data = rightAlign(bits.bytes, bits.unused)
  switch (identifier) {
    case OID.rsa:
      return rsaKey(parameters, data, sequence(oid(OID.rsa), parameters))
    case OID.ec:
      return ecKey(parameters, data)
    case OID.ed25519: {
      if (parameters.length !== 0) return malformed("x509: Ed25519 key encoded with illegal parameters")
      if (data.length !== 32) return malformed("x509: wrong Ed25519 public key size")
      return {
        kind: "ed25519",
        key: openssl(sequence(sequence(oid(OID.ed25519)), bitString(data)), "x509: invalid key")
      }
    }
    case OID.dsa: {
      if (new DerReader(data).integer() === undefined) return malformed("x509: invalid DSA public key")
      return { kind: "dsa" }
    }
    default:
      return { kind: "unknown" }
  }
}

/** The octets of a bit string shifted so that the unused bits are at the front (asn1.BitString.RightAlign). */
export const rightAlign = (bytes: Uint8Array, unused: number): Uint8Array => {
  if (unused === 0 || bytes.length === 0) return bytes
  return bytes.map((octet, i) => (octet >> unused) | (i === 0 ? 0 : ((bytes[i - 1] ?? 0) << (8 - unused)) & 0xff))
}

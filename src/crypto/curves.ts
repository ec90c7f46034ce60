/** The four NIST curves that Fabric's software provider knows (sheet rule 7), and the numbers that low-S needs. */

export type CurveName = "P-224" | "P-256" | "P-384" | "P-521"

/** One curve. `order` is N; `half` is floor(N/2) in `bytes` big-endian octets. */
export interface Curve {
  readonly name: CurveName
  /** OID in dotted form. */
  readonly oid: string
  /** Octets of a coordinate and of the order. */
  readonly bytes: number
  readonly order: bigint
  readonly half: bigint
  readonly halfBytes: Uint8Array
  /** OpenSSL's name. */
  readonly openssl: string
}

const curve = (name: CurveName, oid: string, bytes: number, order: bigint, openssl: string): Curve => {
  const half = order >> 1n
  return {
    name,
    oid,
    bytes,
    order,
    half,
    halfBytes: Buffer.from(half.toString(16).padStart(bytes * 2, "0"), "hex"),
    openssl
  }
}

const P224 = curve(
  "P-224",
  "1.3.132.0.33",
  28,
  0xffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3dn,
  "secp224r1"
)
const P256 = curve(
  "P-256",
  "1.2.840.10045.3.1.7",
  32,
  0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  "prime256v1"
)
const P384 = curve(
  "P-384",
  "1.3.132.0.34",
  48,
  0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  "secp384r1"
)
const P521 = curve(
  "P-521",
  "1.3.132.0.35",
  66,
  0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  "secp521r1"
)

/** All curves by name. */
export const CURVES: Readonly<Record<CurveName, Curve>> = { "P-224": P224, "P-256": P256, "P-384": P384, "P-521": P521 }

/** The curve of an OID in dotted form. */
export const curveOfOid = (oid: string): Curve | undefined => Object.values(CURVES).find((known) => known.oid === oid)

/** The curve by OpenSSL's name. */
export const curveOfOpenssl = (name: string): Curve | undefined =>
  Object.values(CURVES).find((known) => known.openssl === name)

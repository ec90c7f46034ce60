/**
 * Private keys as Fabric's software provider reads and writes them (sheet rule 5): the first PEM block of a file, tried as
 * PKCS#1, PKCS#8 and SEC1 in this order; written as PKCS#8.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import * as Either from "effect/Either"
import { CURVES, type Curve, type CurveName } from "./curves.js"
import { DerReader, hex, Tag } from "./der.js"
import { PrivateKeyMalformed } from "./errors.js"
import { sha256 } from "./hash.js"
import { Malformed } from "./malformed.js"
import { decodePem, encodePem } from "./pem.js"
import { type EcPublicKey, type PublicKey, parsePublicKey } from "./publicKey.js"

/** An ECDSA private key, ready to sign. */
export interface PrivateKey {
  readonly curve: Curve
  /** The key as `crypto.sign` takes it, asking for fixed-width halves. */
  readonly signing: { readonly key: KeyObject; readonly dsaEncoding: "ieee-p1363" }
  readonly publicKey: EcPublicKey
  /** SHA-256 of the public point. */
  readonly ski: Uint8Array
}

/** A private key that is not ECDSA: found by its SKI in a key store, but of no use for signing in Fabric 1.4. */
export interface RsaPrivateKey {
  readonly kind: "rsa"
  readonly ski: Uint8Array
}

const refuse = (detail: string) => Either.left(new PrivateKeyMalformed({ detail }))

/** Wraps an OpenSSL private key; fails for anything but a key on one of the four curves. */
export const fromKeyObject = (key: KeyObject): Either.Either<PrivateKey, PrivateKeyMalformed> => {
  const publicKey = publicOf(key)
  if (publicKey?.kind !== "ec") return refuse("Failed casting to ECDSA private key. Invalid raw material.")
  return Either.right({
    curve: publicKey.curve,
    signing: { key, dsaEncoding: "ieee-p1363" },
    publicKey,
    ski: publicKey.ski
  })
}

const publicOf = (key: KeyObject): PublicKey | undefined => {
  try {
    const spki = new DerReader(createPublicKey(key).export({ format: "der", type: "spki" })).read(Tag.SEQUENCE)
    return spki === undefined ? undefined : parsePublicKey(spki)
  } catch (error) {
    if (error instanceof Malformed || error instanceof Error) return undefined
    throw error
  }
}

/** A new key pair on the curve. */
export const generateKey = (name: CurveName = "P-256"): PrivateKey => {
  const curve = CURVES[name]
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: curve.openssl })
  // The point stands at the end of the encoding: no need to parse what OpenSSL has just written.
  const point = publicKey.export({ format: "der", type: "spki" }).subarray(-(1 + 2 * curve.bytes))
  const ski = sha256(point)
  return {
    curve,
    signing: { key: privateKey, dsaEncoding: "ieee-p1363" },
    publicKey: { kind: "ec", curve, point, ski, key: publicKey },
    ski
  }
}

const attempt = (der: Uint8Array, type: "pkcs1" | "pkcs8" | "sec1"): KeyObject | undefined => {
  try {
    return createPrivateKey({ key: Buffer.from(der), format: "der", type })
  } catch {
    return undefined
  }
}

/** A key from DER in one of the three forms (bccsp/utils/keys.go DERToPrivateKey). */
export const parsePrivateKeyDer = (der: Uint8Array): Either.Either<PrivateKey | RsaPrivateKey, PrivateKeyMalformed> => {
  const key = attempt(der, "pkcs1") ?? attempt(der, "pkcs8") ?? attempt(der, "sec1")
  if (key === undefined) {
    return refuse("Invalid key type. The DER must contain an rsa.PrivateKey or ecdsa.PrivateKey")
  }
  if (key.asymmetricKeyType !== "rsa") return fromKeyObject(key)
  const publicKey = publicOf(key)
  return publicKey?.kind === "rsa"
    ? Either.right({ kind: "rsa", ski: publicKey.ski })
    : refuse("Invalid key type. The DER must contain an rsa.PrivateKey or ecdsa.PrivateKey")
}

/** A key from the first PEM block of a file. The label does not matter; encrypted blocks are refused. */
export const parsePrivateKeyPem = (pem: Uint8Array): Either.Either<PrivateKey | RsaPrivateKey, PrivateKeyMalformed> => {
  if (pem.length === 0) return refuse("Invalid PEM. It must be different from nil.")
  const block = decodePem(pem)
  if (block === undefined) return refuse("Failed decoding PEM. Block must be different from nil.")
  if (block.headers.has("DEK-Info")) return refuse("Encrypted Key. Need a password")
  return parsePrivateKeyDer(block.bytes)
}

/** PKCS#8 in PEM under `PRIVATE KEY`, as key stores hold it. */
export const encodePrivateKey = (key: PrivateKey): Uint8Array =>
  encodePem("PRIVATE KEY", key.signing.key.export({ format: "der", type: "pkcs8" }))

/** The file name of a key in a key store. */
export const keyFileName = (key: PrivateKey): string => `${hex(key.ski)}_sk`

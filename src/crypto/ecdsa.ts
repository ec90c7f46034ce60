/**
 * ECDSA over messages as Fabric's software provider does it (sheet rules 6-8): high S is refused on verification and
 * never made on signing. Synchronous calls run in line (about 50 us to verify, 20 us to sign on P-256); the `Async` ones
 * go to node:crypto's thread pool. Nothing here throws on bad input.
 */
import * as crypto from "node:crypto"
import * as Either from "effect/Either"
import type { Curve } from "./curves.js"
import { SignatureMalformed } from "./errors.js"
import { type HashFamily, nodeHashName, signatureHash } from "./hash.js"
import type { PrivateKey } from "./privateKey.js"
import type { PublicKey } from "./publicKey.js"
import { decodeSignature, encodeLowS, highSText, isLowS } from "./signature.js"

const SHA2 = nodeHashName(signatureHash("SHA2"))
const SHA3 = nodeHashName(signatureHash("SHA3"))

const hashOf = (family: HashFamily): string => (family === "SHA2" ? SHA2 : SHA3)

/**
 * What stands before the arithmetic: an ECDSA key, a signature that decodes, positive numbers, low S.
 * Answers the canonical encoding for OpenSSL; trailing octets, which Go ignores, are gone.
 */
export const admitSignature = (
  key: PublicKey,
  signature: Uint8Array
): Either.Either<Uint8Array, SignatureMalformed> => {
  if (signature.length === 0) return refuse("Invalid signature. Cannot be empty.")
  if (key.kind === "rsa") return refuse("Failed verifing with opts [<nil>]: Invalid options. It must not be nil.")
  if (key.kind !== "ec") return refuse("Invalid Key. It must not be nil.")
  const parts = decodeSignature(signature)
  if (Either.isLeft(parts))
    return refuse(`Failed verifing with opts [<nil>]: Failed unmashalling signature [${parts.left.detail}]`)
  const { der, s } = parts.right
  return isLowS(s, key.curve)
    ? Either.right(der)
    : refuse(`Failed verifing with opts [<nil>]: ${highSText(s, key.curve)}`)
}

const refuse = (detail: string) => Either.left(new SignatureMalformed({ detail }))

/** Whether the signature over the message is this key's; false for everything that Go refuses. */
export const verify = (
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  family: HashFamily = "SHA2"
): boolean => {
  const admitted = admitSignature(key, signature)
  return Either.isRight(admitted) && verifyAdmitted(key, message, admitted.right, family)
}

/** `verify` of a signature that `admitSignature` let through; `der` is its answer. */
export const verifyAdmitted = (key: PublicKey, message: Uint8Array, der: Uint8Array, family: HashFamily): boolean =>
  key.kind === "ec" && verifyDer(hashOf(family), message, key.key, der)

/** A signature as OpenSSL verifies it, wherever that is done: in line, in the thread pool, in another thread. */
export interface SignatureJob {
  readonly key: crypto.KeyObject
  /** By node:crypto's name. */
  readonly hash: string
  readonly data: Uint8Array
  /** The canonical encoding of what was signed with. */
  readonly der: Uint8Array
}

/** What is left to verify of a signature once it has been admitted; undefined: it cannot hold. */
export const signatureJob = (
  key: PublicKey,
  data: Uint8Array,
  signature: Uint8Array,
  family: HashFamily = "SHA2"
): SignatureJob | undefined => {
  if (key.kind !== "ec") return undefined
  const admitted = admitSignature(key, signature)
  return Either.isLeft(admitted) ? undefined : { key: key.key, hash: hashOf(family), data, der: admitted.right }
}

/** Verifies in the thread pool; the promise never rejects. Nothing of the job may change until it settles. */
export const verifyJob = ({ data, der, hash, key }: SignatureJob): Promise<boolean> =>
  new Promise((resolve) => {
    try {
      crypto.verify(hash, data, key, der, (error, valid) => resolve(error === null && valid))
    } catch {
      resolve(false)
    }
  })

/** `verify` in the thread pool; the promise never rejects. Neither argument may change until it settles. */
export const verifyAsync = (
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  family: HashFamily = "SHA2"
): Promise<boolean> => {
  const job = signatureJob(key, message, signature, family)
  return job === undefined ? Promise.resolve(false) : verifyJob(job)
}

/** OpenSSL's verdict on a canonical signature; an error inside OpenSSL is a wrong signature. */
export const verifyDer = (hash: string, message: Uint8Array, key: crypto.KeyObject, der: Uint8Array): boolean => {
  try {
    return crypto.verify(hash, message, key, der)
  } catch {
    return false
  }
}

/** Signs the message's hash; the answer is DER with low S. The key must be an ECDSA key. */
export const sign = (key: PrivateKey, message: Uint8Array, family: HashFamily = "SHA2"): Uint8Array =>
  encodeLowS(crypto.sign(hashOf(family), message, key.signing), key.curve)

/** `sign` in the thread pool. Rejects only when OpenSSL cannot sign at all. */
export const signAsync = (key: PrivateKey, message: Uint8Array, family: HashFamily = "SHA2"): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    crypto.sign(hashOf(family), message, key.signing, (error, raw) =>
      error === null ? resolve(encodeLowS(raw, key.curve)) : reject(error)
    )
  })

/** Signs with any of the hashes by OpenSSL's name (certificates, revocation lists). */
export const signWith = (key: crypto.KeyObject, curve: Curve, hash: string, message: Uint8Array): Uint8Array =>
  encodeLowS(crypto.sign(hash, message, { key, dsaEncoding: "ieee-p1363" }), curve)

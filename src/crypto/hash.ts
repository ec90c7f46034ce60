/**
 * Hash functions by the names that Fabric's configuration uses (sheet identity-policy-config section 2.1 and rule 11).
 * Pure: bytes in, bytes out.
 */
import * as crypto from "node:crypto"
import * as Either from "effect/Either"
import { HashUnsupported } from "./errors.js"

/** Hash functions as BCCSP names them. */
export type HashName = "SHA256" | "SHA384" | "SHA3_256" | "SHA3_384"

/** Families as `BCCSP.SW.Hash` and `signature_hash_family` name them. */
export type HashFamily = "SHA2" | "SHA3"

/** OpenSSL's names of our hash functions. */
const NODE_NAMES: Readonly<Record<HashName, string>> = {
  SHA256: "sha256",
  SHA384: "sha384",
  SHA3_256: "sha3-256",
  SHA3_384: "sha3-384"
}

// One-shot hashing came with Node 20.12 and saves the hash object for the common case of one chunk.
const oneShot: typeof crypto.hash | undefined = typeof crypto.hash === "function" ? crypto.hash : undefined

const digest = (algorithm: string, chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first] = chunks
  if (oneShot !== undefined && chunks.length === 1 && first !== undefined) return oneShot(algorithm, first, "buffer")
  const state = crypto.createHash(algorithm)
  for (const chunk of chunks) state.update(chunk)
  return state.digest()
}

/** SHA-256 over the concatenation of the chunks (32 bytes). */
export const sha256 = (...chunks: ReadonlyArray<Uint8Array>): Uint8Array => digest("sha256", chunks)

/** SHA-384 over the concatenation of the chunks (48 bytes). */
export const sha384 = (...chunks: ReadonlyArray<Uint8Array>): Uint8Array => digest("sha384", chunks)

/** SHA3-256 over the concatenation of the chunks (32 bytes). */
export const sha3_256 = (...chunks: ReadonlyArray<Uint8Array>): Uint8Array => digest("sha3-256", chunks)

/** SHA3-384 over the concatenation of the chunks (48 bytes). */
export const sha3_384 = (...chunks: ReadonlyArray<Uint8Array>): Uint8Array => digest("sha3-384", chunks)

/** The named hash over the concatenation of the chunks. */
export const hash = (name: HashName, ...chunks: ReadonlyArray<Uint8Array>): Uint8Array =>
  digest(NODE_NAMES[name], chunks)

/** OpenSSL's name of a hash function, for node:crypto's sign and verify. */
export const nodeHashName = (name: HashName): string => NODE_NAMES[name]

/** Whether the text names one of the four hash functions (case matters, as in bccsp.GetHashOpt). */
export const isHashName = (name: string): name is HashName => Object.hasOwn(NODE_NAMES, name)

/** Whether the text names a hash family that signatures may use (msp/identities.go getHashOpt). */
export const isHashFamily = (name: string): name is HashFamily => name === "SHA2" || name === "SHA3"

/** The hash that signatures of a family are made over, whatever the curve (sheet rule 6). */
export const signatureHash = (family: HashFamily): HashName => (family === "SHA2" ? "SHA256" : "SHA3_256")

/** What the two BCCSP settings decide: the unnamed hash and the curve of new keys. */
export interface ProviderDefaults {
  readonly hash: HashName
  readonly curve: "P-256" | "P-384"
}

/**
 * The defaults that `BCCSP.SW.Hash` and `BCCSP.SW.Security` select (bccsp/sw/conf.go). They fingerprint installed
 * chaincode packages and choose the curve of generated keys; they do not touch signatures, identities or blocks.
 */
export const providerDefaults = (family: string, level: number): Either.Either<ProviderDefaults, HashUnsupported> => {
  if (!isHashFamily(family)) {
    return Either.left(new HashUnsupported({ detail: `Hash Family not supported [${family}]` }))
  }
  if (level === 256) return Either.right({ hash: family === "SHA2" ? "SHA256" : "SHA3_256", curve: "P-256" })
  if (level === 384) return Either.right({ hash: family === "SHA2" ? "SHA384" : "SHA3_384", curve: "P-384" })
  return Either.left(new HashUnsupported({ detail: `Security level not supported [${level}]` }))
}

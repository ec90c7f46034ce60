/** People of the recorded Org1 whom nobody should serve, made with its authority's key. Not a test. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Either from "effect/Either"
import type { ClientSigner } from "../../../src/client/index.js"
import { signWith } from "../../../src/crypto/ecdsa.js"
import { decodePemAll } from "../../../src/crypto/pem.js"
import { type PrivateKey, parsePrivateKeyPem } from "../../../src/crypto/privateKey.js"
import { creator, crl, DAY, Holder, issue } from "../../msp/support.js"
import { chainA, nodeFolder } from "../support.js"

const authorityFolder = join(chainA, "crypto-config/peerOrganizations/org1.example.com/ca")
const fileOf = (end: string): Uint8Array =>
  readFileSync(join(authorityFolder, readdirSync(authorityFolder).find((name) => name.endsWith(end)) ?? ""))

const keyOf = (pem: Uint8Array): PrivateKey => {
  const key = Either.getOrThrow(parsePrivateKeyPem(pem))
  if (!("curve" in key)) throw new Error("no EC key")
  return key
}

const authority = new Holder(keyOf(fileOf("_sk")), decodePemAll(fileOf("-cert.pem"))[0]?.bytes ?? new Uint8Array())

const signerOf = (serialized: Uint8Array, key: PrivateKey): ClientSigner => ({
  serialized,
  sign: (bytes) => signWith(key.signing.key, key.curve, "sha256", bytes)
})

const member = (cn: string, options: Parameters<typeof issue>[1] = {}) =>
  issue(authority, {
    cn,
    ous: [["client"]],
    notBefore: authority.certificate.notBefore,
    notAfter: authority.certificate.notAfter,
    ...options
  })

const expiredHolder = member("expired", {
  notBefore: authority.certificate.notBefore,
  notAfter: authority.certificate.notBefore + 60_000
})
const revokedHolder = member("revoked")
const wrongHolder = member("wrong")

/** A certificate that has ended. */
export const expired = signerOf(creator(expiredHolder), expiredHolder.key)
/** A certificate on Org1's revocation list, once that is in force. */
export const revoked = signerOf(creator(revokedHolder), revokedHolder.key)
/** A good identity with somebody else's key. */
export const forged = signerOf(creator(wrongHolder), revokedHolder.key)
/** No identity at all. */
export const nobody: ClientSigner = { serialized: new Uint8Array(), sign: () => new Uint8Array() }
/** Bytes that are no identity. */
export const garbage: ClientSigner = { serialized: Buffer.from("i am root"), sign: () => Buffer.from("trust me") }

/** Org1's revocation list, PEM. */
export const revocationList = crl(authority, [revokedHolder])

/** The peer's MSP with the revocation list in it. */
export const mspWithRevocations = (folder: string): string => {
  const target = join(folder, "msp")
  cpSync(join(nodeFolder("Org1MSP", "peer0"), "msp"), target, { recursive: true })
  mkdirSync(join(target, "crls"))
  writeFileSync(join(target, "crls/org1.pem"), revocationList)
  return target
}

export { DAY }

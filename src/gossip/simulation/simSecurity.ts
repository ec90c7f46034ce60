/**
 * Identities and signatures that cost next to nothing, for runs with hundreds of peers: a signature is a checksum over
 * the signer's name and the message, so it shows every change, though anybody could compute it. Never for a peer.
 */
import * as Either from "effect/Either"
import { sha256 } from "../../crypto/hash.js"
import { equalBytes, toText, utf8 } from "../../wire/bytes.js"
import { common } from "../../wire/index.js"
import { blockDataHash } from "../../wire/protoutil.js"
import type { Refused, SecurityShape } from "../Security.js"

const checksum = (seed: number, ...parts: ReadonlyArray<Uint8Array>): number => {
  let h = seed >>> 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) h = Math.imul(h ^ (part[i] ?? 0), 0x01000193)
    h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  }
  return h >>> 0
}

/** Signature of whoever has this name. */
export const simSign = (signer: Uint8Array, message: Uint8Array): Uint8Array => {
  const out = Buffer.alloc(8)
  out.writeUInt32BE(checksum(0x811c9dc5, signer, message), 0)
  out.writeUInt32BE(checksum(0x9e3779b9, signer, message), 4)
  return out
}

/** `org/name` as bytes: all that an identity is here. */
export const simIdentity = (org: string, name: string): Uint8Array => utf8(`${org}/${name}`)

export const simPkiId = (identity: Uint8Array): Uint8Array => sha256(identity)

const orderer = utf8("orderer")
const refuse = (message: string): Either.Either<never, Refused> => Either.left({ message })

/** A block that the simulated orderer signed. */
export const simBlock = (channelId: string, number: bigint, size = 100): Uint8Array => {
  const data = [Buffer.alloc(size, Number(number % 251n))]
  const dataHash = blockDataHash(data)
  const signature = simSign(orderer, Buffer.concat([utf8(`${channelId}/${number}/`), dataHash]))
  return common.Block.encode({
    header: { number, previousHash: new Uint8Array(0), dataHash },
    data: { data },
    metadata: { metadata: [signature] }
  })
}

/** What all nodes of a simulation agree on: the organisations that exist, who was revoked, who is on which channel. */
export class SimAuthority {
  readonly orgs = new Set<string>()
  /** Identities as text. */
  readonly revoked = new Set<string>()
  readonly channelOrgs = new Map<string, ReadonlySet<string>>()

  orgOf(identity: Uint8Array): string | undefined {
    const text = toText(identity)
    const cut = text.indexOf("/")
    const org = text.slice(0, cut)
    return cut > 0 && cut < text.length - 1 && this.orgs.has(org) ? org : undefined
  }
}

export const simSecurity = (authority: SimAuthority, identity: Uint8Array): SecurityShape => {
  const validateIdentity = (other: Uint8Array): Either.Either<void, Refused> => {
    if (authority.orgOf(other) === undefined) return refuse("unknown organization")
    return authority.revoked.has(toText(other)) ? refuse("revoked") : Either.void
  }
  const verify = (other: Uint8Array, signature: Uint8Array, message: Uint8Array): Either.Either<void, Refused> => {
    if (!equalBytes(simSign(other, message), signature)) return refuse("signature is invalid")
    return validateIdentity(other)
  }
  return {
    identity,
    pkiIdOf: (other) => (authority.orgOf(other) === undefined ? undefined : simPkiId(other)),
    orgOf: (other) => authority.orgOf(other),
    validateIdentity,
    expiresAt: () => undefined,
    sign: (message) => simSign(identity, message),
    verify,
    verifyByChannel: (channelId, other, signature, message) => {
      const org = authority.orgOf(other)
      if (org === undefined || authority.channelOrgs.get(channelId)?.has(org) !== true) return refuse("not a reader")
      return verify(other, signature, message)
    },
    verifyBlock: (channelId, number, bytes) => {
      try {
        const block = common.Block.decode(bytes)
        if (block.header === undefined) return refuse("no header")
        if (block.header.number !== number) return refuse("another number")
        const dataHash = blockDataHash(block.data?.data ?? [])
        if (!equalBytes(block.header.dataHash, dataHash)) return refuse("another data hash")
        const wanted = simSign(orderer, Buffer.concat([utf8(`${channelId}/${number}/`), dataHash]))
        const [signature = new Uint8Array(0)] = block.metadata?.metadata ?? []
        return equalBytes(signature, wanted) ? Either.void : refuse("signature is invalid")
      } catch (error) {
        return refuse(error instanceof Error ? error.message : String(error))
      }
    }
  }
}

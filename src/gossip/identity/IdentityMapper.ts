/**
 * The identities of other peers, validated, by PKI-ID. They leave when they expire, when nobody asks for them for an
 * hour, and when a suspicion proves right; whoever keeps something of theirs is told.
 * Source: gossip-discovery.md 3.1 rules 6-7 (gossip/identity/identity.go).
 */
import * as Either from "effect/Either"
import { copyBytes, equalBytes } from "../../wire/bytes.js"
import { idKey } from "../ids.js"
import type { PeerIdentity } from "../messages.js"
import type { Refused, SecurityShape } from "../Security.js"
import type { Timers } from "../Timers.js"

/** An identity that nobody has asked for this long is purged, milliseconds. */
export const usageThresholdMs = 3_600_000
/** Identities kept beside the own one (ours: the reference has no bound); the one unused longest makes room. */
export const defaultMaxIdentities = 10_000

export interface IdentityMapperOptions {
  readonly timers: Timers
  readonly security: Pick<SecurityShape, "identity" | "pkiIdOf" | "orgOf" | "validateIdentity" | "expiresAt" | "verify">
  readonly maxIdentities?: number
  readonly usageThresholdMs?: number
}

interface Stored {
  readonly peer: PeerIdentity
  lastUsed: number
  readonly cancelExpiry: () => void
}

const refuse = (message: string): Either.Either<never, Refused> => Either.left({ message })
const nothing = (): void => {}

export class IdentityMapper {
  readonly pkiId: Uint8Array
  private readonly ownKey: string
  private readonly stored = new Map<string, Stored>()
  private readonly listeners = new Set<(removed: PeerIdentity) => void>()
  private readonly limit: number
  private readonly usage: number
  private readonly cancelPurge: () => void

  private constructor(
    private readonly options: IdentityMapperOptions,
    pkiId: Uint8Array
  ) {
    this.pkiId = pkiId
    this.ownKey = idKey(pkiId)
    this.limit = options.maxIdentities ?? defaultMaxIdentities
    this.usage = options.usageThresholdMs ?? usageThresholdMs
    this.cancelPurge = options.timers.every(this.usage / 10, () => this.suspect(() => false))
  }

  /** With the own identity in it; refused where the own identity does not hold. Call {@link stop} in the end. */
  static make(options: IdentityMapperOptions): Either.Either<IdentityMapper, Refused> {
    const { identity, pkiIdOf } = options.security
    const pkiId = pkiIdOf(identity)
    if (pkiId === undefined) return refuse("Failed putting our own identity into the identity mapper: no PKI-ID")
    const mapper = new IdentityMapper(options, pkiId)
    const put = mapper.put(pkiId, identity)
    if (Either.isRight(put)) return Either.right(mapper)
    mapper.stop()
    return refuse(`Failed putting our own identity into the identity mapper: ${put.left.message}`)
  }

  get size(): number {
    return this.stored.size
  }

  /** Validates an identity and keeps it; knowing it already is a success without a change (rule 6). */
  put(pkiId: Uint8Array, identity: Uint8Array): Either.Either<void, Refused> {
    if (pkiId.length === 0) return refuse("PKIID is nil")
    if (identity.length === 0) return refuse("identity is nil")
    const { security, timers } = this.options
    const valid = security.validateIdentity(identity)
    if (Either.isLeft(valid)) return refuse(`failed classifying identity: ${valid.left.message}`)
    const expiresAt = security.expiresAt(identity)
    const computed = security.pkiIdOf(identity)
    if (computed === undefined || !equalBytes(computed, pkiId)) {
      return refuse("identity doesn't match the computed pkiID")
    }
    const key = idKey(pkiId)
    if (this.stored.has(key)) return Either.void
    const now = timers.now()
    if (expiresAt !== undefined && now > expiresAt) return refuse("identity expired")
    const org = security.orgOf(identity)
    if (org === undefined) return refuse("failed classifying identity: its organization is unknown")
    if (this.stored.size > this.limit) this.makeRoom()
    const cancelExpiry = expiresAt === undefined ? nothing : timers.after(expiresAt + 1 - now, () => this.remove(key))
    // copies: what came is a view of a whole message
    const peer = { pkiId: copyBytes(pkiId), identity: copyBytes(identity), org }
    this.stored.set(key, { peer, lastUsed: timers.monotonic(), cancelExpiry })
    return Either.void
  }

  /** An identity by its PKI-ID; asking keeps it from being purged. Undefined: "PKIID wasn't found". */
  get(pkiId: Uint8Array): PeerIdentity | undefined {
    return this.byKey(idKey(pkiId))
  }

  /** The same by the PKI-ID's {@link idKey}, for who has it at hand. */
  byKey(key: string): PeerIdentity | undefined {
    const found = this.stored.get(key)
    if (found === undefined) return undefined
    found.lastUsed = this.options.timers.monotonic()
    return found.peer
  }

  /** Verifies a signature of the peer with this PKI-ID. */
  verify(pkiId: Uint8Array, signature: Uint8Array, message: Uint8Array): Either.Either<void, Refused> {
    const found = this.get(pkiId)
    if (found === undefined) return refuse("PKIID wasn't found")
    return this.options.security.verify(found.identity, signature, message)
  }

  /** All of them, the own one included; does not count as use. */
  all(): ReadonlyArray<PeerIdentity> {
    return [...this.stored.values()].map(({ peer }) => peer)
  }

  /** Validates again those for which `suspected` holds, and removes the invalid ones and those out of use (rule 7). */
  suspect(suspected: (identity: Uint8Array) => boolean): void {
    const unusedSince = this.options.timers.monotonic() - this.usage
    const over = [...this.stored].filter(([key, { peer, lastUsed }]) => {
      if (key !== this.ownKey && lastUsed < unusedSince) return true
      if (!suspected(peer.identity)) return false
      return Either.isLeft(this.options.security.validateIdentity(peer.identity))
    })
    for (const [key] of over) this.remove(key)
  }

  /** Told of every identity that left. The result ends it. */
  onRemoved(listener: (removed: PeerIdentity) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Ends the timers. */
  stop(): void {
    this.cancelPurge()
    for (const { cancelExpiry } of this.stored.values()) cancelExpiry()
  }

  private makeRoom(): void {
    let oldest: { readonly key: string; readonly lastUsed: number } | undefined
    for (const [key, { lastUsed }] of this.stored) {
      if (key !== this.ownKey && (oldest === undefined || lastUsed < oldest.lastUsed)) oldest = { key, lastUsed }
    }
    if (oldest !== undefined) this.remove(oldest.key)
  }

  private remove(key: string): void {
    const found = this.stored.get(key)
    if (found === undefined) return
    this.stored.delete(key)
    found.cancelExpiry()
    for (const listener of this.listeners) listener(found.peer)
  }
}

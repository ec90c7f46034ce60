/**
 * What gossip asks of the peer's identities and policies; `src/peer` answers it.
 * Source: gossip-discovery.md 3.1 (peer/gossip/mcs.go, peer/gossip/sa.go).
 */
import * as Context from "effect/Context"
import type * as Either from "effect/Either"

/** A refusal, with its reason. */
export interface Refused {
  readonly message: string
}

export interface SecurityShape {
  /** Own serialized identity. */
  readonly identity: Uint8Array
  /** SHA-256 of MSP ID and certificate bytes (rule 1); undefined: not an identity. */
  readonly pkiIdOf: (identity: Uint8Array) => Uint8Array | undefined
  /** MSP ID, of the local MSP or any channel's (rule 2); undefined: unknown. */
  readonly orgOf: (identity: Uint8Array) => string | undefined
  /** Rule 3. */
  readonly validateIdentity: (identity: Uint8Array) => Either.Either<void, Refused>
  /** When the identity ends, milliseconds; undefined: never or not known. */
  readonly expiresAt: (identity: Uint8Array) => number | undefined
  readonly sign: (message: Uint8Array) => Uint8Array
  /** Rule 4. */
  readonly verify: (identity: Uint8Array, signature: Uint8Array, message: Uint8Array) => Either.Either<void, Refused>
  /** Rule 4: the channel's readers. */
  readonly verifyByChannel: (
    channelId: string,
    identity: Uint8Array,
    signature: Uint8Array,
    message: Uint8Array
  ) => Either.Either<void, Refused>
  /** Rule 5: `block` is the marshalled block as it came. */
  readonly verifyBlock: (channelId: string, number: bigint, block: Uint8Array) => Either.Either<void, Refused>
}

export class Security extends Context.Tag("gossip/Security")<Security, SecurityShape>() {}

/** What the rest of the node sees of membership service providers: identities, MSPs, signers. */
import type * as Either from "effect/Either"
import type { Certificate, SignatureJob } from "../crypto/index.js"
import type { common } from "../wire/index.js"
import type { MspError } from "./errors.js"

/** Behaviour of an MSP, decided by the channel's capabilities; a local MSP always has 1.4.3 (sheet sections 1 and 2.4). */
export type MspVersion = "1.0" | "1.1" | "1.3" | "1.4.3"

/** An organizational unit of an identity, with the hash over the CAs that vouch for it (sheet rules 25 and 31). */
export interface OrganizationalUnit {
  readonly name: string
  readonly certifiersIdentifier: Uint8Array
}

/** A certificate that one MSP has accepted as well-chained; its validity is a separate question (sheet section 3.5). */
export interface Identity {
  readonly mspId: string
  /** With a canonical low-S signature; may differ from the received one in exactly that. */
  readonly certificate: Certificate
  /** A fresh SerializedIdentity: MSP ID and newly encoded PEM. Not the bytes that came. */
  readonly serialized: Uint8Array
  /** Lower-case hexadecimal hash of the certificate's DER; unique within the MSP. */
  readonly id: string
  /** End of the certificate's life, milliseconds since the epoch. */
  readonly expiresAt: number
  /** Hash family of the MSP's signatures, for those who verify in bulk elsewhere; undefined: ask `verify`. */
  readonly signatureFamily?: string
  /** Whether the signature over the message is this identity's; in line, about 50 us on P-256. */
  readonly verify: (message: Uint8Array, signature: Uint8Array) => boolean
  /** `verify` in the thread pool; never rejects. */
  readonly verifyAsync: (message: Uint8Array, signature: Uint8Array) => Promise<boolean>
  /** `verify` for those who do many at once; undefined: the signature cannot hold. */
  readonly signatureJob: (message: Uint8Array, signature: Uint8Array) => SignatureJob | undefined
  /** `verify` with the reference's reason for a refusal. */
  readonly checkSignature: (message: Uint8Array, signature: Uint8Array) => Either.Either<void, MspError>
}

/** Turns creator bytes into identities and asks them about principals: a channel's manager, or a single MSP. */
export interface IdentityDeserializer {
  /** Deserializes a SerializedIdentity. Successes are cached; the chain is checked here already (sheet rule 28). */
  readonly deserializeIdentity: (serialized: Uint8Array) => Either.Either<Identity, MspError>
  /** Whether the identity is valid under its MSP. Verdicts are cached. */
  readonly validate: (identity: Identity) => Either.Either<void, MspError>
  /** Whether the identity satisfies the principal. Verdicts are cached. */
  readonly satisfiesPrincipal: (identity: Identity, principal: common.MSPPrincipal) => Either.Either<void, MspError>
  /** Whether a SerializedIdentity is well-formed; for gossip only (sheet rule 32). */
  readonly isWellFormed: (serialized: Uint8Array) => Either.Either<void, MspError>
}

/** One membership service provider. */
export interface Msp extends IdentityDeserializer {
  readonly mspId: string
  readonly version: MspVersion
  readonly type: "FABRIC"
  /** PEM as configured. */
  readonly tlsRootCerts: ReadonlyArray<Uint8Array>
  /** PEM as configured. */
  readonly tlsIntermediateCerts: ReadonlyArray<Uint8Array>
  /** The organizational units of an identity of this MSP; empty when its chain fails. */
  readonly organizationalUnits: (identity: Identity) => ReadonlyArray<OrganizationalUnit>
  /** Present when the configuration has a signing identity: local MSPs only. */
  readonly signer: Signer | undefined
}

/** Signs as one identity. */
export interface Signer {
  readonly mspId: string
  readonly identity: Identity
  /** The creator bytes: a SerializedIdentity with freshly encoded PEM (sheet rule 30, trap 27). */
  readonly serialized: Uint8Array
  /** DER with low S over the message's hash; in line, about 20 us on P-256. */
  readonly sign: (message: Uint8Array) => Uint8Array
  /** `sign` in the thread pool. */
  readonly signAsync: (message: Uint8Array) => Promise<Uint8Array>
}

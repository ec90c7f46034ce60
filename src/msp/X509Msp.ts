/** An X.509 MSP with its caches (sheet rules 27-32 and 40). */
import * as Either from "effect/Either"
import { canonicalFormFault, decodePem, latin1, parseCertificate } from "../crypto/index.js"
import { type common, msp, WireError } from "../wire/index.js"
import { BoundedCache } from "./BoundedCache.js"
import { sanitiseCertificate } from "./chains.js"
import { IdentityInvalid, IdentityMalformed, type MspError, MspMismatch } from "./errors.js"
import { X509Identity } from "./Identity.js"
import type { Identity, Msp, MspVersion, OrganizationalUnit, Signer } from "./model.js"
import { principalKey, satisfies } from "./principals.js"
import type { MspState } from "./state.js"
import { organizationalUnits, validateCertificate } from "./validation.js"

/** Identities kept per MSP, and verdicts kept per identity. Results depend on the configuration only. */
export interface CacheBounds {
  readonly identities: number
  readonly principalsPerIdentity: number
}

const DEFAULT_BOUNDS: CacheBounds = { identities: 1000, principalsPerIdentity: 50 }

interface Verdicts {
  validity: Either.Either<void, MspError> | undefined
  readonly principals: BoundedCache<string, Either.Either<void, MspError>>
}

/** Decodes a SerializedIdentity; `idBytes` is a view of the input. */
export const decodeSerialized = (serialized: Uint8Array): Either.Either<msp.SerializedIdentity, IdentityMalformed> => {
  try {
    return Either.right(msp.SerializedIdentity.decode(serialized))
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const detail = `could not deserialize a SerializedIdentity: ${error.message}`
    return Either.left(new IdentityMalformed({ detail }))
  }
}

export class X509Msp implements Msp {
  readonly type = "FABRIC"
  readonly #state: MspState
  readonly #bounds: CacheBounds
  readonly #identities: BoundedCache<string, Identity>
  readonly #verdicts = new WeakMap<Identity, Verdicts>()

  constructor(state: MspState, bounds: CacheBounds = DEFAULT_BOUNDS) {
    this.#state = state
    this.#bounds = bounds
    this.#identities = new BoundedCache(bounds.identities)
  }

  get mspId(): string {
    return this.#state.mspId
  }

  get version(): MspVersion {
    return this.#state.version
  }

  get tlsRootCerts(): ReadonlyArray<Uint8Array> {
    return this.#state.tlsRootCerts
  }

  get tlsIntermediateCerts(): ReadonlyArray<Uint8Array> {
    return this.#state.tlsIntermediateCerts
  }

  get signer(): Signer | undefined {
    return this.#state.signer
  }

  deserializeIdentity(serialized: Uint8Array): Either.Either<Identity, MspError> {
    const key = latin1(serialized)
    const known = this.#identities.get(key)
    if (known !== undefined) return Either.right(known)
    const decoded = decodeSerialized(serialized)
    if (Either.isLeft(decoded)) return Either.left(decoded.left)
    if (decoded.right.mspid !== this.mspId) {
      return Either.left(new MspMismatch({ expected: this.mspId, received: decoded.right.mspid }))
    }
    const identity = this.#deserialize(decoded.right.idBytes)
    if (Either.isRight(identity)) this.#identities.set(key, identity.right)
    return identity
  }

  #deserialize(pem: Uint8Array): Either.Either<Identity, MspError> {
    const block = decodePem(pem)
    if (block === undefined) return Either.left(new IdentityMalformed({ detail: "could not decode the PEM structure" }))
    const parsed = parseCertificate(block.bytes)
    if (Either.isLeft(parsed)) {
      return Either.left(new IdentityMalformed({ detail: `parseCertificate failed: ${parsed.left.detail}` }))
    }
    const certificate = parsed.right
    const { kind } = certificate.publicKey
    if (kind !== "ec" && kind !== "rsa") {
      const reason = "Certificate's public key type not recognized. Supported keys: [ECDSA, RSA]"
      return Either.left(
        new IdentityMalformed({
          detail: `failed to import certificate's public key: Failed importing key with opts [&{true}]: ${reason}`
        })
      )
    }
    const sanitised = sanitiseCertificate(this.#state, certificate)
    if (Either.isLeft(sanitised)) {
      return Either.left(new IdentityInvalid({ mspId: this.mspId, detail: sanitised.left.detail }))
    }
    const { identityHash, mspId, signatureFamily } = this.#state
    return Either.right(new X509Identity(mspId, sanitised.right, identityHash, signatureFamily))
  }

  #verdictsOf(identity: Identity): Verdicts {
    const known = this.#verdicts.get(identity)
    if (known !== undefined) return known
    const fresh: Verdicts = { validity: undefined, principals: new BoundedCache(this.#bounds.principalsPerIdentity) }
    this.#verdicts.set(identity, fresh)
    return fresh
  }

  validate(identity: Identity): Either.Either<void, MspError> {
    const verdicts = this.#verdictsOf(identity)
    verdicts.validity ??= validateCertificate(this.#state, identity.certificate)
    return verdicts.validity
  }

  satisfiesPrincipal(identity: Identity, principal: common.MSPPrincipal): Either.Either<void, MspError> {
    const { principals } = this.#verdictsOf(identity)
    const key = principalKey(principal)
    const known = principals.get(key)
    if (known !== undefined) return known
    const verdict = satisfies(
      {
        state: this.#state,
        validate: (other) => this.validate(other),
        deserialize: (serialized) => this.deserializeIdentity(serialized)
      },
      identity,
      principal
    )
    principals.set(key, verdict)
    return verdict
  }

  organizationalUnits(identity: Identity): ReadonlyArray<OrganizationalUnit> {
    return organizationalUnits(this.#state, identity.certificate)
  }

  isWellFormed(serialized: Uint8Array): Either.Either<void, MspError> {
    const decoded = decodeSerialized(serialized)
    return Either.isLeft(decoded) ? Either.left(decoded.left) : wellFormed(decoded.right)
  }
}

/** The shape that gossip asks of identities (sheet rule 32): one PEM block, alone, canonically signed. */
export const wellFormed = (identity: msp.SerializedIdentity): Either.Either<void, IdentityMalformed> => {
  const refuse = (detail: string) => Either.left(new IdentityMalformed({ detail }))
  const block = decodePem(identity.idBytes)
  if (block === undefined) return refuse("PEM decoding resulted in an empty block")
  if (block.rest.length > 0) return refuse(`identity for MSP ${identity.mspid} has trailing bytes`)
  if (block.type !== "CERTIFICATE" && block.type !== "") {
    return refuse(`pem type is ${block.type}, should be 'CERTIFICATE' or missing`)
  }
  const parsed = parseCertificate(block.bytes)
  if (Either.isLeft(parsed)) return refuse(parsed.left.detail)
  const fault = canonicalFormFault(parsed.right)
  if (fault === undefined) return Either.void
  return refuse(
    fault === "non canonical signature" ? `identity for MSP ${identity.mspid} has a non canonical signature` : fault
  )
}

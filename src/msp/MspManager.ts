/** The MSPs of one channel (sheet rules 27 and 39; msp/mspmgrimpl.go, common/channelconfig/msp.go). Immutable. */
import * as Either from "effect/Either"
import { latin1, sameBytes } from "../crypto/index.js"
import type { common, msp } from "../wire/index.js"
import { BoundedCache } from "./BoundedCache.js"
import { IdentityMalformed, type MspError, MspSetupFailed, MspTypeUnsupported, MspUnknown } from "./errors.js"
import type { Identity, IdentityDeserializer, Msp, MspVersion } from "./model.js"
import { setupFromBytes } from "./setup.js"
import { decodeSerialized, X509Msp } from "./X509Msp.js"

/** `MSPConfig.type` of X.509 MSPs and of Idemix ones. */
export const MspType = { FABRIC: 0, IDEMIX: 1 } as const

/** `now` (milliseconds since the epoch, by default the wall clock) decides on expired TLS CAs only. */
export interface MspOptions {
  readonly version: MspVersion
  readonly now?: number
}

/**
 * Builds one MSP of a channel from its `MSPConfig`. Idemix would be decided here: it is refused, because an MSP left out
 * would change verdicts that the channel's other nodes agree on (trap 26).
 */
export const makeMsp = (config: msp.MSPConfig, options: MspOptions): Either.Either<Msp, MspError> => {
  switch (config.type) {
    case MspType.FABRIC:
      return Either.map(
        setupFromBytes(config.config, { version: options.version, now: options.now ?? Date.now() }),
        (state) => new X509Msp(state)
      )
    case MspType.IDEMIX:
      return Either.left(
        new MspTypeUnsupported({
          type: config.type,
          detail: "Setup error: unsupported msp type 1: this node does not implement Idemix MSPs"
        })
      )
    default:
      return Either.left(
        new MspTypeUnsupported({ type: config.type, detail: `Setup error: unsupported msp type ${config.type}` })
      )
  }
}

/** Collects a channel's MSPs while its configuration is read; equal definitions of one MSP ID are one MSP. */
export class MspCollector {
  readonly #options: MspOptions
  readonly #msps = new Map<string, { readonly msp: Msp; readonly config: msp.MSPConfig }>()

  constructor(options: MspOptions) {
    this.#options = options
  }

  /** Adds the MSP of one organization group; answers the MSP, made now or before. */
  propose(config: msp.MSPConfig): Either.Either<Msp, MspError> {
    for (const known of this.#msps.values()) {
      // The same bytes are the same MSP: no need to set it up again to learn its name.
      if (known.config.type === config.type && sameBytes(known.config.config, config.config)) {
        return Either.right(known.msp)
      }
    }
    const made = Either.mapLeft(makeMsp(config, this.#options), (error) =>
      error._tag === "MspSetupFailed"
        ? new MspSetupFailed({ mspId: error.mspId, detail: `setting up the MSP manager failed: ${error.detail}` })
        : error
    )
    if (Either.isLeft(made)) return made
    const { mspId } = made.right
    if (this.#msps.has(mspId)) {
      const detail = `Attempted to define two different versions of MSP: ${mspId}`
      return Either.left(new MspSetupFailed({ mspId, detail }))
    }
    this.#msps.set(mspId, { msp: made.right, config })
    return made
  }

  /** The manager over everything proposed so far. */
  manager(): MspManager {
    return new MspManager([...this.#msps.values()].map((known) => known.msp))
  }
}

/** Identities kept per channel. */
const MANAGER_CACHE = 2000

export class MspManager implements IdentityDeserializer {
  readonly msps: ReadonlyMap<string, Msp>
  readonly #identities = new BoundedCache<string, Identity>(MANAGER_CACHE)

  constructor(msps: Iterable<Msp>) {
    this.msps = new Map([...msps].map((msp) => [msp.mspId, msp]))
  }

  deserializeIdentity(serialized: Uint8Array): Either.Either<Identity, MspError> {
    const key = latin1(serialized)
    const known = this.#identities.get(key)
    if (known !== undefined) return Either.right(known)
    const decoded = decodeSerialized(serialized)
    if (Either.isLeft(decoded)) return Either.left(decoded.left)
    const { mspid } = decoded.right
    const owner = this.msps.get(mspid)
    if (owner === undefined) return Either.left(new MspUnknown({ mspId: mspid }))
    const identity = owner.deserializeIdentity(serialized)
    if (Either.isRight(identity)) this.#identities.set(key, identity.right)
    return identity
  }

  validate(identity: Identity): Either.Either<void, MspError> {
    return this.msps.get(identity.mspId)?.validate(identity) ?? unknown(identity.mspId)
  }

  satisfiesPrincipal(identity: Identity, principal: common.MSPPrincipal): Either.Either<void, MspError> {
    return this.msps.get(identity.mspId)?.satisfiesPrincipal(identity, principal) ?? unknown(identity.mspId)
  }

  isWellFormed(serialized: Uint8Array): Either.Either<void, MspError> {
    // Any X.509 MSP judges the shape of any identity: the reference asks the first one of each kind.
    for (const msp of this.msps.values()) {
      if (Either.isRight(msp.isWellFormed(serialized))) return Either.void
      break
    }
    return Either.left(new IdentityMalformed({ detail: "no MSP provider recognizes the identity" }))
  }
}

const unknown = (mspId: string) => Either.left(new MspUnknown({ mspId }))

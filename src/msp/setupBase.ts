/** What the steps of an MSP's set-up share: reading certificates, making identities, finding CAs by certificate. */
import * as Either from "effect/Either"
import { type Certificate, CertPool, parseCertificatePem, sameBytes } from "../crypto/index.js"
import type { msp } from "../wire/index.js"
import { certifiersIdentifier, sanitiseCertificate, validationChain } from "./chains.js"
import { MspSetupFailed } from "./errors.js"
import { X509Identity } from "./Identity.js"
import type { KeyProvider } from "./KeyProvider.js"
import type { MspVersion } from "./model.js"
import type { MspState } from "./state.js"
import { goBytes } from "./text.js"

/** `now` (milliseconds since the epoch) decides on TLS CAs and the signing identity only. */
export interface SetupOptions {
  readonly version: MspVersion
  readonly now: number
  /** Finds the key of the signing identity; without it only key material inside the configuration counts. */
  readonly provider?: KeyProvider | undefined
}

/** Outcome of one step. */
export type Step<A = void> = Either.Either<A, MspSetupFailed>

/** The state of an MSP before anything is known about it. */
const blank = (mspId: string, version: MspVersion): MspState => ({
  mspId,
  version,
  identityHash: "SHA256",
  signatureFamily: "SHA2",
  roots: new CertPool(),
  intermediates: new CertPool(),
  rootIdentities: [],
  intermediateIdentities: [],
  internalNodes: new Set(),
  crls: [],
  admins: [],
  ouIdentifiers: new Map(),
  ouEnforcement: false,
  nodeOus: {},
  tlsRootCerts: [],
  tlsIntermediateCerts: [],
  signer: undefined,
  chains: new WeakMap(),
  certifiers: new WeakMap()
})

export class SetupBase {
  readonly state: MspState

  constructor(
    readonly config: msp.FabricMSPConfig,
    readonly options: SetupOptions
  ) {
    this.state = blank(config.name, options.version)
  }

  protected fail(detail: string): Either.Either<never, MspSetupFailed> {
    return Either.left(new MspSetupFailed({ mspId: this.config.name, detail }))
  }

  protected certificate(pem: Uint8Array): Step<Certificate> {
    const parsed = parseCertificatePem(pem)
    if (parsed === undefined) return this.fail(`getCertFromPem error: could not decode pem bytes [${goBytes(pem)}]`)
    return Either.isLeft(parsed)
      ? this.fail(`getCertFromPem error: failed to parse x509 cert: ${parsed.left.detail}`)
      : Either.right(parsed.right)
  }

  protected certificates(pems: ReadonlyArray<Uint8Array>): Step<ReadonlyArray<Certificate>> {
    const certificates: Array<Certificate> = []
    for (const pem of pems) {
      const parsed = this.certificate(pem)
      if (Either.isLeft(parsed)) return Either.left(parsed.left)
      certificates.push(parsed.right)
    }
    return Either.right(certificates)
  }

  protected identity(certificate: Certificate): Step<X509Identity> {
    const sanitised = sanitiseCertificate(this.state, certificate)
    if (Either.isLeft(sanitised)) return this.fail(sanitised.left.detail)
    const { identityHash, mspId, signatureFamily } = this.state
    return Either.right(new X509Identity(mspId, sanitised.right, identityHash, signatureFamily))
  }

  protected identities(certificates: ReadonlyArray<Certificate>): Step<ReadonlyArray<X509Identity>> {
    const identities: Array<X509Identity> = []
    for (const certificate of certificates) {
      const identity = this.identity(certificate)
      if (Either.isLeft(identity)) return Either.left(identity.left)
      identities.push(identity.right)
    }
    return Either.right(identities)
  }

  /** The certifiers identifier of a CA that the configuration names by its certificate (sheet rules 16 and 25). */
  protected certifiers(pem: Uint8Array): Step<Uint8Array> {
    const parsed = parseCertificatePem(pem)
    if (parsed === undefined) {
      const cause = `getCertFromPem error: could not decode pem bytes [${goBytes(pem)}]`
      return this.fail(`Failed getting certificate for [${goBytes(pem)}]: [${cause}]`)
    }
    if (Either.isLeft(parsed)) {
      const cause = `getCertFromPem error: failed to parse x509 cert: ${parsed.left.detail}`
      return this.fail(`Failed getting certificate for [${goBytes(pem)}]: [${cause}]`)
    }
    const sanitised = sanitiseCertificate(this.state, parsed.right)
    if (Either.isLeft(sanitised)) return this.fail(`sanitizeCert failed ${sanitised.left.detail}`)
    const certificate = sanitised.right
    const among = (known: ReadonlyArray<X509Identity>) =>
      known.some((identity) => sameBytes(identity.certificate.der, certificate.der))
    if (among(this.state.rootIdentities)) return Either.right(certifiersIdentifier(this.state, [certificate]))
    const named = `[${certificate.subject.commonName}]`
    if (!among(this.state.intermediateIdentities)) {
      return this.fail(`Failed adding OU. Certificate ${named} not in root or intermediate certs.`)
    }
    const chain = validationChain(this.state, certificate, true)
    return Either.isLeft(chain)
      ? this.fail(`Failed computing validation chain for ${named}. [${chain.left.detail}]`)
      : Either.right(certifiersIdentifier(this.state, chain.right))
  }
}

/**
 * Setting an MSP up from its configuration (sheet section 3.3; msp/mspimplsetup.go): the same checks in the same order
 * for each version, so that a node accepts and refuses exactly the configurations that the reference does.
 */
import * as Either from "effect/Either"
import {
  type Certificate,
  CertPool,
  type HashFamily,
  isHashFamily,
  isHashName,
  latin1,
  parseCrl,
  sameBytes,
  subjectKeyIdOf,
  verifyChains
} from "../crypto/index.js"
import { msp, WireError } from "../wire/index.js"
import { onlyChain, uniqueChain } from "./chains.js"
import { MspSetupFailed } from "./errors.js"
import { signerFromMaterial } from "./KeyProvider.js"
import { makeSigner } from "./Signer.js"
import { SetupBase, type SetupOptions, type Step } from "./setupBase.js"
import type { MspState, NodeOu, NodeRole } from "./state.js"
import { goDuration, goHex } from "./text.js"
import { nodeRoleFault, revocationFault, validateCertificate } from "./validation.js"

export type { SetupOptions } from "./setupBase.js"

/** Decodes `FabricMSPConfig` bytes and sets the MSP up. */
export const setupFromBytes = (bytes: Uint8Array, options: SetupOptions): Either.Either<MspState, MspSetupFailed> => {
  try {
    return setup(msp.FabricMSPConfig.decode(Uint8Array.from(bytes)), options)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return Either.left(
      new MspSetupFailed({ mspId: "", detail: `failed unmarshalling fabric msp config: ${error.message}` })
    )
  }
}

/** Sets the MSP up; the state is complete and no longer changes. */
export const setup = (config: msp.FabricMSPConfig, options: SetupOptions): Either.Either<MspState, MspSetupFailed> => {
  const run = new Setup(config, options)
  return Either.map(options.version === "1.4.3" ? run.v143() : run.beforeV143(), () => run.state)
}

/** The steps, in the order in which the versions take them. */
class Setup extends SetupBase {
  beforeV143(): Step {
    return this.#inOrder([
      this.crypto,
      this.cas,
      this.admins,
      this.crls,
      this.finalizeCas,
      this.signingIdentity,
      this.tlsCas,
      this.ouIdentifiers,
      ...(this.options.version === "1.0" ? [] : [this.nodeOusBeforeV143]),
      this.checkAdmins
    ])
  }

  v143(): Step {
    return this.#inOrder([
      this.crypto,
      this.cas,
      this.crls,
      this.finalizeCas,
      this.signingIdentity,
      this.tlsCas,
      this.ouIdentifiers,
      this.nodeOusV143,
      this.admins,
      this.demandAdmins,
      this.checkAdmins
    ])
  }

  #inOrder(steps: ReadonlyArray<() => Step>): Step {
    for (const step of steps) {
      const done = step.call(this)
      if (Either.isLeft(done)) return done
    }
    return Either.void
  }

  crypto(): Step {
    const { cryptoConfig } = this.config
    const identityHash = cryptoConfig?.identityIdentifierHashFunction || "SHA256"
    this.state.signatureFamily = cryptoConfig?.signatureHashFamily || "SHA2"
    if (isHashName(identityHash)) {
      this.state.identityHash = identityHash
      return Either.void
    }
    // The reference notices when it makes its first identity, which is a root CA; without any it has another complaint.
    return this.config.rootCerts.length === 0
      ? Either.void
      : this.fail(`failed getting hash function options: hash function not recognized [${identityHash}]`)
  }

  #pools(roots: Iterable<Certificate>, intermediates: Iterable<Certificate>): void {
    this.state.roots = new CertPool(roots)
    this.state.intermediates = new CertPool(intermediates)
    this.state.chains = new WeakMap()
    this.state.certifiers = new WeakMap()
  }

  cas(): Step {
    if (this.config.rootCerts.length === 0) return this.fail("expected at least one CA certificate")
    const roots = this.certificates(this.config.rootCerts)
    if (Either.isLeft(roots)) return Either.left(roots.left)
    const intermediates = this.certificates(this.config.intermediateCerts)
    if (Either.isLeft(intermediates)) return Either.left(intermediates.left)
    // Sanitising needs chains, chains need pools: first over the certificates as they are, then over sanitised ones.
    this.#pools(roots.right, intermediates.right)
    const rootIdentities = this.identities(roots.right)
    if (Either.isLeft(rootIdentities)) return Either.left(rootIdentities.left)
    const intermediateIdentities = this.identities(intermediates.right)
    if (Either.isLeft(intermediateIdentities)) return Either.left(intermediateIdentities.left)
    this.state.rootIdentities = rootIdentities.right
    this.state.intermediateIdentities = intermediateIdentities.right
    this.#pools(
      rootIdentities.right.map((identity) => identity.certificate),
      intermediateIdentities.right.map((identity) => identity.certificate)
    )
    return Either.void
  }

  admins(): Step {
    const certificates = this.certificates(this.config.admins)
    if (Either.isLeft(certificates)) return Either.left(certificates.left)
    return Either.map(this.identities(certificates.right), (admins) => {
      this.state.admins = admins
    })
  }

  demandAdmins(): Step {
    const { admins, nodeOus, ouEnforcement } = this.state
    return admins.length === 0 && (!ouEnforcement || nodeOus.ADMIN === undefined)
      ? this.fail("administrators must be declared when no admin ou classification is set")
      : Either.void
  }

  crls(): Step {
    const crls: Array<MspState["crls"][number]> = []
    for (const bytes of this.config.revocationList) {
      const crl = parseCrl(bytes)
      if (Either.isLeft(crl)) return this.fail(`could not parse RevocationList: ${crl.left.detail}`)
      crls.push(crl.right)
    }
    this.state.crls = crls
    return Either.void
  }

  #caShape(certificate: Certificate): Step {
    const serial = goHex(certificate.serialNumber)
    if (!certificate.isCA) return this.fail(`CA Certificate did not have the CA attribute, (SN: ${serial})`)
    if (subjectKeyIdOf(certificate) === undefined) {
      const problem = `CA Certificate problem with Subject Key Identifier extension, (SN: ${serial})`
      return this.fail(`${problem}: subjectKeyIdentifier not found in certificate`)
    }
    return Either.void
  }

  finalizeCas(): Step {
    const { intermediateIdentities, rootIdentities } = this.state
    for (const { certificate } of [...rootIdentities, ...intermediateIdentities]) {
      const shape = this.#caShape(certificate)
      if (Either.isLeft(shape)) return shape
      const invalid = `CA Certificate is not valid, (SN: ${certificate.serialNumber})`
      const chain = uniqueChain(this.state, certificate)
      if (Either.isLeft(chain))
        return this.fail(`${invalid}: could not obtain certification chain: ${chain.left.detail}`)
      const revoked = chain.right.length === 1 ? undefined : revocationFault(this.state, certificate, chain.right)
      if (revoked !== undefined) return this.fail(`${invalid}: ${revoked}`)
    }
    const internal = new Set<string>()
    for (const { certificate } of intermediateIdentities) {
      const chain = uniqueChain(this.state, certificate)
      if (Either.isLeft(chain)) {
        return this.fail(`failed getting validation chain, (SN: ${certificate.serialNumber}): ${chain.left.detail}`)
      }
      for (const parent of chain.right.slice(1)) internal.add(latin1(parent.der))
    }
    this.state.internalNodes = internal
    this.state.certifiers = new WeakMap()
    return Either.void
  }

  signingIdentity(): Step {
    const info = this.config.signingIdentity
    if (info === undefined) return Either.void
    const certificate = this.certificate(info.publicSigner)
    if (Either.isLeft(certificate)) return Either.left(certificate.left)
    const identity = this.identity(certificate.right)
    if (Either.isLeft(identity)) return Either.left(identity.left)
    const family = this.state.signatureFamily
    if (!isHashFamily(family)) return this.fail(`hash familiy not recognized [${family}]`)
    const key = this.#signingKey(info, identity.right.certificate, family)
    if (Either.isLeft(key)) return Either.left(key.left)
    const { expiresAt } = identity.right
    const { now } = this.options
    if (expiresAt <= now) return this.fail(`signing identity expired ${goDuration(now - expiresAt)} ago`)
    this.state.signer = makeSigner(identity.right, key.right)
    return Either.void
  }

  #signingKey(info: msp.SigningIdentityInfo, certificate: Certificate, family: HashFamily) {
    const found = this.options.provider?.signerFor(certificate, family)
    if (found !== undefined && Either.isRight(found)) return Either.right(found.right)
    const material = info.privateSigner?.keyMaterial
    if (material === undefined || material.length === 0) {
      const why = found === undefined || found.left.startsWith("Key with SKI") ? "" : `: ${found.left}`
      return this.fail(`KeyMaterial not found in SigningIdentityInfo${why}`)
    }
    return Either.mapLeft(
      signerFromMaterial(material, certificate, family),
      (detail) =>
        new MspSetupFailed({
          mspId: this.config.name,
          detail: `getIdentityFromBytes error: Failed to import EC private key: ${detail}`
        })
    )
  }

  tlsCas(): Step {
    const roots = this.certificates(this.config.tlsRootCerts)
    if (Either.isLeft(roots)) return Either.left(roots.left)
    const intermediates = this.certificates(this.config.tlsIntermediateCerts)
    if (Either.isLeft(intermediates)) return Either.left(intermediates.left)
    const options = {
      roots: new CertPool(roots.right),
      intermediates: new CertPool(intermediates.right),
      at: this.options.now
    }
    for (const certificate of [...roots.right, ...intermediates.right]) {
      const shape = this.#caShape(certificate)
      if (Either.isLeft(shape)) return shape
      const invalid = `CA Certificate is not valid, (SN: ${certificate.serialNumber})`
      const chain = onlyChain(verifyChains(certificate, options))
      if (Either.isLeft(chain))
        return this.fail(`${invalid}: could not obtain certification chain: ${chain.left.detail}`)
      const revoked = chain.right.length === 1 ? undefined : revocationFault(this.state, certificate, chain.right)
      if (revoked !== undefined) return this.fail(`${invalid}: ${revoked}`)
    }
    this.state.tlsRootCerts = this.config.tlsRootCerts
    this.state.tlsIntermediateCerts = this.config.tlsIntermediateCerts
    return Either.void
  }

  ouIdentifiers(): Step {
    const identifiers = new Map<string, Array<Uint8Array>>()
    for (const unit of this.config.organizationalUnitIdentifiers) {
      const certifiers = this.certifiers(unit.certificate)
      if (Either.isLeft(certifiers)) {
        return this.fail(
          `failed getting certificate for [${unit.organizationalUnitIdentifier}]: ${certifiers.left.detail}`
        )
      }
      const known = identifiers.get(unit.organizationalUnitIdentifier) ?? []
      if (!known.some((identifier) => sameBytes(identifier, certifiers.right))) known.push(certifiers.right)
      identifiers.set(unit.organizationalUnitIdentifier, known)
    }
    this.state.ouIdentifiers = identifiers
    return Either.void
  }

  #nodeOu(unit: msp.FabricOUIdentifier): Step<NodeOu> {
    const name = unit.organizationalUnitIdentifier
    if (unit.certificate.length === 0) return Either.right({ name, certifiersIdentifier: new Uint8Array() })
    return Either.map(this.certifiers(unit.certificate), (identifier) => ({ name, certifiersIdentifier: identifier }))
  }

  #nodeOus(units: ReadonlyArray<readonly [NodeRole, msp.FabricOUIdentifier | undefined]>): Step {
    const nodeOus: Partial<Record<NodeRole, NodeOu>> = {}
    for (const [role, unit] of units) {
      if (unit === undefined) continue
      const read = this.#nodeOu(unit)
      if (Either.isLeft(read)) return Either.left(read.left)
      nodeOus[role] = read.right
    }
    this.state.nodeOus = nodeOus
    return Either.void
  }

  nodeOusBeforeV143(): Step {
    const units = this.config.fabricNodeOus
    if (units === undefined) return Either.void
    this.state.ouEnforcement = units.enable
    const { clientOuIdentifier: client, peerOuIdentifier: peer } = units
    for (const [unit, name] of [
      [client, "ClientOU"],
      [peer, "PeerOU"]
    ] as const) {
      if (unit === undefined || unit.organizationalUnitIdentifier === "") {
        return this.fail(`Failed setting up NodeOUs. ${name} must be different from nil.`)
      }
    }
    return this.#nodeOus([
      ["CLIENT", client],
      ["PEER", peer]
    ])
  }

  nodeOusV143(): Step {
    const units = this.config.fabricNodeOus
    if (units === undefined) return Either.void
    const done = this.#nodeOus([
      ["CLIENT", units.clientOuIdentifier],
      ["PEER", units.peerOuIdentifier],
      ["ADMIN", units.adminOuIdentifier],
      ["ORDERER", units.ordererOuIdentifier]
    ])
    this.state.ouEnforcement = units.enable && Object.keys(this.state.nodeOus).length > 0
    return done
  }

  checkAdmins(): Step {
    for (const [i, { certificate }] of this.state.admins.entries()) {
      const fault = this.#adminFault(certificate)
      if (fault !== undefined) return this.fail(`admin ${i} is invalid${fault}`)
    }
    return Either.void
  }

  #adminFault(certificate: Certificate): string | undefined {
    const { mspId, ouEnforcement, version } = this.state
    if (version === "1.4.3" && ouEnforcement) {
      const client = nodeRoleFault(this.state, certificate, "CLIENT")
      const admin = nodeRoleFault(this.state, certificate, "ADMIN")
      return client !== undefined && admin !== undefined ? ` [${client},${admin}]` : undefined
    }
    const valid = validateCertificate(this.state, certificate)
    if (!ouEnforcement) return Either.isLeft(valid) ? `: ${valid.left.detail}` : undefined
    if (Either.isLeft(valid)) return `: The identity is not valid under this MSP [${mspId}]: ${valid.left.detail}`
    const client = nodeRoleFault(this.state, certificate, "CLIENT")
    return client === undefined ? undefined : `: The identity is not a [CLIENT] under this MSP [${mspId}]: ${client}`
  }
}

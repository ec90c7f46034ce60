/** Validity of identities: chain, revocation, organizational units (sheet rules 23-26, 33, 34; msp/mspimplvalidate.go). */
import * as Either from "effect/Either"
import { type Certificate, type Chain, hex, isCrlSignedBy, sameBytes, subjectKeyIdOf } from "../crypto/index.js"
import { certificationChain, identityCertifiers } from "./chains.js"
import { IdentityInvalid } from "./errors.js"
import type { OrganizationalUnit } from "./model.js"
import type { MspState, NodeOu, NodeRole } from "./state.js"

/** Why something is refused, or undefined. */
type Fault = string | undefined

/** The units of a certificate's subject, paired with its certifiers identifier; none when its chain fails. */
export const organizationalUnits = (state: MspState, certificate: Certificate): ReadonlyArray<OrganizationalUnit> => {
  const certifiers = identityCertifiers(state, certificate)
  if (Either.isLeft(certifiers)) return []
  return certificate.ous.map((name) => ({ name, certifiersIdentifier: certifiers.right }))
}

const unitsText = (units: ReadonlyArray<OrganizationalUnit>): string => {
  const shown = units.map((unit) => `${unit.name}(${hex(unit.certifiersIdentifier.subarray(0, 8)).toUpperCase()})`)
  return `[${shown.join(" ")}]`
}

/** Why the certificate is revoked or cannot be checked for it. `chain` starts with the certificate and has its issuer. */
export const revocationFault = (state: MspState, certificate: Certificate, chain: Chain): Fault => {
  const issuer = chain[1]
  const keyId = issuer === undefined ? undefined : subjectKeyIdOf(issuer)
  if (issuer === undefined || keyId === undefined) {
    return "could not obtain Subject Key Identifier for signer cert: subjectKeyIdentifier not found in certificate"
  }
  for (const crl of state.crls) {
    if (crl.authorityKeyId === undefined) {
      return `could not obtain Authority Key Identifier for crl: ${crl.authorityKeyFault}`
    }
    if (!sameBytes(crl.authorityKeyId, keyId) || !crl.revoked.has(certificate.serialNumber)) continue
    // A list that the issuer did not sign is passed over, as in the reference.
    if (isCrlSignedBy(crl, issuer)) return "The certificate has been revoked"
  }
  return undefined
}

const ouIdentifierFault = (state: MspState, units: ReadonlyArray<OrganizationalUnit>): Fault => {
  if (state.ouIdentifiers.size === 0) return undefined
  const known = units.some((unit) =>
    (state.ouIdentifiers.get(unit.name) ?? []).some((identifier) => sameBytes(identifier, unit.certifiersIdentifier))
  )
  if (known) return undefined
  return units.length === 0
    ? "the identity certificate does not contain an Organizational Unit (OU)"
    : `none of the identity's organizational units ${unitsText(units)} are in MSP ${state.mspId}`
}

/** Roles that may hold the one special unit, by version. Later entries of one name win, as in the reference's map. */
const specialUnits = (state: MspState): ReadonlyMap<string, NodeOu> => {
  const roles: ReadonlyArray<NodeRole> =
    state.version === "1.4.3" ? ["CLIENT", "PEER", "ADMIN", "ORDERER"] : ["PEER", "CLIENT"]
  const special = new Map<string, NodeOu>()
  for (const role of roles) {
    const unit = state.nodeOus[role]
    if (unit !== undefined) special.set(unit.name, unit)
  }
  return special
}

const nodeOuFault = (state: MspState, units: ReadonlyArray<OrganizationalUnit>): Fault => {
  if (state.version === "1.0" || !state.ouEnforcement) return undefined
  const special = specialUnits(state)
  let count = 0
  for (const unit of units) {
    const expected = special.get(unit.name)
    if (expected === undefined) continue
    const { certifiersIdentifier } = expected
    if (certifiersIdentifier.length > 0 && !sameBytes(certifiersIdentifier, unit.certifiersIdentifier)) {
      return `certifiersIdentifier does not match: ${unitsText(units)}, MSP: [${state.mspId}]`
    }
    count++
    if (count > 1) break
  }
  if (count === 1) return undefined
  const kinds =
    state.version === "1.4.3" ? "a client, a peer, an orderer or an admin identity" : "a client or a peer identity"
  return `the identity must be ${kinds} to be valid, not a combination of them. OUs: ${unitsText(units)}, MSP: [${state.mspId}]`
}

/** Whether the certificate is a valid identity of the MSP. A pure function of the configuration: no clock in it. */
export const validateCertificate = (
  state: MspState,
  certificate: Certificate
): Either.Either<void, IdentityInvalid> => {
  const invalid = (detail: string) => Either.left(new IdentityInvalid({ mspId: state.mspId, detail }))
  const chain = certificationChain(state, certificate)
  if (Either.isLeft(chain)) return invalid(`could not obtain certification chain: ${chain.left.detail}`)
  const revoked = revocationFault(state, certificate, chain.right)
  if (revoked !== undefined) return invalid(`could not validate identity against certification chain: ${revoked}`)
  const units = organizationalUnits(state, certificate)
  const fault = ouIdentifierFault(state, units) ?? nodeOuFault(state, units)
  return fault === undefined ? Either.void : invalid(`could not validate identity's OUs: ${fault}`)
}

/** Why the certificate does not carry the role's unit, or undefined when it does. Compares names only (sheet rule 36). */
export const nodeRoleFault = (state: MspState, certificate: Certificate, role: NodeRole): Fault => {
  if (!state.ouEnforcement) return "NodeOUs not activated. Cannot tell apart identities."
  const unit = state.nodeOus[role]
  if (unit === undefined) {
    return `cannot test for classification, node ou for type [${role}], not defined, msp: [${state.mspId}]`
  }
  const carried = organizationalUnits(state, certificate).some(({ name }) => name === unit.name)
  return carried ? undefined : `The identity does not contain OU [${role}], MSP: [${state.mspId}]`
}

/** Principals that identities satisfy or not (sheet rules 35-38; msp/mspimpl.go). Uncached; the cache is X509Msp's. */
import * as Either from "effect/Either"
import { type Certificate, latin1, sameBytes } from "../crypto/index.js"
import { common, WireError } from "../wire/index.js"
import { type MspError, PrincipalNotSatisfied } from "./errors.js"
import type { Identity } from "./model.js"
import type { MspState, NodeRole } from "./state.js"
import { nodeRoleFault, organizationalUnits } from "./validation.js"

/** `deserialize` belongs to the same MSP: identity principals carry a whole serialized identity. */
export interface PrincipalContext {
  readonly state: MspState
  readonly validate: (identity: Identity) => Either.Either<void, MspError>
  readonly deserialize: (serialized: Uint8Array) => Either.Either<Identity, MspError>
}

type Verdict = Either.Either<void, MspError>

const Kind = common.MSPPrincipal_Classification
const Role = common.MSPRole_MSPRoleType

const ROLE_NAMES: ReadonlyMap<number, NodeRole> = new Map<number, NodeRole>([
  [Role.CLIENT, "CLIENT"],
  [Role.PEER, "PEER"],
  [Role.ADMIN, "ADMIN"],
  [Role.ORDERER, "ORDERER"]
])

const decode = <A>(context: PrincipalContext, what: string, read: () => A): Either.Either<A, PrincipalNotSatisfied> => {
  try {
    return Either.right(read())
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return unsatisfied(context, `could not unmarshal ${what} from principal: ${error.message}`)
  }
}

const unsatisfied = (context: PrincipalContext, detail: string): Either.Either<never, PrincipalNotSatisfied> =>
  Either.left(new PrincipalNotSatisfied({ mspId: context.state.mspId, detail }))

const invalidKind = (context: PrincipalContext, kind: number) => unsatisfied(context, `invalid principal type ${kind}`)

/**
 * Combined principals taken apart, in order. Works off a list instead of recursing: nesting has no limit on the wire.
 */
export const flattenPrincipal = (
  context: PrincipalContext,
  principal: common.MSPPrincipal
): Either.Either<ReadonlyArray<common.MSPPrincipal>, PrincipalNotSatisfied> => {
  if (principal.principalClassification !== Kind.COMBINED) return Either.right([principal])
  if (context.state.version === "1.0" || context.state.version === "1.1") return invalidKind(context, Kind.COMBINED)
  const flat: Array<common.MSPPrincipal> = []
  const pending = [principal]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.principalClassification !== Kind.COMBINED) {
      flat.push(next)
      continue
    }
    const { principal: bytes } = next
    const combined = decode(context, "CombinedPrincipal", () => common.CombinedPrincipal.decode(bytes))
    if (Either.isLeft(combined)) return Either.left(combined.left)
    const parts = combined.right.principals
    if (parts.length === 0) return unsatisfied(context, "No principals in CombinedPrincipal")
    for (let i = parts.length - 1; i >= 0; i--) {
      const part = parts[i]
      if (part !== undefined) pending.push(part)
    }
  }
  return Either.right(flat)
}

const isAdmin = (state: MspState, certificate: Certificate): boolean =>
  state.admins.some((admin) => sameBytes(admin.certificate.der, certificate.der))

/** Valid under the MSP and carrying the role's organizational unit. */
const hasRole = (context: PrincipalContext, identity: Identity, role: NodeRole, article: string): Verdict => {
  const { mspId } = context.state
  const valid = context.validate(identity)
  if (Either.isLeft(valid)) {
    return unsatisfied(context, `The identity is not valid under this MSP [${mspId}]: ${valid.left.message}`)
  }
  const fault = nodeRoleFault(context.state, identity.certificate, role)
  return fault === undefined
    ? Either.void
    : unsatisfied(context, `The identity is not ${article} under this MSP [${mspId}]: ${fault}`)
}

const satisfiesRole = (context: PrincipalContext, identity: Identity, principal: common.MSPPrincipal): Verdict => {
  const { state } = context
  const decoded = decode(context, "MSPRole", () => common.MSPRole.decode(principal.principal))
  if (Either.isLeft(decoded)) return Either.left(decoded.left)
  const { mspIdentifier, role } = decoded.right
  if (mspIdentifier !== state.mspId) return differentMsp(context, mspIdentifier, identity)
  const classified = state.version === "1.4.3" && state.ouEnforcement
  switch (role) {
    case Role.MEMBER:
      return context.validate(identity)
    case Role.ADMIN:
      if (isAdmin(state, identity.certificate)) return Either.void
      return classified
        ? hasRole(context, identity, "ADMIN", "an admin")
        : unsatisfied(context, "This identity is not an admin")
    case Role.CLIENT:
    case Role.PEER:
    case Role.ORDERER: {
      const name = ROLE_NAMES.get(role)
      if (name === undefined || (role === Role.ORDERER && !classified)) {
        return unsatisfied(context, `invalid MSP role type ${role}`)
      }
      return hasRole(context, identity, name, `a [${name}]`)
    }
    default:
      return unsatisfied(context, `invalid MSP role type ${role}`)
  }
}

const differentMsp = (context: PrincipalContext, wanted: string, identity: Identity): Verdict =>
  unsatisfied(context, `the identity is a member of a different MSP (expected ${wanted}, got ${identity.mspId})`)

const satisfiesIdentity = (context: PrincipalContext, identity: Identity, principal: common.MSPPrincipal): Verdict => {
  const named = context.deserialize(principal.principal)
  if (Either.isLeft(named)) {
    return unsatisfied(context, `invalid identity principal, not a certificate: ${named.left.message}`)
  }
  return sameBytes(named.right.certificate.der, identity.certificate.der)
    ? context.validate(named.right)
    : unsatisfied(context, "The identities do not match")
}

const satisfiesUnit = (context: PrincipalContext, identity: Identity, principal: common.MSPPrincipal): Verdict => {
  const decoded = decode(context, "OrganizationUnit", () => common.OrganizationUnit.decode(principal.principal))
  if (Either.isLeft(decoded)) return Either.left(decoded.left)
  const { certifiersIdentifier, mspIdentifier, organizationalUnitIdentifier } = decoded.right
  if (mspIdentifier !== context.state.mspId) return differentMsp(context, mspIdentifier, identity)
  const valid = context.validate(identity)
  if (Either.isLeft(valid)) return valid
  const carried = organizationalUnits(context.state, identity.certificate).some(
    (unit) => unit.name === organizationalUnitIdentifier && sameBytes(unit.certifiersIdentifier, certifiersIdentifier)
  )
  return carried ? Either.void : unsatisfied(context, "The identities do not match")
}

const satisfiesAnonymity = (context: PrincipalContext, principal: common.MSPPrincipal): Verdict => {
  const { version } = context.state
  if (version === "1.0" || version === "1.1") return invalidKind(context, Kind.ANONYMITY)
  const decoded = decode(context, "MSPIdentityAnonymity", () => common.MSPIdentityAnonymity.decode(principal.principal))
  if (Either.isLeft(decoded)) return Either.left(decoded.left)
  const Anonymity = common.MSPIdentityAnonymity_MSPIdentityAnonymityType
  switch (decoded.right.anonymityType) {
    case Anonymity.NOMINAL:
      return Either.void
    case Anonymity.ANONYMOUS:
      return unsatisfied(context, "Principal is anonymous, but X.509 MSP does not support anonymous identities")
    default:
      return unsatisfied(context, `Unknown principal anonymity type: ${decoded.right.anonymityType}`)
  }
}

/** Whether the identity satisfies the principal, all of its parts if it is a combined one. */
export const satisfies = (context: PrincipalContext, identity: Identity, principal: common.MSPPrincipal): Verdict => {
  const parts = flattenPrincipal(context, principal)
  if (Either.isLeft(parts)) return Either.left(parts.left)
  for (const part of parts.right) {
    const verdict = satisfiesPart(context, identity, part)
    if (Either.isLeft(verdict)) return verdict
  }
  return Either.void
}

const satisfiesPart = (context: PrincipalContext, identity: Identity, principal: common.MSPPrincipal): Verdict => {
  switch (principal.principalClassification) {
    case Kind.ROLE:
      return satisfiesRole(context, identity, principal)
    case Kind.IDENTITY:
      return satisfiesIdentity(context, identity, principal)
    case Kind.ORGANIZATION_UNIT:
      return satisfiesUnit(context, identity, principal)
    case Kind.ANONYMITY:
      return satisfiesAnonymity(context, principal)
    default:
      return invalidKind(context, principal.principalClassification)
  }
}

/** Key of a principal in a cache of verdicts. */
export const principalKey = (principal: common.MSPPrincipal): string =>
  `${principal.principalClassification}:${latin1(principal.principal)}`

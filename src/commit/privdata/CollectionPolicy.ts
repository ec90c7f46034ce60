/**
 * Who belongs to a collection: pure.
 * Source: ledger-privatedata.md 2.4, rule 77; core/common/privdata/util.go, membershipinfo.go.
 */
import * as Either from "effect/Either"
import type { IdentityDeserializer } from "../../msp/index.js"
import { fromEnvelope, type SignedData } from "../../policy/index.js"
import { common } from "../../wire/index.js"

/** The MSP of a principal; undefined where it names none that is known. */
const mspOf = (
  principal: common.MSPPrincipal,
  msps: Pick<IdentityDeserializer, "deserializeIdentity">
): string | undefined => {
  const { MSPPrincipal_Classification: kind } = common
  try {
    switch (principal.principalClassification) {
      case kind.ROLE:
        return common.MSPRole.decode(principal.principal).mspIdentifier
      case kind.ORGANIZATION_UNIT:
        return common.OrganizationUnit.decode(principal.principal).mspIdentifier
      case kind.IDENTITY: {
        const identity = msps.deserializeIdentity(principal.principal)
        return Either.isRight(identity) ? identity.right.mspId : undefined
      }
      default:
        return undefined
    }
  } catch {
    return undefined
  }
}

/** MSP ids that the collection's policy names, in order. */
export const memberOrgs = (
  collection: common.StaticCollectionConfig,
  msps: Pick<IdentityDeserializer, "deserializeIdentity">
): ReadonlyArray<string> =>
  (collection.memberOrgsPolicy?.signaturePolicy?.identities ?? []).flatMap((principal) => mspOf(principal, msps) ?? [])

/** Whether someone's signature satisfies the collection's policy; a policy that does not compile has no members. */
export const satisfiesMembership = (
  collection: common.StaticCollectionConfig,
  signed: SignedData,
  msps: IdentityDeserializer
): boolean => {
  const policy = collection.memberOrgsPolicy?.signaturePolicy
  if (policy === undefined) return false
  const compiled = fromEnvelope(policy, msps)
  return Either.isRight(compiled) && Either.isRight(compiled.right.evaluate([signed]))
}

/** Whether this peer is a member: by its MSP id, else by a signature of its own. */
export const isEligible = (
  collection: common.StaticCollectionConfig,
  self: { readonly mspId: string; readonly signed: SignedData },
  msps: IdentityDeserializer
): boolean => memberOrgs(collection, msps).includes(self.mspId) || satisfiesMembership(collection, self.signed, msps)

/** Which collections a peer of an organisation belongs to, without its keys: by the MSP ids that the policy names. Pure. */
import type { Membership } from "../../ledger/index.js"
import { common, msp } from "../../wire/index.js"

const mspOf = ({ principal, principalClassification }: common.MSPPrincipal): string | undefined => {
  const { MSPPrincipal_Classification: kind } = common
  try {
    switch (principalClassification) {
      case kind.ROLE:
        return common.MSPRole.decode(principal).mspIdentifier
      case kind.ORGANIZATION_UNIT:
        return common.OrganizationUnit.decode(principal).mspIdentifier
      case kind.IDENTITY:
        return msp.SerializedIdentity.decode(principal).mspid
      default:
        return undefined
    }
  } catch {
    return undefined
  }
}

/** ledger-privatedata.md rule 77, first half; the second asks for a signature and adds members of other MSPs only. */
export const membershipOf =
  (mspId: string): Membership =>
  (policy) =>
    (policy.signaturePolicy?.identities ?? []).some((principal) => mspOf(principal) === mspId)

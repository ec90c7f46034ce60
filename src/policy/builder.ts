/** Building blocks and ready-made signature policies (identity-policy-config rule 51). Pure. */
import { compareUtf8 } from "../wire/bytes.js"
import { common } from "../wire/index.js"

/** A leaf: a signature by the principal at `index` of the envelope's identities. */
export const signedBy = (index: number): common.SignaturePolicy => common.SignaturePolicy.create({ signedBy: index })

/** A gate: at least `n` of `rules`. */
export const nOutOf = (n: number, rules: ReadonlyArray<common.SignaturePolicy>): common.SignaturePolicy =>
  common.SignaturePolicy.create({ nOutOf: common.SignaturePolicy_NOutOf.create({ n, rules: [...rules] }) })

/** The principal "has role `role` in MSP `mspId`". */
export const rolePrincipal = (mspId: string, role: number): common.MSPPrincipal =>
  common.MSPPrincipal.create({
    principalClassification: common.MSPPrincipal_Classification.ROLE,
    principal: common.MSPRole.encode({ mspIdentifier: mspId, role })
  })

/** An envelope of version 0. */
export const envelope = (
  rule: common.SignaturePolicy,
  identities: ReadonlyArray<common.MSPPrincipal>
): common.SignaturePolicyEnvelope =>
  common.SignaturePolicyEnvelope.create({ version: 0, rule, identities: [...identities] })

/** Satisfied by anything. */
export const acceptAll = (): common.SignaturePolicyEnvelope => envelope(nOutOf(0, []), [])

/** Satisfied by nothing. */
export const rejectAll = (): common.SignaturePolicyEnvelope => envelope(nOutOf(1, []), [])

/** One signature of that role in one MSP. `role` is a `MSPRole_MSPRoleType`. */
export const signedByRole = (mspId: string, role: number): common.SignaturePolicyEnvelope =>
  envelope(nOutOf(1, [signedBy(0)]), [rolePrincipal(mspId, role)])

/** One signature of that role in any of the MSPs, taken in the byte order of their ids. */
export const signedByAnyOf = (mspIds: ReadonlyArray<string>, role: number): common.SignaturePolicyEnvelope => {
  const sorted = [...mspIds].sort(compareUtf8)
  return envelope(
    nOutOf(
      1,
      sorted.map((_, i) => signedBy(i))
    ),
    sorted.map((mspId) => rolePrincipal(mspId, role))
  )
}

export const signedByMspMember = (mspId: string): common.SignaturePolicyEnvelope =>
  signedByRole(mspId, common.MSPRole_MSPRoleType.MEMBER)
export const signedByMspAdmin = (mspId: string): common.SignaturePolicyEnvelope =>
  signedByRole(mspId, common.MSPRole_MSPRoleType.ADMIN)
export const signedByMspClient = (mspId: string): common.SignaturePolicyEnvelope =>
  signedByRole(mspId, common.MSPRole_MSPRoleType.CLIENT)
export const signedByMspPeer = (mspId: string): common.SignaturePolicyEnvelope =>
  signedByRole(mspId, common.MSPRole_MSPRoleType.PEER)
export const signedByAnyMember = (mspIds: ReadonlyArray<string>): common.SignaturePolicyEnvelope =>
  signedByAnyOf(mspIds, common.MSPRole_MSPRoleType.MEMBER)
export const signedByAnyAdmin = (mspIds: ReadonlyArray<string>): common.SignaturePolicyEnvelope =>
  signedByAnyOf(mspIds, common.MSPRole_MSPRoleType.ADMIN)
export const signedByAnyClient = (mspIds: ReadonlyArray<string>): common.SignaturePolicyEnvelope =>
  signedByAnyOf(mspIds, common.MSPRole_MSPRoleType.CLIENT)
export const signedByAnyPeer = (mspIds: ReadonlyArray<string>): common.SignaturePolicyEnvelope =>
  signedByAnyOf(mspIds, common.MSPRole_MSPRoleType.PEER)

/**
 * The checks of a collection configuration when it is endorsed; more follow at validation. Pure.
 * Source: chaincode.md R87; checkCollectionMemberPolicy in core/scc/lscc/lscc.go.
 */
import * as Either from "effect/Either"
import type { MspManager } from "../../../msp/index.js"
import { fromSignaturePolicyEnvelope } from "../../../policy/index.js"
import { common } from "../../../wire/index.js"

/** What was found: the first fault, and members that the channel does not have (only warned of). */
export interface CollectionFindings {
  readonly fault: string | undefined
  readonly strangers: ReadonlyArray<{ readonly collection: string; readonly member: string }>
}

const Kind = common.MSPPrincipal_Classification

/** The MSP that a principal names; a fault text when it cannot be told. */
const memberOf = (principal: common.MSPPrincipal): Either.Either<string, string> => {
  try {
    switch (principal.principalClassification) {
      case Kind.ROLE:
        return Either.right(common.MSPRole.decode(principal.principal).mspIdentifier)
      case Kind.ORGANIZATION_UNIT:
        return Either.right(common.OrganizationUnit.decode(principal.principal).mspIdentifier)
      default:
        return Either.left(
          `principal type ${common.MSPPrincipal_ClassificationInfo.nameOf(principal.principalClassification) ?? principal.principalClassification} is not supported`
        )
    }
  } catch (error) {
    return Either.left(`cannot unmarshal identities: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Checks one collection against the channel's MSPs. */
const check = (config: common.CollectionConfig, msps: MspManager): CollectionFindings => {
  const faulty = (fault: string): CollectionFindings => ({ fault, strangers: [] })
  const collection = config.staticCollectionConfig
  if (collection === undefined) return faulty("collection configuration is empty")
  const { memberOrgsPolicy, name } = collection
  if (memberOrgsPolicy === undefined) return faulty("collection member policy is not set")
  const policy = memberOrgsPolicy.signaturePolicy
  if (policy === undefined) return faulty("collection member org policy is empty")
  const strangers: Array<{ readonly collection: string; readonly member: string }> = []
  for (const principal of policy.identities) {
    if (principal.principalClassification === Kind.IDENTITY) {
      if (Either.isLeft(msps.deserializeIdentity(principal.principal)))
        strangers.push({ collection: name, member: "identity principal" })
      continue
    }
    const member = memberOf(principal)
    if (Either.isLeft(member)) return { fault: `collection-name: ${name} -- ${member.left}`, strangers }
    if (!msps.msps.has(member.right)) strangers.push({ collection: name, member: member.right })
  }
  const compiled = fromSignaturePolicyEnvelope(policy, msps)
  return {
    fault: Either.isLeft(compiled)
      ? `invalid member org policy for collection '${name}': ${compiled.left.message}`
      : undefined,
    strangers
  }
}

/** Checks all collections of a package, up to the first fault. */
export const collectionFindings = (
  collections: ReadonlyArray<common.CollectionConfig>,
  msps: MspManager
): CollectionFindings => {
  const strangers: Array<{ readonly collection: string; readonly member: string }> = []
  for (const collection of collections) {
    const found = check(collection, msps)
    strangers.push(...found.strangers)
    if (found.fault !== undefined) return { fault: `collection member policy check failed: ${found.fault}`, strangers }
  }
  return { fault: undefined, strangers }
}

/** Whether a configuration makes sense as a whole (common/tools/configtxlator/sanitycheck). Pure. */
import * as Either from "effect/Either"
import { Bundle, type Config, type ConfigGroup } from "../../channelconfig/index.js"
import { common } from "../../wire/index.js"

export interface ElementMessage {
  readonly path: string
  readonly message: string
}
export interface SanityMessages {
  readonly generalErrors: ReadonlyArray<string>
  readonly elementWarnings: ReadonlyArray<ElementMessage>
  readonly elementErrors: ReadonlyArray<ElementMessage>
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The MSP id that a principal names; undefined for principals that name none. Throws WireError. */
const mspIdOf = (principal: common.MSPPrincipal): string | undefined => {
  switch (principal.principalClassification) {
    case common.MSPPrincipal_Classification.ROLE:
      return common.MSPRole.decode(principal.principal).mspIdentifier
    case common.MSPPrincipal_Classification.ORGANIZATION_UNIT:
      return common.OrganizationUnit.decode(principal.principal).mspIdentifier
    default:
      return undefined
  }
}

/** A configuration that does not load has general errors; one that does is searched for principals of unknown MSPs. */
export const sanityCheck = (config: Config): SanityMessages => {
  const bundle = Bundle.fromConfig("sanitycheck", config)
  if (Either.isLeft(bundle)) {
    return { generalErrors: [bundle.left.message], elementWarnings: [], elementErrors: [] }
  }
  const { application, channelGroup, orderer } = bundle.right
  const known = new Set(
    [...(application?.orgs.values() ?? []), ...(orderer?.orgs.values() ?? [])].map((org) => org.mspId)
  )
  const elementWarnings: Array<ElementMessage> = []
  const elementErrors: Array<ElementMessage> = []

  const checkPolicy = (path: string, name: string, policy: common.Policy | undefined): void => {
    const fault = (message: string) => elementErrors.push({ path, message })
    if (policy === undefined) {
      fault(`no policy value set for ${name}`)
      return
    }
    if (policy.type !== common.Policy_PolicyType.SIGNATURE) return
    let identities: ReadonlyArray<common.MSPPrincipal>
    try {
      identities = common.SignaturePolicyEnvelope.decode(policy.value).identities
    } catch (cause) {
      fault(`error unmarshaling policy value to SignaturePolicyEnvelope: ${messageOf(cause)}`)
      return
    }
    for (const [i, principal] of identities.entries()) {
      try {
        const mspId = mspIdOf(principal)
        if (mspId === undefined || known.has(mspId)) continue
        const message = `identity principal at index ${i} refers to MSP ID '${mspId}', which is not an MSP in the network`
        elementWarnings.push({ path, message })
      } catch (cause) {
        const kind =
          principal.principalClassification === 0 ? ["ROLE", "MSPRole"] : ["ORGANIZATION_UNIT", "OrganizationUnit"]
        fault(
          `value of identities array at index ${i} is of type ${kind[0]}, but could not be unmarshaled to msp.${kind[1]}: ${messageOf(cause)}`
        )
      }
    }
  }
  const checkGroup = (group: ConfigGroup, base: string): void => {
    for (const [name, { policy }] of group.policies) checkPolicy(`${base}.policies.${name}`, name, policy)
    for (const [name, subGroup] of group.groups) checkGroup(subGroup, `${base}.groups.${name}`)
  }
  checkGroup(channelGroup, "")
  return { generalErrors: [], elementWarnings, elementErrors }
}

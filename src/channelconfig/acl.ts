/** Which policy guards which resource of a channel (identity-policy-config rules 83 to 85; core/aclmgmt). Pure. */

const readers = "/Channel/Application/Readers"
const writers = "/Channel/Application/Writers"

/** The policy of each resource that the configuration does not name (rule 84). */
export const defaultAcls: ReadonlyMap<string, string> = new Map([
  ["lscc/ChaincodeExists", readers],
  ["lscc/GetDeploymentSpec", readers],
  ["lscc/GetChaincodeData", readers],
  ["lscc/GetInstantiatedChaincodes", readers],
  ["lscc/GetCollectionsConfig", readers],
  ["qscc/GetChainInfo", readers],
  ["qscc/GetBlockByNumber", readers],
  ["qscc/GetBlockByHash", readers],
  ["qscc/GetTransactionByID", readers],
  ["qscc/GetBlockByTxID", readers],
  ["cscc/GetConfigBlock", readers],
  ["cscc/GetConfigTree", readers],
  ["event/Block", readers],
  ["event/FilteredBlock", readers],
  ["token/List", readers],
  ["cscc/SimulateConfigTreeUpdate", writers],
  ["peer/Propose", writers],
  ["peer/ChaincodeToChaincode", writers],
  ["token/Issue", writers],
  ["token/Transfer", writers]
])

/** What the ACLs value says, with references made absolute; entries without a reference fall back to the default. */
export const configuredAcls = (acls: Iterable<readonly [string, string]>): ReadonlyMap<string, string> => {
  const out = new Map<string, string>()
  for (const [resource, reference] of acls) {
    if (reference === "") continue
    out.set(resource, reference.startsWith("/") ? reference : `/Channel/Application/${reference}`)
  }
  return out
}

/** The policy that guards a resource, and whether the channel's configuration chose it (the refusal's text differs). */
export interface AclPolicy {
  readonly policy: string
  readonly configured: boolean
}

/** What `aclFor` needs of a bundle. */
export interface AclSource {
  readonly application?: { readonly acls: ReadonlyMap<string, string> } | undefined
}

/**
 * In: the channel's bundle (or anything with its ACLs) and the resource, such as `qscc/GetChainInfo`.
 * Out: the policy and who chose it; `undefined` when there is none (`Unmapped policy for %s`).
 */
export const aclFor = (source: AclSource, resource: string): AclPolicy | undefined => {
  const configured = source.application?.acls.get(resource)
  if (configured !== undefined) return { policy: configured, configured: true }
  const policy = defaultAcls.get(resource)
  return policy === undefined ? undefined : { policy, configured: false }
}

/** As `aclFor`, the policy's absolute name only. */
export const aclPolicyFor = (source: AclSource, resource: string): string | undefined =>
  aclFor(source, resource)?.policy

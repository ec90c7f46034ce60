/**
 * Channel configuration (rank 4): the tree of groups, values and policies, decoded into an immutable Bundle; capabilities;
 * config updates; channel templates; genesis material; ACLs. Pure but for reading configtx.yaml and MSP folders.
 * Imports wire, msp, policy, config; orderer, peer, commit, gossip, client and tools import it.
 */
export * from "./acl.js"
export * from "./Bundle.js"
export * from "./BundleSource.js"
export * from "./blockSignatures.js"
export * from "./capabilities.js"
export * from "./channelTemplate.js"
export * from "./computeUpdate.js"
export * from "./errors.js"
export * from "./explainUpdate.js"
export * from "./genesis.js"
export { formatGoDuration, parseGoDuration } from "./goDuration.js"
export { validateChannelId, validateConfigId } from "./ids.js"
export {
  type ConfigtxSource,
  loadOrganizations,
  loadProfile,
  missingFile,
  missingProfile
} from "./profile/configtxYaml.js"
export {
  newApplicationOrgGroup,
  newChannelGroup,
  newConsortiumOrgGroup,
  newOrdererOrgGroup,
  type Warn
} from "./profile/encoder.js"
export type { OrdererSpec, OrganizationSpec, PolicySpec, Profile } from "./profile/Profile.js"
export * from "./sections.js"
export {
  type Config,
  type ConfigGroup,
  decodeConfig,
  decodeConfigUpdate,
  equalConfigs,
  equalGroups,
  newGroup
} from "./tree.js"
export * from "./update.js"
export * from "./validateNew.js"

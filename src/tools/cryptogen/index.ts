/**
 * cryptogen: a network's test keys and certificates from crypto-config.yaml, as a program (`cryptogen`) and as functions
 * (`generate`, `extend`). Rank 10 with the other tools; the developer's network imports it.
 */
export { cryptogen } from "./command.js"
export {
  type CryptoConfig,
  type NodeSpec,
  nodeSpec,
  type OrganizationSpec,
  organizationSpec,
  parseCryptoConfig
} from "./config.js"
export { DEFAULT_CONFIG } from "./defaultConfig.js"
export { CryptoConfigInvalid, CryptogenFailed } from "./errors.js"
export {
  extend,
  type GeneratedMember,
  type GeneratedOrganization,
  type GenerateError,
  type GenerateOptions,
  generate
} from "./generate.js"
export { type CommandSpec, type FlagSpec, helpText, type ProgramSpec, parseCommandLine } from "./kingpin.js"

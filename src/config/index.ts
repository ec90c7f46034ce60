/**
 * core.yaml and orderer.yaml as typed, immutable values. Rank 1: imports crypto; the only home of the yaml package. The
 * environment and the working folder come in as data.
 */
export { bindReason, type HostPort, joinAddress, splitAddress } from "./address.js"
export type { CoreValues } from "./core/schema.js"
export { ConfigInvalid, type ConfigIssue, ConfigUnreadable, issueText, type Origin, originText } from "./errors.js"
export { configLines, type ExplainedKey, explainCore, explainOrderer, ordererConfigRecord } from "./explain.js"
export { type Environment, findFile, folders, goFileError, readText } from "./find.js"
export { formatGoDuration, parseGoDuration } from "./goDuration.js"
export * as kinds from "./leaf.js"
export {
  type ConfigSource,
  type CoreConfig,
  decodeCore,
  decodeOrderer,
  type LoadOptions,
  loadCoreConfig,
  loadOrdererConfig,
  type OrdererConfig
} from "./loader.js"
export type { OrdererValues } from "./orderer/schema.js"
export { type Given, parseYaml, type Tree } from "./yaml.js"

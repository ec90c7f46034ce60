/**
 * Membership service providers: identities out of certificates, their validity and roles, the node's own signer.
 * Rank 2: imports wire, crypto, runtime and config/yaml; policy, channelconfig and everything above may import it.
 */
export * from "./errors.js"
export * from "./expiration.js"
export { checkMspType, readMspFolder, verifyingMspConfig, type Warn } from "./folder.js"
export {
  type BccspOptions,
  type ConfiguredProvider,
  configureProvider,
  type KeyProvider,
  type KeySigner,
  softwareProvider
} from "./KeyProvider.js"
export { LocalMsp, type LocalMspError, type LocalMspOptions, type LocalMspService, loadLocalMsp } from "./LocalMsp.js"
export { MspCollector, MspManager, type MspOptions, MspType, makeMsp } from "./MspManager.js"
export type {
  Identity,
  IdentityDeserializer,
  Msp,
  MspVersion,
  OrganizationalUnit,
  Signer
} from "./model.js"
export { type SetupOptions, setup } from "./setup.js"
export { trackExpiration } from "./trackExpiration.js"
export { decodeSerialized, wellFormed, X509Msp } from "./X509Msp.js"

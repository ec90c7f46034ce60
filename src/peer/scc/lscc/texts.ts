/** The refusals of lscc, word for word: command lines and SDKs show and match them. Source: chaincode.md 5.8, R82-R87. */

export const invalidFunction = (name: string): string => `invalid function to lscc: ${name}`
export const invalidArguments = (count: number): string => `invalid number of arguments to lscc: ${count}`
export const transactionNotFound = (reason: string): string => `transaction not found: ${reason}`
export const invalidDeploymentSpec = (reason: string): string => `invalid deployment spec: ${reason}`
export const alreadyExists = (name: string): string => `chaincode with name '${name}' already exists`
export const notFound = (name: string): string => `could not find chaincode with name '${name}'`
export const invalidChannelName = (name: string): string => `invalid channel name: ${name}`
export const invalidName = (name: string): string =>
  `invalid chaincode name '${name}'. Names must start with an alphanumeric character and can only consist of alphanumerics, '_', and '-'`
export const invalidVersion = (version: string): string =>
  `invalid chaincode version '${version}'. Versions must not be empty and can only consist of alphanumerics, '_',  '-', '+', and '.'`
export const invalidArtifact = (reason: string): string => `invalid state database artifact: ${reason}`
export const nameMismatch = (asked: string, found: string): string => `chaincode name mismatch: ${asked}!=${found}`
export const marshalling = (name: string): string => `error while marshalling: ${name}`
export const sameVersion = (name: string): string => `version already exists for chaincode with name '${name}'`
export const fingerprintMismatch = (reason: string): string => `chaincode fingerprint mismatch: ${reason}`
export const noInstantiationPolicy = "instantiation policy missing"
export const noCollectionUpgrades = "as V1_2 capability is not enabled, collection upgrades are not allowed"
export const noPrivateData =
  "as V1_2 or later capability is not enabled, private channel collections and data are not available"
export const isSystemName = (name: string): string => `cannot install: ${name} is the name of a system chaincode`
export const noPackage = (name: string, version: string): string =>
  `cannot get package for chaincode (${name}:${version})`
export const noCollections = (name: string): string => `collections config not defined for chaincode ${name}`

const nameForm = /^[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*$/
const versionForm = /^[A-Za-z0-9_.+-]+$/

/** Why a chaincode may not be called so; undefined when it may (R80). */
export const nameOrVersionFault = (name: string, version: string): string | undefined =>
  nameForm.test(name) ? (versionForm.test(version) ? undefined : invalidVersion(version)) : invalidName(name)

const separator = "~collection"

/** Where lscc keeps a chaincode's collections. Chaincode names hold no `~`. */
export const collectionKey = (name: string): string => `${name}${separator}`
export const isCollectionKey = (key: string): boolean => key.includes("~")

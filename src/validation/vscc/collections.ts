/**
 * Collection configurations that come with a deploy or upgrade: pure.
 * Source: peer-endorse-validate.md 3.11 rule 8; builtin/v13/lscc_validation_logic.go.
 */
import type { common } from "../../wire/index.js"

const legalName = /^[A-Za-z0-9_-]+$/

const statics = (configs: ReadonlyArray<common.CollectionConfig>) => configs.map((c) => c.staticCollectionConfig)

/** Only 1-out-of trees say who is a member; a policy without a rule is refused (trap 10). */
const orConcatenationFault = (rule: common.SignaturePolicy | undefined): string | undefined => {
  if (rule === undefined) return "signature policy is missing"
  if (rule.nOutOf === undefined) return undefined
  if (rule.nOutOf.n !== 1) return `signature policy is not an OR concatenation, NOutOf ${rule.nOutOf.n}`
  for (const sub of rule.nOutOf.rules) {
    const fault = orConcatenationFault(sub)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** Why new collections are refused; undefined when they are not. */
export const newCollectionsFault = (configs: ReadonlyArray<common.CollectionConfig>): string | undefined => {
  const names = new Set<string>()
  for (const collection of statics(configs)) {
    if (collection === undefined) return "unknown collection configuration type"
    const { maximumPeerCount, name, requiredPeerCount } = collection
    if (name === "") return "empty collection-name is not allowed"
    if (!legalName.test(name))
      return `collection-name: ${name} not allowed. A valid collection name follows the pattern: [A-Za-z0-9_-]+`
    if (names.has(name)) return `collection-name: ${name} -- found duplicate collection configuration`
    names.add(name)
    if (maximumPeerCount < requiredPeerCount)
      return `collection-name: ${name} -- maximum peer count (${maximumPeerCount}) cannot be greater than the required peer count (${requiredPeerCount})`
    if (requiredPeerCount < 0)
      return `collection-name: ${name} -- requiredPeerCount (${maximumPeerCount}) cannot be less than zero (${requiredPeerCount})`
    const fault = orConcatenationFault(collection.memberOrgsPolicy?.signaturePolicy?.rule)
    if (fault !== undefined) return `collection-name: ${name} -- error in member org policy: ${fault}`
  }
  return undefined
}

/** An upgrade may add collections; it may neither drop one nor change how long its data lives. */
export const changedCollectionsFault = (
  next: ReadonlyArray<common.CollectionConfig>,
  old: ReadonlyArray<common.CollectionConfig>
): string | undefined => {
  const lives = new Map<string, bigint>()
  for (const collection of statics(next))
    if (collection !== undefined) lives.set(collection.name, collection.blockToLive)
  const missing: Array<string> = []
  const modified: Array<string> = []
  for (const collection of statics(old)) {
    if (collection === undefined) return "unknown collection configuration type"
    const life = lives.get(collection.name)
    if (life === undefined) missing.push(collection.name)
    else if (life !== collection.blockToLive) modified.push(collection.name)
  }
  if (missing.length > 0)
    return `the following existing collections are missing in the new collection configuration package: [${missing.join(" ")}]`
  if (modified.length > 0)
    return `the BlockToLive in the following existing collections must not be modified: [${modified.join(" ")}]`
  return undefined
}

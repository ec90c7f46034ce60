/**
 * Endorsement checks of one namespace: the chaincode's policy and, from V1_3 on, policies of single keys. Pure.
 * Source: peer-endorse-validate.md 3.11 rules 2-5; statebased/validator_keylevel.go.
 */

import type { NamespaceSet } from "../../ledger/rwset/index.js"
import { msp } from "../../wire/index.js"
import { toHex } from "../../wire/protoutil.js"
import { ExecutionFailure, PolicyFailure } from "../errors.js"
import type { PluginFailure, PluginInput } from "../plugin.js"

const VALIDATION_PARAMETER = "VALIDATION_PARAMETER"

/** How keys are told apart inside a block: key hashes as hex, so that no byte is lost in a string. */
export const hashedKey = (keyHash: Uint8Array): string => `#${toHex(keyHash)}`
export const publicKey = (key: string): string => `=${key}`

/** Every key whose metadata a transaction writes in one namespace, as (collection, key). */
export function* metadataKeys(set: NamespaceSet): Generator<readonly [collection: string, key: string]> {
  for (const write of set.public.metadataWrites) yield ["", publicKey(write.key)]
  for (const { collection, hashed } of set.collections)
    for (const write of hashed.metadataWrites) yield [collection, hashedKey(write.keyHash)]
}

/** Rule 2: before V1_3 the reference drops repeated identities by their bytes, then asks the chaincode's policy. */
export const chaincodePolicyOnly = (input: PluginInput): PluginFailure | undefined => {
  const seen = new Set<string>()
  const set = []
  for (const entry of input.endorsements) {
    let key: string
    try {
      const { idBytes, mspid } = msp.SerializedIdentity.decode(entry.identity)
      key = `${mspid}\u0000${toHex(idBytes)}`
    } catch (error) {
      return new PolicyFailure({
        reason: `Unmarshal endorser error: ${error instanceof Error ? error.message : error}`
      })
    }
    if (seen.has(key)) continue
    seen.add(key)
    set.push(entry)
  }
  const failure = input.evaluate(input.policy, set)
  if (failure === undefined) return undefined
  return set.length < input.endorsements.length
    ? new PolicyFailure({
        reason: "Endorsement policy evaluation failure might be caused by duplicated identities",
        refused: { policy: input.policy, set: input.endorsements }
      })
    : new PolicyFailure({
        reason: `VSCC error: endorsement policy failure, err: ${failure.message}`,
        refused: { policy: input.policy, set }
      })
}

/** Rules 3 to 5. */
export const keyLevelPolicies = (input: PluginInput): PluginFailure | undefined => {
  const { block, namespace, position } = input
  let chaincodePolicyChecked = false
  let somePolicyChecked = false

  const chaincodePolicy = (): PluginFailure | undefined => {
    const failure = input.evaluate(input.policy, input.endorsements)
    if (failure !== undefined)
      return new PolicyFailure({
        reason: `validation of endorsement policy for chaincode ${namespace} in tx ${block}:${position} failed: ${failure.message}`,
        refused: { policy: input.policy, set: input.endorsements }
      })
    chaincodePolicyChecked = true
    somePolicyChecked = true
    return undefined
  }

  const key = (
    collection: string,
    mark: string,
    shown: string,
    metadata: () => ReadonlyMap<string, Uint8Array> | undefined
  ): PluginFailure | undefined => {
    if (input.parameterUpdated(collection, mark))
      return new PolicyFailure({
        reason: `validation parameters for key [${shown}] in namespace [${namespace}${collection === "" ? "" : `:${collection}`}] have been changed in block ${block} before transaction ${position}`
      })
    let parameter: Uint8Array | undefined
    try {
      parameter = metadata()?.get(VALIDATION_PARAMETER)
    } catch (cause) {
      return new ExecutionFailure({
        reason: `could not retrieve metadata for ${namespace}:${collection === "" ? "" : `${collection}:`}${shown}`,
        cause
      })
    }
    if (parameter === undefined || parameter.length === 0) return chaincodePolicyChecked ? undefined : chaincodePolicy()
    const failure = input.evaluate(parameter, input.endorsements)
    if (failure !== undefined)
      return new PolicyFailure({
        reason: `validation of key ${shown} (coll'${collection}':ns'${namespace}') in tx ${block}:${position} failed: ${failure.message}`,
        refused: { policy: parameter, set: input.endorsements, collection, key: shown }
      })
    somePolicyChecked = true
    return undefined
  }
  const publicEntry = (name: string) =>
    key("", publicKey(name), name, () => input.state.getStateMetadata(namespace, name))
  const hashedEntry = (collection: string, hash: Uint8Array) =>
    key(collection, hashedKey(hash), toHex(hash), () =>
      input.state.getPrivateDataMetadataByHash(namespace, collection, hash)
    )

  for (const set of input.sets) {
    if (set.namespace !== namespace) continue
    for (const write of set.public.writes) {
      const failure = publicEntry(write.key)
      if (failure !== undefined) return failure
    }
    for (const write of set.public.metadataWrites) {
      const failure = publicEntry(write.key)
      if (failure !== undefined) return failure
    }
    for (const { collection, hashed } of set.collections)
      for (const write of hashed.hashedWrites) {
        const failure = hashedEntry(collection, write.keyHash)
        if (failure !== undefined) return failure
      }
    for (const { collection, hashed } of set.collections)
      for (const write of hashed.metadataWrites) {
        const failure = hashedEntry(collection, write.keyHash)
        if (failure !== undefined) return failure
      }
  }
  return somePolicyChecked ? undefined : chaincodePolicy()
}

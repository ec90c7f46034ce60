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
export const keyLevelPolicies = (input: PluginInput): PluginFailure | undefined => new KeyLevel(input).failure()

/** The policies of one namespace of one transaction: each key's own, else the chaincode's, which is asked once. */
class KeyLevel {
  private chaincodePolicyChecked = false
  private somePolicyChecked = false

  constructor(private readonly input: PluginInput) {}

  failure(): PluginFailure | undefined {
    const { namespace, sets } = this.input
    for (const set of sets) {
      if (set.namespace !== namespace) continue
      const failure = this.ofSet(set)
      if (failure !== undefined) return failure
    }
    return this.somePolicyChecked ? undefined : this.chaincodePolicy()
  }

  private ofSet(set: NamespaceSet): PluginFailure | undefined {
    for (const { key } of set.public.writes) {
      const failure = this.publicKey(key)
      if (failure !== undefined) return failure
    }
    for (const { key } of set.public.metadataWrites) {
      const failure = this.publicKey(key)
      if (failure !== undefined) return failure
    }
    for (const { collection, hashed } of set.collections)
      for (const { keyHash } of hashed.hashedWrites) {
        const failure = this.hashedKey(collection, keyHash)
        if (failure !== undefined) return failure
      }
    for (const { collection, hashed } of set.collections)
      for (const { keyHash } of hashed.metadataWrites) {
        const failure = this.hashedKey(collection, keyHash)
        if (failure !== undefined) return failure
      }
    return undefined
  }

  private chaincodePolicy(): PluginFailure | undefined {
    const { block, endorsements, namespace, policy, position } = this.input
    const failure = this.input.evaluate(policy, endorsements)
    if (failure !== undefined)
      return new PolicyFailure({
        reason: `validation of endorsement policy for chaincode ${namespace} in tx ${block}:${position} failed: ${failure.message}`,
        refused: { policy, set: endorsements }
      })
    this.chaincodePolicyChecked = true
    this.somePolicyChecked = true
    return undefined
  }

  private publicKey(key: string): PluginFailure | undefined {
    const { namespace, state } = this.input
    if (this.input.parameterUpdated("", publicKey(key))) return this.changed("", key)
    let metadata: ReadonlyMap<string, Uint8Array> | undefined
    try {
      metadata = state.getStateMetadata(namespace, key)
    } catch (cause) {
      return this.unreadable("", key, cause)
    }
    return this.parameter("", key, metadata)
  }

  private hashedKey(collection: string, keyHash: Uint8Array): PluginFailure | undefined {
    const { namespace, state } = this.input
    if (this.input.parameterUpdated(collection, hashedKey(keyHash))) return this.changed(collection, toHex(keyHash))
    let metadata: ReadonlyMap<string, Uint8Array> | undefined
    try {
      metadata = state.getPrivateDataMetadataByHash(namespace, collection, keyHash)
    } catch (cause) {
      return this.unreadable(collection, toHex(keyHash), cause)
    }
    return this.parameter(collection, toHex(keyHash), metadata)
  }

  private changed(collection: string, shown: string): PluginFailure {
    const { block, namespace, position } = this.input
    return new PolicyFailure({
      reason: `validation parameters for key [${shown}] in namespace [${namespace}${collection === "" ? "" : `:${collection}`}] have been changed in block ${block} before transaction ${position}`
    })
  }

  private unreadable(collection: string, shown: string, cause: unknown): PluginFailure {
    const where = `${this.input.namespace}:${collection === "" ? "" : `${collection}:`}${shown}`
    return new ExecutionFailure({ reason: `could not retrieve metadata for ${where}`, cause })
  }

  /** A key's own policy, or the chaincode's where it has none. */
  private parameter(
    collection: string,
    shown: string,
    metadata: ReadonlyMap<string, Uint8Array> | undefined
  ): PluginFailure | undefined {
    const parameter = metadata?.get(VALIDATION_PARAMETER)
    if (parameter === undefined || parameter.length === 0)
      return this.chaincodePolicyChecked ? undefined : this.chaincodePolicy()
    const { block, endorsements, namespace, position } = this.input
    const failure = this.input.evaluate(parameter, endorsements)
    if (failure !== undefined)
      return new PolicyFailure({
        reason: `validation of key ${shown} (coll'${collection}':ns'${namespace}') in tx ${block}:${position} failed: ${failure.message}`,
        refused: { policy: parameter, set: endorsements, collection, key: shown }
      })
    this.somePolicyChecked = true
    return undefined
  }
}

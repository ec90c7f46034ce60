/**
 * Records of chaincode in a channel's state, as lscc keeps them: what is deployed, in which version, with which
 * collections. Pure reads over one snapshot.
 * Source: chaincode.md R65a, R97-R99; core/cclifecycle/util.go, core/scc/lscc/deployedcc_infoprovider.go.
 */

import { equalBytes } from "../../wire/bytes.js"
import { ccprovider, common } from "../../wire/index.js"

/** Where records lie; also the only namespace whose writes change what is deployed. */
export const lsccNamespace = "lscc"

/** Committed state of one channel as far as it is read here. A missing key is undefined. */
export interface DefinitionState {
  readonly getState: (namespace: string, key: string) => Uint8Array | undefined
}

/** A chaincode that is instantiated on a channel: what gossip and discovery know of it. */
export interface ChaincodeMetadata {
  readonly name: string
  readonly version: string
  /** The fingerprint of its package. */
  readonly id: Uint8Array
  /** The endorsement policy: SignaturePolicyEnvelope bytes as stored. */
  readonly policy: Uint8Array
  /** CollectionConfigPackage bytes as stored; undefined when there are none or when they were not asked for. */
  readonly collections: Uint8Array | undefined
}

/** What is deployed under a name: `DeployedChaincodeInfo`. */
export interface DeployedChaincode {
  readonly name: string
  readonly version: string
  readonly hash: Uint8Array
  readonly collections: Uint8Array | undefined
}

const collectionsKey = (name: string): string => `${name}~collection`
const present = (bytes: Uint8Array | undefined): Uint8Array | undefined =>
  bytes === undefined || bytes.length === 0 ? undefined : bytes

/** What is deployed under a name; undefined when nothing is. Throws when the record is none, or state cannot be read. */
export const deployedChaincode = (state: DefinitionState, name: string): DeployedChaincode | undefined => {
  const bytes = present(state.getState(lsccNamespace, name))
  if (bytes === undefined) return undefined
  const record = ccprovider.ChaincodeData.decode(bytes)
  return {
    name,
    version: record.version,
    hash: Uint8Array.from(record.id),
    collections: present(state.getState(lsccNamespace, collectionsKey(name)))
  }
}

/** The static configuration of one collection; undefined when the chaincode has none of that name. Throws as above. */
export const deployedCollection = (
  state: DefinitionState,
  chaincode: string,
  collection: string
): common.StaticCollectionConfig | undefined => {
  const bytes = present(state.getState(lsccNamespace, collectionsKey(chaincode)))
  if (bytes === undefined) return undefined
  for (const { staticCollectionConfig } of common.CollectionConfigPackage.decode(bytes).config)
    if (staticCollectionConfig?.name === collection) return staticCollectionConfig
  return undefined
}

/** Whether exactly this code is deployed (R65a). Throws as above. */
export const isDeployed = (
  state: DefinitionState,
  code: { readonly name: string; readonly version: string; readonly id: Uint8Array }
): boolean => {
  const found = deployedChaincode(state, code.name)
  return found !== undefined && found.version === code.version && equalBytes(found.hash, code.id)
}

/** A record that was passed over, and why. */
export interface Skipped {
  readonly name: string
  readonly reason: string
}

export interface Found {
  readonly chaincodes: ReadonlyArray<ChaincodeMetadata>
  readonly skipped: ReadonlyArray<Skipped>
}

/**
 * The chaincodes of these names that are instantiated and accepted. Records that cannot be read are passed over; throws
 * only when state itself cannot be read.
 */
export const instantiatedChaincodes = (
  state: DefinitionState,
  names: ReadonlyArray<string>,
  accept: (chaincode: ChaincodeMetadata) => string | undefined,
  withCollections: boolean
): Found => {
  const chaincodes: Array<ChaincodeMetadata> = []
  const skipped: Array<Skipped> = []
  for (const name of names) {
    const bytes = present(state.getState(lsccNamespace, name))
    if (bytes === undefined) continue
    let record: ccprovider.ChaincodeData
    try {
      record = ccprovider.ChaincodeData.decode(bytes)
    } catch (error) {
      skipped.push({ name, reason: `its record cannot be read: ${error instanceof Error ? error.message : error}` })
      continue
    }
    if (record.name !== name) {
      skipped.push({ name, reason: `is listed in LSCC as ${record.name}` })
      continue
    }
    // slices hold the whole record, and these are kept for long
    const found: ChaincodeMetadata = {
      name,
      version: record.version,
      id: Uint8Array.from(record.id),
      policy: Uint8Array.from(record.policy),
      collections: undefined
    }
    const refused = accept(found)
    if (refused !== undefined) {
      skipped.push({ name, reason: refused })
      continue
    }
    const collections = withCollections ? present(state.getState(lsccNamespace, collectionsKey(name))) : undefined
    chaincodes.push(collections === undefined ? found : { ...found, collections: Uint8Array.from(collections) })
  }
  return { chaincodes, skipped }
}

/**
 * Capabilities: what each name in a channel's configuration turns on (identity-policy-config 2.4;
 * common/capabilities/*.go). A newer name implies the older ones; only the presence of the name counts. Pure.
 */
import * as Either from "effect/Either"
import type { MspVersion } from "../msp/index.js"
import { compareUtf8 } from "../wire/bytes.js"
import { CapabilityUnsupported } from "./errors.js"

interface Capabilities {
  /** Required names, in byte order. */
  readonly names: ReadonlyArray<string>
  /** Refuses the first required name (in byte order) that this software does not know. */
  readonly supported: Either.Either<void, CapabilityUnsupported>
}

export interface ChannelCapabilities extends Capabilities {
  readonly mspVersion: MspVersion
  /** The consensus type may change (in maintenance mode, rule 65). */
  readonly consensusTypeMigration: boolean
  /** Orderer organisations may list endpoints, and the global list may be empty (rule 60). */
  readonly orgSpecificOrdererEndpoints: boolean
}

export interface OrdererCapabilities extends Capabilities {
  /** New channels start from a template with all versions 0 and the system channel's mod_policy (rule 80). */
  readonly predictableChannelTemplate: boolean
  /** Kafka: messages ordered under an old configuration are sent again. */
  readonly resubmission: boolean
  /** Broadcast and Deliver refuse expired identities. */
  readonly expirationCheck: boolean
  /** Maintenance mode and consensus migration. */
  readonly consensusTypeMigration: boolean
}

export interface ApplicationCapabilities extends Capabilities {
  /** The ACLs value is allowed. */
  readonly acls: boolean
  /** Of two transactions with one id in a block, the second is invalid. */
  readonly forbidDuplicateTxIdInBlock: boolean
  readonly privateChannelData: boolean
  /** An upgrade may change collections. */
  readonly collectionUpgrade: boolean
  readonly v11Validation: boolean
  readonly v12Validation: boolean
  readonly v13Validation: boolean
  readonly keyLevelEndorsement: boolean
  /** Private data of invalid transactions is stored. */
  readonly storePvtDataOfInvalidTx: boolean
  /** Lifecycle by metadata, and tokens: compiled out of the reference's 1.4 line. */
  readonly metadataLifecycle: false
  readonly fabToken: false
}

const check = (
  level: CapabilityUnsupported["level"],
  required: Iterable<string>,
  known: ReadonlySet<string>
): Capabilities => {
  const names = [...required].sort(compareUtf8)
  const unknown = names.find((name) => !known.has(name))
  return {
    names,
    supported:
      unknown === undefined
        ? Either.right(undefined)
        : Either.left(new CapabilityUnsupported({ level, capability: unknown }))
  }
}

const channelNames = new Set(["V1_1", "V1_3", "V1_4_2", "V1_4_3"])
const ordererNames = new Set(["V1_1", "V1_4_2"])
const applicationNames = new Set([
  "V1_1",
  "V1_2",
  "V1_3",
  "V1_4_2",
  "V1_1_PVTDATA_EXPERIMENTAL",
  "V1_1_RESOURCETREE_EXPERIMENTAL"
])

/** In: the names in the `/Channel` group's Capabilities value. */
export const channelCapabilities = (required: Iterable<string>): ChannelCapabilities => {
  const base = check("Channel", required, channelNames)
  const has = (name: string): boolean => base.names.includes(name)
  const v142 = has("V1_4_2") || has("V1_4_3")
  return {
    ...base,
    mspVersion: has("V1_4_3") ? "1.4.3" : v142 || has("V1_3") ? "1.3" : has("V1_1") ? "1.1" : "1.0",
    consensusTypeMigration: v142,
    orgSpecificOrdererEndpoints: v142
  }
}

/** In: the names in the `/Channel/Orderer` group's Capabilities value. */
export const ordererCapabilities = (required: Iterable<string>): OrdererCapabilities => {
  const base = check("Orderer", required, ordererNames)
  const v142 = base.names.includes("V1_4_2")
  const v11 = v142 || base.names.includes("V1_1")
  return {
    ...base,
    predictableChannelTemplate: v11,
    resubmission: v11,
    expirationCheck: v11,
    consensusTypeMigration: v142
  }
}

/** In: the names in the `/Channel/Application` group's Capabilities value. */
export const applicationCapabilities = (required: Iterable<string>): ApplicationCapabilities => {
  const base = check("Application", required, applicationNames)
  const has = (name: string): boolean => base.names.includes(name)
  const v142 = has("V1_4_2")
  const v13 = v142 || has("V1_3")
  const v12 = v13 || has("V1_2")
  const v11 = v12 || has("V1_1")
  return {
    ...base,
    acls: v12,
    forbidDuplicateTxIdInBlock: v11,
    privateChannelData: v12 || has("V1_1_PVTDATA_EXPERIMENTAL"),
    collectionUpgrade: v12,
    v11Validation: v11,
    v12Validation: v12,
    v13Validation: v13,
    keyLevelEndorsement: v13,
    storePvtDataOfInvalidTx: v142,
    metadataLifecycle: false,
    fabToken: false
  }
}

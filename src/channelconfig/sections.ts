/**
 * The sections of a channel configuration, decoded and checked: channel, orderer, application, consortiums and their
 * organisations (identity-policy-config 2.3, rules 59 to 62; common/channelconfig). Pure.
 */
import * as Either from "effect/Either"
import type { Msp, MspCollector } from "../msp/index.js"
import { common, etcdraft, msp, orderer, protos } from "../wire/index.js"
import { configuredAcls } from "./acl.js"
import {
  type ApplicationCapabilities,
  applicationCapabilities,
  type ChannelCapabilities,
  channelCapabilities,
  type OrdererCapabilities,
  ordererCapabilities
} from "./capabilities.js"
import { ConfigError, wrap } from "./errors.js"
import { formatGoDuration, parseGoDuration } from "./goDuration.js"
import type { ConfigGroup } from "./tree.js"
import { decodeMessage, decodeValues } from "./values.js"

/** An organisation of any section. `name` is its group's key; policies' paths use it, principals use the MSP id. */
export interface Org {
  readonly name: string
  readonly mspId: string
  readonly msp: Msp
}
export interface OrdererOrg extends Org {
  /** host:port of this organisation's orderers; empty unless the channel's capabilities allow the value. */
  readonly endpoints: ReadonlyArray<string>
}
export interface AnchorPeer {
  readonly host: string
  readonly port: number
}
export interface ApplicationOrg extends Org {
  readonly anchorPeers: ReadonlyArray<AnchorPeer>
}

export interface ChannelSection {
  readonly capabilities: ChannelCapabilities
  /** `SHA256` or `SHA3_256`: checked, but blocks always hash with SHA-256 (rule 60). */
  readonly hashingAlgorithm: string
  /** The channel-wide orderer addresses; see `ordererEndpoints` for those per organisation. */
  readonly ordererAddresses: ReadonlyArray<string>
  /** The consortium that the channel was made under; empty in a system channel. */
  readonly consortium: string
}

export interface BatchSize {
  readonly maxMessageCount: number
  readonly absoluteMaxBytes: number
  readonly preferredMaxBytes: number
}
export interface OrdererSection {
  readonly capabilities: OrdererCapabilities
  /** `solo`, `kafka` or `etcdraft`; not checked here (rule 61). */
  readonly consensusType: string
  readonly consensusMetadata: Uint8Array
  /** As `ConsensusType.State` prints, without its `STATE_`; a number of which no name is known as that number. */
  readonly consensusState: "NORMAL" | "MAINTENANCE" | `${number}`
  readonly batchSize: BatchSize
  /** Milliseconds; may have a fraction. */
  readonly batchTimeoutMs: number
  /** 0 means unlimited. */
  readonly maxChannels: bigint
  readonly kafkaBrokers: ReadonlyArray<string>
  readonly orgs: ReadonlyMap<string, OrdererOrg>
}

export interface ApplicationSection {
  readonly capabilities: ApplicationCapabilities
  readonly orgs: ReadonlyMap<string, ApplicationOrg>
  /** Configured resources only, references absolute; `aclPolicyFor` adds the defaults. */
  readonly acls: ReadonlyMap<string, string>
}

export interface Consortium {
  readonly name: string
  readonly orgs: ReadonlyMap<string, Org>
  /** Who may create channels under it; type 0 when the value is missing. */
  readonly channelCreationPolicy: common.Policy
}
export interface ConsortiumsSection {
  readonly consortiums: ReadonlyMap<string, Consortium>
}

type Result<A> = Either.Either<A, ConfigError>
const refuse = (detail: string) => Either.left(new ConfigError({ detail }))

// ---------------------------------------------------------------------------------------------------- organisations

const setUpMsp = (name: string, config: msp.MSPConfig, msps: MspCollector): Result<Org> =>
  Either.gen(function* () {
    const msp = yield* Either.mapLeft(
      msps.propose(config),
      (error) => new ConfigError({ detail: error.message, cause: error })
    )
    if (msp.mspId === "") return yield* refuse(`MSP for org ${name} has empty MSP ID`)
    return { name, mspId: msp.mspId, msp }
  })

const ordererOrg = (
  name: string,
  group: ConfigGroup,
  msps: MspCollector,
  channel: ChannelCapabilities
): Result<OrdererOrg> =>
  Either.gen(function* () {
    if (group.groups.size > 0) return yield* refuse("OrdererOrg config does not allow sub-groups")
    if (!channel.orgSpecificOrdererEndpoints && group.values.has("Endpoints")) {
      return yield* refuse(
        `Orderer Org ${name} cannot contain endpoints value until V1_4_2+ capabilities have been enabled`
      )
    }
    const values = yield* decodeValues(group, { Endpoints: common.OrdererAddresses, MSP: msp.MSPConfig })
    const org = yield* setUpMsp(name, values.MSP, msps)
    return { ...org, endpoints: values.Endpoints.addresses }
  })

const applicationOrg = (name: string, group: ConfigGroup, msps: MspCollector): Result<ApplicationOrg> =>
  Either.gen(function* () {
    if (group.groups.size > 0) return yield* refuse("ApplicationOrg config does not allow sub-groups")
    const values = yield* decodeValues(group, { AnchorPeers: protos.AnchorPeers, MSP: msp.MSPConfig })
    const org = yield* setUpMsp(name, values.MSP, msps)
    return { ...org, anchorPeers: values.AnchorPeers.anchorPeers.map(({ host, port }) => ({ host, port })) }
  })

const consortiumOrg = (name: string, group: ConfigGroup, msps: MspCollector): Result<Org> =>
  Either.gen(function* () {
    if (group.groups.size > 0) return yield* refuse("organizations do not support sub-groups")
    const values = yield* decodeValues(group, { MSP: msp.MSPConfig })
    return yield* setUpMsp(name, values.MSP, msps)
  })

const orgs = <A extends Org>(
  group: ConfigGroup,
  read: (name: string, group: ConfigGroup) => Result<A>
): Result<ReadonlyMap<string, A>> =>
  Either.gen(function* () {
    const out = new Map<string, A>()
    for (const [name, orgGroup] of group.groups) out.set(name, yield* read(name, orgGroup))
    return out
  })

// --------------------------------------------------------------------------------------------------------- sections

/** Reads the channel group's own values; sub-groups are read by the caller. */
export const channelSection = (group: ConfigGroup): Result<ChannelSection> =>
  Either.gen(function* () {
    const values = yield* decodeValues(group, {
      HashingAlgorithm: common.HashingAlgorithm,
      BlockDataHashingStructure: common.BlockDataHashingStructure,
      OrdererAddresses: common.OrdererAddresses,
      Consortium: common.Consortium,
      Capabilities: common.Capabilities
    })
    const capabilities = channelCapabilities(values.Capabilities.capabilities.keys())
    const hashingAlgorithm = values.HashingAlgorithm.name
    if (hashingAlgorithm !== "SHA256" && hashingAlgorithm !== "SHA3_256") {
      return yield* refuse(`Unknown hashing algorithm type: ${hashingAlgorithm}`)
    }
    if (values.BlockDataHashingStructure.width !== 0xffffffff) {
      return yield* refuse("BlockDataHashStructure width only supported at MaxUint32 in this version")
    }
    const ordererAddresses = values.OrdererAddresses.addresses
    if (!capabilities.orgSpecificOrdererEndpoints && ordererAddresses.length === 0) {
      return yield* refuse("Must set some OrdererAddresses")
    }
    return { capabilities, hashingAlgorithm, ordererAddresses, consortium: values.Consortium.name }
  })

const checkBatchSize = (size: BatchSize): Result<void> => {
  const zero = (what: string) => refuse(`Attempted to set the batch size ${what} to an invalid value: 0`)
  if (size.maxMessageCount === 0) return zero("max message count")
  if (size.absoluteMaxBytes === 0) return zero("absolute max bytes")
  if (size.preferredMaxBytes === 0) return zero("preferred max bytes")
  if (size.preferredMaxBytes > size.absoluteMaxBytes) {
    return refuse(
      `Attempted to set the batch size preferred max bytes (${size.preferredMaxBytes}) greater than the absolute max bytes (${size.absoluteMaxBytes}).`
    )
  }
  return Either.right(undefined)
}

const batchTimeoutMs = (text: string): Result<number> =>
  Either.gen(function* () {
    const nanoseconds = yield* Either.mapLeft(
      parseGoDuration(text),
      wrap("Attempted to set the batch timeout to a invalid value")
    )
    if (nanoseconds <= 0n) {
      return yield* refuse(
        `Attempted to set the batch timeout to a non-positive value: ${formatGoDuration(nanoseconds)}`
      )
    }
    return Number(nanoseconds) / 1e6
  })

/** host:port as the reference's bare check has it: an empty host passes (rule 61). */
const consensusStateOf = (state: number): OrdererSection["consensusState"] => {
  const { STATE_MAINTENANCE, STATE_NORMAL } = orderer.ConsensusType_State
  return state === STATE_NORMAL ? "NORMAL" : state === STATE_MAINTENANCE ? "MAINTENANCE" : `${state}`
}

const brokerSeemsValid = (broker: string): boolean => {
  const parts = broker.split(":")
  const [host, port] = parts
  if (parts.length !== 2 || host === undefined || port === undefined) return false
  if (!/^[0-9]+$/.test(port) || BigInt(port) > 65535n) return false
  return host === "" || /^([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9.-]*[a-zA-Z0-9])$/.test(host)
}

export const ordererSection = (
  group: ConfigGroup,
  msps: MspCollector,
  channel: ChannelCapabilities
): Result<OrdererSection> =>
  Either.gen(function* () {
    const values = yield* decodeValues(group, {
      ConsensusType: orderer.ConsensusType,
      BatchSize: orderer.BatchSize,
      BatchTimeout: orderer.BatchTimeout,
      KafkaBrokers: orderer.KafkaBrokers,
      ChannelRestrictions: orderer.ChannelRestrictions,
      Capabilities: common.Capabilities
    })
    const { absoluteMaxBytes, maxMessageCount, preferredMaxBytes } = values.BatchSize
    const batchSize = { absoluteMaxBytes, maxMessageCount, preferredMaxBytes }
    yield* checkBatchSize(batchSize)
    const timeout = yield* batchTimeoutMs(values.BatchTimeout.timeout)
    const bad = values.KafkaBrokers.brokers.find((broker) => !brokerSeemsValid(broker))
    if (bad !== undefined) return yield* refuse(`Invalid broker entry: ${bad}`)
    const section: OrdererSection = {
      capabilities: ordererCapabilities(values.Capabilities.capabilities.keys()),
      consensusType: values.ConsensusType.type,
      consensusMetadata: values.ConsensusType.metadata,
      consensusState: consensusStateOf(values.ConsensusType.state),
      batchSize,
      batchTimeoutMs: timeout,
      maxChannels: values.ChannelRestrictions.maxCount,
      kafkaBrokers: values.KafkaBrokers.brokers,
      orgs: yield* orgs(group, (name, org) => ordererOrg(name, org, msps, channel))
    }
    return section
  })

export const applicationSection = (group: ConfigGroup, msps: MspCollector): Result<ApplicationSection> =>
  Either.gen(function* () {
    const values = yield* decodeValues(group, { ACLs: protos.ACLs, Capabilities: common.Capabilities })
    const capabilities = applicationCapabilities(values.Capabilities.capabilities.keys())
    if (!capabilities.acls && group.values.has("ACLs")) {
      return yield* refuse("ACLs may not be specified without the required capability")
    }
    const section: ApplicationSection = {
      capabilities,
      acls: configuredAcls([...values.ACLs.acls].map(([resource, { policyRef }]) => [resource, policyRef] as const)),
      orgs: yield* orgs(group, (name, org) => applicationOrg(name, org, msps))
    }
    return section
  })

/** The Consortiums group's own values are neither read nor checked. */
export const consortiumsSection = (group: ConfigGroup, msps: MspCollector): Result<ConsortiumsSection> =>
  Either.gen(function* () {
    const consortiums = new Map<string, Consortium>()
    for (const [name, consortium] of group.groups) {
      const values = yield* decodeValues(consortium, { ChannelCreationPolicy: common.Policy })
      consortiums.set(name, {
        name,
        channelCreationPolicy: values.ChannelCreationPolicy,
        orgs: yield* orgs(consortium, (orgName, org) => consortiumOrg(orgName, org, msps))
      })
    }
    return { consortiums }
  })

/** One node of an etcdraft ordering service. Certificates are PEM. */
export interface Consenter {
  readonly host: string
  readonly port: number
  readonly clientTlsCert: Uint8Array
  readonly serverTlsCert: Uint8Array
}
export interface EtcdRaftMetadata {
  readonly consenters: ReadonlyArray<Consenter>
  readonly options:
    | {
        readonly tickInterval: string
        readonly electionTick: number
        readonly heartbeatTick: number
        readonly maxInflightBlocks: number
        readonly snapshotIntervalSize: number
      }
    | undefined
}

/** Decodes the consensus metadata of a channel of type etcdraft. */
export const etcdRaftMetadata = (section: Pick<OrdererSection, "consensusMetadata">): Result<EtcdRaftMetadata> =>
  Either.mapLeft(
    decodeMessage(etcdraft.ConfigMetadata, section.consensusMetadata),
    wrap("failed to unmarshal etcdraft metadata configuration")
  )

/**
 * What configtx.yaml describes: profiles from which genesis blocks and channel creation updates are made
 * (identity-policy-config 2.5; common/tools/configtxgen/localconfig). Defaults filled in, paths absolute.
 */

/** `Type` is `Signature` (Rule in the policy language) or `ImplicitMeta` (Rule such as `ANY Readers`). */
export interface PolicySpec {
  readonly type: string
  readonly rule: string
}
export type Policies = ReadonlyMap<string, PolicySpec>

export interface OrganizationSpec {
  /** The group's key in the configuration; configtxgen's `-asOrg` and `-printOrg` go by it. */
  readonly name: string
  /** The MSP id. */
  readonly id: string
  /** Folder of the verifying MSP. */
  readonly mspDir: string
  readonly mspType: string
  readonly policies: Policies
  readonly anchorPeers: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly ordererEndpoints: ReadonlyArray<string>
  /** `Role.ADMIN`, or anything else to let members administrate where policies are left to their defaults. */
  readonly adminPrincipal: string
}

/** Capability names with whether they are required; those set to false are left out of the configuration. */
export type CapabilitySpec = ReadonlyMap<string, boolean>

export interface ApplicationSpec {
  readonly organizations: ReadonlyArray<OrganizationSpec>
  readonly capabilities: CapabilitySpec
  readonly policies: Policies
  readonly acls: ReadonlyMap<string, string>
}

export interface EtcdRaftSpec {
  /** Certificates are paths of PEM files. */
  readonly consenters: ReadonlyArray<{
    readonly host: string
    readonly port: number
    readonly clientTlsCert: string
    readonly serverTlsCert: string
  }>
  readonly options: {
    readonly tickInterval: string
    readonly electionTick: number
    readonly heartbeatTick: number
    readonly maxInflightBlocks: number
    readonly snapshotIntervalSize: number
  }
}

export interface OrdererSpec {
  /** `solo`, `kafka` or `etcdraft`. */
  readonly ordererType: string
  readonly addresses: ReadonlyArray<string>
  /** Nanoseconds. */
  readonly batchTimeout: bigint
  readonly batchSize: {
    readonly maxMessageCount: number
    readonly absoluteMaxBytes: number
    readonly preferredMaxBytes: number
  }
  readonly kafkaBrokers: ReadonlyArray<string>
  /** Present for etcdraft. */
  readonly etcdRaft: EtcdRaftSpec | undefined
  readonly organizations: ReadonlyArray<OrganizationSpec>
  /** 0 means unlimited. */
  readonly maxChannels: bigint
  readonly capabilities: CapabilitySpec
  readonly policies: Policies
}

export interface Profile {
  /** Empty when the profile is no channel's. */
  readonly consortium: string
  readonly application: ApplicationSpec | undefined
  readonly orderer: OrdererSpec | undefined
  /** Organisations by consortium; undefined when the profile has no such section. */
  readonly consortiums: ReadonlyMap<string, ReadonlyArray<OrganizationSpec>> | undefined
  readonly capabilities: CapabilitySpec
  readonly policies: Policies
}

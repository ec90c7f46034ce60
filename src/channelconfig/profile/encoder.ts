/**
 * From profiles to configuration trees (identity-policy-config rules 87 to 90, 92;
 * common/tools/configtxgen/encoder/encoder.go). Reads MSP folders and consenter certificates; otherwise pure.
 */
import { readFileSync } from "node:fs"
import * as Either from "effect/Either"
import { verifyingMspConfig } from "../../msp/index.js"
import { acceptAll, parseImplicitMeta, parsePolicy, signedByMspAdmin, signedByMspMember } from "../../policy/index.js"
import { common, etcdraft, msp, orderer, protos } from "../../wire/index.js"
import { computeUpdate } from "../computeUpdate.js"
import { ConfigError, wrap } from "../errors.js"
import { formatGoDuration } from "../goDuration.js"
import { type ConfigGroup, finish, type GroupBuilder, groupBuilder } from "../tree.js"
import type { ApplicationSpec, EtcdRaftSpec, OrdererSpec, OrganizationSpec, Policies, Profile } from "./Profile.js"

type Result<A> = Either.Either<A, ConfigError>
/** Receives what the reference logs as warnings. */
export type Warn = (text: string) => void

const admins = "Admins"
const ordererAdmins = "/Channel/Orderer/Admins"
const refuse = (detail: string) => Either.left(new ConfigError({ detail }))

const addValue = (group: GroupBuilder, key: string, value: Uint8Array, modPolicy = admins): void => {
  group.values.set(key, common.ConfigValue.create({ value, modPolicy }))
}

const signaturePolicy = (envelope: common.SignaturePolicyEnvelope): common.Policy =>
  common.Policy.create({
    type: common.Policy_PolicyType.SIGNATURE,
    value: common.SignaturePolicyEnvelope.encode(envelope)
  })
const implicitMetaPolicy = (policy: Partial<common.ImplicitMetaPolicy>): common.Policy =>
  common.Policy.create({
    type: common.Policy_PolicyType.IMPLICIT_META,
    value: common.ImplicitMetaPolicy.encode(policy)
  })
const { ANY, MAJORITY } = common.ImplicitMetaPolicy_Rule

const addPolicy = (group: GroupBuilder, name: string, policy: common.Policy, modPolicy = admins): void => {
  group.policies.set(name, common.ConfigPolicy.create({ policy, modPolicy }))
}

const addPolicies = (group: GroupBuilder, policies: Policies): Result<void> =>
  Either.gen(function* () {
    for (const [name, { rule, type }] of policies) {
      if (type === "ImplicitMeta") {
        const parsed = yield* Either.mapLeft(
          parseImplicitMeta(rule),
          wrap(`invalid implicit meta policy rule '${rule}'`)
        )
        addPolicy(group, name, implicitMetaPolicy(parsed))
      } else if (type === "Signature") {
        const parsed = yield* Either.mapLeft(parsePolicy(rule), wrap(`invalid signature policy rule '${rule}'`))
        addPolicy(group, name, signaturePolicy(parsed))
      } else return yield* refuse(`unknown policy type: ${type}`)
    }
  })

const addImplicitMetaDefaults = (group: GroupBuilder): void => {
  addPolicy(group, admins, implicitMetaPolicy({ subPolicy: admins, rule: MAJORITY }))
  addPolicy(group, "Readers", implicitMetaPolicy({ subPolicy: "Readers", rule: ANY }))
  addPolicy(group, "Writers", implicitMetaPolicy({ subPolicy: "Writers", rule: ANY }))
}

const capabilitiesValue = (capabilities: ReadonlyMap<string, boolean>): Uint8Array =>
  common.Capabilities.encode({
    capabilities: new Map([...capabilities].filter(([, required]) => required).map(([name]) => [name, {}]))
  })

const deprecated = (what: string): string =>
  `Default policy emission is deprecated, please include policy specifications for the ${what} in configtx.yaml`

// ---------------------------------------------------------------------------------------------------- organisations

const orgBase = (org: OrganizationSpec, what: string, at: string, warn: Warn): Result<GroupBuilder> =>
  Either.gen(function* () {
    const mspConfig = yield* Either.mapLeft(
      verifyingMspConfig(org.mspDir, org.id, org.mspType, warn),
      wrap(`1 - Error loading MSP configuration for org${what === "application" ? "" : ":"} ${org.name}`)
    )
    const group = groupBuilder()
    if (org.policies.size === 0) {
      warn(deprecated(`${what} org group ${org.name}`))
      const byMembers = org.adminPrincipal !== "Role.ADMIN"
      if (byMembers) {
        warn(
          "Specifying AdminPrincipal is deprecated and will be removed in a future release, override the admin principal with explicit policies."
        )
      }
      addPolicy(group, admins, signaturePolicy(byMembers ? signedByMspMember(org.id) : signedByMspAdmin(org.id)))
      addPolicy(group, "Readers", signaturePolicy(signedByMspMember(org.id)))
      addPolicy(group, "Writers", signaturePolicy(signedByMspMember(org.id)))
    } else {
      yield* Either.mapLeft(addPolicies(group, org.policies), wrap(`error adding policies to ${at}`))
    }
    addValue(group, "MSP", msp.MSPConfig.encode(mspConfig))
    group.modPolicy = admins
    return group
  })

/** An organisation's group in a consortium. */
export const newConsortiumOrgGroup = (org: OrganizationSpec, warn: Warn): Result<ConfigGroup> =>
  Either.map(orgBase(org, "orderer", `orderer org group '${org.name}'`, warn), (group) => finish(group))

/** An organisation's group in the orderer section. */
export const newOrdererOrgGroup = (org: OrganizationSpec, warn: Warn): Result<ConfigGroup> =>
  Either.map(orgBase(org, "orderer", `orderer org group '${org.name}'`, warn), (group) => {
    if (org.ordererEndpoints.length > 0) {
      addValue(group, "Endpoints", common.OrdererAddresses.encode({ addresses: org.ordererEndpoints }))
    }
    return finish(group)
  })

/** An organisation's group in the application section. */
export const newApplicationOrgGroup = (org: OrganizationSpec, warn: Warn): Result<ConfigGroup> =>
  Either.map(orgBase(org, "application", `application org group ${org.name}`, warn), (group) => {
    if (org.anchorPeers.length > 0) addValue(group, "AnchorPeers", anchorPeersValue(org))
    return finish(group)
  })

const anchorPeersValue = (org: Pick<OrganizationSpec, "anchorPeers">): Uint8Array =>
  protos.AnchorPeers.encode({ anchorPeers: org.anchorPeers })

// --------------------------------------------------------------------------------------------------------- sections

const etcdRaftMetadataOf = (spec: EtcdRaftSpec): Result<Uint8Array> =>
  Either.gen(function* () {
    const consenters: Array<Partial<etcdraft.Consenter>> = []
    for (const { clientTlsCert, host, port, serverTlsCert } of spec.consenters) {
      const read = (kind: string, path: string): Result<Uint8Array> =>
        Either.try({
          try: () => readFileSync(path),
          catch: (cause) =>
            new ConfigError({
              detail: `cannot marshal metadata for orderer type etcdraft: cannot load ${kind} cert for consenter ${host}:${port}: ${cause instanceof Error ? cause.message : String(cause)}`,
              cause
            })
        })
      consenters.push({
        host,
        port,
        clientTlsCert: yield* read("client", clientTlsCert),
        serverTlsCert: yield* read("server", serverTlsCert)
      })
    }
    return etcdraft.ConfigMetadata.encode({ consenters, options: spec.options })
  })

/** The orderer section. */
export const newOrdererGroup = (spec: OrdererSpec, warn: Warn): Result<ConfigGroup> =>
  Either.gen(function* () {
    const group = groupBuilder()
    if (spec.policies.size === 0) {
      warn(deprecated("orderer group"))
      addPolicy(group, "BlockValidation", implicitMetaPolicy({ subPolicy: "Writers", rule: ANY }))
      addImplicitMetaDefaults(group)
    } else {
      yield* Either.mapLeft(addPolicies(group, spec.policies), wrap("error adding policies to orderer group"))
    }
    addValue(group, "BatchSize", orderer.BatchSize.encode(spec.batchSize))
    addValue(group, "BatchTimeout", orderer.BatchTimeout.encode({ timeout: formatGoDuration(spec.batchTimeout) }))
    addValue(group, "ChannelRestrictions", orderer.ChannelRestrictions.encode({ maxCount: spec.maxChannels }))
    if (spec.capabilities.size > 0) addValue(group, "Capabilities", capabilitiesValue(spec.capabilities))
    if (spec.ordererType === "kafka") {
      addValue(group, "KafkaBrokers", orderer.KafkaBrokers.encode({ brokers: spec.kafkaBrokers }))
    }
    const metadata = spec.etcdRaft === undefined ? undefined : yield* etcdRaftMetadataOf(spec.etcdRaft)
    addValue(group, "ConsensusType", orderer.ConsensusType.encode({ type: spec.ordererType, metadata }))
    for (const org of spec.organizations) {
      const orgGroup = yield* Either.mapLeft(newOrdererOrgGroup(org, warn), wrap("failed to create orderer org"))
      group.groups.set(org.name, orgGroup)
    }
    group.modPolicy = admins
    return finish(group)
  })

/** The application section. */
export const newApplicationGroup = (spec: ApplicationSpec, warn: Warn): Result<ConfigGroup> =>
  Either.gen(function* () {
    const group = groupBuilder()
    if (spec.policies.size === 0) {
      warn(deprecated("application group"))
      addImplicitMetaDefaults(group)
    } else {
      yield* Either.mapLeft(addPolicies(group, spec.policies), wrap("error adding policies to application group"))
    }
    if (spec.acls.size > 0) {
      const acls = new Map([...spec.acls].map(([resource, policyRef]) => [resource, { policyRef }]))
      addValue(group, "ACLs", protos.ACLs.encode({ acls }))
    }
    if (spec.capabilities.size > 0) addValue(group, "Capabilities", capabilitiesValue(spec.capabilities))
    for (const org of spec.organizations) {
      const orgGroup = yield* Either.mapLeft(
        newApplicationOrgGroup(org, warn),
        wrap("failed to create application org")
      )
      group.groups.set(org.name, orgGroup)
    }
    group.modPolicy = admins
    return finish(group)
  })

const newConsortiumsGroup = (
  consortiums: ReadonlyMap<string, ReadonlyArray<OrganizationSpec>>,
  warn: Warn
): Result<ConfigGroup> =>
  Either.gen(function* () {
    const group = groupBuilder()
    // Nobody refers to it; it keeps the channel's MAJORITY of Admins with the orderer's administrators.
    addPolicy(group, admins, signaturePolicy(acceptAll()), ordererAdmins)
    for (const [name, orgs] of consortiums) {
      const consortium = groupBuilder()
      for (const org of orgs) {
        const orgGroup = yield* Either.mapLeft(
          newConsortiumOrgGroup(org, warn),
          wrap(`failed to create consortium ${name}: failed to create consortium org`)
        )
        consortium.groups.set(org.name, orgGroup)
      }
      const creation = implicitMetaPolicy({ subPolicy: admins, rule: ANY })
      addValue(consortium, "ChannelCreationPolicy", common.Policy.encode(creation), ordererAdmins)
      consortium.modPolicy = ordererAdmins
      group.groups.set(name, finish(consortium))
    }
    group.modPolicy = ordererAdmins
    return finish(group)
  })

/** The whole tree of a profile: what a genesis block holds, all versions 0. */
export const newChannelGroup = (profile: Profile, warn: Warn): Result<ConfigGroup> =>
  Either.gen(function* () {
    const group = groupBuilder()
    if (profile.policies.size === 0) {
      warn(deprecated("channel group"))
      addImplicitMetaDefaults(group)
    } else {
      yield* Either.mapLeft(addPolicies(group, profile.policies), wrap("error adding policies to channel group"))
    }
    addValue(group, "HashingAlgorithm", common.HashingAlgorithm.encode({ name: "SHA256" }))
    addValue(group, "BlockDataHashingStructure", common.BlockDataHashingStructure.encode({ width: 0xffffffff }))
    if (profile.orderer !== undefined && profile.orderer.addresses.length > 0) {
      const addresses = common.OrdererAddresses.encode({ addresses: profile.orderer.addresses })
      addValue(group, "OrdererAddresses", addresses, ordererAdmins)
    }
    if (profile.consortium !== "") addConsortium(group, profile.consortium)
    if (profile.capabilities.size > 0) addValue(group, "Capabilities", capabilitiesValue(profile.capabilities))
    if (profile.orderer !== undefined) {
      const section = newOrdererGroup(profile.orderer, warn)
      group.groups.set("Orderer", yield* Either.mapLeft(section, wrap("could not create orderer group")))
    }
    if (profile.application !== undefined) {
      const section = newApplicationGroup(profile.application, warn)
      group.groups.set("Application", yield* Either.mapLeft(section, wrap("could not create application group")))
    }
    if (profile.consortiums !== undefined) {
      const section = newConsortiumsGroup(profile.consortiums, warn)
      group.groups.set("Consortiums", yield* Either.mapLeft(section, wrap("could not create consortiums group")))
    }
    group.modPolicy = admins
    return finish(group)
  })

const addConsortium = (group: GroupBuilder, name: string): void =>
  addValue(group, "Consortium", common.Consortium.encode({ name }))

// ------------------------------------------------------------------------------------------------- channel creation

/** What a profile's channel is compared with when nothing is known of the system channel: all but the application. */
export const defaultConfigTemplate = (profile: Profile, warn: Warn): Result<ConfigGroup> =>
  Either.gen(function* () {
    const group = yield* Either.mapLeft(newChannelGroup(profile, warn), wrap("error parsing configuration"))
    const application = group.groups.get("Application")
    if (application === undefined) {
      return yield* refuse("channel template configs must contain an application section")
    }
    const bare = { ...application, values: new Map(), policies: new Map() }
    return { ...group, groups: new Map(group.groups).set("Application", bare) }
  })

/** What it is compared with when the system channel's configuration is known. */
export const configTemplateFromGroup = (profile: Profile, system: ConfigGroup): Result<ConfigGroup> =>
  Either.gen(function* () {
    if (system.groups.size === 0) return yield* refuse("supplied system channel group has no sub-groups")
    const consortiums = system.groups.get("Consortiums")
    if (consortiums === undefined) {
      return yield* refuse(
        "supplied system channel group does not appear to be system channel (missing consortiums group)"
      )
    }
    if (consortiums.groups.size === 0) {
      return yield* refuse("system channel consortiums group appears to have no consortiums defined")
    }
    const consortium = consortiums.groups.get(profile.consortium)
    if (consortium === undefined) {
      return yield* refuse(`supplied system channel group is missing '${profile.consortium}' consortium`)
    }
    if (profile.application === undefined) {
      return yield* refuse("supplied channel creation profile does not contain an application section")
    }
    const application = groupBuilder()
    for (const { name } of profile.application.organizations) {
      const org = consortium.groups.get(name)
      if (org === undefined) {
        return yield* refuse(`consortium ${profile.consortium} does not contain member org ${name}`)
      }
      application.groups.set(name, org)
    }
    const template = groupBuilder(system)
    template.groups.set("Application", finish(application))
    template.groups.delete("Consortiums")
    addConsortium(template, profile.consortium)
    return finish(template)
  })

/** The update that asks an orderer for a new channel. */
export const newChannelCreateConfigUpdate = (
  channelId: string,
  profile: Profile,
  template: ConfigGroup,
  warn: Warn
): Result<common.ConfigUpdate> =>
  Either.gen(function* () {
    if (profile.application === undefined) {
      return yield* refuse("cannot define a new channel with no Application section")
    }
    if (profile.consortium === "") return yield* refuse("cannot define a new channel with no Consortium value")
    const channelGroup = yield* Either.mapLeft(
      newChannelGroup(profile, warn),
      wrap("could not turn parse profile into channel group")
    )
    const update = yield* Either.mapLeft(
      computeUpdate(common.Config.create({ channelGroup: template }), common.Config.create({ channelGroup })),
      wrap("could not compute update")
    )
    const withConsortium = (set: ConfigGroup | undefined, value: Partial<common.ConfigValue>): ConfigGroup => {
      const out = groupBuilder(set)
      out.values.set("Consortium", common.ConfigValue.create(value))
      return finish(out)
    }
    return {
      ...update,
      channelId,
      readSet: withConsortium(update.readSet, {}),
      writeSet: withConsortium(update.writeSet, { value: common.Consortium.encode({ name: profile.consortium }) })
    }
  })

/**
 * The update that sets an organisation's anchor peers for the first time on a channel as it was created.
 * Errors: no such organisation in the profile's application section.
 */
export const newAnchorPeerUpdate = (
  channelId: string,
  profile: Profile,
  asOrg: string
): Result<common.ConfigUpdate> => {
  if (asOrg === "") return refuse("Must specify an organization to update the anchor peer for")
  if (profile.application === undefined) return refuse("Cannot update anchor peers without an application section")
  const org = profile.application.organizations.findLast(({ name }) => name === asOrg)
  if (org === undefined) return refuse(`No organization name matching: ${asOrg}`)
  const policies = new Map(["Readers", "Writers", admins].map((name) => [name, {}]))
  const set = (orgGroup: Parameters<typeof common.ConfigGroup.create>[0]) => ({
    groups: new Map([
      ["Application", { version: 1n, modPolicy: admins, groups: new Map([[org.name, orgGroup ?? {}]]) }]
    ])
  })
  return Either.right(
    common.ConfigUpdate.create({
      channelId,
      readSet: set({ policies, values: new Map([["MSP", {}]]) }),
      writeSet: set({
        version: 1n,
        modPolicy: admins,
        policies,
        values: new Map<string, { value?: Uint8Array; modPolicy?: string }>([
          ["MSP", {}],
          ["AnchorPeers", { value: anchorPeersValue(org), modPolicy: admins }]
        ])
      })
    })
  )
}

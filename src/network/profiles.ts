/**
 * The configtx profiles of a network: one consortium of all its organisations, one channel with all of them. Pure.
 * The same as the sample `config/configtx.yaml` gives, with the network's names and limits.
 */
import * as Either from "effect/Either"
import type { OrganizationSpec, PolicySpec, Profile } from "../channelconfig/index.js"
import type { NetworkRefused } from "./errors.js"
import { existingChannelProfile, existingSystemProfile } from "./existing.js"
import type { NetworkPorts } from "./layout.js"
import * as layout from "./layout.js"
import type { NetworkSpec, OrgSpec } from "./spec.js"

const signature = (rule: string): PolicySpec => ({ type: "Signature", rule })
const meta = (rule: string): PolicySpec => ({ type: "ImplicitMeta", rule })
const metaPolicies = (...more: ReadonlyArray<readonly [string, PolicySpec]>) =>
  new Map<string, PolicySpec>([
    ["Readers", meta("ANY Readers")],
    ["Writers", meta("ANY Writers")],
    ["Admins", meta("MAJORITY Admins")],
    ...more
  ])

const ordererOrg = (spec: NetworkSpec): OrganizationSpec => {
  const id = layout.ORDERER_MSP_ID
  return {
    name: "OrdererOrg",
    id,
    mspDir: layout.ordererMsp(spec.dir),
    mspType: "bccsp",
    policies: new Map([
      ["Readers", signature(`OR('${id}.member')`)],
      ["Writers", signature(`OR('${id}.member')`)],
      ["Admins", signature(`OR('${id}.admin')`)]
    ]),
    anchorPeers: [],
    ordererEndpoints: [],
    adminPrincipal: "Role.ADMIN"
  }
}

const peerOrg = (spec: NetworkSpec, ports: NetworkPorts, org: OrgSpec): OrganizationSpec => {
  const { mspId: id } = org
  const anchor = ports.peers[layout.peerHost(org, 0)]?.peer
  return {
    name: org.mspId,
    id,
    mspDir: layout.orgMsp(spec.dir, org),
    mspType: "bccsp",
    policies: new Map([
      ["Readers", signature(`OR('${id}.admin', '${id}.peer', '${id}.client')`)],
      ["Writers", signature(`OR('${id}.admin', '${id}.client')`)],
      ["Admins", signature(`OR('${id}.admin')`)]
    ]),
    anchorPeers: anchor === undefined ? [] : [{ host: "127.0.0.1", port: anchor }],
    ordererEndpoints: [],
    adminPrincipal: "Role.ADMIN"
  }
}

const channelCapabilities = new Map([["V1_4_3", true]])
const ordererCapabilities = new Map([["V1_4_2", true]])
const applicationCapabilities = new Map([["V1_4_2", true]])

/** The system channel's profile; fails where existing material cannot be read. */
export const systemProfile = (spec: NetworkSpec, ports: NetworkPorts): Either.Either<Profile, NetworkRefused> =>
  spec.existing === undefined
    ? Either.right(ownSystemProfile(spec, ports))
    : existingSystemProfile(spec.existing, spec, ports)

/** An application channel's profile; fails where existing material cannot be read. */
export const channelProfile = (spec: NetworkSpec, ports: NetworkPorts): Either.Either<Profile, NetworkRefused> =>
  spec.existing === undefined
    ? Either.right(ownChannelProfile(spec, ports))
    : existingChannelProfile(spec.existing, spec, ports)

const ownSystemProfile = (spec: NetworkSpec, ports: NetworkPorts): Profile => ({
  consortium: "",
  application: undefined,
  orderer: {
    ordererType: spec.brokers.length === 0 ? "solo" : "kafka",
    addresses: [`127.0.0.1:${ports.orderer}`],
    batchTimeout: BigInt(Math.round(spec.batchTimeoutMs * 1e6)),
    batchSize: {
      maxMessageCount: spec.maxMessageCount,
      absoluteMaxBytes: 99 * 1024 * 1024,
      preferredMaxBytes: 512 * 1024
    },
    kafkaBrokers: spec.brokers,
    etcdRaft: undefined,
    organizations: [ordererOrg(spec)],
    maxChannels: 0n,
    capabilities: ordererCapabilities,
    policies: metaPolicies(["BlockValidation", meta("ANY Writers")])
  },
  consortiums: new Map([[layout.CONSORTIUM, spec.orgs.map((org) => peerOrg(spec, ports, org))]]),
  capabilities: channelCapabilities,
  policies: metaPolicies()
})

const ownChannelProfile = (spec: NetworkSpec, ports: NetworkPorts): Profile => ({
  consortium: layout.CONSORTIUM,
  application: {
    organizations: spec.orgs.map((org) => peerOrg(spec, ports, org)),
    capabilities: applicationCapabilities,
    policies: metaPolicies(),
    acls: new Map()
  },
  orderer: undefined,
  consortiums: undefined,
  capabilities: channelCapabilities,
  policies: metaPolicies()
})

/**
 * A network out of material that is there: a `crypto-config` folder as cryptogen makes it, and a `configtx.yaml`. What the
 * files say of organisations, MSP ids, hosts, policies, capabilities and limits counts; addresses become those of this
 * machine, for the names in such files are rarely known to it.
 */
import { X509Certificate } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { loadProfile, type OrganizationSpec, type Profile } from "../channelconfig/index.js"
import { NetworkRefused } from "./errors.js"
import * as layout from "./layout.js"
import type { NetworkOptions, NetworkSpec, OrdererSpec, OrgSpec } from "./spec.js"

/** Where a network's material came from; paths are absolute. */
export interface ExistingMaterial {
  readonly cryptoConfig: string
  /** The folder of `configtx.yaml`. */
  readonly configtx: string
  readonly genesisProfile: string
  readonly channelProfile: string
}

const refuse = (reason: string, remedy: string) => new NetworkRefused({ reason, remedy })

/** A profile of the file, as configtxgen reads it. */
export const profileOf = ({ configtx }: ExistingMaterial, name: string): Either.Either<Profile, NetworkRefused> =>
  Either.mapLeft(loadProfile(name, { configPath: configtx, env: {}, cwd: configtx }), ({ message }) =>
    refuse(
      `${join(configtx, "configtx.yaml")}: ${message}`,
      "name profiles with --genesis-profile and --channel-profile"
    )
  )

const foldersIn = (path: string): ReadonlyArray<string> =>
  existsSync(path)
    ? readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort()
    : []

/** The CA certificates of an MSP folder, one after the other. */
const authorities = (msp: string): string => {
  const folder = join(msp, "cacerts")
  if (!existsSync(folder)) return ""
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("")
}

/** The folder of an organisation: the one whose MSP has the same CA. */
const folderOf = (root: string, kind: string, { id, mspDir }: OrganizationSpec) => {
  const wanted = authorities(mspDir)
  const found = foldersIn(join(root, kind)).find(
    (domain) => wanted !== "" && authorities(join(root, kind, domain, "msp")) === wanted
  )
  return found === undefined
    ? refuse(
        `${join(root, kind)} has no organisation with the CA of ${id}'s MSPDir (${mspDir})`,
        "check MSPDir in configtx.yaml"
      )
    : Effect.succeed(found)
}

/** `Org1` of `Org1MSP`; an MSP id that is not made so stays as it is. */
const nameOf = (id: string): string => id.replace(/^(.+?)[-_.]?MSP$/i, "$1")

const peerOrg = (root: string, org: OrganizationSpec): Effect.Effect<OrgSpec, NetworkRefused> =>
  Effect.gen(function* () {
    const domain = yield* folderOf(root, "peerOrganizations", org)
    const folder = join(root, "peerOrganizations", domain)
    const hosts = foldersIn(join(folder, "peers"))
    if (hosts.length === 0) return yield* refuse(`${folder} has no peers`, "make them with cryptogen")
    const users = foldersIn(join(folder, "users"))
    if (!users.includes(`Admin@${domain}`))
      return yield* refuse(`${folder} has no Admin@${domain}`, "make it with cryptogen")
    let count = 0
    while (users.includes(`User${count + 1}@${domain}`)) count += 1
    return {
      name: nameOf(org.id),
      mspId: org.id,
      domain,
      peers: hosts.length,
      users: count,
      hosts,
      configName: org.name,
      nodeOus: existsSync(join(folder, "msp", "config.yaml"))
    }
  })

const ordererOf = (root: string, { orderer }: Profile): Effect.Effect<OrdererSpec, NetworkRefused> =>
  Effect.gen(function* () {
    const [org] = orderer?.organizations ?? []
    if (org === undefined)
      return yield* refuse("the genesis profile has no ordering organisation", "add one to Orderer.Organizations")
    const domain = yield* folderOf(root, "ordererOrganizations", org)
    const [host] = foldersIn(join(root, "ordererOrganizations", domain, "orderers"))
    if (host === undefined) return yield* refuse(`${domain} has no orderers`, "make one with cryptogen")
    return { host, domain, mspId: org.id }
  })

/** Connections go to 127.0.0.1: certificates must be good for that name. */
const requireLoopback = (file: string): Effect.Effect<void, NetworkRefused> =>
  Effect.try(() => new X509Certificate(readFileSync(file)).checkIP("127.0.0.1") !== undefined).pipe(
    Effect.orElseSucceed(() => false),
    Effect.flatMap((good) =>
      good
        ? Effect.void
        : refuse(
            `${file} is no certificate for 127.0.0.1`,
            "make the material with 127.0.0.1 among the SANS of crypto-config.yaml, or leave TLS off"
          )
    )
  )

/** Whether the options name existing material. */
export const namesExisting = ({ channelProfile, configtx, cryptoConfig, genesisProfile }: NetworkOptions): boolean =>
  [channelProfile, configtx, cryptoConfig, genesisProfile].some((given) => given !== undefined)

/** What the genesis profile is called in Fabric's samples, and in ours. */
const GENESIS_PROFILES = ["TwoOrgsOrdererGenesis", "SoloGenesis"] as const

/** Where the options say that material lies. */
export const existingMaterial = (
  options: NetworkOptions,
  cwd: string
): Either.Either<ExistingMaterial, NetworkRefused> => {
  const { channelProfile, configtx, cryptoConfig, genesisProfile } = options
  if (cryptoConfig === undefined || configtx === undefined)
    return Either.left(refuse("existing material is two things", "name both --crypto-config and --configtx"))
  if (options.orgs !== undefined)
    return Either.left(
      refuse("the material says which organisations and peers there are", "leave --orgs and --peers away")
    )
  const file = resolve(cwd, configtx)
  const isFile = basename(file).endsWith(".yaml")
  if (isFile && basename(file) !== "configtx.yaml")
    return Either.left(refuse(`${file} is not called configtx.yaml`, "Fabric's tools know the file by that name"))
  const folder = isFile ? dirname(file) : file
  const known = (name: string) => Either.isRight(loadProfile(name, { configPath: folder, env: {}, cwd: folder }))
  return Either.right({
    cryptoConfig: resolve(cwd, cryptoConfig),
    configtx: folder,
    genesisProfile: genesisProfile ?? GENESIS_PROFILES.find(known) ?? GENESIS_PROFILES[0],
    channelProfile: channelProfile ?? "TwoOrgsChannel"
  })
}

/** The network that the material describes; what the options name counts before it. */
export const existingSpec = (
  options: NetworkOptions,
  asked: NetworkSpec,
  cwd: string
): Effect.Effect<NetworkSpec, NetworkRefused> =>
  Effect.gen(function* () {
    const existing = yield* existingMaterial(options, cwd)
    const { cryptoConfig } = existing
    const genesis = yield* profileOf(existing, existing.genesisProfile)
    const channel = yield* profileOf(existing, existing.channelProfile)
    if (genesis.orderer === undefined || genesis.consortiums === undefined)
      return yield* refuse(
        `profile ${existing.genesisProfile} is no orderer's genesis`,
        "choose another with --genesis-profile"
      )
    if (channel.application === undefined || !genesis.consortiums.has(channel.consortium))
      return yield* refuse(
        `profile ${existing.channelProfile} makes no channel of a consortium of ${existing.genesisProfile}`,
        "choose another with --channel-profile"
      )
    const { batchSize, batchTimeout, kafkaBrokers, ordererType } = genesis.orderer
    const consensus = options.consensus ?? ordererType
    if (consensus !== "solo" && consensus !== "kafka")
      return yield* refuse(`the ordering service '${consensus}' is not run here`, "choose --consensus solo or kafka")
    const brokers = consensus === "solo" ? [] : asked.brokers.length > 0 ? asked.brokers : kafkaBrokers
    const orderer = yield* ordererOf(cryptoConfig, genesis)
    const orgs = yield* Effect.forEach(channel.application.organizations, (org) => peerOrg(cryptoConfig, org))
    if (orgs.length === 0) return yield* refuse(`profile ${existing.channelProfile} has no organisations`, "add some")
    if (asked.tls)
      for (const { domain, hosts = [] } of orgs)
        for (const host of hosts)
          yield* requireLoopback(join(cryptoConfig, "peerOrganizations", domain, "peers", host, "tls", "server.crt"))
    if (asked.tls)
      yield* requireLoopback(
        join(cryptoConfig, "ordererOrganizations", orderer.domain, "orderers", orderer.host, "tls", "server.crt")
      )
    return {
      ...asked,
      orgs,
      orderer,
      brokers,
      existing,
      batchTimeoutMs: options.batchTimeout ?? Number(batchTimeout) / 1e6,
      maxMessageCount: options.maxMessageCount ?? batchSize.maxMessageCount
    }
  })

/** The organisation with its addresses on this machine: its first peer is its anchor. */
const here = (org: OrganizationSpec, spec: NetworkSpec, ports: layout.NetworkPorts): OrganizationSpec => {
  const own = spec.orgs.find(({ mspId }) => mspId === org.id)
  const anchor = own === undefined ? undefined : ports.peers[layout.peerHost(own, 0)]?.peer
  return {
    ...org,
    anchorPeers: anchor === undefined ? [] : [{ host: "127.0.0.1", port: anchor }],
    ordererEndpoints: org.ordererEndpoints.length === 0 ? [] : [`127.0.0.1:${ports.orderer}`]
  }
}

/** The system channel's profile: the file's, with this network's addresses, limits and ordering service. */
export const existingSystemProfile = (
  existing: ExistingMaterial,
  spec: NetworkSpec,
  ports: layout.NetworkPorts
): Either.Either<Profile, NetworkRefused> =>
  Either.map(profileOf(existing, existing.genesisProfile), (profile) => ({
    ...profile,
    orderer: profile.orderer && {
      ...profile.orderer,
      ordererType: spec.brokers.length === 0 ? "solo" : "kafka",
      addresses: [`127.0.0.1:${ports.orderer}`],
      kafkaBrokers: spec.brokers,
      batchTimeout: BigInt(Math.round(spec.batchTimeoutMs * 1e6)),
      batchSize: { ...profile.orderer.batchSize, maxMessageCount: spec.maxMessageCount },
      organizations: profile.orderer.organizations.map((org) => here(org, spec, ports))
    },
    consortiums:
      profile.consortiums &&
      new Map([...profile.consortiums].map(([name, orgs]) => [name, orgs.map((org) => here(org, spec, ports))]))
  }))

/** An application channel's profile: the file's, with this network's anchors. */
export const existingChannelProfile = (
  existing: ExistingMaterial,
  spec: NetworkSpec,
  ports: layout.NetworkPorts
): Either.Either<Profile, NetworkRefused> =>
  Either.map(profileOf(existing, existing.channelProfile), (profile) => ({
    ...profile,
    application: profile.application && {
      ...profile.application,
      organizations: profile.application.organizations.map((org) => here(org, spec, ports))
    }
  }))

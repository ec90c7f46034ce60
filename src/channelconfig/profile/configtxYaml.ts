/**
 * Reads profiles out of configtx.yaml as the reference's tools do (identity-policy-config 2.5, operations-cli 6;
 * common/tools/configtxgen/localconfig/config.go): overrides from the environment, defaults, paths relative to the file.
 * Synchronous reads: it runs in tools and at an orderer's start.
 */
import { readFileSync, statSync } from "node:fs"
import { dirname, isAbsolute, join, resolve } from "node:path"
import * as Either from "effect/Either"
import { parsePlainYaml } from "../../config/plainYaml.js"
import { ConfigError } from "../errors.js"
import { formatGoDuration, parseGoDuration } from "../goDuration.js"
import type { ApplicationSpec, EtcdRaftSpec, OrdererSpec, OrganizationSpec, Policies, Profile } from "./Profile.js"
import * as weak from "./weak.js"

type Result<A> = Either.Either<A, ConfigError>
const refuse = (detail: string) => Either.left(new ConfigError({ detail }))
const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

export interface ConfigtxSource {
  /** The folder that holds configtx.yaml (configtxgen's `-configPath`); without it FABRIC_CFG_PATH, then `cwd`. */
  readonly configPath?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** What the reference logs on the way. */
  readonly info?: ((text: string) => void) | undefined
}

/** The texts by which callers tell a missing file and a missing profile apart. */
export const missingFile = 'Error reading configuration:  Unsupported Config Type ""'
export const missingProfile = (name: string): string => `Could not find profile:  ${name}`

// ------------------------------------------------------------------------------------------------------------ shape

const policies = weak.map(weak.struct({ Type: weak.string, Rule: weak.string }))
const capabilities = weak.map(weak.boolean)
const organization = weak.struct({
  Name: weak.string,
  ID: weak.string,
  MSPDir: weak.string,
  MSPType: weak.string,
  Policies: policies,
  AnchorPeers: weak.list(weak.struct({ Host: weak.string, Port: weak.int })),
  OrdererEndpoints: weak.list(weak.string),
  AdminPrincipal: weak.string
})
const organizations = weak.list(organization)
const resources = weak.optional(weak.struct({ DefaultModPolicy: weak.string }))
const application = weak.optional(
  weak.struct({
    Organizations: organizations,
    Capabilities: capabilities,
    Resources: resources,
    Policies: policies,
    ACLs: weak.map(weak.string)
  })
)
const orderer = weak.optional(
  weak.struct({
    OrdererType: weak.string,
    Addresses: weak.list(weak.string),
    BatchTimeout: weak.duration,
    BatchSize: weak.struct({
      MaxMessageCount: weak.uint32,
      AbsoluteMaxBytes: weak.uint32,
      PreferredMaxBytes: weak.uint32
    }),
    Kafka: weak.struct({ Brokers: weak.list(weak.string) }),
    EtcdRaft: weak.optional(
      weak.struct({
        Consenters: weak.list(
          weak.struct({
            Host: weak.string,
            Port: weak.uint32,
            ClientTLSCert: weak.optional(weak.string),
            ServerTLSCert: weak.optional(weak.string)
          })
        ),
        Options: weak.struct({
          TickInterval: weak.string,
          ElectionTick: weak.uint32,
          HeartbeatTick: weak.uint32,
          MaxInflightBlocks: weak.uint32,
          SnapshotIntervalSize: weak.uint32
        })
      })
    ),
    Organizations: organizations,
    MaxChannels: weak.uint64,
    Capabilities: capabilities,
    Policies: policies
  })
)
const profile = weak.struct({
  Consortium: weak.string,
  Application: application,
  Orderer: orderer,
  Consortiums: weak.map(weak.struct({ Organizations: organizations })),
  Capabilities: capabilities,
  Policies: policies
})
const topLevel = weak.struct({
  Profiles: weak.map(profile),
  Organizations: organizations,
  Channel: weak.optional(profile),
  Application: application,
  Orderer: orderer,
  Capabilities: weak.map(capabilities),
  Resources: resources
})

type Raw<D> = D extends weak.Decoder<infer A> ? A : never
type RawOrganization = Raw<typeof organization>
type RawOrderer = NonNullable<Raw<typeof orderer>>
type RawApplication = NonNullable<Raw<typeof application>>
type RawProfile = Raw<typeof profile>

// ---------------------------------------------------------------------------------------------------------- reading

const isFile = (path: string): boolean => {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const findFile = (source: ConfigtxSource): Result<string> => {
  const { FABRIC_CFG_PATH: fromEnv } = source.env
  const folders =
    source.configPath !== undefined && source.configPath !== ""
      ? [source.configPath]
      : fromEnv !== undefined && fromEnv !== ""
        ? [fromEnv]
        : [".", "/etc/hyperledger/fabric"]
  for (const folder of folders) {
    for (const extension of ["json", "yaml", "yml"]) {
      const path = resolve(source.cwd, folder, `configtx.${extension}`)
      if (isFile(path)) return Either.right(path)
    }
  }
  return refuse(missingFile)
}

/**
 * Replaces what the environment names. Only keys that the file has can be named, lists are leaves, and an empty variable
 * counts as unset; `CONFIGTX_ORDERER_…` reaches into the chosen profile.
 */
const overlay = (
  tree: Readonly<Record<string, unknown>>,
  path: string,
  cut: string,
  env: ConfigtxSource["env"]
): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(tree).map(([key, value]) => {
      const name = path === "" ? key : `${path}.${key}`
      const variable = `CONFIGTX_${name}`.toUpperCase().replace(cut, "").replaceAll(".", "_")
      const text = env[variable]
      if (text !== undefined && text !== "") return [key, text]
      return [key, weak.isRecord(value) ? overlay(value, name, cut, env) : value]
    })
  )

const readTopLevel = (
  source: ConfigtxSource,
  profileName: string | undefined
): Result<{ readonly file: string; readonly content: Raw<typeof topLevel> }> =>
  Either.gen(function* () {
    const file = yield* findFile(source)
    const tree = yield* Either.try({
      try: () => parsePlainYaml(readFileSync(file, "utf8")) ?? {},
      catch: (cause) =>
        new ConfigError({ detail: `Error reading configuration:  While parsing config: ${messageOf(cause)}`, cause })
    })
    if (!weak.isRecord(tree)) return yield* refuse("Error reading configuration:  the document is no map")
    const cut = profileName === undefined ? "\u0000" : `PROFILES.${profileName.toUpperCase()}.`
    const faults: weak.Faults = { found: [] }
    const content = topLevel(overlay(tree, "", cut, source.env), "", faults)
    if (faults.found.length > 0) {
      const lines = faults.found.map((fault) => `* ${fault}`).join("\n")
      return yield* refuse(
        `Error unmarshaling config into struct:  ${faults.found.length} error(s) decoding:\n\n${lines}`
      )
    }
    return { file, content }
  })

// --------------------------------------------------------------------------------------------------------- defaults

const translate = (folder: string, path: string): string => (isAbsolute(path) ? path : join(folder, path))

const policiesOf = (raw: Raw<typeof policies>): Policies =>
  new Map([...(raw ?? [])].map(([name, { Rule, Type }]) => [name, { type: Type, rule: Rule }] as const))

const organizationOf =
  (folder: string) =>
  (raw: RawOrganization): OrganizationSpec => ({
    name: raw.Name,
    id: raw.ID,
    mspDir: translate(folder, raw.MSPDir),
    mspType: raw.MSPType === "" ? "bccsp" : raw.MSPType,
    policies: policiesOf(raw.Policies),
    anchorPeers: (raw.AnchorPeers ?? []).map(({ Host, Port }) => ({ host: Host, port: Port })),
    ordererEndpoints: raw.OrdererEndpoints ?? [],
    adminPrincipal: raw.AdminPrincipal === "" ? "Role.ADMIN" : raw.AdminPrincipal
  })

const applicationOf = (folder: string, raw: RawApplication): ApplicationSpec => ({
  organizations: (raw.Organizations ?? []).map(organizationOf(folder)),
  capabilities: raw.Capabilities ?? new Map(),
  policies: policiesOf(raw.Policies),
  acls: raw.ACLs ?? new Map()
})

const mebibyte = 1024 * 1024

const etcdRaftOf = (
  folder: string,
  raw: RawOrderer["EtcdRaft"],
  unset: <A>(what: string, value: A) => A
): Result<EtcdRaftSpec> =>
  Either.gen(function* () {
    if (raw === undefined) return yield* refuse("etcdraft raft configuration missing")
    const { Options: given } = raw
    const or = <A>(value: A, zero: A, what: string, fallback: A): A =>
      value === zero ? unset(`EtcdRaft.Options.${what}`, fallback) : value
    const options = {
      tickInterval: or(given.TickInterval, "", "TickInterval", "500ms"),
      electionTick: or(given.ElectionTick, 0, "ElectionTick", 10),
      heartbeatTick: or(given.HeartbeatTick, 0, "HeartbeatTick", 1),
      maxInflightBlocks: or(given.MaxInflightBlocks, 0, "MaxInflightBlocks", 5),
      snapshotIntervalSize: or(given.SnapshotIntervalSize, 0, "SnapshotIntervalSize", 20 * mebibyte)
    }
    if ((raw.Consenters ?? []).length === 0) {
      return yield* refuse("etcdraft configuration did not specify any consenter")
    }
    if (Either.isLeft(parseGoDuration(options.tickInterval))) {
      return yield* refuse(`Etcdraft TickInterval (${options.tickInterval}) must be in time duration format`)
    }
    if (options.electionTick <= options.heartbeatTick) {
      return yield* refuse("election tick must be greater than heartbeat tick")
    }
    const missing = (what: string) => refuse(`consenter info in etcdraft configuration did not specify ${what}`)
    const consenters: Array<EtcdRaftSpec["consenters"][number]> = []
    for (const { ClientTLSCert, Host, Port, ServerTLSCert } of raw.Consenters ?? []) {
      if (Host === "") return yield* missing("host")
      if (Port === 0) return yield* missing("port")
      if (ClientTLSCert === undefined) return yield* missing("client TLS cert")
      if (ServerTLSCert === undefined) return yield* missing("server TLS cert")
      consenters.push({
        host: Host,
        port: Port,
        clientTlsCert: translate(folder, ClientTLSCert),
        serverTlsCert: translate(folder, ServerTLSCert)
      })
    }
    return { consenters, options }
  })

const ordererOf = (folder: string, raw: RawOrderer, info: (text: string) => void): Result<OrdererSpec> =>
  Either.gen(function* () {
    const unset = <A>(what: string, value: A): A => {
      const shown = Array.isArray(value)
        ? `[${value.join(" ")}]`
        : typeof value === "bigint"
          ? formatGoDuration(value)
          : value
      info(`Orderer.${what} unset, setting to ${shown}`)
      return value
    }
    const { BatchSize: size } = raw
    const ordererType = raw.OrdererType === "" ? unset("OrdererType", "solo") : raw.OrdererType
    const spec = {
      ordererType,
      addresses: raw.Addresses ?? unset("Addresses", ["127.0.0.1:7050"]),
      batchTimeout: raw.BatchTimeout === 0n ? unset("BatchTimeout", 2_000_000_000n) : raw.BatchTimeout,
      batchSize: {
        maxMessageCount: size.MaxMessageCount === 0 ? unset("BatchSize.MaxMessageCount", 500) : size.MaxMessageCount,
        absoluteMaxBytes:
          size.AbsoluteMaxBytes === 0 ? unset("BatchSize.AbsoluteMaxBytes", 10 * mebibyte) : size.AbsoluteMaxBytes,
        preferredMaxBytes:
          size.PreferredMaxBytes === 0 ? unset("BatchSize.PreferredMaxBytes", 2 * mebibyte) : size.PreferredMaxBytes
      },
      organizations: (raw.Organizations ?? []).map(organizationOf(folder)),
      maxChannels: raw.MaxChannels,
      capabilities: raw.Capabilities ?? new Map<string, boolean>(),
      policies: policiesOf(raw.Policies)
    }
    info(`orderer type: ${ordererType}`)
    switch (ordererType) {
      case "solo":
        return { ...spec, kafkaBrokers: raw.Kafka.Brokers ?? [], etcdRaft: undefined }
      case "kafka":
        return { ...spec, kafkaBrokers: raw.Kafka.Brokers ?? unset("Kafka", ["127.0.0.1:9092"]), etcdRaft: undefined }
      case "etcdraft":
        return { ...spec, kafkaBrokers: [], etcdRaft: yield* etcdRaftOf(folder, raw.EtcdRaft, unset) }
      default:
        return yield* refuse(`unknown orderer type: ${ordererType}`)
    }
  })

const profileOf = (folder: string, raw: RawProfile, info: (text: string) => void): Result<Profile> =>
  Either.gen(function* () {
    const consortiums =
      raw.Consortiums === undefined
        ? undefined
        : new Map(
            [...raw.Consortiums].map(
              ([name, { Organizations }]) => [name, (Organizations ?? []).map(organizationOf(folder))] as const
            )
          )
    return {
      consortium: raw.Consortium,
      application: raw.Application === undefined ? undefined : applicationOf(folder, raw.Application),
      orderer: raw.Orderer === undefined ? undefined : yield* ordererOf(folder, raw.Orderer, info),
      consortiums,
      capabilities: raw.Capabilities ?? new Map(),
      policies: policiesOf(raw.Policies)
    }
  })

/**
 * One profile, ready for the encoder.
 * Errors: no file (`missingFile`), a file that does not parse or has unknown keys or wrong types, no such profile
 * (`missingProfile`), orderer settings that the reference refuses.
 */
export const loadProfile = (name: string, source: ConfigtxSource): Result<Profile> =>
  Either.gen(function* () {
    const { content, file } = yield* readTopLevel(source, name)
    const raw = content.Profiles?.get(name)
    if (raw === undefined) return yield* refuse(missingProfile(name))
    const info = source.info ?? (() => {})
    const loaded = yield* profileOf(dirname(file), raw, info)
    info(`Loaded configuration: ${file}`)
    return loaded
  })

/**
 * The organisations listed at the file's top level, for configtxgen's `-printOrg`.
 * Errors: as `loadProfile`; the top-level Orderer section is completed, and so checked, as well.
 */
export const loadOrganizations = (source: ConfigtxSource): Result<ReadonlyArray<OrganizationSpec>> =>
  Either.gen(function* () {
    const { content, file } = yield* readTopLevel(source, undefined)
    const info = source.info ?? (() => {})
    const folder = dirname(file)
    const out = (content.Organizations ?? []).map(organizationOf(folder))
    if (content.Orderer !== undefined) yield* ordererOf(folder, content.Orderer, info)
    info(`Loaded configuration: ${file}`)
    return out
  })

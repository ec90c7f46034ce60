/**
 * A channel's configuration, decoded and checked as a whole, immutable: whoever needs two facts takes one bundle and
 * reads both from it (identity-policy-config rules 59 to 65b; common/channelconfig/bundle.go). Pure.
 */
import * as Either from "effect/Either"
import { MspCollector, type MspManager } from "../msp/index.js"
import { PolicyManager } from "../policy/index.js"
import { copyBytes } from "../wire/bytes.js"
import { common } from "../wire/index.js"
import { field } from "../wire/raw.js"
import { type ConfigMap, mapConfig } from "./configMap.js"
import { type CapabilityUnsupported, ConfigError, wrap } from "./errors.js"
import { validateChannelId } from "./ids.js"
import {
  type ApplicationSection,
  applicationSection,
  type ChannelSection,
  type ConsortiumsSection,
  channelSection,
  consortiumsSection,
  type OrdererSection,
  ordererSection
} from "./sections.js"
import { type Config, decodeConfig } from "./tree.js"

type Result<A> = Either.Either<A, ConfigError>
const refuse = (detail: string) => Either.left(new ConfigError({ detail }))

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
const decoded = <A>(what: string, read: () => A): Result<A> =>
  Either.try({ try: read, catch: (cause) => new ConfigError({ detail: `${what}: ${messageOf(cause)}`, cause }) })

export interface BundleOptions {
  /** Milliseconds since the epoch that TLS CAs must be valid at; the wall clock by default (rule 14). */
  readonly now?: number
}

export class Bundle {
  private constructor(
    readonly channelId: string,
    readonly config: Config,
    /** The root group, present in every bundle. */
    readonly channelGroup: common.ConfigGroup,
    readonly policyManager: PolicyManager,
    readonly mspManager: MspManager,
    readonly channel: ChannelSection,
    readonly orderer: OrdererSection | undefined,
    readonly application: ApplicationSection | undefined,
    readonly consortiums: ConsortiumsSection | undefined,
    /** The configuration flattened, for config updates. */
    readonly configMap: ConfigMap
  ) {}

  /** Counts configurations: 0 in a system channel's genesis block, 1 in an application channel's, then one more each. */
  get sequence(): bigint {
    return this.config.sequence
  }

  /**
   * Builds the bundle of a configuration.
   * In: the channel's id from the channel header (the configuration does not hold it), and the configuration, whose
   * byte slices the bundle keeps: copy before if they are views of something large.
   * Errors: the reference's texts with their prefixes. Capabilities are checked apart: `ordererSupport`, `peerSupport`.
   */
  static fromConfig(channelId: string, config: Config | undefined, options: BundleOptions = {}): Result<Bundle> {
    return Either.gen(function* () {
      if (config === undefined) return yield* refuse("channelconfig Config cannot be nil")
      const root = config.channelGroup
      if (root === undefined) return yield* refuse("config must contain a channel group")
      yield* checkOrdererSupportsCapabilities(root)

      const { application, channel, consortiums, msps, orderer } = yield* Either.mapLeft(
        readSections(root, options),
        wrap("initializing channelconfig failed")
      )
      const mspManager = msps.manager()
      const policyManager = yield* Either.mapLeft(
        PolicyManager.make("Channel", root, mspManager),
        wrap("initializing policymanager failed")
      )
      const configMap = yield* Either.mapLeft(
        Either.gen(function* () {
          yield* Either.mapLeft(validateChannelId(channelId), wrap("bad channel ID"))
          return yield* Either.mapLeft(mapConfig(root), wrap("error converting config to map"))
        }),
        wrap("initializing configtx manager failed")
      )
      return new Bundle(
        channelId,
        config,
        root,
        policyManager,
        mspManager,
        channel,
        orderer,
        application,
        consortiums,
        configMap
      )
    })
  }

  /** Builds the bundle of a serialized `common.Config`, as the peer keeps it in its state. The bytes are copied. */
  static fromConfigBytes(channelId: string, bytes: Uint8Array, options?: BundleOptions): Result<Bundle> {
    return Either.flatMap(decodeConfig(copyBytes(bytes)), (config) => Bundle.fromConfig(channelId, config, options))
  }

  /** Builds the bundle of a CONFIG envelope. The configuration's bytes are copied. */
  static fromEnvelope(envelope: common.Envelope, options?: BundleOptions): Result<Bundle> {
    return Either.gen(function* () {
      const payload = yield* decoded("failed to unmarshal payload from envelope", () =>
        common.Payload.decode(envelope.payload)
      )
      const config = yield* decoded("failed to unmarshal config envelope from payload", () => {
        common.ConfigEnvelope.decode(payload.data)
        return field(payload.data, 1)
      })
      const header = payload.header
      if (header === undefined) return yield* refuse("envelope header cannot be nil")
      const { channelId } = yield* decoded("failed to unmarshal channel header", () =>
        common.ChannelHeader.decode(header.channelHeader)
      )
      if (config === undefined) return yield* Bundle.fromConfig(channelId, undefined, options)
      return yield* Bundle.fromConfigBytes(channelId, config, options)
    })
  }

  /** Builds the bundle of a configuration block: its first entry is the CONFIG envelope. */
  static fromBlock(block: Pick<common.Block, "data">, options?: BundleOptions): Result<Bundle> {
    return Either.gen(function* () {
      if (block.data === undefined) return yield* refuse("block data is nil")
      const [first] = block.data.data
      if (first === undefined) return yield* refuse("envelope index out of bounds")
      const envelope = yield* decoded("block data does not carry an envelope at index 0", () =>
        common.Envelope.decode(first)
      )
      return yield* Bundle.fromEnvelope(envelope, options)
    })
  }

  /**
   * Whether an orderer can run this configuration: orderer capabilities, then channel ones (rule 65b). The left stops
   * the node when the channel is loaded or replaced, and refuses an update or a new channel before that.
   */
  get ordererSupport(): Either.Either<void, CapabilityUnsupported> {
    const { orderer } = this
    return Either.flatMap(
      orderer?.capabilities.supported ?? Either.right(undefined),
      () => this.channel.capabilities.supported
    )
  }

  /** Whether a peer can run this configuration: application capabilities, then channel ones (rule 65b). */
  get peerSupport(): Either.Either<void, CapabilityUnsupported> {
    const { application } = this
    return Either.flatMap(
      application?.capabilities.supported ?? Either.right(undefined),
      () => this.channel.capabilities.supported
    )
  }

  /** host:port of all orderers of the channel: per organisation where given, and the channel-wide list. */
  get ordererEndpoints(): {
    readonly byOrg: ReadonlyMap<string, ReadonlyArray<string>>
    readonly global: ReadonlyArray<string>
  } {
    const byOrg = new Map<string, ReadonlyArray<string>>()
    for (const [name, org] of this.orderer?.orgs ?? []) if (org.endpoints.length > 0) byOrg.set(name, org.endpoints)
    return { byOrg, global: this.channel.ordererAddresses }
  }

  /** Standard policies that this configuration lacks: worth a warning, no refusal (rule 57; logsanitychecks.go). */
  get missingPolicies(): ReadonlyArray<string> {
    const expected = ["/Channel/Readers", "/Channel/Writers"]
    if (this.channelGroup.groups.has("Application")) {
      for (const name of ["Readers", "Writers", "Admins"]) expected.push(`/Channel/Application/${name}`)
    }
    if (this.channelGroup.groups.has("Orderer")) {
      for (const name of ["BlockValidation", "Admins", "Writers", "Readers"]) expected.push(`/Channel/Orderer/${name}`)
    }
    return expected.filter((name) => !this.policyManager.has(name))
  }
}

/** Capabilities of channel and application need an orderer section that has some (rule 59). */
const checkOrdererSupportsCapabilities = (root: common.ConfigGroup): Result<void> => {
  const key = "Capabilities"
  const orderer = root.groups.get("Orderer")
  if (orderer === undefined || orderer.values.has(key)) return Either.right(undefined)
  if (root.values.has(key)) return refuse("cannot enable channel capabilities without orderer support first")
  if (root.groups.get("Application")?.values.has(key) === true) {
    return refuse("cannot enable application capabilities without orderer support first")
  }
  return Either.right(undefined)
}

const readSections = (root: common.ConfigGroup, options: BundleOptions) =>
  Either.gen(function* () {
    const channel = yield* channelSection(root)
    const msps = new MspCollector({ version: channel.capabilities.mspVersion, ...options })
    let orderer: OrdererSection | undefined
    let application: ApplicationSection | undefined
    let consortiums: ConsortiumsSection | undefined
    for (const [name, group] of root.groups) {
      const within = wrap(`could not create channel ${name} sub-group config`)
      if (name === "Application") application = yield* Either.mapLeft(applicationSection(group, msps), within)
      else if (name === "Orderer") {
        orderer = yield* Either.mapLeft(ordererSection(group, msps, channel.capabilities), within)
      } else if (name === "Consortiums") consortiums = yield* Either.mapLeft(consortiumsSection(group, msps), within)
      else return yield* refuse(`Disallowed channel group: ${name}`)
    }
    return { application, channel, consortiums, msps, orderer }
  })

/** What a network consists of: options with their defaults filled in. Pure. */
import { basename, resolve } from "node:path"
import * as Either from "effect/Either"
import { accessFault, type BrokerAccess, settledAccess } from "./brokerAccess.js"
import { NetworkRefused } from "./errors.js"
import type { ExistingMaterial } from "./existing.js"
import { stateDatabaseFault } from "./stateDatabase.js"

/** Name of the orderer's own channel. */
export const SYSTEM_CHANNEL = "system-channel"

/** The orderer of a network whose material is made here. */
export const OWN_ORDERER = { host: "orderer.example.com", domain: "example.com", mspId: "OrdererMSP" } as const

export interface OrgOptions {
  /** `Org1`: the MSP id is `Org1MSP`, the domain `org1.example.com`. */
  readonly name: string
  /** Peers of the organisation; 1 unless said otherwise. */
  readonly peers?: number
  /** Users beside the admin; 1 unless said otherwise. */
  readonly users?: number
}

export interface ChaincodeOptions {
  /** Folder of the chaincode: `package.json` (Node), Go files, `pom.xml` or `build.gradle` (Java). */
  readonly path: string
  /** Channel it runs on; the network's first unless said otherwise. */
  readonly channel?: string
  /** The folder's name unless said otherwise. */
  readonly name?: string
  /** `1.0` unless said otherwise. */
  readonly version?: string
  /** Arguments of Init; none unless said otherwise. */
  readonly initArgs?: ReadonlyArray<string>
  /** Endorsement policy in the policy language; any member unless said otherwise. */
  readonly policy?: string
  /** Collections, as `collections.json` of the peer's command line has them. */
  readonly collections?: ReadonlyArray<CollectionOptions>
}

export interface CollectionOptions {
  readonly name: string
  readonly policy: string
  readonly requiredPeerCount: number
  readonly maxPeerCount: number
  readonly blockToLive?: number
  readonly memberOnlyRead?: boolean
}

export interface NetworkOptions {
  /** Folder of material, ledgers, logs, profile and wallet. */
  readonly dir?: string
  /** `mychannel` unless said otherwise. */
  readonly channel?: string
  /** Channels beside that one, with the same organisations. */
  readonly furtherChannels?: ReadonlyArray<string>
  readonly orgs?: ReadonlyArray<OrgOptions>
  readonly tls?: boolean
  /** `solo` unless said otherwise; `kafka` orders through the brokers named. */
  readonly consensus?: "solo" | "kafka"
  /** Kafka brokers as `host:port`. They must run: a broker is a Java program, and is not started here. */
  readonly brokers?: ReadonlyArray<string>
  /** TLS and SASL to the brokers, by files; plain unless said otherwise. */
  readonly brokerAccess?: BrokerAccess
  /** Milliseconds after which a block is cut though not full; 200 unless said otherwise. */
  readonly batchTimeout?: number
  /** Transactions that fill a block; 10 unless said otherwise. */
  readonly maxMessageCount?: number
  readonly chaincodes?: ReadonlyArray<ChaincodeOptions>
  /** Folder of existing material, as cryptogen makes it; with `configtx`. Copied into the network's folder. */
  readonly cryptoConfig?: string
  /** The `configtx.yaml` that goes with it, or its folder. */
  readonly configtx?: string
  /** Its profile for the genesis block; `TwoOrgsOrdererGenesis` or `SoloGenesis` unless said otherwise. */
  readonly genesisProfile?: string
  /** Its profile for channels; `TwoOrgsChannel` unless said otherwise. */
  readonly channelProfile?: string
  /** `goleveldb` (Fabric's default), `embedded` (rich queries without a server) or `couchdb=host:port,…`, one a peer. */
  readonly stateDatabase?: string
}

export interface OrgSpec {
  readonly name: string
  readonly mspId: string
  readonly domain: string
  readonly peers: number
  readonly users: number
  /** Host names of its peers, where they are not `peer0.<domain>` and so on. */
  readonly hosts?: ReadonlyArray<string>
  /** Its name in the channel configuration, where that is not the MSP id. */
  readonly configName?: string
  /** Whether its material tells peers from clients by organisational unit; so it is unless said otherwise. */
  readonly nodeOus?: boolean
}

/** The orderer and its organisation. */
export interface OrdererSpec {
  readonly host: string
  readonly domain: string
  readonly mspId: string
}

export interface NetworkSpec {
  readonly dir: string
  readonly channel: string
  /** Channels beside that one. */
  readonly furtherChannels: ReadonlyArray<string>
  readonly orgs: ReadonlyArray<OrgSpec>
  readonly orderer: OrdererSpec
  /** Material that was there before the network. */
  readonly existing?: ExistingMaterial
  readonly tls: boolean
  /** The Kafka brokers that order; none: solo. */
  readonly brokers: ReadonlyArray<string>
  /** How the orderer gets in there; absent: plainly. */
  readonly brokerAccess?: BrokerAccess
  readonly batchTimeoutMs: number
  readonly maxMessageCount: number
  readonly chaincodes: ReadonlyArray<ChaincodeSpec>
  /** As in the options; absent: the built-in database without rich queries. */
  readonly stateDatabase?: string
}

/** A chaincode with its defaults filled in; the path is absolute. */
export type ChaincodeSpec = Required<Omit<ChaincodeOptions, "channel" | "policy" | "collections">> & ChaincodeOptions

const nameForm = /^[A-Za-z][A-Za-z0-9]*$/
const channelForm = /^[a-z][a-z0-9.-]*$/
// what lscc takes (chaincode.md R84)
const chaincodeForm = /^[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*$/
const versionForm = /^[A-Za-z0-9_.+-]+$/

/** A folder's name as a chaincode's: what lscc would not take becomes `_`. */
const nameOf = (path: string): string =>
  basename(path)
    .split(/[^A-Za-z0-9_-]+/)
    .join("_")
    .replace(/^[_-]+|[_-]+$/g, "")
    .replace(/([_-])[_-]+/g, "$1") || "chaincode"

const refuse = (reason: string, remedy: string) => Either.left(new NetworkRefused({ reason, remedy }))

const isAddress = (text: string): boolean => {
  const port = /^[^\s:/,]+:(\d{1,5})$/.exec(text)?.[1]
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535
}

/** Why a channel cannot be called that; undefined when it can. */
const channelFault = (channel: string): readonly [reason: string, remedy: string] | undefined => {
  if (!channelForm.test(channel) || channel.length > 249)
    return [`'${channel}' is no channel name`, "lower-case letters, digits, dots and dashes, a letter first"]
  return channel === SYSTEM_CHANNEL ? [`the channel name '${channel}' is taken`, "choose another"] : undefined
}

/** Fills in defaults; refuses what the material could not be made of. */
export const networkSpec = (options: NetworkOptions, cwd: string): Either.Either<NetworkSpec, NetworkRefused> => {
  const channel = options.channel ?? "mychannel"
  const named = (options.chaincodes ?? []).flatMap((chaincode) => chaincode.channel ?? [])
  const channels = new Set([channel, ...(options.furtherChannels ?? []), ...named])
  for (const one of channels) {
    const fault = channelFault(one)
    if (fault !== undefined) return refuse(...fault)
  }
  const orgs = options.orgs ?? [{ name: "Org1" }]
  if (orgs.length === 0) return refuse("a network needs an organisation", "name at least one")
  const specs: Array<OrgSpec> = []
  for (const { name, peers = 1, users = 1 } of orgs) {
    if (!nameForm.test(name)) return refuse(`'${name}' is no organisation name`, "letters and digits, a letter first")
    const domain = `${name.toLowerCase()}.example.com`
    if (name.toLowerCase() === "orderer" || specs.some((spec) => spec.domain === domain))
      return refuse(`the organisation name '${name}' is taken`, "choose another")
    if (!Number.isInteger(peers) || peers < 1 || peers > 20)
      return refuse(`${name} cannot have ${peers} peers`, "1 to 20")
    if (!Number.isInteger(users) || users < 0 || users > 1000)
      return refuse(`${name} cannot have ${users} users`, "0 to 1000")
    specs.push({ name, mspId: `${name}MSP`, domain, peers, users })
  }
  const batchTimeoutMs = options.batchTimeout ?? 200
  if (!Number.isFinite(batchTimeoutMs) || batchTimeoutMs < 1)
    return refuse(`a batch timeout of ${batchTimeoutMs} ms`, "at least one millisecond")
  const maxMessageCount = options.maxMessageCount ?? 10
  if (!Number.isInteger(maxMessageCount) || maxMessageCount < 1)
    return refuse(`blocks of ${maxMessageCount} transactions`, "at least one")
  const chaincodes = (options.chaincodes ?? []).map((chaincode): ChaincodeSpec => {
    const path = resolve(cwd, chaincode.path)
    const { initArgs = [], name = nameOf(path), version = "1.0" } = chaincode
    return { ...chaincode, path, name, version, initArgs }
  })
  for (const [i, { name, version }] of chaincodes.entries()) {
    if (["cscc", "escc", "lscc", "qscc", "vscc"].includes(name))
      return refuse(`the chaincode name '${name}' is a system chaincode's`, "choose another")
    if (!chaincodeForm.test(name))
      return refuse(`'${name}' is no chaincode name`, "letters and digits, joined by single dashes or underscores")
    if (!versionForm.test(version))
      return refuse(`'${version}' is no chaincode version`, "letters, digits, dots, dashes, underscores and plus signs")
    const on = (one: ChaincodeSpec) => one.channel ?? channel
    if (chaincodes.findIndex((other) => other.name === name && on(other) === on(chaincodes[i] ?? other)) !== i)
      return refuse(`the chaincode name '${name}' is taken`, "choose another")
  }
  const consensus = options.consensus ?? "solo"
  const brokers = options.brokers ?? []
  const wrong = brokers.find((broker) => !isAddress(broker))
  if (wrong !== undefined) return refuse(`'${wrong}' is no broker`, "host:port")
  // a configtx.yaml may name them
  if (consensus === "kafka" && options.configtx === undefined && brokers.length === 0)
    return refuse(
      "Kafka's brokers must be named: a broker is a Java program, and is not started here",
      'start one, and give --brokers host:port,… (brokers: ["host:port"] of startNetwork)'
    )
  if (consensus !== "kafka" && options.configtx === undefined && brokers.length > 0)
    return refuse("brokers are Kafka's", "choose --consensus kafka, or leave them away")
  const access = options.brokerAccess ?? {}
  const secured = Object.keys(access).length > 0
  const unfit = accessFault(access)
  if (unfit !== undefined) return refuse(...unfit)
  const { stateDatabase } = options
  const peers = specs.reduce((sum, org) => sum + org.peers, 0)
  const fault = stateDatabase === undefined ? undefined : stateDatabaseFault(stateDatabase, peers)
  if (fault !== undefined)
    return refuse(fault, "goleveldb, embedded, or couchdb=[user:password@]host:port for each peer")
  return Either.right({
    dir: resolve(cwd, options.dir ?? "network"),
    channel,
    furtherChannels: [...channels].slice(1),
    orgs: specs,
    orderer: OWN_ORDERER,
    tls: options.tls ?? false,
    brokers,
    ...(secured ? { brokerAccess: settledAccess(access, cwd) } : {}),
    batchTimeoutMs,
    maxMessageCount,
    chaincodes,
    ...(stateDatabase === undefined ? {} : { stateDatabase })
  })
}

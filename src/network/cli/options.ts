/** The command line as data: what commander gives, checked. */
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { BrokerAccess } from "../brokerAccess.js"
import { NetworkRefused } from "../errors.js"
import type { NetworkOptions } from "../spec.js"

/** A flag that may be absent. */
const maybe = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })
/** One sentence in place of the schema's own. */
const wanting = (want: string) => ({ message: () => ({ message: want, override: true }) })

const OptionalText = maybe(Schema.String)
const OptionalFlag = maybe(Schema.Boolean)

const number = (want: string, fits: (value: number) => boolean) => {
  const Text = Schema.String.pipe(Schema.filter((text) => text.trim() !== "" && fits(Number(text)), wanting(want)))
  return maybe(Schema.compose(Text, Schema.NumberFromString))
}
const within =
  (least: number, most: number) =>
  (value: number): boolean =>
    Number.isInteger(value) && value >= least && value <= most
const count = (most: number) => number(`want a count from 1 to ${most}`, within(1, most))

/** A list of texts, or Fabric's `{"Args": […]}`. */
const Arguments = Schema.parseJson(
  Schema.Union(
    Schema.Array(Schema.String),
    Schema.transform(Schema.Struct({ Args: Schema.Array(Schema.String) }), Schema.Array(Schema.String), {
      strict: true,
      decode: ({ Args }) => Args,
      encode: (Args) => ({ Args })
    })
  )
).annotations(wanting('want a JSON list of texts, such as ["init","a","100"]'))

/** Options that every command has. */
export const CommonOptions = Schema.Struct({ dir: OptionalText, json: OptionalFlag })

/** Options of `invoke` and `query`. */
export const CallOptions = Schema.Struct({
  ...CommonOptions.fields,
  name: OptionalText,
  identity: OptionalText,
  channel: OptionalText
})

export const PeerAddOptions = Schema.Struct({ ...CommonOptions.fields, org: OptionalText })
export type PeerAddOptions = typeof PeerAddOptions.Type

export const ChannelCreateOptions = CommonOptions
export type ChannelCreateOptions = typeof ChannelCreateOptions.Type

export const ChaincodeDeployOptions = Schema.Struct({
  ...CommonOptions.fields,
  channel: OptionalText,
  name: OptionalText,
  version: OptionalText,
  init: maybe(Arguments),
  policy: OptionalText
})
export type ChaincodeDeployOptions = typeof ChaincodeDeployOptions.Type

export const UpOptions = Schema.Struct({
  ...CommonOptions.fields,
  channel: OptionalText,
  chaincode: maybe(Schema.Array(Schema.String)),
  init: maybe(Arguments),
  policy: OptionalText,
  orgs: count(50),
  peers: count(20),
  consensus: maybe(Schema.Literal("solo", "kafka").annotations(wanting("want solo or kafka"))),
  brokers: OptionalText,
  kafkaTlsCa: OptionalText,
  kafkaTlsCert: OptionalText,
  kafkaTlsKey: OptionalText,
  kafkaUser: OptionalText,
  kafkaPasswordFile: OptionalText,
  cryptoConfig: OptionalText,
  configtx: OptionalText,
  genesisProfile: OptionalText,
  channelProfile: OptionalText,
  tls: maybe(Schema.Union(Schema.Boolean, Schema.Literal("on", "off")).annotations(wanting("want on or off"))),
  batchTimeout: number("want milliseconds, at least 1", (value) => value >= 1 && value <= 86_400_000),
  maxMessages: count(1_000_000),
  stateDatabase: OptionalText,
  basePort: number("want a port from 1 to 65535", within(1, 65_535)),
  freePorts: OptionalFlag,
  detach: OptionalFlag,
  watch: OptionalFlag,
  /** `true` when no port is named. */
  inspect: maybe(
    Schema.Union(
      Schema.Literal(true),
      Schema.compose(
        Schema.String.pipe(Schema.filter((text) => /^\d+$/.test(text) && within(0, 65_535)(Number(text)))),
        Schema.NumberFromString
      )
    ).annotations(wanting("want a port from 0 (any) to 65535"))
  )
})
export type UpOptions = typeof UpOptions.Type

/** `basePort` as it is typed. */
const flag = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** Checks a command's options; every fault is named by its flag. */
export const decodeOptions = <A, I>(schema: Schema.Schema<A, I>, given: unknown): Effect.Effect<A, NetworkRefused> =>
  Schema.decodeUnknown(schema, { errors: "all" })(given).pipe(
    Effect.mapError((error) => {
      const faults = ParseResult.ArrayFormatter.formatErrorSync(error)
      const texts = faults.map(({ message, path }) => `${flag(String(path[0] ?? ""))}: ${message}`)
      return new NetworkRefused({ reason: [...new Set(texts)].join("; "), remedy: "see --help" })
    })
  )

/** Checks a command's options, then runs it; gives the exit code. */
export const runChecked = <A, I>(
  schema: Schema.Schema<A, I>,
  given: unknown,
  run: (options: A) => Effect.Effect<void, unknown>
): Effect.Effect<number, unknown> => Effect.as(Effect.flatMap(decodeOptions(schema, given), run), 0)

/** How the brokers are to be reached; undefined where nothing is said of it. */
const accessOf = (options: UpOptions): BrokerAccess | undefined => {
  const { kafkaPasswordFile, kafkaTlsCa, kafkaTlsCert, kafkaTlsKey, kafkaUser } = options
  const access = {
    ...(kafkaTlsCa === undefined ? {} : { tlsCa: kafkaTlsCa }),
    ...(kafkaTlsCert === undefined ? {} : { tlsCert: kafkaTlsCert }),
    ...(kafkaTlsKey === undefined ? {} : { tlsKey: kafkaTlsKey }),
    ...(kafkaUser === undefined ? {} : { user: kafkaUser }),
    ...(kafkaPasswordFile === undefined ? {} : { passwordFile: kafkaPasswordFile })
  }
  return Object.keys(access).length === 0 ? undefined : access
}

/** What `up` was asked for; what nobody named is left to defaults, or to the folder's earlier start. */
export const networkOptions = (options: UpOptions): NetworkOptions => {
  const {
    batchTimeout,
    brokers,
    chaincode,
    channel,
    consensus,
    dir,
    init,
    maxMessages,
    orgs,
    peers,
    policy,
    stateDatabase,
    tls
  } = options
  const brokerAccess = accessOf(options)
  const organisations = Array.from({ length: orgs ?? 1 }, (_, i) => ({ name: `Org${i + 1}`, peers: peers ?? 1 }))
  return {
    ...(dir === undefined ? {} : { dir }),
    ...(channel === undefined ? {} : { channel }),
    ...(options.cryptoConfig === undefined ? {} : { cryptoConfig: options.cryptoConfig }),
    ...(options.configtx === undefined ? {} : { configtx: options.configtx }),
    ...(options.genesisProfile === undefined ? {} : { genesisProfile: options.genesisProfile }),
    ...(options.channelProfile === undefined ? {} : { channelProfile: options.channelProfile }),
    ...(consensus === undefined ? {} : { consensus }),
    ...(brokers === undefined ? {} : { brokers: brokers.split(",").map((one) => one.trim()) }),
    ...(brokerAccess === undefined ? {} : { brokerAccess }),
    ...(batchTimeout === undefined ? {} : { batchTimeout }),
    ...(maxMessages === undefined ? {} : { maxMessageCount: maxMessages }),
    ...(stateDatabase === undefined ? {} : { stateDatabase }),
    ...(tls === undefined ? {} : { tls: tls === true || tls === "on" }),
    ...(orgs === undefined && peers === undefined ? {} : { orgs: organisations }),
    ...(chaincode === undefined
      ? {}
      : {
          chaincodes: chaincode.map((path) => ({
            path,
            ...(init === undefined ? {} : { initArgs: init }),
            ...(policy === undefined ? {} : { policy })
          }))
        })
  }
}

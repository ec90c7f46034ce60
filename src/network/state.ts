/** What is remembered of a network between commands: `network.json` in its folder. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { textOf } from "../runtime/Stage.js"
import { NetworkRefused } from "./errors.js"
import { makeFolder } from "./folders.js"
import type { NetworkPorts } from "./layout.js"
import * as layout from "./layout.js"
import { type NetworkSpec, OWN_ORDERER } from "./spec.js"

const Ports = Schema.Struct({
  orderer: Schema.Number,
  ordererOperations: Schema.Number,
  peers: Schema.Record({
    key: Schema.String,
    value: Schema.Struct({ peer: Schema.Number, chaincode: Schema.Number, operations: Schema.Number })
  })
})

const Org = Schema.Struct({
  name: Schema.String,
  mspId: Schema.String,
  domain: Schema.String,
  peers: Schema.Number,
  users: Schema.Number,
  hosts: Schema.optionalWith(Schema.Array(Schema.String), { exact: true }),
  configName: Schema.optionalWith(Schema.String, { exact: true }),
  nodeOus: Schema.optionalWith(Schema.Boolean, { exact: true })
})

const Chaincode = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  /** Folder of its code. */
  path: Schema.String,
  initArgs: Schema.Array(Schema.String),
  /** Absent: the network's first. */
  channel: Schema.optionalWith(Schema.String, { exact: true }),
  policy: Schema.optionalWith(Schema.String, { exact: true })
})

export const NetworkState = Schema.Struct({
  format: Schema.Literal(1),
  channel: Schema.String,
  furtherChannels: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [], exact: true }),
  orgs: Schema.Array(Org),
  orderer: Schema.optionalWith(Schema.Struct({ host: Schema.String, domain: Schema.String, mspId: Schema.String }), {
    default: () => OWN_ORDERER,
    exact: true
  }),
  existing: Schema.optionalWith(
    Schema.Struct({
      cryptoConfig: Schema.String,
      configtx: Schema.String,
      genesisProfile: Schema.String,
      channelProfile: Schema.String
    }),
    { exact: true }
  ),
  tls: Schema.Boolean,
  brokers: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [], exact: true }),
  /** Files, not what is in them. */
  brokerAccess: Schema.optionalWith(
    Schema.Struct({
      tlsCa: Schema.optionalWith(Schema.String, { exact: true }),
      tlsCert: Schema.optionalWith(Schema.String, { exact: true }),
      tlsKey: Schema.optionalWith(Schema.String, { exact: true }),
      user: Schema.optionalWith(Schema.String, { exact: true }),
      passwordFile: Schema.optionalWith(Schema.String, { exact: true })
    }),
    { exact: true }
  ),
  batchTimeoutMs: Schema.Number,
  maxMessageCount: Schema.Number,
  stateDatabase: Schema.optionalWith(Schema.String, { exact: true }),
  ports: Ports,
  chaincodes: Schema.Array(Chaincode),
  /** Running nodes by name; empty when the network is down. */
  pids: Schema.Record({ key: Schema.String, value: Schema.Number }),
  /** The `up` in whose foreground they run. */
  supervisor: Schema.optionalWith(Schema.Number, { exact: true })
})
export type NetworkState = typeof NetworkState.Type

/** The state of a network none of whose nodes runs. */
export const stateOf = (
  {
    batchTimeoutMs,
    brokerAccess,
    brokers,
    chaincodes,
    channel,
    existing,
    furtherChannels,
    maxMessageCount,
    orderer,
    orgs,
    stateDatabase,
    tls
  }: NetworkSpec,
  ports: NetworkPorts
): NetworkState => ({
  format: 1,
  channel,
  furtherChannels,
  orgs,
  orderer,
  ...(existing === undefined ? {} : { existing }),
  tls,
  brokers,
  ...(brokerAccess === undefined ? {} : { brokerAccess }),
  batchTimeoutMs,
  maxMessageCount,
  ...(stateDatabase === undefined ? {} : { stateDatabase }),
  ports,
  chaincodes: chaincodes.map(({ channel: on, initArgs, name, path, policy, version }) => ({
    name,
    version,
    path,
    initArgs,
    ...(on === undefined ? {} : { channel: on }),
    ...(policy === undefined ? {} : { policy })
  })),
  pids: {}
})

/** The state of a network's folder; undefined when it has none. */
export const readState = (dir: string): Effect.Effect<NetworkState | undefined, NetworkRefused> =>
  Effect.gen(function* () {
    const file = layout.stateFile(dir)
    if (!existsSync(file)) return undefined
    const tree = yield* Effect.try({
      try: (): unknown => JSON.parse(readFileSync(file, "utf8")),
      catch: (error) =>
        new NetworkRefused({
          reason: `${file} cannot be read: ${textOf(error)}`,
          remedy: "remove the folder with `clean`"
        })
    })
    return yield* Schema.decodeUnknown(NetworkState)(tree).pipe(
      Effect.mapError(
        () => new NetworkRefused({ reason: `${file} is not of this version`, remedy: "remove the folder with `clean`" })
      )
    )
  })

/** Makes the folder and writes the state, whole or not at all. */
export const writeState = (dir: string, state: NetworkState): Effect.Effect<void, NetworkRefused> =>
  Effect.try({
    try: () => {
      makeFolder(dir)
      const file = layout.stateFile(dir)
      writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`)
      renameSync(`${file}.new`, file)
    },
    catch: (error) =>
      new NetworkRefused({
        reason: `cannot write to ${dir}: ${textOf(error)}`,
        remedy: "choose another folder with --dir"
      })
  })

/** Changes what is remembered, as it is at this moment: other commands write it too. */
export const updateState = (
  dir: string,
  change: (state: NetworkState) => NetworkState
): Effect.Effect<void, NetworkRefused> =>
  Effect.flatMap(readState(dir), (state) => (state === undefined ? Effect.void : writeState(dir, change(state))))

/** Notes a process that was started. */
export const withPid =
  (name: string, pid: number) =>
  (state: NetworkState): NetworkState => ({ ...state, pids: { ...state.pids, [name]: pid } })

/** Notes that a process has ended. */
export const withoutPid =
  (name: string) =>
  (state: NetworkState): NetworkState => {
    const { [name]: _gone, ...pids } = state.pids
    return { ...state, pids }
  }

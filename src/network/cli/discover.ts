/**
 * `discover peers|config|endorsers`: asks a peer's discovery service, prints what Go's `discover` program prints. The peer
 * is one of the network in the folder, or any with `--server`, `--msp`, `--msp-dir`.
 */
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { answered, discover } from "../../client/index.js"
import { loadLocalMsp } from "../../msp/index.js"
import { showChannelPeers, showConfig, showEndorsers, showLocalPeers } from "../../tools/discover/index.js"
import { connect } from "../../transport/index.js"
import type { discovery, Init } from "../../wire/index.js"
import { NetworkRefused } from "../errors.js"
import { makeConnections } from "../gateway/connections.js"
import { folderOf, type Place, requireState, specOf } from "./commands.js"
import { decodeOptions } from "./options.js"

const text = Schema.optionalWith(Schema.String, { exact: true })
const texts = Schema.optionalWith(Schema.Array(Schema.String), { exact: true })

/** What commander gives for `discover`. */
export const DiscoverOptions = Schema.Struct({
  dir: text,
  server: text,
  channel: text,
  identity: text,
  msp: text,
  mspDir: text,
  peerTLSCA: text,
  tlsCert: text,
  tlsKey: text,
  chaincode: texts,
  collection: texts
})
type Options = typeof DiscoverOptions.Type

export const DiscoverySubject = Schema.Literal("peers", "config", "endorsers")
export type DiscoverySubject = typeof DiscoverySubject.Type

const refuse = (reason: string, remedy: string): NetworkRefused => new NetworkRefused({ reason, remedy })

/** `CHAINCODE:COLLECTION,COLLECTION`, as Go's program takes it. */
const interestOf = ({
  chaincode = [],
  collection = []
}: Options): Effect.Effect<Init<discovery.ChaincodeInterest>, NetworkRefused> =>
  Effect.gen(function* () {
    const collections = new Map<string, ReadonlyArray<string>>()
    for (const entry of collection) {
      const [name = "", list = ""] = entry.split(":")
      if (!chaincode.includes(name))
        return yield* refuse(
          `a collection specified chaincode ${name} but it wasn't specified with a chaincode flag`,
          "name it with --chaincode too"
        )
      collections.set(name, list.split(","))
    }
    return { chaincodes: chaincode.map((name) => ({ name, collectionNames: collections.get(name) ?? [] })) }
  })

const queryOf = (subject: DiscoverySubject, options: Options): Effect.Effect<Init<discovery.Query>, NetworkRefused> =>
  Effect.gen(function* () {
    const { channel = "" } = options
    if (channel === "" && subject !== "peers") return yield* refuse("no channel specified", "name one with --channel")
    switch (subject) {
      case "config":
        return { channel, configQuery: {} }
      case "endorsers":
        return { channel, ccQuery: { interests: [yield* interestOf(options)] } }
      case "peers":
        return channel === "" ? { localPeers: {} } : { channel, peerQuery: {} }
    }
  })

const file = (cwd: string, path: string) =>
  Effect.try({
    try: () => readFileSync(resolve(cwd, path)),
    catch: (error) => refuse(`${path} cannot be read: ${error}`, "check the path")
  })

/** The peer that is asked, and who asks. */
const target = (place: Place, options: Options) =>
  Effect.gen(function* () {
    const { mspDir, peerTLSCA, server, tlsCert, tlsKey } = options
    if (mspDir !== undefined) {
      if (server === undefined || options.msp === undefined)
        return yield* refuse("no server or MSP specified", "name them with --server and --msp")
      const { signer } = yield* loadLocalMsp({ dir: resolve(place.cwd, mspDir), mspId: options.msp })
      const pair =
        tlsCert === undefined || tlsKey === undefined
          ? {}
          : { clientCert: yield* file(place.cwd, tlsCert), clientKey: yield* file(place.cwd, tlsKey) }
      const tls = peerTLSCA === undefined ? {} : { tls: { rootCerts: [yield* file(place.cwd, peerTLSCA)], ...pair } }
      return { peer: yield* connect(server, { ...tls, connectTimeout: "10 seconds" }), signer }
    }
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    const connections = yield* makeConnections(() => ({ spec: specOf(dir, state), ports: state.ports }))
    const peer = yield* server === undefined ? connections.firstPeer() : connections.peer(server)
    const signer = yield* options.identity === undefined ? connections.admin() : connections.identity(options.identity)
    return { peer, signer }
  })

/** In: `peers`, `config` or `endorsers` as it was typed. */
export const discoverCommand = (
  place: Place,
  asked: unknown,
  options: Options,
  write: (line: string) => void
): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const subject = yield* decodeOptions(DiscoverySubject, asked)
    const query = yield* queryOf(subject, options)
    const { peer, signer } = yield* target(place, options)
    const [result] = yield* discover(peer, signer, [query], { deadline: "10 seconds" })
    const shown = yield* subject === "config"
      ? Effect.map(
          answered(result, ({ configResult }) => configResult),
          showConfig
        )
      : subject === "endorsers"
        ? Effect.map(
            answered(result, ({ ccQueryRes }) => ccQueryRes),
            showEndorsers
          )
        : Effect.map(
            answered(result, ({ members }) => members),
            query.channel === undefined ? showLocalPeers : showChannelPeers
          )
    write(`${shown}\n`)
  }).pipe(Effect.scoped)

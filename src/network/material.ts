/**
 * A network's material: keys and certificates, genesis block, channel creation, connection profiles and wallet. Made
 * once for a folder; profiles and wallet are written at every start, for ports may have changed.
 */
import { randomBytes } from "node:crypto"
import { cpSync, existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { makeChannelCreationTransaction, makeGenesisBlock } from "../channelconfig/index.js"
import * as Log from "../runtime/Log.js"
import { type CryptoConfig, extend, generate, nodeSpec, organizationSpec } from "../tools/cryptogen/index.js"
import { common } from "../wire/index.js"
import { StepFailed } from "./errors.js"
import { makeFolder } from "./folders.js"
import type { NetworkPorts } from "./layout.js"
import * as layout from "./layout.js"
import { connectionProfile, walletIdentities, walletText } from "./profile.js"
import { channelProfile, systemProfile } from "./profiles.js"
import type { NetworkSpec } from "./spec.js"

const log = Log.module("network.material")

/** Every certificate is good for the loopback address, whatever name it has. */
const SANS = ["127.0.0.1", "localhost"]

/** `crypto-config.yaml` of the network, as data. */
const cryptoConfig = (spec: NetworkSpec): CryptoConfig => ({
  ordererOrgs: [
    organizationSpec({
      name: "Orderer",
      domain: layout.ORDERER_DOMAIN,
      enableNodeOUs: true,
      specs: [nodeSpec({ hostname: "orderer", sans: SANS })]
    })
  ],
  peerOrgs: spec.orgs.map((org) =>
    organizationSpec({
      name: org.name,
      domain: org.domain,
      enableNodeOUs: org.nodeOus ?? true,
      ...(org.hosts === undefined
        ? { template: { count: org.peers, start: 0, hostname: "", sans: SANS } }
        : {
            specs: org.hosts.map((host) =>
              nodeSpec({ hostname: host.split(".")[0] ?? host, commonName: host, sans: SANS })
            )
          }),
      users: { count: org.users }
    })
  )
})

const failing =
  (step: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StepFailed, R> =>
    Effect.mapError(
      effect,
      (cause) => new StepFailed({ step, reason: cause instanceof Error ? cause.message : String(cause), cause })
    )

/** Genesis block and channel creation transaction. The last file written says that all material is there. */
const configuration = (spec: NetworkSpec, ports: NetworkPorts): Effect.Effect<void, StepFailed> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const warnings: Array<string> = []
    const warn = (text: string) => void warnings.push(text)
    const freshness = { now, nonce: new Uint8Array(randomBytes(24)) }
    // a topic keeps its channel's name: one of an earlier network on these brokers must not be taken up again
    const own = spec.brokers.length === 0 ? "" : `-${randomBytes(4).toString("hex")}`
    const genesis = yield* makeGenesisBlock(
      yield* systemProfile(spec, ports),
      `${layout.SYSTEM_CHANNEL}${own}`,
      freshness,
      warn
    )
    yield* Effect.forEach(warnings, (text) => log.warning(text))
    yield* makeChannelFile(spec, ports, spec.channel)
    yield* Effect.try(() => writeFileSync(layout.genesisFile(spec.dir), common.Block.encode(genesis)))
  }).pipe(failing("make the genesis block"))

/** The transaction that creates a channel, where it is not there yet. */
export const makeChannelFile = (
  spec: NetworkSpec,
  ports: NetworkPorts,
  channel: string
): Effect.Effect<void, StepFailed> =>
  Effect.gen(function* () {
    const file = layout.channelFile(spec.dir, channel)
    if (existsSync(file)) return
    const warnings: Array<string> = []
    const warn = (text: string) => void warnings.push(text)
    const now = yield* Clock.currentTimeMillis
    const creation = yield* makeChannelCreationTransaction(channel, yield* channelProfile(spec, ports), now, warn)
    yield* Effect.forEach(warnings, (text) => log.warning(text))
    yield* Effect.try(() => writeFileSync(file, common.Envelope.encode(creation)))
  }).pipe(failing(`make the transaction that creates ${channel}`))

/** Keys and certificates of what the spec has beyond the folder. */
export const extendMaterial = (spec: NetworkSpec): Effect.Effect<void, StepFailed> =>
  Effect.asVoid(extend({ ...cryptoConfig(spec), ordererOrgs: [] }, layout.crypto(spec.dir))).pipe(
    failing("extend crypto material")
  )

/** Profiles and wallet for SDKs. */
export const forClients = (spec: NetworkSpec, ports: NetworkPorts): Effect.Effect<void, StepFailed> =>
  Effect.try(() => {
    for (const org of spec.orgs)
      writeFileSync(
        layout.profileFile(spec.dir, org),
        `${JSON.stringify(connectionProfile(spec, ports, org), undefined, 2)}\n`
      )
    const wallet = layout.walletFolder(spec.dir)
    makeFolder(wallet)
    for (const identity of walletIdentities(spec))
      writeFileSync(join(wallet, `${identity.label}.id`), walletText(identity), { mode: 0o600 })
  }).pipe(failing("write profile and wallet"))

/** Out: whether material was made now, not found. */
export const makeMaterial = (spec: NetworkSpec, ports: NetworkPorts): Effect.Effect<boolean, StepFailed> =>
  Effect.gen(function* () {
    const fresh = !existsSync(layout.genesisFile(spec.dir))
    if (fresh) {
      yield* Effect.try({ try: () => makeFolder(spec.dir), catch: (error) => error }).pipe(failing("make the folder"))
      const { existing } = spec
      yield* existing === undefined
        ? generate(cryptoConfig(spec), layout.crypto(spec.dir)).pipe(failing("make crypto material"))
        : Effect.try(() => cpSync(existing.cryptoConfig, layout.crypto(spec.dir), { recursive: true })).pipe(
            failing("copy crypto material")
          )
      yield* configuration(spec, ports)
    }
    yield* forClients(spec, ports)
    return fresh
  })

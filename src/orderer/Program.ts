/**
 * The orderer as a list of startup stages, acquired from the bottom up and released in reverse.
 * Source: orderer.md section 1; design.md sections 2 and 3.
 */
import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { loadProfile, makeGenesisBlock } from "../channelconfig/index.js"
import { type Environment, type OrdererConfig, ordererConfigRecord } from "../config/index.js"
import { Operations, providerOf } from "../operations/index.js"
import * as Log from "../runtime/Log.js"
import * as Metrics from "../runtime/Metrics.js"
import { stage } from "../runtime/Stage.js"
import * as Vital from "../runtime/Vital.js"
import { GrpcServer, Listen } from "../transport/index.js"
import { common } from "../wire/index.js"
import { commitSha, runtimeInfo, version, versionInfo } from "./metadata.js"
import * as AtomicBroadcast from "./services/AtomicBroadcast.js"
import * as BootstrapBlock from "./stages/BootstrapBlock.js"
import * as CertificateExpiry from "./stages/CertificateExpiry.js"
import * as CertificateReload from "./stages/CertificateReload.js"
import * as Channels from "./stages/Channels.js"
import * as ClientRoots from "./stages/ClientRoots.js"
import { StartFailed } from "./stages/errors.js"
import * as Identity from "./stages/Identity.js"
import * as Ledgers from "./stages/Ledgers.js"
import * as Profiling from "./stages/Profiling.js"
import * as Server from "./stages/Server.js"
import * as SystemLedger from "./stages/SystemLedger.js"

const log = Log.module("orderer.common.server")

/** What the program takes from its surroundings, beside the configuration. */
export interface Surroundings {
  /** For the profile of a provisional genesis block. */
  readonly env: Environment
  readonly cwd: string
}

// ---- From configuration to the stages' options (benchmark mode shares them) -----------------------------------------

export const metricsLayer = ({ metrics: { provider: word, statsd } }: OrdererConfig) => {
  const { provider, warning } = providerOf(word === "" ? "disabled" : word)
  const { address, prefix, writeInterval } = statsd
  const network = statsd.network === "tcp" ? ("tcp" as const) : ("udp" as const)
  const metrics = Metrics.layer({ provider, statsd: { network, address, prefix, writeInterval } })
  return warning === undefined ? metrics : Layer.tap(metrics, () => log.warning(warning))
}

const operationsLayer = ({ metrics, operations: { listenAddress, tls } }: OrdererConfig) =>
  Operations.layer({
    listenAddress,
    tls: tls.enabled
      ? {
          certificateFile: tls.certificate,
          keyFile: tls.privateKey,
          clientAuthRequired: tls.clientAuthRequired,
          clientRootCAFiles: tls.clientRootCAs
        }
      : undefined,
    version,
    commitSha,
    prometheus: metrics.provider === "prometheus"
  }).pipe(
    Layer.catchAll((cause) =>
      Layer.fail(new StartFailed({ detail: `failed to initialize operations subsystem: ${cause.message}`, cause }))
    )
  )

/** A listener that ends by itself ends the node. */
const watched = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { died } = yield* Operations
    const vital = yield* Vital.Vital
    yield* vital.fork("operations service", died)
  })
)

const provisional = ({ general }: OrdererConfig, { cwd, env }: Surroundings): Effect.Effect<Uint8Array, StartFailed> =>
  Effect.gen(function* () {
    const warn = yield* log.sync
    const now = yield* Clock.currentTimeMillis
    const profile = yield* loadProfile(general.genesisProfile, { env, cwd })
    const freshness = { now, nonce: randomBytes(24) }
    const block = yield* makeGenesisBlock(profile, general.systemChannel, freshness, (text) => warn.warning(text))
    return common.Block.encode(block)
  }).pipe(Effect.mapError((cause) => new StartFailed({ detail: cause.message, cause })))

export const bootstrapOptions = (
  config: OrdererConfig,
  surroundings: Surroundings
): BootstrapBlock.BootstrapOptions => {
  const { genesisFile: file, genesisMethod } = config.general
  if (genesisMethod === "file") return { method: "file", file }
  return genesisMethod === "provisional"
    ? { method: "provisional", make: provisional(config, surroundings) }
    : { method: "unknown", name: genesisMethod }
}

export const serviceOptions = ({
  debug,
  general: { authentication }
}: OrdererConfig): AtomicBroadcast.ServiceOptions => ({
  timeWindow: Duration.toMillis(authentication.timeWindow),
  checkExpiration: !authentication.noExpirationChecks,
  broadcastTraceDir: debug.broadcastTraceDir,
  deliverTraceDir: debug.deliverTraceDir
})

export const describe = (config: OrdererConfig) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      yield* log.info(ordererConfigRecord(config))
      for (const note of config.source.notes) yield* log.warning(note)
    })
  )

const announce = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* log.info(`Starting ${versionInfo(runtimeInfo(process))}`)
    yield* log.info("Beginning to serve requests")
  })
)

// ---- The program ---------------------------------------------------------------------------------------------------

/** A program's parts as a Layer, and how it ends: only by a vital loop's failure. Read upwards; the reference's exit codes. */
export const layer = (config: OrdererConfig, surroundings: Surroundings) =>
  Listen.layer.pipe(
    Layer.provideMerge(announce),
    stage("door", { remedy: "this stage has no way to fail" }),
    Layer.provideMerge(
      AtomicBroadcast.layer(serviceOptions(config)).pipe(
        stage("services", { remedy: "this is a fault of the program: report it" })
      )
    ),
    Layer.provideMerge(
      Profiling.layer(config.general.profile).pipe(stage("profiling", { remedy: "switch General.Profile.Enabled off" }))
    ),
    Layer.provideMerge(
      Channels.layer({ checkExpiration: !config.general.authentication.noExpirationChecks }).pipe(
        stage("channels", {
          remedy: "a channel's ledger or configuration cannot be served by this orderer; the cause names the channel",
          exitCode: 2
        })
      )
    ),
    Layer.provideMerge(
      Channels.consenters(config.kafka).pipe(stage("consenters", { remedy: "see the Kafka section of orderer.yaml" }))
    ),
    Layer.provideMerge(
      CertificateReload.layer(config.general).pipe(
        stage("certificate reload", { remedy: "nothing here can fail; report this" })
      )
    ),
    Layer.provideMerge(CertificateExpiry.layer.pipe(stage("certificate expiry", { remedy: "renew the certificates" }))),
    Layer.provideMerge(ClientRoots.layer.pipe(stage("client roots", { remedy: "see General.TLS.ClientRootCAs" }))),
    Layer.provideMerge(
      Server.layer(config.general).pipe(
        stage("gRPC server", {
          remedy: "choose a free address with General.ListenAddress and ListenPort, and check the files of General.TLS"
        })
      )
    ),
    Layer.provideMerge(
      Server.material(config.general).pipe(
        stage("TLS material", { remedy: "check the paths under General.TLS in orderer.yaml" })
      )
    ),
    Layer.provideMerge(
      SystemLedger.layer.pipe(
        stage("system channel", {
          remedy: "give the genesis block that these ledgers were made from, or another FileLedger.Location"
        })
      )
    ),
    Layer.provideMerge(
      Ledgers.layer(config).pipe(
        stage("ledgers", {
          remedy: "check FileLedger.Location: it must be writable and used by one orderer only",
          exitCode: 2
        })
      )
    ),
    Layer.provideMerge(
      watched.pipe(
        Layer.provideMerge(operationsLayer(config)),
        stage("operations", {
          remedy: "choose a free address with Operations.ListenAddress, and check the files of Operations.TLS",
          exitCode: 2
        })
      )
    ),
    Layer.provideMerge(
      BootstrapBlock.layer(bootstrapOptions(config, surroundings)).pipe(
        stage("bootstrap block", {
          remedy: "General.GenesisMethod and GenesisFile must give the system channel's genesis block, on every start",
          exitCode: 2
        })
      )
    ),
    Layer.provideMerge(describe(config).pipe(stage("configuration", { remedy: "see orderer.yaml" }))),
    Layer.provideMerge(
      Identity.layer(config.general).pipe(
        stage("local MSP", { remedy: "General.LocalMSPDir and LocalMSPID must name the orderer's own identity" })
      )
    ),
    Layer.provideMerge(
      metricsLayer(config).pipe(stage("metrics", { remedy: "see Metrics in orderer.yaml", exitCode: 2 }))
    ),
    Layer.provideMerge(Vital.layer)
  )

/** Where a running orderer can be reached. */
export interface Running {
  readonly address: string
  readonly operationsAddress: string
}

export const running = Effect.map(
  Effect.all([GrpcServer, Operations]),
  ([server, operations]): Running => ({ address: server.address, operationsAddress: operations.address })
)

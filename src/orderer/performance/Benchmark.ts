/**
 * Benchmark mode: the orderer's own stages with a server pool in place of the gRPC server, driven by clients in this
 * process. It runs on a channel of its own, made from the bootstrap block's configuration under another name, with its
 * ledger in a folder beside the configured one that is gone afterwards: nothing of the node's channels is touched.
 * Source: orderer.md 2.1; issue 5 part 1.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { Bundle } from "../../channelconfig/index.js"
import { forever, moment, seekEnvelope, signedEnvelope } from "../../client/index.js"
import type { OrdererConfig } from "../../config/index.js"
import { LocalMsp } from "../../msp/index.js"
import { stage } from "../../runtime/Stage.js"
import * as Vital from "../../runtime/Vital.js"
import { Listen, layerServerPool, ServerPool } from "../../transport/index.js"
import { common } from "../../wire/index.js"
import { newBlock } from "../../wire/protoutil.js"
import { ordererOf } from "../msgprocessor/filters.js"
import { Registrar } from "../multichannel/Registrar.js"
import { bootstrapOptions, describe, metricsLayer, type Surroundings, serviceOptions } from "../Program.js"
import * as AtomicBroadcast from "../services/AtomicBroadcast.js"
import * as BootstrapBlock from "../stages/BootstrapBlock.js"
import * as Channels from "../stages/Channels.js"
import * as ClientRoots from "../stages/ClientRoots.js"
import { StartFailed, textOf } from "../stages/errors.js"
import * as Identity from "../stages/Identity.js"
import * as Ledgers from "../stages/Ledgers.js"
import { ServerMaterial } from "../stages/Server.js"
import * as SystemLedger from "../stages/SystemLedger.js"
import type { BenchmarkFailed } from "./errors.js"
import { openReader, send } from "./load.js"
import { head, row } from "./report.js"

export interface BenchmarkOptions {
  /** Envelopes of each case; 0: case after case, `caseMillis` each, until stopped. */
  readonly count: number
  /** Bytes of data in an envelope, without headers and signature. */
  readonly sizes: ReadonlyArray<number>
  readonly clients: ReadonlyArray<number>
  /** Envelopes of one client on their way at a time. */
  readonly window: number
}

export const defaults: BenchmarkOptions = { count: 0, sizes: [128, 1024, 16_384], clients: [1, 8, 32], window: 100 }

const caseMillis = 3000
/** Different envelopes of a case; they come again after that. */
const variety = 1000
const varietyBytes = 32 * 1024 * 1024

// ---- Stages --------------------------------------------------------------------------------------------------------

/** The bootstrap block's configuration as the first block of a channel of another name. Pure. */
export const renamed = (
  block: common.Block,
  channelId: string
): Either.Either<BootstrapBlock.BootstrapBlockShape, string> => {
  const envelope = common.Envelope.decode(block.data?.data[0] ?? new Uint8Array())
  const payload = common.Payload.decode(envelope.payload)
  const channelHeader = common.ChannelHeader.encode({
    ...common.ChannelHeader.decode(payload.header?.channelHeader ?? new Uint8Array()),
    channelId
  })
  const signatureHeader = payload.header?.signatureHeader ?? new Uint8Array()
  const made = common.Envelope.encode({
    payload: common.Payload.encode({ header: { channelHeader, signatureHeader }, data: payload.data })
  })
  const first = newBlock(0n, new Uint8Array(), [made])
  return Either.mapBoth(Bundle.fromBlock(first), {
    onLeft: ({ message }) => message,
    onRight: (bundle) => ({ bytes: common.Block.encode(first), block: first, bundle })
  })
}

const ownChannel = Layer.effect(
  BootstrapBlock.BootstrapBlock,
  Effect.flatMap(BootstrapBlock.BootstrapBlock, ({ block }) =>
    Effect.mapError(
      renamed(block, `benchmark-${randomBytes(4).toString("hex")}`),
      (detail) => new StartFailed({ detail })
    )
  )
)

/** A folder on the file system of the configured one: the disk is part of what is measured. */
const ownFolder = ({ location }: OrdererConfig["fileLedger"]): Effect.Effect<string, StartFailed> =>
  Effect.try({
    try: () => {
      const parent = location === "" ? os.tmpdir() : path.dirname(path.resolve(location))
      fs.mkdirSync(parent, { recursive: true })
      return fs.mkdtempSync(path.join(parent, "orderer-benchmark-"))
    },
    catch: (cause) => new StartFailed({ detail: `no folder for the ledger: ${textOf(cause)}`, cause })
  })

const ledgers = (config: OrdererConfig) =>
  Layer.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(ownFolder(config.fileLedger), (folder) =>
        Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
      ),
      (location) => Ledgers.layer({ ...config, fileLedger: { ...config.fileLedger, location } })
    )
  )

const fault = { remedy: "this is a fault of the program: report it" }

/** The parts of an orderer without network: read upwards. */
export const layer = (config: OrdererConfig, surroundings: Surroundings) => {
  const checkExpiration = !config.general.authentication.noExpirationChecks
  return Listen.layer.pipe(
    stage("door", fault),
    Layer.provideMerge(AtomicBroadcast.layer(serviceOptions(config)).pipe(stage("services", fault))),
    Layer.provideMerge(
      Channels.layer({ checkExpiration }).pipe(
        stage("channels", { remedy: "the cause names what this orderer cannot serve", exitCode: 2 })
      )
    ),
    Layer.provideMerge(
      Channels.consenters(config.kafka).pipe(stage("consenters", { remedy: "see the Kafka section of orderer.yaml" }))
    ),
    Layer.provideMerge(ClientRoots.layer),
    Layer.provideMerge(Layer.succeed(ServerMaterial, { tls: undefined })),
    Layer.provideMerge(layerServerPool.pipe(stage("server pool", fault))),
    Layer.provideMerge(SystemLedger.layer.pipe(stage("system channel", fault))),
    Layer.provideMerge(
      ledgers(config).pipe(
        stage("ledgers", { remedy: "the folder above FileLedger.Location must be writable", exitCode: 2 })
      )
    ),
    Layer.provideMerge(
      ownChannel.pipe(
        Layer.provide(BootstrapBlock.layer(bootstrapOptions(config, surroundings))),
        stage("bootstrap block", {
          remedy: "General.GenesisMethod and GenesisFile must give a system channel's genesis block",
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
    Layer.provideMerge(metricsLayer(config).pipe(stage("metrics", { remedy: "see Metrics in orderer.yaml" }))),
    Layer.provideMerge(Vital.layer)
  )
}

// ---- Cases ---------------------------------------------------------------------------------------------------------

/** Runs all cases and prints a line for each; once with a count, for ever without one. */
export const benchmark = (
  options: BenchmarkOptions,
  print: (text: string) => void
): Effect.Effect<void, BenchmarkFailed, ServerPool | Registrar | LocalMsp> =>
  Effect.gen(function* () {
    const pool = yield* ServerPool
    const { channel, systemChannelId: channelId } = yield* Registrar
    const { signer } = yield* LocalMsp
    const bundle = channel(channelId)?.bundles.current()
    const type = bundle === undefined ? "unknown" : ordererOf(bundle).consensusType
    const seek = { start: "newest", stop: forever } as const
    const reader = yield* openReader(pool, seekEnvelope({ ...(yield* moment), channelId, signer, seek }))
    const once = options.count > 0
    const { clients: numbers, sizes, window } = options
    print(`Benchmark on channel ${channelId}, ${type}, without network; ${window} envelopes of a client at a time\n`)
    print(head)
    const cases = sizes.flatMap((size) => numbers.map((clients) => ({ size, clients })))
    for (let round = 0; round === 0 || !once; round++) {
      for (const { clients, size } of cases) {
        const make = Effect.map(moment, (parts) =>
          signedEnvelope({ ...parts, type: common.HeaderType.MESSAGE, channelId, data: randomBytes(size), signer })
        )
        const most = Math.max(1, Math.min(variety, Math.floor(varietyBytes / size)))
        const different = once ? Math.min(most, options.count) : most
        const envelopes = yield* Effect.replicateEffect(make, different)
        const [before, blocks, cpu] = [reader.count(), reader.blocks(), process.cpuUsage()]
        const started = performance.now()
        const sent = yield* send(pool, {
          envelopes,
          clients,
          window,
          count: once ? options.count : undefined,
          millis: caseMillis
        })
        yield* reader.until(before + sent.count)
        const { system, user } = process.cpuUsage(cpu)
        print(
          row({
            ...sent,
            size,
            clients,
            orderedSeconds: (performance.now() - started) / 1000,
            blocks: reader.blocks() - blocks,
            cpuMicros: system + user
          })
        )
      }
    }
  }).pipe(Effect.scoped)

/** Orderers that order through a real broker, in this process, and what they need. Not a test. */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Bundle } from "../../../src/channelconfig/index.js"
import { decodeOrderer } from "../../../src/config/index.js"
import type { KafkaSettings } from "../../../src/orderer/consensus/kafka/client.js"
import { makeKafkaConsenter } from "../../../src/orderer/consensus/kafka/KafkaConsenter.js"
import * as Log from "../../../src/runtime/Log.js"
import * as Metrics from "../../../src/runtime/Metrics.js"
import { common, orderer } from "../../../src/wire/index.js"
import { genesisWith } from "../support/genesis.js"
import {
  broadcastOne,
  chainA,
  deliverAll,
  message,
  type Node,
  seekMessage,
  signerOf,
  startNode
} from "../support/node.js"
import { batchSize, envelopeOf, groupOf, setValue, updateOf } from "../support/updates.js"

// ---- Genesis -------------------------------------------------------------------------------------------------------

export interface GenesisOptions {
  readonly channelId: string
  readonly brokers: ReadonlyArray<string>
  readonly count?: number
  /** Go duration. */
  readonly timeout?: string
  /** False: no capabilities, that is compatibility mode. */
  readonly resubmission?: boolean
}

/** The recorded genesis block of a Kafka channel with another name, brokers and batches. */
export const genesis = (options: GenesisOptions): Uint8Array =>
  genesisWith(
    (root) => {
      const section = groupOf(root, "Orderer")
      setValue(section, "KafkaBrokers", orderer.KafkaBrokers.encode({ brokers: [...options.brokers] }))
      setValue(section, "BatchSize", batchSize(options.count ?? 10))
      setValue(section, "BatchTimeout", orderer.BatchTimeout.encode({ timeout: options.timeout ?? "300ms" }))
      if (options.resubmission === false) for (const each of [root, section]) each.values.delete("Capabilities")
    },
    options.channelId,
    "genesis-kafka.block"
  )

/** A name that no other test has: the channel's and its topic's. */
export const freshName = (prefix: string): string => `${prefix}-${randomBytes(4).toString("hex")}`

// ---- Nodes ---------------------------------------------------------------------------------------------------------

/** Times for tests: tries often, gives up soon. */
const yaml = `
General: {}
Kafka:
  Retry:
    ShortInterval: 200ms
    ShortTotal: 60s
    LongInterval: 1s
    LongTotal: 1s
    NetworkTimeouts: {DialTimeout: 2s, ReadTimeout: 2s, WriteTimeout: 2s}
    Metadata: {RetryBackoff: 50ms, RetryMax: 1}
    Producer: {RetryBackoff: 50ms, RetryMax: 1}
    Consumer: {RetryBackoff: 200ms}
  Topic: {ReplicationFactor: 1}
  TLS: {Enabled: false}
  SASLPlain: {Enabled: false}
`

/** In: environment variables as an orderer takes them. */
export const settings = (env: Readonly<Record<string, string>> = {}): KafkaSettings =>
  Either.getOrThrow(decodeOrderer("/orderer.yaml", yaml, { env, cwd: "/" })).kafka

export interface KafkaNodeOptions {
  readonly folder: string
  readonly genesis: Uint8Array
  readonly settings?: KafkaSettings
  readonly metrics?: Metrics.MetricsShape
}

export interface KafkaNode extends Node {
  /** All lines so far. */
  readonly log: ReadonlyArray<string>
}

/** Starts an orderer; it may not be open yet. */
export const startKafkaNode = (options: KafkaNodeOptions): Effect.Effect<KafkaNode, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const spec = process.env.KAFKA_TEST_LOG ?? "info"
    const log = Either.getOrThrow(
      Log.make({
        spec,
        format: "",
        write: (line) => {
          lines.push(line)
          if (process.env.KAFKA_TEST_LOG !== undefined) process.stderr.write(line)
        }
      })
    )
    const logging = yield* Layer.build(Log.layerOf(log))
    const start = Effect.gen(function* () {
      const genesisFile = path.join(options.folder, "genesis.block")
      fs.writeFileSync(genesisFile, options.genesis)
      const consenter = yield* makeKafkaConsenter(options.settings ?? settings()).pipe(
        Effect.provideService(Metrics.Metrics, options.metrics ?? Metrics.disabled)
      )
      return yield* startNode({ folder: options.folder, genesisFile, consenters: new Map([["kafka", consenter]]) })
    })
    const node = yield* Effect.provide(start, logging)
    return { ...node, log: lines }
  })

/** Waits for a condition. */
export const until = (ready: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (ready() ? Effect.void : Effect.delay(until(ready), "10 millis")))

/** Waits until the node has logged a text, after the given number of lines. */
export const untilLogged = (node: KafkaNode, text: string, after = 0): Effect.Effect<void> =>
  until(() => node.log.slice(after).some((line) => line.includes(text)))

export const untilOpen = (node: KafkaNode, after = 0) => untilLogged(node, "Start phase completed successfully", after)

// ---- Messages and blocks -------------------------------------------------------------------------------------------

/** A normal message; for the system channel unless someone else sends it. */
export const textMessage = (channelId: string, text: string, who: Parameters<typeof signerOf>[0] = "ordererAdmin") =>
  Effect.map(signerOf(who), (signer) => message(signer, channelId, text))

/** A config update of the system channel that sets the number of messages of a block. */
export const batchUpdate = (bundle: Bundle, count: number) =>
  Effect.map(signerOf("ordererAdmin"), (signer) =>
    envelopeOf(
      updateOf(bundle, (root) => setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(count))),
      [signer]
    )
  )

/** One that sets the batch timeout, a Go duration. */
export const timeoutUpdate = (bundle: Bundle, timeout: string) =>
  Effect.map(signerOf("ordererAdmin"), (signer) =>
    envelopeOf(
      updateOf(bundle, (root) =>
        setValue(groupOf(root, "Orderer"), "BatchTimeout", orderer.BatchTimeout.encode({ timeout }))
      ),
      [signer]
    )
  )

/** All blocks that the node delivers now. */
export const blocksOf = (node: Node, channelId: string) =>
  Effect.gen(function* () {
    const { blocks } = yield* deliverAll(
      node.client,
      seekMessage(yield* signerOf("ordererAdmin"), channelId, 0n, "newest", { bestEffort: true })
    )
    return blocks.map((bytes) => common.Block.decode(bytes))
  })

const { LAST_CONFIG, ORDERER, TRANSACTIONS_FILTER } = common.BlockMetadataIndex

/** What of a block is the same on every orderer. */
export const comparable = ({ data, header, metadata }: common.Block) => ({
  header,
  data: data?.data.map((entry) => Buffer.from(entry).toString("base64")),
  slots: [LAST_CONFIG, TRANSACTIONS_FILTER, ORDERER].map((slot) =>
    Buffer.from(metadata?.metadata[slot] ?? new Uint8Array()).toString("hex")
  )
})

/** What Deliver answers for block 0 now. */
export const statusOf = (
  node: Node,
  channelId: string,
  bestEffort = false,
  who: Parameters<typeof signerOf>[0] = "ordererAdmin"
) =>
  Effect.gen(function* () {
    const reader = yield* signerOf(who)
    const { blocks, status } = yield* deliverAll(
      node.client,
      seekMessage(reader, channelId, 0n, 0n, bestEffort ? { bestEffort } : {})
    )
    return { deliverStatus: status, delivered: blocks.length }
  })

/** Creates an application channel by the recorded request with another name. */
export const createChannel = (node: Pick<Node, "client" | "registrar">, channelId: string) =>
  Effect.gen(function* () {
    const recorded = common.Envelope.decode(fs.readFileSync(path.join(chainA, "mychannel.tx")))
    const { configUpdate } = common.ConfigUpdateEnvelope.decode(common.Payload.decode(recorded.payload).data)
    const update = { ...common.ConfigUpdate.decode(configUpdate), channelId }
    const answer = yield* broadcastOne(node.client, envelopeOf(update, [yield* signerOf("admin1")]))
    if (answer?.status !== common.Status.SUCCESS) return yield* Effect.die(new Error(JSON.stringify(answer)))
    yield* until(() => (node.registrar.channel(channelId)?.ledger.height() ?? 0n) >= 1n)
  })

/**
 * Everything that belongs to one channel: its ledger, the bundle in force, processor, writer, consensus.
 * Source: orderer.md 3.1 rule 4; orderer/common/multichannel/chainsupport.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { Bundle, type BundleActor, BundleSource, type ConfigUpdateRefusal } from "../../channelconfig/index.js"
import { AccessDenied, type DeliverChain } from "../../deliver/index.js"
import type { BlockStoreShape } from "../../ledger/blockstore/index.js"
import { explanationLines, type SignedData } from "../../policy/index.js"
import * as Log from "../../runtime/Log.js"
import { common } from "../../wire/index.js"
import { lastConfigIndex } from "../../wire/protoutil.js"
import type { CutterMetrics } from "../blockcutter/metrics.js"
import type { Chain, ConsenterShape } from "../consensus/Chain.js"
import { type ConsenterFailed, ConsenterUnknown } from "../consensus/errors.js"
import { ordererOf } from "../msgprocessor/filters.js"
import { type Processor, standardProcessor } from "../msgprocessor/Processor.js"
import { readerPolicies, Standings } from "../msgprocessor/Standings.js"
import { systemProcessor } from "../msgprocessor/SystemProcessor.js"
import type { Signing } from "../msgprocessor/signedEnvelope.js"
import { type BlockWriterOptions, hashOfBlock, makeBlockWriter } from "./BlockWriter.js"
import { consenterMetadataOf } from "./blockAssembly.js"
import { ChannelHealth } from "./ChannelHealth.js"
import { ChannelInvalid, LedgerFailed } from "./errors.js"
import { checkResources } from "./resources.js"

const log = Log.module("orderer.common.msgprocessor", "processConfigUpdate")

export interface ChainSupport {
  readonly channelId: string
  readonly isSystem: boolean
  readonly bundles: BundleSource
  readonly ledger: BlockStoreShape
  readonly processor: Processor
  readonly chain: Chain
  readonly health: ChannelHealth
  /** The channel as Deliver sees it. */
  readonly deliver: DeliverChain
}

export interface ChainSupportOptions {
  readonly ledger: BlockStoreShape
  readonly bundle: Bundle
  readonly signing: Signing
  readonly checkExpiration: boolean
  readonly consenters: ReadonlyMap<string, ConsenterShape>
  readonly cutterMetrics: (channel: string) => CutterMetrics
  /** Told of every bundle that comes into force. */
  readonly actors: ReadonlyArray<BundleActor>
  readonly channelCount: () => number
  readonly createChannel: BlockWriterOptions["createChannel"]
}

const decodeBlock = (channelId: string, bytes: Uint8Array): Effect.Effect<common.Block, ChannelInvalid> =>
  Effect.try({
    try: () => common.Block.decode(bytes),
    catch: (error) => new ChannelInvalid({ channelId, detail: `[channel ${channelId}] stored block: ${String(error)}` })
  })

const readSlot = <A>(channelId: string, what: string, read: () => A): Effect.Effect<A, ChannelInvalid> =>
  Effect.try({
    try: read,
    catch: (error) =>
      new ChannelInvalid({ channelId, detail: `[channel: ${channelId}] Error extracting ${what}: ${String(error)}` })
  })

/** The last block of a ledger that has one. */
export const lastBlockOf = (
  channelId: string,
  ledger: BlockStoreShape
): Effect.Effect<common.Block, ChannelInvalid | LedgerFailed> =>
  Effect.flatMap(LedgerFailed.refail(ledger.get(ledger.height() - 1n)), (bytes) => decodeBlock(channelId, bytes))

/** The config block in force according to the last block of a ledger. */
export const configBlockOf = (
  channelId: string,
  ledger: BlockStoreShape
): Effect.Effect<common.Block, ChannelInvalid | LedgerFailed> =>
  Effect.gen(function* () {
    const last = yield* lastBlockOf(channelId, ledger)
    const index = yield* readSlot(channelId, "last config block from block metadata", () => lastConfigIndex(last))
    if (index >= ledger.height()) {
      return yield* new ChannelInvalid({ channelId, detail: `[channel ${channelId}] Config block does not exist` })
    }
    return yield* decodeBlock(channelId, yield* LedgerFailed.refail(ledger.get(index)))
  })

/** The bundle of a config envelope, if this orderer can run it. */
export const bundleOf = (channelId: string, made: Either.Either<Bundle, { readonly message: string }>) =>
  Effect.mapError(
    Either.flatMap(
      Either.mapLeft(made, ({ message }) => `Error creating channelconfig bundle: ${message}`),
      (bundle) => Either.map(checkResources(bundle), () => bundle)
    ),
    (text) => new ChannelInvalid({ channelId, detail: `[channel ${channelId}] ${text}` })
  )

export const bundleOfLedger = (channelId: string, ledger: BlockStoreShape) =>
  Effect.flatMap(configBlockOf(channelId, ledger), (block) => bundleOf(channelId, Bundle.fromBlock(block)))

/** Builds a channel in the scope; its chain is not started. */
export const makeChainSupport = (
  options: ChainSupportOptions
): Effect.Effect<ChainSupport, ChannelInvalid | LedgerFailed | ConsenterFailed | ConsenterUnknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { bundle, checkExpiration, consenters, ledger, signing } = options
    const { channelId } = bundle
    const isSystem = bundle.consortiums !== undefined
    const bundles = new BundleSource(bundle, ...options.actors)
    const health = new ChannelHealth()
    const lastBlock = yield* lastBlockOf(channelId, ledger)
    const number = lastBlock.header?.number ?? 0n
    // a genesis block's slot may be empty, and then it is the config block itself
    const lastConfig =
      number === 0n
        ? 0n
        : yield* readSlot(channelId, "last config block from block metadata", () => lastConfigIndex(lastBlock))
    const metadata = yield* readSlot(channelId, "orderer metadata", () => consenterMetadataOf(lastBlock))
    const firstBlockHash = hashOfBlock(yield* LedgerFailed.refail(ledger.get(0n)))
    const warn = yield* log.sync
    const processorOptions = {
      ...signing,
      channelId,
      bundle: () => bundles.current(),
      checkExpiration,
      explained: (refusal: ConfigUpdateRefusal, creating?: string) => {
        const what = creating === undefined ? "a config update" : `the creation of channel ${JSON.stringify(creating)}`
        for (const { element, explanation } of refusal.policies)
          warn.warning(`[channel: ${channelId}] ${what} is refused: policy for ${element} is not satisfied`, {
            policy: explanation.finding.path,
            rule: explanation.finding.rule,
            why: explanationLines(explanation).join("; ").replace(/\s+/g, " ").trim()
          })
      }
    }
    const processor = isSystem
      ? systemProcessor({ ...processorOptions, channelCount: options.channelCount })
      : standardProcessor(processorOptions)
    const writer = yield* makeBlockWriter({
      channelId,
      ledger,
      bundles,
      signing,
      health,
      lastBlock,
      lastConfig,
      createChannel: options.createChannel
    })
    const type = ordererOf(bundle).consensusType
    const consenter = consenters.get(type)
    if (consenter === undefined) {
      return yield* new ConsenterUnknown({ channelId, type, known: [...consenters.keys()] })
    }
    const chain = yield* consenter.chain(
      {
        channelId,
        bundle: () => bundles.current(),
        processor,
        writer,
        height: ledger.height,
        firstBlockHash,
        folder: ledger.folder,
        health,
        cutterMetrics: options.cutterMetrics(channelId)
      },
      metadata
    )
    const deliver: DeliverChain = {
      sequence: () => bundles.current().sequence,
      height: ledger.height,
      blocks: ledger.iterator,
      errored: chain.errored,
      checkAccess: readersOf(bundles)
    }
    return { channelId, isSystem, bundles, ledger, processor, chain, health, deliver }
  })

/** The readers' policy of the bundle in force, with the signature verified in the thread pool. */
const readersOf = (bundles: BundleSource) => {
  let standings = new Standings(bundles.current(), readerPolicies)
  return ({ data, identity: creator, signature }: SignedData): Effect.Effect<void, AccessDenied> =>
    Effect.gen(function* () {
      const bundle = bundles.current()
      if (standings.bundle !== bundle) standings = new Standings(bundle, readerPolicies)
      const { identity, ifBad, ifGood } = standings.of(creator)
      const good = identity !== undefined && (yield* Effect.promise(() => identity.verifyAsync(data, signature)))
      yield* Effect.mapError(good ? ifGood : ifBad, ({ detail }) => new AccessDenied({ detail }))
    })
}

/**
 * The node's channels: those that have a ledger at the start, those created since, and exactly one system channel,
 * whose chain starts after all others. Each channel is a scope of its own under the node's.
 * Source: orderer.md 3.1; orderer/common/multichannel/registrar.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Bundle, type BundleActor } from "../../channelconfig/index.js"
import type { BlockStoreProviderShape } from "../../ledger/blockstore/index.js"
import * as Log from "../../runtime/Log.js"
import { common } from "../../wire/index.js"
import { toHex } from "../../wire/protoutil.js"
import type { CutterMetrics } from "../blockcutter/metrics.js"
import type { ConsenterShape } from "../consensus/Chain.js"
import type { ConsenterFailed, ConsenterUnknown } from "../consensus/errors.js"
import { ordererOf } from "../msgprocessor/filters.js"
import type { Signing } from "../msgprocessor/signedEnvelope.js"
import { hashOfBlock } from "./BlockWriter.js"
import { firstBlock } from "./blockAssembly.js"
import {
  bundleOf,
  bundleOfLedger,
  type ChainSupport,
  type ChainSupportOptions,
  makeChainSupport
} from "./ChainSupport.js"
import { BlockRefused, ChannelInvalid, LedgerFailed } from "./errors.js"

const log = Log.module("orderer.commmon.multichannel") // three m, as the reference spells it

export interface RegistrarShape {
  readonly systemChannelId: string
  readonly channel: (id: string) => ChainSupport | undefined
  /** The channel, or the system channel for those that do not exist: it judges their creation. */
  readonly channelOrSystem: (id: string) => ChainSupport
  readonly channels: () => Iterable<ChainSupport>
}

export class Registrar extends Context.Tag("orderer/multichannel/Registrar")<Registrar, RegistrarShape>() {}

export interface RegistrarOptions {
  readonly ledgers: BlockStoreProviderShape
  readonly consenters: ReadonlyMap<string, ConsenterShape>
  readonly signing: Signing
  readonly checkExpiration: boolean
  readonly cutterMetrics: (channel: string) => CutterMetrics
  /** Told of every bundle that comes into force on any channel. */
  readonly actors: ReadonlyArray<BundleActor>
  /** Told of every channel that is there, in its scope, before its chain starts. */
  readonly onChannel?: (channel: ChainSupport) => Effect.Effect<void, never, Scope.Scope>
}

type Failure = ChannelInvalid | LedgerFailed | ConsenterFailed | ConsenterUnknown

/** Brings up all channels; they close with the scope, last one first. */
export const makeRegistrar = (options: RegistrarOptions): Effect.Effect<RegistrarShape, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const { ledgers } = options
    const nodeScope = yield* Effect.scope
    const channels = new Map<string, ChainSupport>()
    let system: ChainSupport | undefined

    /** Makes a channel in a scope of its own; a failure leaves nothing of it. */
    const add = (ledger: ChainSupportOptions["ledger"], bundle: Bundle): Effect.Effect<ChainSupport, Failure> =>
      Effect.gen(function* () {
        const { actors, checkExpiration, consenters, cutterMetrics, onChannel, signing } = options
        const scope = yield* Scope.fork(nodeScope, nodeScope.strategy)
        const made = makeChainSupport({
          ledger,
          bundle,
          signing,
          checkExpiration,
          consenters,
          cutterMetrics,
          actors,
          channelCount: () => channels.size,
          createChannel
        })
        const support = yield* made.pipe(
          Effect.tap((channel) => onChannel?.(channel) ?? Effect.void),
          Scope.extend(scope),
          Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
        )
        channels.set(support.channelId, support)
        return support
      })

    /**
     * Creates the channel of a config envelope and starts it. Runs again after a kill between the channel's first block
     * and the system channel's: what is there already is kept.
     */
    const createChannel = (
      envelope: common.Envelope
    ): Effect.Effect<void, BlockRefused | LedgerFailed | ConsenterFailed> =>
      Effect.gen(function* () {
        const bundle = yield* bundleOf("new", Bundle.fromEnvelope(envelope))
        const { channelId } = bundle
        if (channels.has(channelId)) {
          return yield* log.info(`[channel: ${channelId}] exists already, its creation is not repeated`)
        }
        const ledger = yield* LedgerFailed.refail(ledgers.getOrCreate(channelId))
        if (ledger.height() === 0n) {
          yield* LedgerFailed.refail(ledger.append(common.Block.encode(firstBlock(common.Envelope.encode(envelope)))))
        }
        const support = yield* add(ledger, yield* bundleOfLedger(channelId, ledger))
        yield* log.info(`Created and starting new chain ${channelId}`)
        yield* support.chain.start
      }).pipe(
        Effect.catchTags({
          ChannelInvalid: ({ channelId, detail }) => new BlockRefused({ channelId, detail }),
          ConsenterUnknown: ({ channelId, message }) => new BlockRefused({ channelId, detail: message })
        })
      )

    for (const id of yield* LedgerFailed.refail(ledgers.list)) {
      const ledger = yield* LedgerFailed.refail(ledgers.getOrCreate(id))
      // a kill between making a channel's ledger and its first block: the creation is replayed
      if (ledger.height() === 0n) {
        yield* log.warning(
          `[channel: ${id}] has a ledger without blocks, it is not served until its creation is replayed`
        )
        continue
      }
      const bundle = yield* bundleOfLedger(id, ledger)
      const { channelId } = bundle
      if (bundle.consortiums !== undefined && system !== undefined) {
        const detail = `There appear to be two system chains ${system.channelId} and ${channelId}`
        return yield* new ChannelInvalid({ channelId, detail })
      }
      const support = yield* add(ledger, bundle)
      if (bundle.consortiums === undefined) {
        yield* log.debug(`Starting chain: ${channelId}`)
        yield* support.chain.start
        continue
      }
      system = support
      const hash = toHex(hashOfBlock(yield* LedgerFailed.refail(ledger.get(0n))))
      const type = ordererOf(bundle).consensusType
      yield* log.info(`Starting system channel '${channelId}' with genesis block hash ${hash} and orderer type ${type}`)
    }
    if (system === undefined) {
      const detail =
        "No system chain found.  If bootstrapping, does your system channel contain a consortiums group definition?"
      return yield* new ChannelInvalid({ channelId: "", detail })
    }
    const systemChannel = system
    // last: it may create channels, which needs all others to be known
    yield* systemChannel.chain.start

    return {
      systemChannelId: systemChannel.channelId,
      channel: (id) => channels.get(id),
      channelOrSystem: (id) => channels.get(id) ?? systemChannel,
      channels: () => channels.values()
    }
  })

/**
 * Gossip as the peer's channels use it: one handler a channel, put together in the reference's order and taken apart in
 * reverse.
 * Source: gossip-discovery.md 3.11; gossip/service/gossip_service.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Bundle, BundleSource } from "../../channelconfig/index.js"
import type { CommitPipeline, CommitStep, FetchOutcome, WantedSet } from "../../commit/index.js"
import type { PeerLedgerShape } from "../../ledger/index.js"
import type { TransientStoreShape } from "../../ledger/transient/index.js"
import * as Log from "../../runtime/Log.js"
import { Metrics } from "../../runtime/Metrics.js"
import type { gossip, transientstore } from "../../wire/index.js"
import { leaderMetric } from "../election/index.js"
import { Gossip } from "../Gossip.js"
import {
  type Distribute,
  makeDistributor,
  makePrivateDataMetrics,
  makePuller,
  membershipOf,
  type Puller,
  startReconciler
} from "../privdata/index.js"
import { Security } from "../Security.js"
import type { GossipSettings } from "../settings.js"
import { makeStateMetrics, makeStateProvider, type StateProvider } from "../state/index.js"
import type { Timers } from "../Timers.js"
import { ConfigEventer } from "./eventer.js"
import { type LeadershipConflict, startLeadership } from "./leadership.js"

const log = Log.module("gossip.service")

/** What a channel brings to its gossip. */
export interface ChannelSupport {
  readonly channelId: string
  readonly bundles: BundleSource
  readonly ledger: PeerLedgerShape
  readonly transient: TransientStoreShape
  /** Blocks enter it through the state provider only. */
  readonly line: CommitPipeline
  /** The client of the orderers, made over the state provider: runs until it ends by itself, with the reason. */
  readonly delivery: (state: StateProvider) => Effect.Effect<string>
}

export interface ChannelGossip {
  readonly state: StateProvider
  /** Whether this peer takes the channel's blocks from the orderers at present. */
  readonly leads: () => boolean
}

export interface GossipServiceShape {
  /**
   * A configuration that has come into force: organisations and anchors, and all identities are judged anew. To be
   * called first when the channel's MSPs can be asked, then with each change.
   */
  readonly configured: (bundle: Bundle) => void
  /** Starts a channel's gossip; it ends with the scope. Once a channel. */
  readonly initializeChannel: (channel: ChannelSupport) => Effect.Effect<ChannelGossip, LeadershipConflict, Scope.Scope>
  /** To the peers that must have it; the texts are the reference's. */
  readonly distribute: (
    channelId: string,
    txId: string,
    data: transientstore.TxPvtReadWriteSetWithConfigInfo,
    height: bigint
  ) => Effect.Effect<void, { readonly message: string }>
  /** Asks other peers for private data that a block needs. */
  readonly fetch: (channelId: string, block: bigint, wanted: ReadonlyArray<WantedSet>) => Effect.Effect<FetchOutcome>
  /** What of a channel's chaincodes others are told: installed here and instantiated there. */
  readonly updateChaincodes: (channelId: string, chaincodes: ReadonlyArray<gossip.Chaincode>) => void
  /** Metrics of the commit line, which is made before the channel's gossip. */
  readonly took: (channelId: string) => (step: CommitStep | "list" | "fetch", seconds: number) => void
}

export class GossipService extends Context.Tag("gossip/service/GossipService")<GossipService, GossipServiceShape>() {}

interface Handler {
  readonly puller: Puller
  readonly distribute: Distribute
}

const steps = {
  validate: "validation",
  list: "list_missing",
  fetch: "fetch",
  commit: "commit_block",
  purge: "purge"
} as const

export interface ServiceOptions {
  readonly settings: GossipSettings
  readonly timers: Timers
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number
}

const make = ({ random, settings, timers }: ServiceOptions) =>
  Effect.gen(function* () {
    const core = yield* Gossip
    const security = yield* Security
    const metrics = yield* Metrics
    const stateMetrics = makeStateMetrics(metrics)
    const privateDataMetrics = makePrivateDataMetrics(metrics)
    const leader = leaderMetric(metrics)
    const logger = yield* log.sync
    const handlers = new Map<string, Handler>()
    const eventers = new Map<string, ConfigEventer>()
    /** For channels that the own organisation joins later. */
    const chaincodesOf = new Map<string, ReadonlyArray<gossip.Chaincode>>()

    const initializeChannel = (channel: ChannelSupport) =>
      Effect.gen(function* () {
        const { bundles, channelId, ledger, line, transient } = channel
        yield* log.debug(`Creating state provider for chainID ${channelId}`)
        const common = {
          channelId,
          gossip: core,
          membership: membershipOf(bundles),
          metrics: privateDataMetrics(channelId),
          random
        }

        // ---- Private data ----
        const { privateData } = settings
        const puller = yield* makePuller({ ...common, ledger, transient, btlPullMargin: privateData.btlPullMargin })
        const distribute = makeDistributor({ ...common, pushAckTimeoutMs: privateData.pushAckTimeoutMs })
        yield* Effect.acquireRelease(
          Effect.sync(() => void handlers.set(channelId, { puller, distribute })),
          () => Effect.sync(() => void handlers.delete(channelId))
        )
        if (privateData.reconciliationEnabled)
          yield* startReconciler({
            ...common,
            ledger,
            puller,
            batchSize: privateData.reconcileBatchSize,
            sleepIntervalMs: privateData.reconcileSleepIntervalMs
          })
        else yield* log.debug("Private data reconciliation has been disabled")

        // ---- Blocks ----
        const state = yield* makeStateProvider({
          channelId,
          gossip: core,
          security,
          settings: settings.state,
          metrics: stateMetrics(channelId),
          line,
          height: ledger.height,
          payloadFor: puller.retriever.payloadFor,
          persist: transient.persist,
          random
        })
        const leads = yield* startLeadership({
          channelId,
          gossip: core,
          timers,
          settings: settings.election,
          report: (is) => leader(channelId, is),
          deliver: channel.delivery(state)
        })
        return { state, leads }
      }).pipe(Effect.withSpan("GossipService.initializeChannel", { captureStackTrace: false }))

    return GossipService.of({
      configured: (bundle) => {
        const { channelId } = bundle
        const eventer = eventers.get(channelId) ?? new ConfigEventer(core.org)
        eventers.set(channelId, eventer)
        const event = eventer.next(bundle)
        if (event._tag === "Join") {
          const known = core.hasChannel(channelId)
          core.joinChannel(event.join)
          const chaincodes = chaincodesOf.get(channelId)
          if (!known && chaincodes !== undefined) core.updateChaincodes(channelId, chaincodes)
        } else if (event._tag === "Outside") logger.error(event.text)
        core.suspectPeers(() => true)
      },
      initializeChannel,
      distribute: (channelId, txId, data, height) =>
        Effect.suspend(() => {
          const handler = handlers.get(channelId)
          return handler === undefined
            ? Effect.fail({ message: `No private data handler for ${channelId}` })
            : handler.distribute(txId, data, height)
        }),
      fetch: (channelId, block, wanted) =>
        Effect.suspend(
          () => handlers.get(channelId)?.puller.fetch(block, wanted) ?? Effect.succeed({ found: [], purged: [] })
        ),
      updateChaincodes: (channelId, chaincodes) => {
        chaincodesOf.set(channelId, chaincodes)
        if (core.hasChannel(channelId)) core.updateChaincodes(channelId, chaincodes)
      },
      took: (channelId) => {
        const state = stateMetrics(channelId)
        const privateData = privateDataMetrics(channelId)
        return (step, seconds) => (step === "store" ? state.committed(seconds) : privateData(steps[step], seconds))
      }
    })
  })

export const layer = (options: ServiceOptions): Layer.Layer<GossipService, never, Gossip | Metrics | Security> =>
  Layer.effect(GossipService, make(options))

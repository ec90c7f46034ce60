/**
 * One channel brought to life over its ledger, in two steps: configuration and commit line, so that others can be asked
 * to trust its members; then its gossip with the delivery from the orderers. All of it ends with the scope; everything
 * but the reading side ends earlier when the channel can commit no more.
 * Source: peer-endorse-validate.md 3.6 rules 2, 3 and 7; createChain in core/peer/peer.go.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type BundleActor, BundleSource } from "../../channelconfig/index.js"
import type { CommitStopped, PrivateDataFetcher } from "../../commit/index.js"
import type { ChannelGossip, GossipServiceShape, LeadershipConflict } from "../../gossip/service/index.js"
import type { PeerLedgerShape } from "../../ledger/index.js"
import type { TransientStoreShape } from "../../ledger/transient/index.js"
import type { LocalMspService } from "../../msp/index.js"
import type { SignedData } from "../../policy/index.js"
import * as Log from "../../runtime/Log.js"
import type { ValidationServices } from "../../validation/index.js"
import { makeDeliveryClient } from "../delivery/DeliveryClient.js"
import { endpointsOf } from "../delivery/endpoints.js"
import type { OrdererConnections } from "../delivery/OrdererConnections.js"
import type { ChannelFailed } from "../errors.js"
import type { ChaincodeEventsShape } from "../lifecycle/index.js"
import { makeChannelCommitter } from "./ChannelCommitter.js"
import type { ChannelTableShape, PeerChannel } from "./ChannelTable.js"
import { bundleOfLedger, usable, warnOfGaps } from "./configuration.js"
import { transientSetsOf } from "./transient.js"

const log = Log.module("peer", "createChain")

/** The settings that channels go by. */
export interface ChannelSettings {
  /** Milliseconds: `peer.deliveryclient.reConnectBackoffThreshold`. */
  readonly longestDelay: number
  /** Milliseconds: `peer.deliveryclient.reconnectTotalTimeThreshold`. */
  readonly totalDelay: number
  /** How long other peers are asked for private data that is missing at commit. */
  readonly pullRetryThreshold: Duration.Duration
  readonly skipPullingInvalid: boolean
  /** Blocks: `peer.gossip.pvtData.transientstoreMaxBlockRetention`. */
  readonly transientRetention: bigint
  /** `peer.gossip.orgLeader`: never gives up on the orderers, however long they are away. */
  readonly staticLeader: boolean
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number
}

export interface ChannelServices {
  readonly settings: ChannelSettings
  readonly localMsp: LocalMspService
  readonly orderers: OrdererConnections["Type"]
  readonly table: ChannelTableShape
  readonly events: ChaincodeEventsShape
  readonly gossip: GossipServiceShape
  /** Told of each configuration that comes into force: TLS authorities and others. */
  readonly actors: ReadonlyArray<BundleActor>
}

/** What proves membership in collections: this peer's signature over 32 zero bytes. */
export const selfSigned = ({ signer }: LocalMspService): SignedData => {
  const data = new Uint8Array(32)
  return { data, identity: signer.serialized, signature: signer.sign(data) }
}

export interface OpenedChannel {
  readonly channel: PeerChannel
  /** The second step: to be run when the channel is in the table, where its members' identities are judged. */
  readonly start: Effect.Effect<void, LeadershipConflict>
}

export const openChannel = (
  services: ChannelServices,
  ledger: PeerLedgerShape,
  transient: TransientStoreShape
): Effect.Effect<OpenedChannel, ChannelFailed, Scope.Scope | ValidationServices | PrivateDataFetcher> =>
  Effect.gen(function* () {
    const { actors, events, gossip, localMsp, orderers, settings, table } = services
    const { channelId } = ledger
    const bundle = yield* bundleOfLedger(ledger)
    yield* usable(channelId, bundle)
    yield* warnOfGaps(bundle)
    const bundles = new BundleSource(bundle, ...actors)

    // ---- Commit line ----
    const scope = yield* Effect.scope
    const line = yield* Scope.fork(scope, ExecutionStrategy.sequential)
    const pipeline = yield* Scope.extend(
      makeChannelCommitter({
        channelId,
        ledger,
        bundles,
        deserializerOf: (id) => (id === "" ? localMsp.msp : table.bundleOf(id)?.mspManager),
        self: { mspId: localMsp.msp.mspId, signed: selfSigned(localMsp) },
        transient: transientSetsOf(transient),
        pullRetryThreshold: settings.pullRetryThreshold,
        skipPullingInvalid: settings.skipPullingInvalid,
        transientRetention: settings.transientRetention,
        deployed: (chaincodes) => events.deployed(channelId, chaincodes),
        took: gossip.took(channelId)
      }),
      line
    )

    // ---- Gossip and delivery ----
    let running: ChannelGossip | undefined
    let orderer: () => string | undefined = () => undefined
    const start = Effect.gen(function* () {
      const unsubscribe = bundles.subscribe(gossip.configured)
      yield* Effect.addFinalizer(() => Effect.sync(unsubscribe))
      running = yield* gossip.initializeChannel({
        channelId,
        bundles,
        ledger,
        transient,
        line: pipeline,
        delivery: ({ deliver, nextBlock }) => {
          const delivery = makeDeliveryClient({
            channelId,
            endpoints: endpointsOf(bundles.current(), orderers.overrides),
            connect: (endpoint) => orderers.connect(bundles.current(), endpoint),
            signer: localMsp.signer,
            get tlsCertHash() {
              return orderers.tlsCertHash
            },
            nextBlock,
            submit: deliver,
            staticLeader: settings.staticLeader,
            longestDelay: settings.longestDelay,
            totalDelay: settings.totalDelay,
            random: settings.random
          })
          orderer = delivery.connectedTo
          // a follower keeps the newest addresses too (trap 35)
          bundles.subscribe((next) => delivery.updated(endpointsOf(next, orderers.overrides)))
          return delivery.run
        }
      })
    }).pipe(Scope.extend(line))

    // ---- The end of the line ----
    let stopped: CommitStopped | undefined
    yield* pipeline.failure.pipe(
      Effect.catchAll((failure) =>
        Effect.gen(function* () {
          stopped = failure
          yield* log.error(
            `[${channelId}] the channel has stopped at block [${failure.block}]: no more blocks are taken, what is committed stays readable`,
            { cause: failure.reason, remedy: failure.remedy }
          )
          yield* Scope.close(line, Exit.void)
        })
      ),
      Effect.forkIn(scope)
    )
    const channel: PeerChannel = {
      id: channelId,
      bundles,
      ledger,
      pipeline,
      transient,
      stopped: () => stopped,
      orderer: () => orderer(),
      leads: () => running?.leads() ?? false
    }
    return { channel, start }
  })

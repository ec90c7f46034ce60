/**
 * A channel's commit line put together: validator, private data coordinator and pipeline over one ledger and one holder
 * of the configuration. What the peer makes for each channel.
 * Source: core/peer/peer.go (createChain), gossip/service/gossip_service.go (InitializeChannel).
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BundleSource } from "../../channelconfig/index.js"
import {
  applyConfig,
  type CommitPipeline,
  type CommitStep,
  makeCommitPipeline,
  makePrivateDataCoordinator,
  type PrivateDataFetcher
} from "../../commit/index.js"
import type { PeerLedgerShape } from "../../ledger/index.js"
import type { IdentityDeserializer } from "../../msp/index.js"
import type { SignedData } from "../../policy/index.js"
import { makeTxValidator, type ValidationServices } from "../../validation/index.js"
import type { rwset } from "../../wire/index.js"
import { makeBlockRefusals, Refusals } from "../refusals/index.js"
import { validationStateOf } from "./validationState.js"

/** The part of the transient store that a commit needs. */
export interface TransientSets {
  readonly byTxId: (txId: string) => Effect.Effect<ReadonlyArray<rwset.TxPvtReadWriteSet>, unknown>
  readonly purgeByTxIds: (txIds: ReadonlyArray<string>) => Effect.Effect<void, unknown>
  /** Keeps a set that another peer gave for a block, without a configuration: it is served to nobody. */
  readonly keep: (txId: string, block: bigint, set: rwset.TxPvtReadWriteSet) => Effect.Effect<void, unknown>
  /** Removes what was kept at heights below `height`. */
  readonly purgeBelow: (height: bigint) => Effect.Effect<void, unknown>
}

export interface ChannelCommitterOptions {
  readonly channelId: string
  readonly ledger: PeerLedgerShape
  readonly bundles: BundleSource
  /** The MSPs of other channels of this peer; the local MSP for the empty id. */
  readonly deserializerOf: (channelId: string) => IdentityDeserializer | undefined
  /** This peer: MSP id and a signature of its own, for collection membership. */
  readonly self: { readonly mspId: string; readonly signed: SignedData }
  readonly transient: TransientSets
  readonly pullRetryThreshold: Duration.Duration
  readonly skipPullingInvalid: boolean
  /** `peer.gossip.pvtData.transientstoreMaxBlockRetention`, blocks. */
  readonly transientRetention: bigint
  /** Told of chaincodes whose definitions a block wrote: after its commit, before the block is announced. */
  readonly deployed: (chaincodes: ReadonlyArray<string>) => Effect.Effect<void>
  /** Told how long each step of a block took, seconds; for metrics. */
  readonly took?: (step: CommitStep | "list" | "fetch", seconds: number) => void
}

/** Out: the line; blocks go in by `submit`. It ends with the scope. */
export const makeChannelCommitter = (
  options: ChannelCommitterOptions
): Effect.Effect<CommitPipeline, never, Scope.Scope | ValidationServices | PrivateDataFetcher> =>
  Effect.gen(function* () {
    const { bundles, channelId, ledger, transient, transientRetention } = options
    const timed = options.took === undefined ? {} : { took: options.took }
    const refusals = makeBlockRefusals(channelId, yield* Refusals)
    const executor = Effect.acquireRelease(ledger.newQueryExecutor, (opened) => Effect.sync(() => opened.done()))
    const validator = yield* makeTxValidator({
      channelId,
      bundles,
      deserializerOf: options.deserializerOf,
      hasTransaction: ledger.hasTransaction,
      state: Effect.map(executor, validationStateOf),
      applyConfig: (envelope, bytes) => applyConfig(bundles, envelope, bytes),
      refused: refusals.refused
    })
    const privateData = yield* makePrivateDataCoordinator({
      channelId,
      bundles,
      self: options.self,
      executor,
      transient: transient.byTxId,
      stored: (block) => (ledger.isPvtDataCovered(block) ? ledger.pvtDataByNumber(block) : Effect.succeed(undefined)),
      pullRetryThreshold: options.pullRetryThreshold,
      skipPullingInvalid: options.skipPullingInvalid,
      keep: transient.keep,
      ...timed
    })
    return yield* makeCommitPipeline({
      channelId,
      bundles,
      validator,
      height: ledger.height,
      privateData,
      commit: ({ bytes, codes }, { missing, sets }) =>
        Effect.tap(ledger.commit({ block: bytes, codes, pvtData: sets, missing }), (committed) =>
          Effect.zipRight(options.deployed(committed.updatedChaincodes), refusals.committed(committed))
        ),
      committed: ({ number }, { sets, transactions }) =>
        Effect.gen(function* () {
          if (sets.size > 0) yield* transient.purgeByTxIds(transactions)
          if (transientRetention > 0n && number > transientRetention && number % transientRetention === 0n)
            yield* transient.purgeBelow(number - transientRetention)
        }),
      ...timed
    })
  })

/**
 * Fetches private data that was missing when its block was committed, in the background.
 * Source: gossip-discovery.md 3.10 rule 8; ledger-privatedata.md rules 93 and 94; gossip/privdata/reconcile.go.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PeerLedgerShape, TxPvtData } from "../../ledger/index.js"
import * as Log from "../../runtime/Log.js"
import { rwset } from "../../wire/index.js"
import { collectionIn } from "./collections.js"
import type { PrivateDataMetrics } from "./metrics.js"
import type { MissingSet, Puller, ReconciledSet } from "./Puller.js"

const log = Log.module("gossip.privdata")

/** What of a ledger is asked. */
export type ReconcilerLedger = Pick<
  PeerLedgerShape,
  "missingPvtData" | "mostRecentCollectionConfigBelow" | "commitPvtDataOfOldBlocks"
>

export interface ReconcilerSupport {
  readonly channelId: string
  readonly ledger: ReconcilerLedger
  readonly puller: Pick<Puller, "reconcile">
  readonly metrics: PrivateDataMetrics
  readonly batchSize: number
  readonly sleepIntervalMs: number
}

/** Sets by block and transaction, as the ledger takes them. Pure. */
export const blocksOf = (sets: ReadonlyArray<ReconciledSet>): ReadonlyMap<bigint, TxPvtData> => {
  const blocks = new Map<bigint, Map<number, Map<string, Array<{ collectionName: string; rwset: Uint8Array }>>>>()
  for (const { missing, payloads } of sets) {
    const txs =
      blocks.get(missing.block) ?? new Map<number, Map<string, Array<{ collectionName: string; rwset: Uint8Array }>>>()
    blocks.set(missing.block, txs)
    const namespaces =
      txs.get(missing.transaction) ?? new Map<string, Array<{ collectionName: string; rwset: Uint8Array }>>()
    txs.set(missing.transaction, namespaces)
    const list = namespaces.get(missing.namespace) ?? []
    namespaces.set(missing.namespace, list)
    for (const payload of payloads) list.push({ collectionName: missing.collection.name, rwset: payload })
  }
  return new Map(
    [...blocks].map(([block, txs]) => [
      block,
      new Map(
        [...txs].map(([tx, namespaces]) => [
          tx,
          rwset.TxPvtReadWriteSet.create({
            nsPvtRwset: [...namespaces].map(([namespace, collectionPvtRwset]) => ({ namespace, collectionPvtRwset }))
          })
        ])
      )
    ])
  )
}

/** One cycle: until nothing is missing, or nothing more can be had. Gives the number of sets that arrived. */
export const reconcile = (support: ReconcilerSupport): Effect.Effect<number, { readonly message: string }> =>
  Effect.gen(function* () {
    const { batchSize, ledger, puller } = support
    let total = 0
    let before = ""
    for (;;) {
      const records = yield* ledger.missingPvtData(batchSize)
      if (records.length === 0) break
      // sets that do not fit their hashes leave the list as it was: another round would bring the same
      const now = JSON.stringify(records.map(({ block, ...rest }) => ({ ...rest, block: block.toString() })))
      if (now === before) break
      before = now
      const missing: Array<MissingSet> = []
      for (const { block, collection: name, namespace, txs } of records) {
        const info = yield* ledger.mostRecentCollectionConfigBelow(block, namespace)
        const collection = collectionIn(info?.config, name)
        if (collection === undefined) {
          yield* log.debug(`no collection config was found for collection ${name} for chaincode ${namespace}`)
          continue
        }
        for (const transaction of txs) missing.push({ block, transaction, namespace, collection })
      }
      const arrived = yield* puller.reconcile(missing)
      if (arrived.length === 0) {
        yield* log.warning("missing private data is not available on other peers")
        break
      }
      const mismatches = yield* ledger.commitPvtDataOfOldBlocks(blocksOf(arrived))
      for (const { block, collection, namespace, tx } of mismatches)
        yield* log.warning(
          `failed to reconcile pvtdata chaincode ${namespace}, collection ${collection}, block num ${block}, tx num ${tx} due to hash mismatch`
        )
      total += arrived.length
    }
    return total
  })

/** Starts the loop; it ends with the scope, no error ends it. */
export const startReconciler = (support: ReconcilerSupport): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.sleep(support.sleepIntervalMs)
    const started = yield* Clock.currentTimeMillis
    const total = yield* reconcile(support)
    support.metrics("reconciliation", ((yield* Clock.currentTimeMillis) - started) / 1000)
    if (total > 0)
      yield* log.info(`Reconciliation cycle finished successfully. reconciled ${total} private data keys`, {
        channel: support.channelId
      })
  }).pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.interrupt
        : log.error(`Failed to reconcile missing private info, error: ${Cause.pretty(cause)}`)
    ),
    Effect.forever,
    Effect.forkScoped,
    Effect.asVoid
  )

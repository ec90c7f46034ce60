/**
 * Gathers the private data of a validated block: from what came with it, from the transient store, from other peers;
 * notes what is missing. The block is committed in any case.
 * Source: ledger-privatedata.md rules 80-86; gossip/privdata/coordinator.go.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BundleSource } from "../../channelconfig/index.js"
import type { MissingPvtData, TxPvtData } from "../../ledger/index.js"
import type { QueryExecutor } from "../../ledger/simulator/index.js"
import type { SignedData } from "../../policy/index.js"
import * as Log from "../../runtime/Log.js"
import { common, protos, rwset } from "../../wire/index.js"
import { sha256, toHex } from "../../wire/protoutil.js"
import type { BlockPrivateData, Validated } from "../stages.js"
import { isEligible, memberOrgs } from "./CollectionPolicy.js"
import { setKey, type WantedOfBlock, type WantedSet, wantedOf } from "./wanted.js"

/** A private write set as it came, to be held against its hash. */
export interface FetchedSet {
  readonly wanted: WantedSet
  /** Serialized `kvrwset.KVRWSet`s; the one with the right hash counts. */
  readonly payloads: ReadonlyArray<Uint8Array>
}

export interface FetchOutcome {
  readonly found: ReadonlyArray<FetchedSet>
  /** Sets whose life has ended everywhere: neither fetched again nor noted as missing (rule 85, trap 23). */
  readonly purged: ReadonlyArray<WantedSet>
  /** No other peer is in the channel, nor likely to come soon: asking again would only hold the block up. */
  readonly alone?: boolean
}

/** Asks other peers for private data; gossip provides it. */
export class PrivateDataFetcher extends Context.Tag("commit/privdata/PrivateDataFetcher")<
  PrivateDataFetcher,
  { readonly fetch: (channel: string, block: bigint, wanted: ReadonlyArray<WantedSet>) => Effect.Effect<FetchOutcome> }
>() {}

export interface CoordinatorSupport {
  readonly channelId: string
  readonly bundles: BundleSource
  /** This peer: its MSP id and a signature over something, for membership by policy. */
  readonly self: { readonly mspId: string; readonly signed: SignedData }
  /** Committed state, let go with the scope. */
  readonly executor: Effect.Effect<QueryExecutor, unknown, Scope.Scope>
  /** Private sets that were kept at endorsement or pushed, by transaction. */
  readonly transient: (txId: string) => Effect.Effect<ReadonlyArray<rwset.TxPvtReadWriteSet>, unknown>
  /** The block's data where the private store has it already: after a reset or a crash (rule 71). */
  readonly stored: (block: bigint) => Effect.Effect<TxPvtData | undefined, unknown>
  /** `peer.gossip.pvtData.pullRetryThreshold`: how long other peers are asked before the block goes on without. */
  readonly pullRetryThreshold: Duration.Duration
  /** `peer.gossip.pvtData.skipPullingInvalidTransactionsDuringCommit`. */
  readonly skipPullingInvalid: boolean
  /** Keeps a set that another peer gave, until its block is committed: a crash in between costs no second pull. */
  readonly keep?: (txId: string, block: bigint, set: rwset.TxPvtReadWriteSet) => Effect.Effect<void, unknown>
  /** Told how long each step took, seconds; for metrics. */
  readonly took?: (step: "list" | "fetch", seconds: number) => void
}

const log = Log.module("gossip.privdata", "StoreBlock")
const nothing: TxPvtData = new Map()

/** Private sets found so far. */
class Collected {
  private readonly byKey = new Map<string, { readonly wanted: WantedSet; readonly bytes: Uint8Array }>()

  has(wanted: WantedSet): boolean {
    return this.byKey.has(setKey(wanted))
  }
  /** Takes a set whose bytes have the right hash; others are dropped. */
  offer(wanted: WantedSet, bytes: Uint8Array): boolean {
    if (toHex(sha256(bytes)) !== wanted.hash) return false
    this.byKey.set(setKey(wanted), { wanted, bytes })
    return true
  }
  /** By transaction, namespaces and collections in the order in which the block names them. */
  sets(order: ReadonlyArray<WantedSet>): TxPvtData {
    const out = new Map<number, Map<string, Array<{ collectionName: string; rwset: Uint8Array }>>>()
    for (const wanted of order) {
      const found = this.byKey.get(setKey(wanted))
      if (found === undefined) continue
      const namespaces =
        out.get(wanted.transaction) ?? new Map<string, Array<{ collectionName: string; rwset: Uint8Array }>>()
      const collections = namespaces.get(wanted.namespace) ?? []
      collections.push({ collectionName: wanted.collection, rwset: found.bytes })
      namespaces.set(wanted.namespace, collections)
      out.set(wanted.transaction, namespaces)
    }
    return new Map(
      [...out].map(([transaction, namespaces]) => [
        transaction,
        rwset.TxPvtReadWriteSet.create({
          nsPvtRwset: [...namespaces].map(([namespace, collectionPvtRwset]) => ({ namespace, collectionPvtRwset }))
        })
      ])
    )
  }
}

const setOf = ({ collection, namespace }: WantedSet, bytes: Uint8Array): rwset.TxPvtReadWriteSet =>
  rwset.TxPvtReadWriteSet.create({
    nsPvtRwset: [{ namespace, collectionPvtRwset: [{ collectionName: collection, rwset: bytes }] }]
  })

/** In: a channel's stores. Out: the step between validation and commit; `received` is what came with the block. */
export const makePrivateDataCoordinator = (
  support: CoordinatorSupport
): Effect.Effect<
  (block: Validated, received?: TxPvtData) => Effect.Effect<BlockPrivateData, unknown>,
  never,
  PrivateDataFetcher
> =>
  Effect.gen(function* () {
    const fetcher = yield* PrivateDataFetcher
    const { bundles, channelId, self } = support

    const need = (block: Validated): Effect.Effect<WantedOfBlock, unknown> =>
      Effect.scoped(
        Effect.flatMap(support.executor, (executor) =>
          Effect.try(() => {
            const bundle = bundles.current()
            const packages = new Map<string, ReadonlyArray<common.StaticCollectionConfig>>()
            const collectionOf = (namespace: string, collection: string) => {
              let known = packages.get(namespace)
              if (known === undefined) {
                const bytes = executor.getState("lscc", `${namespace}~collection`)
                known =
                  bytes === undefined
                    ? []
                    : common.CollectionConfigPackage.decode(bytes).config.flatMap((c) => c.staticCollectionConfig ?? [])
                packages.set(namespace, known)
              }
              return known.find(({ name }) => name === collection)
            }
            return wantedOf(block, {
              collectionOf,
              eligible: (collection) => isEligible(collection, self, bundle.mspManager),
              memberOrgs: (collection) => memberOrgs(collection, bundle.mspManager),
              invalidToo: bundle.application?.capabilities.storePvtDataOfInvalidTx === true
            })
          })
        )
      )

    const fromBlock = (wanted: ReadonlyArray<WantedSet>, received: TxPvtData, collected: Collected): void => {
      for (const w of wanted)
        for (const { collectionPvtRwset, namespace } of received.get(w.transaction)?.nsPvtRwset ?? [])
          for (const { collectionName, rwset: bytes } of collectionPvtRwset)
            if (namespace === w.namespace && collectionName === w.collection) collected.offer(w, bytes)
    }

    const fromTransient = (wanted: ReadonlyArray<WantedSet>, collected: Collected): Effect.Effect<void, unknown> =>
      Effect.gen(function* () {
        for (const txId of new Set(wanted.filter((w) => !collected.has(w)).map((w) => w.txId)))
          for (const set of yield* support.transient(txId))
            for (const { collectionPvtRwset, namespace } of set.nsPvtRwset)
              for (const { collectionName, rwset: bytes } of collectionPvtRwset)
                for (const w of wanted)
                  if (w.txId === txId && w.namespace === namespace && w.collection === collectionName)
                    collected.offer(w, bytes)
      })

    /** Rules 84 and 85. Out: what is gone everywhere. */
    const fromPeers = (
      block: bigint,
      wanted: ReadonlyArray<WantedSet>,
      collected: Collected
    ): Effect.Effect<ReadonlySet<string>> =>
      Effect.gen(function* () {
        const purged = new Set<string>()
        const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(support.pullRetryThreshold)
        for (;;) {
          const open = wanted.filter((w) => !collected.has(w) && !purged.has(setKey(w)))
          if (open.length === 0 || (yield* Clock.currentTimeMillis) >= until) return purged
          const outcome = yield* fetcher.fetch(channelId, block, open)
          for (const { payloads, wanted: w } of outcome.found)
            for (const bytes of payloads)
              if (collected.offer(w, bytes) && support.keep !== undefined)
                yield* support
                  .keep(w.txId, block, setOf(w, bytes))
                  .pipe(Effect.catchAll((error) => log.warning(`[${channelId}] ${String(error)}`)))
          for (const w of outcome.purged) purged.add(setKey(w))
          if (open.every((w) => collected.has(w) || purged.has(setKey(w)))) return purged
          if (outcome.alone === true) return purged
          yield* Effect.sleep("1 second")
        }
      })

    const took = (step: "list" | "fetch", from: number, to: number) => support.took?.(step, (to - from) / 1000)

    return (block, received = nothing) =>
      Effect.gen(function* () {
        const own = yield* support.stored(block.number)
        if (own !== undefined) return { sets: own, missing: [], transactions: [] }
        const started = yield* Clock.currentTimeMillis
        const { ineligible, transactions, wanted } = yield* need(block)
        if (wanted.length === 0) return { sets: new Map(), missing: ineligible, transactions }
        const collected = new Collected()
        fromBlock(wanted, received, collected)
        yield* fromTransient(wanted, collected)
        const listed = yield* Clock.currentTimeMillis
        took("list", started, listed)
        const pull = support.skipPullingInvalid
          ? wanted.filter((w) => block.codes[w.transaction] === protos.TxValidationCode.VALID)
          : wanted
        const purged = yield* fromPeers(block.number, pull, collected)
        const fetched = yield* Clock.currentTimeMillis
        took("fetch", listed, fetched)
        const missing: ReadonlyArray<MissingPvtData> = wanted
          .filter((w) => !collected.has(w) && !purged.has(setKey(w)))
          .map(({ collection, namespace, transaction }) => ({
            tx: transaction,
            namespace,
            collection,
            isEligible: true
          }))
        if (missing.length > 0)
          yield* log.warning(
            `[${channelId}] Could not fetch all missing eligible private data of block [${block.number}]`,
            { missing: missing.length, of: wanted.length }
          )
        return { sets: collected.sets(wanted), missing: [...ineligible, ...missing], transactions }
      })
  })

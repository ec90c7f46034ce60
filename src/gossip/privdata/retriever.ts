/**
 * What this peer gives of private data to another that asks: by digest, from the transient store before the block is
 * committed here, from the ledger after; only to those who may have it.
 * Source: gossip-discovery.md 3.10 rule 7, 3.8 rule 6; gossip/privdata/dataretriever.go, pull.go (filterNotEligible),
 * coordinator.go (GetPvtDataAndBlockByNum).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PeerLedgerShape } from "../../ledger/index.js"
import type { TransientStoreShape } from "../../ledger/transient/index.js"
import type { SignedData } from "../../policy/index.js"
import { breathe } from "../../runtime/breathe.js"
import * as Log from "../../runtime/Log.js"
import { gossip, rwset } from "../../wire/index.js"
import {
  type Collection,
  type CollectionLookup,
  collectionIn,
  type Membership,
  withCollections
} from "./collections.js"
import type { PrivateDataMetrics } from "./metrics.js"

const log = Log.module("gossip.privdata")

export interface RetrieverSupport {
  readonly channelId: string
  readonly ledger: PeerLedgerShape
  readonly transient: TransientStoreShape
  readonly membership: Membership
  readonly metrics: PrivateDataMetrics
}

interface Failure {
  readonly message: string
}

/** Sets found for a digest and the collection they were written under. */
interface Found {
  readonly sets: ReadonlyArray<Uint8Array>
  readonly collection: Collection | undefined
  /** The policy of today opens them too: they are committed. */
  readonly latestToo: boolean
}

const setsIn = (
  set: rwset.TxPvtReadWriteSet | undefined,
  { collection, namespace }: gossip.PvtDataDigest
): ReadonlyArray<Uint8Array> =>
  (set?.nsPvtRwset ?? [])
    .filter((ns) => ns.namespace === namespace)
    .flatMap(({ collectionPvtRwset }) => collectionPvtRwset)
    .filter(({ collectionName }) => collectionName === collection)
    .map((one) => one.rwset)

/** Bytes after which an answer ends early; the asker asks again for the rest. */
const ANSWER_BYTES = 16 * 1024 * 1024

export interface Retriever {
  /** Elements for those digests that are here and that the asker may have; others are left out. */
  readonly answer: (
    digests: ReadonlyArray<gossip.PvtDataDigest>,
    asker: SignedData
  ) => Effect.Effect<ReadonlyArray<gossip.PvtDataElement>>
  /** A block with the private data that the asker may have by today's policies. */
  readonly payloadFor: (number: bigint, asker: SignedData) => Effect.Effect<gossip.Payload, Failure>
}

export const makeRetriever = ({ channelId, ledger, membership, metrics, transient }: RetrieverSupport): Retriever => {
  const fromTransient = (digest: gossip.PvtDataDigest): Effect.Effect<Found | undefined, Failure> =>
    Effect.gen(function* () {
      // a reconciliation has no transaction id: nothing to look up by
      if (digest.txId === "") return undefined
      const { collection, namespace } = digest
      const entries = yield* transient.byTxId(digest.txId, (ns, coll) => ns === namespace && coll === collection)
      const sets: Array<Uint8Array> = []
      let newest: { readonly endorsedAt: bigint; readonly collection: Collection } | undefined
      for (const { collectionConfigs, endorsedAt, pvtRwset } of entries) {
        if (pvtRwset === undefined) continue
        const config = collectionIn(collectionConfigs.get(namespace), collection)
        // stored without configuration: fetched from others at a commit, given to nobody
        if (config === undefined) continue
        if (newest === undefined || endorsedAt >= newest.endorsedAt) newest = { endorsedAt, collection: config }
        sets.push(...setsIn(pvtRwset, digest))
      }
      return { sets, collection: newest?.collection, latestToo: false }
    })

  const fromLedger = (
    digest: gossip.PvtDataDigest,
    data: ReadonlyMap<number, rwset.TxPvtReadWriteSet>
  ): Effect.Effect<Found, Failure> =>
    Effect.map(ledger.mostRecentCollectionConfigBelow(digest.blockSeq, digest.namespace), (info) => ({
      sets: setsIn(data.get(Number(digest.seqInBlock)), digest),
      collection: collectionIn(info?.config, digest.collection),
      latestToo: true
    }))

  const ofBlock = (
    block: bigint,
    digests: ReadonlyArray<gossip.PvtDataDigest>
  ): Effect.Effect<ReadonlyArray<readonly [gossip.PvtDataDigest, Found]>, Failure> =>
    Effect.gen(function* () {
      const committed = ledger.height() > block
      const wanted = new Set(digests.map(({ collection, namespace }) => `${namespace}\u0000${collection}`))
      const data = committed
        ? yield* ledger.pvtDataByNumber(block, (ns, coll) => wanted.has(`${ns}\u0000${coll}`))
        : new Map<number, rwset.TxPvtReadWriteSet>()
      const out: Array<readonly [gossip.PvtDataDigest, Found]> = []
      for (const digest of digests) {
        const found = yield* Effect.either(committed ? fromLedger(digest, data) : fromTransient(digest))
        if (found._tag === "Left") yield* log.error(`couldn't read private data: ${found.left.message}`)
        else if (found.right !== undefined && found.right.sets.length > 0) out.push([digest, found.right])
      }
      return out
    })

  const allowed = (
    digest: gossip.PvtDataDigest,
    found: Found,
    asker: SignedData,
    lookup: CollectionLookup
  ): boolean => {
    const latest = found.latestToo ? lookup(digest.namespace, digest.collection) : undefined
    if (latest !== undefined && membership.mayHave(latest, asker)) return true
    return found.collection !== undefined && membership.mayHave(found.collection, asker)
  }

  return {
    answer: (digests, asker) =>
      withCollections(ledger, (lookup) =>
        Effect.gen(function* () {
          const blocks = new Map<bigint, Array<gossip.PvtDataDigest>>()
          for (const digest of digests) {
            const list = blocks.get(digest.blockSeq)
            if (list === undefined) blocks.set(digest.blockSeq, [digest])
            else list.push(digest)
          }
          const elements: Array<gossip.PvtDataElement> = []
          let size = 0
          for (const [block, ofThis] of blocks) {
            yield* breathe
            const started = yield* Clock.currentTimeMillis
            const found = yield* Effect.either(ofBlock(block, ofThis))
            metrics("retrieve", ((yield* Clock.currentTimeMillis) - started) / 1000)
            if (found._tag === "Left") {
              yield* log.warning(
                `could not obtain private collection rwset for block ${block}, because of ${found.left.message}, continue...`
              )
              continue
            }
            for (const [digest, one] of found.right) {
              const may = yield* Effect.either(Effect.try(() => allowed(digest, one, asker, lookup)))
              if (may._tag === "Left" || !may.right) {
                yield* log.debug(
                  `Peer isn't eligible for txID ${digest.txId} at collection ${digest.collection} of ${channelId}`
                )
                continue
              }
              size += one.sets.reduce((sum, { length }) => sum + length, 0)
              if (size > ANSWER_BYTES && elements.length > 0) return elements
              elements.push(gossip.PvtDataElement.create({ digest, payload: one.sets }))
            }
          }
          return elements
        })
      ).pipe(
        Effect.catchAll(({ message }) =>
          Effect.as(log.warning(`could not answer a request for private data: ${message}`), [])
        )
      ),

    payloadFor: (number, asker) =>
      Effect.gen(function* () {
        const data = yield* ledger.get(number)
        const stored = yield* ledger.pvtDataByNumber(number)
        if (stored.size === 0) return gossip.Payload.create({ seqNum: number, data })
        const privateData = yield* withCollections(ledger, (lookup) =>
          Effect.try({
            try: () => {
              const verdicts = new Map<string, boolean>()
              const may = (namespace: string, collection: string): boolean => {
                const key = `${namespace}\u0000${collection}`
                const known = verdicts.get(key)
                if (known !== undefined) return known
                const config = lookup(namespace, collection)
                const verdict = config !== undefined && membership.mayHave(config, asker)
                verdicts.set(key, verdict)
                return verdict
              }
              return [...stored].flatMap(([tx, set]) => {
                const nsPvtRwset = set.nsPvtRwset.flatMap(({ collectionPvtRwset, namespace }) => {
                  const kept = collectionPvtRwset.filter(({ collectionName }) => may(namespace, collectionName))
                  return kept.length === 0 ? [] : [{ namespace, collectionPvtRwset: kept }]
                })
                if (nsPvtRwset.length === 0) return []
                const payload = rwset.TxPvtReadWriteSet.encode(rwset.TxPvtReadWriteSet.create({ nsPvtRwset }))
                return [
                  gossip.PvtDataPayload.encode(gossip.PvtDataPayload.create({ txSeqInBlock: BigInt(tx), payload }))
                ]
              })
            },
            catch: (error) => ({ message: String(error) })
          })
        )
        return gossip.Payload.create({ seqNum: number, data, privateData })
      })
  }
}

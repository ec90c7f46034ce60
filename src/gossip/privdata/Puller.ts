/**
 * Private data asked of other peers and given to them: at commit, when reconciling, and the answers.
 * Source: gossip-discovery.md 3.10 rules 6 and 7, traps 15 and 34; gossip/privdata/pull.go.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { FetchOutcome, WantedSet } from "../../commit/index.js"
import * as Log from "../../runtime/Log.js"
import { shuffled } from "../../runtime/shuffled.js"
import { gossip } from "../../wire/index.js"
import { equalBytes, utf8 } from "../../wire/protoutil.js"
import type { GossipShape } from "../Gossip.js"
import { type NetworkMember, type PeerSignature, preferredEndpoint, type ReceivedMessage } from "../messages.js"
import { randomNonce } from "../state/antiEntropy.js"
import { type Collection, signedDataOf, withCollections } from "./collections.js"
import { makeRetriever, type Retriever, type RetrieverSupport } from "./retriever.js"

const log = Log.module("gossip.privdata")

export interface PullerSupport extends RetrieverSupport {
  readonly gossip: GossipShape
  /** Blocks: data that ends within so many is not asked for. */
  readonly btlPullMargin: number
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number
}

/** A set that was missing when its block was committed. */
export interface MissingSet {
  readonly block: bigint
  readonly transaction: number
  readonly namespace: string
  /** As it was when the data was written. */
  readonly collection: Collection
}

/** A set that another peer gave; its hash has not been looked at. */
export interface ReconciledSet {
  readonly missing: MissingSet
  readonly payloads: ReadonlyArray<Uint8Array>
}

export interface Puller {
  readonly retriever: Retriever
  /** One attempt for a block that is being committed. */
  readonly fetch: (block: bigint, wanted: ReadonlyArray<WantedSet>) => Effect.Effect<FetchOutcome>
  /** One attempt for sets of old blocks; gives what arrived. */
  readonly reconcile: (missing: ReadonlyArray<MissingSet>) => Effect.Effect<ReadonlyArray<ReconciledSet>>
}

type Filter = (member: NetworkMember) => boolean

/** One thing to ask for. */
interface Item {
  readonly digest: gossip.PvtDataDigest
  readonly preferred: Filter
  readonly any: Filter
  readonly blockToLive: bigint
}

/** Polls of the membership while nobody is known, a second apart. */
const POLLS = 5
/** Milliseconds after a channel's start from which a peer that knows no other one there does not wait for one any more. */
const ALONE_AFTER = 10_000
/** Milliseconds that an answer may take. */
const ANSWER_LIMIT = 5000
/** Requests of others that wait; their streams are held back beyond that. */
const REQUESTS = 10

/** All five fields: what is asked for and what comes must agree in them (ledger sheet rule 92). */
const keyOf = ({ blockSeq, collection, namespace, seqInBlock, txId }: gossip.PvtDataDigest): string =>
  JSON.stringify([txId, namespace, collection, blockSeq.toString(), seqInBlock.toString()])

const MAX = 0xffff_ffff_ffff_ffffn
const saturated = (sum: bigint): bigint => (sum > MAX ? MAX : sum)

/** Whether a peer of that height has deleted the data, or will soon (rule 6). Pure. */
export const isPurgedAt = (height: bigint, margin: number, block: bigint, blockToLive: bigint): boolean =>
  blockToLive !== 0n && saturated(height + BigInt(margin)) >= saturated(block + blockToLive)

/** Requests under way to one peer. */
interface Pending {
  readonly nonce: bigint
  readonly peer: Uint8Array
  readonly asked: ReadonlySet<string>
  readonly found: Map<string, ReadonlyArray<Uint8Array>>
  readonly done: Deferred.Deferred<void>
}

interface Pulled {
  readonly found: ReadonlyMap<string, ReadonlyArray<Uint8Array>>
  readonly purged: ReadonlySet<string>
}
const nothing: Pulled = { found: new Map(), purged: new Set() }

export const makePuller = (support: PullerSupport): Effect.Effect<Puller, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, gossip: core, ledger, membership, metrics, random } = support
    const channel = utf8(channelId)
    const retriever = makeRetriever(support)
    const pending = new Set<Pending>()
    const begun = yield* Clock.currentTimeMillis
    const settled = Effect.map(Clock.currentTimeMillis, (now) => now - begun >= ALONE_AFTER)

    // ---- Answers and requests of others ----

    const received = ({ connection, message: { nonce, privateRes } }: ReceivedMessage): void => {
      for (const request of pending) {
        if (!equalBytes(request.peer, connection.pkiId)) continue
        for (const { digest, payload } of privateRes?.elements ?? []) {
          if (digest === undefined) break
          const key = keyOf(digest)
          if (request.asked.has(key) && !request.found.has(key)) request.found.set(key, payload)
        }
        // what an answer leaves out will not come: no need to wait for it
        if (request.nonce === nonce || request.found.size === request.asked.size)
          Deferred.unsafeDone(request.done, Effect.void)
      }
    }

    const serve = ({ connection, message: { nonce, privateReq }, respond }: ReceivedMessage): Effect.Effect<void> =>
      Effect.gen(function* () {
        const { auth, identity } = connection
        const elements = yield* retriever.answer(privateReq?.digests ?? [], {
          data: auth.signedData,
          identity,
          signature: auth.signature
        })
        respond(
          gossip.GossipMessage.create({
            nonce,
            channel,
            tag: gossip.GossipMessage_Tag.CHAN_ONLY,
            privateRes: gossip.RemotePvtDataResponse.create({ elements })
          })
        )
      })

    const requests = yield* Queue.bounded<ReceivedMessage>(REQUESTS)
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(requests), serve)))
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        core.subscribeRaw(
          ({ message }) =>
            (message.privateReq !== undefined || message.privateRes !== undefined) &&
            Buffer.compare(message.channel, channel) === 0,
          (message) => {
            if (message.message.privateRes !== undefined) received(message)
            else return Effect.asVoid(Queue.offer(requests, message))
          }
        )
      ),
      (end) => Effect.sync(end)
    )

    // ---- Asking ----

    const members: Effect.Effect<ReadonlyArray<NetworkMember>> = Effect.gen(function* () {
      for (let poll = 1; ; poll += 1) {
        const members = core.peersOfChannel(channelId)
        if (members.length > 0 || poll === POLLS || (yield* settled)) return members
        yield* Effect.sleep("1 second")
      }
    })

    const ask = (member: NetworkMember, items: ReadonlyArray<Item>): Effect.Effect<Pending["found"]> =>
      Effect.gen(function* () {
        const request: Pending = {
          nonce: randomNonce(),
          peer: member.pkiId,
          asked: new Set(items.map(({ digest }) => keyOf(digest))),
          found: new Map(),
          done: yield* Deferred.make<void>()
        }
        const started = yield* Clock.currentTimeMillis
        yield* Effect.gen(function* () {
          pending.add(request)
          core.send(
            gossip.GossipMessage.create({
              nonce: request.nonce,
              channel,
              tag: gossip.GossipMessage_Tag.CHAN_ONLY,
              privateReq: gossip.RemotePvtDataRequest.create({ digests: items.map(({ digest }) => digest) })
            }),
            [{ endpoint: preferredEndpoint(member), pkiId: member.pkiId }]
          )
          yield* Effect.timeoutOption(Deferred.await(request.done), ANSWER_LIMIT)
        }).pipe(Effect.ensuring(Effect.sync(() => pending.delete(request))))
        const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
        for (const _ of request.found) metrics("pull", seconds)
        return request.found
      })

    const pull = (items: ReadonlyArray<Item>): Effect.Effect<Pulled> =>
      Effect.gen(function* () {
        const fits = (member: NetworkMember) => items.some(({ any, preferred }) => preferred(member) || any(member))
        let candidates = shuffled((yield* members).filter(fits), random)
        if (candidates.length === 0) {
          yield* log.warning(`Do not know any peer in the channel(${channelId}) that matches the policies , aborting`)
          return nothing
        }
        const found = new Map<string, ReadonlyArray<Uint8Array>>()
        const purged = new Set<string>()
        let left = items
        while (left.length > 0 && candidates.length > 0) {
          const there = candidates
          left = left.filter(({ blockToLive, digest }) => {
            const gone = there.some(({ properties }) =>
              properties === undefined
                ? false
                : isPurgedAt(properties.ledgerHeight, support.btlPullMargin, digest.blockSeq, blockToLive)
            )
            if (gone) purged.add(keyOf(digest))
            return !gone
          })
          const shares = new Map<NetworkMember, Array<Item>>()
          for (const item of left) {
            const chosen = there.find(item.preferred) ?? there.find(item.any)
            if (chosen === undefined) continue
            const share = shares.get(chosen)
            if (share === undefined) shares.set(chosen, [item])
            else share.push(item)
          }
          if (shares.size === 0) break
          const answers = yield* Effect.forEach(shares, ([member, share]) => ask(member, share), {
            concurrency: "unbounded"
          })
          for (const answer of answers)
            for (const [key, payloads] of answer) if (payloads.length > 0) found.set(key, payloads)
          left = left.filter(({ digest }) => !found.has(keyOf(digest)))
          candidates = there.filter((member) => !shares.has(member))
        }
        return { found, purged }
      })

    /** A filter that asks its policy once for each member. */
    const filterOf = (allowed: (evidence: PeerSignature) => boolean): Filter => {
      const passes = core.peerFilter(channelId, allowed)
      const known = new Map<NetworkMember, boolean>()
      return (member) => {
        const before = known.get(member)
        if (before !== undefined) return before
        const verdict = passes?.(member) ?? false
        known.set(member, verdict)
        return verdict
      }
    }

    const policyFilters = () => {
      const known = new Map<Collection, Filter>()
      return (collection: Collection): Filter => {
        const filter =
          known.get(collection) ?? filterOf((evidence) => membership.mayHave(collection, signedDataOf(evidence)))
        known.set(collection, filter)
        return filter
      }
    }

    /** The items that a current policy is known for; `preferred` is given that policy's filter. */
    const itemsOf = <A>(
      all: ReadonlyArray<A>,
      nameOf: (one: A) => { readonly namespace: string; readonly collection: string },
      digestOf: (one: A) => gossip.PvtDataDigest,
      preferredOf: (one: A, any: Filter, filter: (collection: Collection) => Filter) => Filter
    ): Effect.Effect<ReadonlyArray<readonly [A, Item]>> =>
      withCollections(ledger, (lookup) =>
        Effect.try({
          try: () => {
            const filter = policyFilters()
            return all.flatMap((one) => {
              const { collection, namespace } = nameOf(one)
              const current = lookup(namespace, collection)
              if (current === undefined) return []
              const any = filter(current)
              const item: Item = {
                digest: digestOf(one),
                any,
                preferred: preferredOf(one, any, filter),
                blockToLive: current.blockToLive
              }
              return [[one, item] as const]
            })
          },
          catch: (error) => ({ message: String(error) })
        })
      ).pipe(
        Effect.catchAll(({ message }) =>
          Effect.as(log.warning(`Failed fetching private data of channel ${channelId}: ${message}`), [])
        )
      )

    return {
      retriever,
      fetch: (block, wanted) =>
        Effect.gen(function* () {
          const items = yield* itemsOf(
            wanted,
            (one) => one,
            ({ collection, namespace, transaction, txId }) =>
              gossip.PvtDataDigest.create({
                txId,
                namespace,
                collection,
                blockSeq: block,
                seqInBlock: BigInt(transaction)
              }),
            ({ endorsers }) => filterOf(({ identity }) => endorsers.some((endorser) => equalBytes(endorser, identity)))
          )
          const { found, purged } = yield* pull(items.map(([, item]) => item))
          return {
            found: items.flatMap(([one, { digest }]) => {
              const payloads = found.get(keyOf(digest))
              return payloads === undefined ? [] : [{ wanted: one, payloads }]
            }),
            purged: items.flatMap(([one, { digest }]) => (purged.has(keyOf(digest)) ? [one] : [])),
            alone: core.peersOfChannel(channelId).length === 0 && (yield* settled)
          }
        }),
      reconcile: (missing) =>
        Effect.gen(function* () {
          const items = yield* itemsOf(
            missing,
            ({ collection, namespace }) => ({ namespace, collection: collection.name }),
            // no transaction id: the other side looks into its ledger by block and index (trap 15)
            ({ block, collection, namespace, transaction }) =>
              gossip.PvtDataDigest.create({
                namespace,
                collection: collection.name,
                blockSeq: block,
                seqInBlock: BigInt(transaction)
              }),
            ({ collection }, any, filter) => {
              const then = filter(collection)
              return (member) => then(member) && any(member)
            }
          )
          const { found } = yield* pull(items.map(([, item]) => item))
          return items.flatMap(([one, { digest }]) => {
            const payloads = found.get(keyOf(digest))
            return payloads === undefined ? [] : [{ missing: one, payloads }]
          })
        })
    }
  })

/**
 * Gives private data of an endorsement to the peers that must have it before the endorsement counts.
 * Source: gossip-discovery.md 3.10 rules 1 to 3, section 5; gossip/privdata/distributor.go.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Log from "../../runtime/Log.js"
import { common, gossip, type transientstore } from "../../wire/index.js"
import { equalBytes, utf8 } from "../../wire/protoutil.js"
import type { GossipShape } from "../Gossip.js"
import { randomNonce } from "../state/antiEntropy.js"
import { type Collection, collectionIn, type Membership, signedDataOf } from "./collections.js"
import type { PrivateDataMetrics } from "./metrics.js"
import { type Dissemination, disseminationPlan } from "./plan.js"

const log = Log.module("gossip.privdata", "disseminate")

export interface DistributorSupport {
  readonly channelId: string
  readonly gossip: GossipShape
  readonly membership: Membership
  readonly metrics: PrivateDataMetrics
  readonly pushAckTimeoutMs: number
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number
}

interface Step extends Dissemination {
  readonly message: gossip.GossipMessage
}

export type Distribute = (
  txId: string,
  data: transientstore.TxPvtReadWriteSetWithConfigInfo,
  height: bigint
) => Effect.Effect<void, { readonly message: string }>

/** One collection's set, with its configuration alone. */
const messageOf = (channelId: string, payload: Omit<gossip.PrivatePayload, "unknown">): gossip.GossipMessage =>
  gossip.GossipMessage.create({
    nonce: randomNonce(),
    channel: utf8(channelId),
    tag: gossip.GossipMessage_Tag.CHAN_ONLY,
    privateData: gossip.PrivateDataMessage.create({ payload: gossip.PrivatePayload.create(payload) })
  })

export const makeDistributor = (support: DistributorSupport): Distribute => {
  const { channelId, gossip: core, membership, random } = support

  /** Peers for one collection; the left is the reference's text. */
  const planOf = (collection: Collection): Either.Either<ReadonlyArray<Dissemination>, string> => {
    const passes = core.peerFilter(channelId, (evidence) => membership.mayHave(collection, signedDataOf(evidence)))
    if (passes === undefined) return Either.left(`Channel ${channelId} doesn't exist`)
    const eligible = core.peersOfChannel(channelId).filter(passes)
    const required = collection.requiredPeerCount
    if (eligible.length < required)
      return Either.left(
        `required to disseminate to at least ${required} peers, but know of only ${eligible.length} eligible peers`
      )
    const orgs = membership.orgs(collection)
    const candidates = eligible.flatMap(({ pkiId }) => {
      const org = core.identityOf(pkiId)?.org
      return org !== undefined && orgs.includes(org) ? [{ pkiId, org }] : []
    })
    return Either.right(disseminationPlan(candidates, { required, maximum: collection.maximumPeerCount }, random))
  }

  const stepsOf = (
    txId: string,
    { collectionConfigs, pvtRwset }: transientstore.TxPvtReadWriteSetWithConfigInfo,
    height: bigint
  ): Either.Either<ReadonlyArray<Step>, string> =>
    Either.gen(function* () {
      const steps: Array<Step> = []
      for (const { collectionPvtRwset, namespace } of pvtRwset?.nsPvtRwset ?? []) {
        const configs = collectionConfigs.get(namespace)
        if (configs === undefined)
          return yield* Either.left(`collection config package for${namespace}chaincode is not provided`)
        for (const { collectionName, rwset } of collectionPvtRwset) {
          const collection = collectionIn(configs, collectionName)
          if (collection === undefined) {
            const cause = `no configuration for collection${collectionName}found`
            return yield* Either.left(
              `could not find collection access policy for${namespace} and collection${collectionName}error${cause}: ${cause}`
            )
          }
          const plan = yield* Either.mapLeft(
            planOf(collection),
            (cause) =>
              `could not build private data dissemination plan for chaincode ${namespace} and collection ${collectionName}: ${cause}`
          )
          const message = messageOf(channelId, {
            collectionName,
            namespace,
            txId,
            privateRwset: rwset,
            privateSimHeight: height,
            collectionConfigs: common.CollectionConfigPackage.create({
              config: [common.CollectionConfig.create({ staticCollectionConfig: collection })]
            })
          })
          for (const one of plan) steps.push({ ...one, message })
        }
      }
      return steps
    })

  /** One peer; false when it had to acknowledge and did not. */
  const send = ({ message, pkiId, required }: Step, started: number): Effect.Effect<boolean> =>
    core
      .sendByCriteria(message, {
        timeoutMs: support.pushAckTimeoutMs,
        minAck: required ? 1 : 0,
        maxPeers: 1,
        channelId,
        eligible: (member) => equalBytes(member.pkiId, pkiId)
      })
      .pipe(
        Effect.as(true),
        Effect.catchAll((error) => {
          const { collectionName, namespace, txId } = message.privateData?.payload ?? gossip.PrivatePayload.create({})
          return Effect.as(
            log.error(
              `Failed disseminating private RWSet for TxID ${txId}, namespace ${namespace} collection ${collectionName}: ${error.message}`
            ),
            false
          )
        }),
        Effect.tap(() => Effect.map(Clock.currentTimeMillis, (now) => support.metrics("send", (now - started) / 1000)))
      )

  return (txId, data, height) =>
    Effect.gen(function* () {
      const steps = yield* Either.mapLeft(stepsOf(txId, data, height), (message) => ({ message }))
      const started = yield* Clock.currentTimeMillis
      const sent = yield* Effect.forEach(steps, (step) => send(step, started), { concurrency: "unbounded" })
      const failures = sent.filter((arrived) => !arrived).length
      if (failures > 0)
        return yield* Effect.fail({
          message: `Failed disseminating ${failures} out of ${steps.length} private dissemination plans`
        })
    })
}

/**
 * Private data of an endorsement: to the peers that must have it, then into the transient store.
 * Source: peer-endorse-validate.md 3.4 rule 12, trap 21; DistributePrivateData in gossip/service/gossip_service.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { transientstore } from "../../wire/index.js"
import { ChannelTable } from "../channels/ChannelTable.js"
import { EndorsementFailed } from "../errors.js"

export class PrivateDataDistributor extends Context.Tag("peer/endorser/PrivateDataDistributor")<
  PrivateDataDistributor,
  {
    /** Succeeds when as many peers have the data as each collection requires. */
    readonly distribute: (
      channelId: string,
      txId: string,
      data: transientstore.TxPvtReadWriteSetWithConfigInfo,
      height: bigint
    ) => Effect.Effect<void, { readonly message: string }>
  }
>() {
  /** A peer that knows no other peer: collections that require none are all that it can serve. */
  static readonly layerAlone: Layer.Layer<PrivateDataDistributor> = Layer.succeed(PrivateDataDistributor, {
    distribute: (_, __, data) =>
      Effect.suspend(() => {
        const fault = unreachable(data)
        return fault === undefined ? Effect.void : Effect.fail({ message: fault })
      })
  })
}

/** The first written collection that asks for more peers than none; the reference's text. */
export const unreachable = ({
  collectionConfigs,
  pvtRwset
}: transientstore.TxPvtReadWriteSetWithConfigInfo): string | undefined => {
  for (const { collectionPvtRwset, namespace } of pvtRwset?.nsPvtRwset ?? []) {
    const configs = collectionConfigs.get(namespace)?.config ?? []
    for (const { collectionName } of collectionPvtRwset) {
      const required =
        configs.find(({ staticCollectionConfig }) => staticCollectionConfig?.name === collectionName)
          ?.staticCollectionConfig?.requiredPeerCount ?? 0
      if (required > 0)
        return `could not build private data dissemination plan for chaincode ${namespace} and collection ${collectionName}: required to disseminate to at least ${required} peers, but know of only 0 eligible peers`
    }
  }
  return undefined
}

/** Both steps, in the order of the reference: others first. */
export const distributeAndStore = Effect.gen(function* () {
  const { distribute } = yield* PrivateDataDistributor
  const table = yield* ChannelTable
  return (
    channelId: string,
    txId: string,
    data: transientstore.TxPvtReadWriteSetWithConfigInfo,
    height: bigint
  ): Effect.Effect<void, EndorsementFailed> =>
    Effect.gen(function* () {
      const failed = (reason: string, cause?: unknown) => new EndorsementFailed({ reason, cause })
      const channel = table.get(channelId)
      if (channel === undefined) return yield* failed(`No private data handler for ${channelId}`)
      // the reference's text has this placeholder in it
      yield* Effect.mapError(distribute(channelId, txId, data, height), (cause) =>
        failed(`failed to distribute private collection, txID ${txId}, channel %s${channelId}: ${cause.message}`, cause)
      )
      yield* Effect.mapError(channel.transient.persist(txId, height, data), (cause) => failed(cause.message, cause))
    })
})

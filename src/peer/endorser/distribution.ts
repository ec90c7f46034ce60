/**
 * Private data of an endorsement: to the peers that must have it, then into the transient store.
 * Source: peer-endorse-validate.md 3.4 rule 12, trap 21; DistributePrivateData in gossip/service/gossip_service.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
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
>() {}

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

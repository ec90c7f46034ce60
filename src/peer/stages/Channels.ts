/**
 * Stage 26's channel half: what a channel needs to live, before any is open. Without gossip the peer knows no other peer:
 * it takes its blocks from the orderers itself and asks nobody for private data.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PrivateDataFetcher } from "../../commit/index.js"
import { stage } from "../../runtime/Stage.js"
import { SystemChaincodeNames } from "../../validation/index.js"
import * as PeerChannels from "../channels/PeerChannels.js"
import { alone } from "../delivery/leadership.js"
import { PeerConfig } from "../PeerConfig.js"
import * as names from "../scc/names.js"

/** System names for validation, the same whatever the whitelist says. */
export const systemNames = Layer.succeed(SystemChaincodeNames, {
  isSystem: names.isSystem,
  isSystemAndNotInvokableExternal: (name) => names.isSystem(name) && !names.isInvokableExternal(name),
  isSystemAndNotInvokableCC2CC: (name) => names.isSystem(name) && !names.isInvokableCC2CC(name)
})

/** Nobody to ask. */
const noFetcher = Layer.succeed(PrivateDataFetcher, { fetch: () => Effect.succeed({ found: [], purged: [] }) })

const channels = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const { deliveryclient, gossip } = peer
    const leadership = yield* alone(gossip)
    return PeerChannels.layer({
      longestDelay: Duration.toMillis(deliveryclient.reConnectBackoffThreshold),
      totalDelay: Duration.toMillis(deliveryclient.reconnectTotalTimeThreshold),
      // waiting for private data is of use only while other peers are asked
      pullRetryThreshold: Duration.zero,
      skipPullingInvalid: gossip.pvtData.skipPullingInvalidTransactionsDuringCommit,
      transientRetention: BigInt(gossip.pvtData.transientstoreMaxBlockRetention),
      leadership,
      random: Math.random
    })
  })
)

export const layer = channels.pipe(
  Layer.provideMerge(Layer.merge(systemNames, noFetcher)),
  stage("channels", { remedy: "set one of peer.gossip.useLeaderElection and peer.gossip.orgLeader to false" })
)

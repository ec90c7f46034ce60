/** Stage 26's channel half: what a channel needs to live, before any is open; its gossip is there already. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { stage } from "../../runtime/Stage.js"
import { layerSignatureVerifier, SystemChaincodeNames } from "../../validation/index.js"
import * as PeerChannels from "../channels/PeerChannels.js"
import { PeerConfig } from "../PeerConfig.js"
import * as names from "../scc/names.js"

/** System names for validation, the same whatever the whitelist says. */
export const systemNames = Layer.succeed(SystemChaincodeNames, {
  isSystem: names.isSystem,
  isSystemAndNotInvokableExternal: (name) => names.isSystem(name) && !names.isInvokableExternal(name),
  isSystemAndNotInvokableCC2CC: (name) => names.isSystem(name) && !names.isInvokableCC2CC(name)
})

const channels = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const { deliveryclient, gossip } = peer
    return PeerChannels.layer({
      longestDelay: Duration.toMillis(deliveryclient.reConnectBackoffThreshold),
      totalDelay: Duration.toMillis(deliveryclient.reconnectTotalTimeThreshold),
      pullRetryThreshold: gossip.pvtData.pullRetryThreshold,
      skipPullingInvalid: gossip.pvtData.skipPullingInvalidTransactionsDuringCommit,
      transientRetention: BigInt(gossip.pvtData.transientstoreMaxBlockRetention),
      staticLeader: gossip.orgLeader,
      random: Math.random
    })
  })
)

export const layer = channels.pipe(
  Layer.provideMerge(systemNames),
  Layer.provideMerge(layerSignatureVerifier),
  stage("channels", { remedy: "nothing here can fail; report this" })
)

/**
 * Stage 28's listener: what the lifecycle cache knows of a channel's chaincodes is published to other peers, from the
 * opening of each channel on. Source: gossip-discovery.md 1, 3.6 rule 9.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { GossipService } from "../../gossip/service/index.js"
import { stage } from "../../runtime/Stage.js"
import { gossip } from "../../wire/index.js"
import { Lifecycle } from "../lifecycle/index.js"

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { addListener } = yield* Lifecycle
    const { updateChaincodes } = yield* GossipService
    yield* addListener((channelId, chaincodes) =>
      Effect.sync(() =>
        updateChaincodes(
          channelId,
          chaincodes.map(({ name, version }) => gossip.Chaincode.create({ name, version }))
        )
      )
    )
  })
).pipe(stage("chaincodes for gossip", { remedy: "nothing here can fail; report this" }))

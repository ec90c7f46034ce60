/** Stage 19: blocks and filtered blocks for clients. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { stage } from "../../runtime/Stage.js"
import { PeerConfig } from "../PeerConfig.js"
import * as DeliverService from "../services/DeliverService.js"

export const layer = Layer.unwrapEffect(
  Effect.map(PeerConfig, ({ peer }) =>
    DeliverService.layer({ timeWindow: Duration.toMillis(peer.authentication.timewindow) })
  )
).pipe(stage("deliver events", { remedy: "nothing here can fail; report this" }))

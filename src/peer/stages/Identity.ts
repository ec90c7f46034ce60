/** Stage 1: the peer's own MSP; only X.509 ones can be a peer's. Source: peer-endorse-validate.md 1.1 (4), 1.2 stage 1. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LocalMsp } from "../../msp/index.js"
import { stage } from "../../runtime/Stage.js"
import { PeerConfig } from "../PeerConfig.js"
import { within } from "./failures.js"

export const layer = Layer.unwrapEffect(
  Effect.map(PeerConfig, ({ peer }) =>
    Layer.mapError(
      LocalMsp.layer({
        dir: peer.mspConfigPath,
        mspId: peer.localMspId,
        type: peer.localMspType,
        bccsp: peer.bccsp
      }),
      within("Cannot run peer because ")
    )
  )
).pipe(
  stage("identity", {
    remedy:
      "check peer.mspConfigPath, peer.localMspId and peer.BCCSP: the folder must hold this peer's MSP with its key"
  })
)

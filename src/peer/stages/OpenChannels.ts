/** Stage 29: every channel whose ledger is here is opened; one that cannot be is logged and left out. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { stage } from "../../runtime/Stage.js"
import { PeerChannels } from "../channels/PeerChannels.js"

export const layer = Layer.effectDiscard(Effect.flatMap(PeerChannels, ({ openKnown }) => openKnown)).pipe(
  stage("open channels", { remedy: "check the folder ledgersData below peer.fileSystemPath" })
)

/** Stage 27: system chaincodes run their Init, without a channel now and on each channel when it is opened (R77). */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ChaincodeSupport } from "../../chaincode/support/ChaincodeSupport.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { type ChannelInitializer, PeerChannels } from "../channels/PeerChannels.js"

const log = Log.module("nodeCmd", "serve")

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { deploySystemChaincodes } = yield* ChaincodeSupport
    const { onOpen } = yield* PeerChannels
    const onChannel: ChannelInitializer = ({ id, ledger }) =>
      Effect.acquireUseRelease(
        ledger.newTxSimulator(`deploy ${id}`),
        (simulator) => deploySystemChaincodes(id, simulator),
        (simulator) => Effect.sync(() => simulator.done())
      ).pipe(Effect.catchAll((error) => log.error(`[${id}] system chaincodes were not deployed: ${error.message}`)))
    yield* deploySystemChaincodes("", undefined)
    yield* log.info("Deployed system chaincodes")
    yield* onOpen(onChannel)
  })
).pipe(stage("deployed system chaincodes", { remedy: "see the log lines before this one", exitCode: 2 }))

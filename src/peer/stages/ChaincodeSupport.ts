/** Stage 20, last part: launching and executing chaincode, and the service that chaincode registers with. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChaincodeService from "../../chaincode/support/ChaincodeService.js"
import * as ChaincodeSupport from "../../chaincode/support/ChaincodeSupport.js"
import {
  type ChaincodeSettings,
  chaincodeLogLevel,
  executeTimeout,
  keepaliveMillis,
  startupTimeout
} from "../../chaincode/support/settings.js"
import type { CoreConfig } from "../../config/index.js"
import * as Log from "../../runtime/Log.js"
import { canonicalName } from "../../runtime/LogSpec.js"
import { stage } from "../../runtime/Stage.js"
import { PeerConfig } from "../PeerConfig.js"
import { compatibleVersion } from "../version.js"

/** In: the configuration, and the level of the node's own log, which stands in for levels that are none. */
const settingsOf = ({ chaincode, ledger, peer }: CoreConfig, ownLevel: string): ChaincodeSettings => ({
  tlsEnabled: peer.tls.enabled,
  devMode: chaincode.mode === "dev",
  acceptExternal: chaincode.acceptExternal,
  keepalive: keepaliveMillis(chaincode.keepalive),
  executeTimeout: executeTimeout(Duration.toMillis(chaincode.executetimeout)),
  startupTimeout: startupTimeout(Duration.toMillis(chaincode.startuptimeout)),
  logLevel: chaincodeLogLevel(chaincode.logging.level, ownLevel),
  shimLogLevel: chaincodeLogLevel(chaincode.logging.shim, ownLevel),
  logFormat: chaincode.logging.format,
  peerVersion: compatibleVersion,
  totalQueryLimit: ledger.state.totalQueryLimit
})

export const layer = Layer.unwrapEffect(
  Effect.gen(function* () {
    const config = yield* PeerConfig
    const node = yield* Log.CurrentLog
    return ChaincodeService.layer.pipe(
      Layer.provideMerge(ChaincodeSupport.layer(settingsOf(config, canonicalName(node.levelOf("")))))
    )
  })
).pipe(stage("chaincode support", { remedy: "check the section chaincode of the configuration", exitCode: 2 }))

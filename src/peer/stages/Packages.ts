/** Stage 20, first part: the folder of installed chaincode packages, and who hears of installs. Source: chaincode.md R3. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PackageStore from "../../chaincode/packages/PackageStore.js"
import { hash } from "../../crypto/index.js"
import { LocalMsp } from "../../msp/index.js"
import { stage } from "../../runtime/Stage.js"
import { layerChaincodeEvents } from "../lifecycle/index.js"
import { PeerConfig } from "../PeerConfig.js"

const packages = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const { defaults } = yield* LocalMsp
    return PackageStore.layer(join(peer.fileSystemPath, "chaincodes"), (...chunks) => hash(defaults.hash, ...chunks))
  })
)

export const layer = layerChaincodeEvents.pipe(
  Layer.provideMerge(packages),
  stage("chaincode packages", {
    remedy: "check peer.fileSystemPath: its folder chaincodes must be a folder that this peer may write",
    exitCode: 2
  })
)

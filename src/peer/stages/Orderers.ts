/** Connections to orderers, and TLS authorities that follow the channels' configurations (3.7 rule 2, 3.8). */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { stage } from "../../runtime/Stage.js"
import * as TrustedRoots from "../channels/trustedRoots.js"
import * as OrdererConnections from "../delivery/OrdererConnections.js"
import { PeerConfig } from "../PeerConfig.js"
import { Credentials } from "./Credentials.js"
import { ServerSettings } from "./ServerSettings.js"

export const layer = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const { client } = yield* Credentials
    const { clientRoots } = yield* ServerSettings
    const { deliveryclient, keepalive } = peer
    return Layer.merge(
      OrdererConnections.layer({
        credentials: client,
        keepalive: keepalive.deliveryClient,
        connectTimeout: deliveryclient.connTimeout,
        overrides: deliveryclient.addressOverrides,
        staticRootsEnabled: deliveryclient.staticRootsEnabled
      }),
      TrustedRoots.layer(clientRoots)
    )
  })
).pipe(stage("orderer connections", { remedy: "check peer.deliveryclient" }))

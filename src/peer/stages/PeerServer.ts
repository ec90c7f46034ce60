/** Stage 16: the main gRPC server; its port is bound here, it serves when all services are there. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { stage } from "../../runtime/Stage.js"
import { GrpcServer } from "../../transport/index.js"
import { PeerConfig } from "../PeerConfig.js"
import { StartRefused, within } from "./failures.js"
import { ServerSettings } from "./ServerSettings.js"

export const layer = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const { server } = yield* ServerSettings
    if (peer.listenAddress === "")
      return yield* new StartRefused({ reason: "Failed to create peer server (Missing address parameter)" })
    return Layer.mapError(GrpcServer.layer({ ...server, address: peer.listenAddress }), ({ message }) =>
      within("Failed to create peer server (")({ message: `${message})` })
    )
  })
).pipe(
  stage("peer server", {
    remedy:
      "check peer.listenAddress: another process may hold the port, or the address is not this machine's; with TLS, certificate and key must belong together"
  })
)

/** Stage 20, third part: the server that chaincode connects to. Source: chaincode.md R1-R5. */
import { join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PackageStore } from "../../chaincode/packages/PackageStore.js"
import * as ChaincodeServer from "../../chaincode/server/ChaincodeServer.js"
import { stage } from "../../runtime/Stage.js"
import { Vital } from "../../runtime/Vital.js"
import { PeerConfig } from "../PeerConfig.js"
import { Addresses } from "./Addresses.js"
import { within } from "./failures.js"

/** Chaincode that cannot register any more is no small matter: the server is a vital loop. */
const watched = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { grpc } = yield* ChaincodeServer.ChaincodeServer
    const vital = yield* Vital
    yield* vital.fork("chaincode server", grpc.died)
  })
)

const server = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { chaincode, peer } = yield* PeerConfig
    const { host } = yield* Addresses
    const packages = yield* PackageStore
    const devMode = chaincode.mode === "dev"
    return Layer.mapError(
      ChaincodeServer.layer({
        chaincodeAddress: peer.chaincodeAddress,
        listenAddress: peer.chaincodeListenAddress,
        peerHost: host,
        devMode,
        tlsEnabled: peer.tls.enabled,
        connectionTimeout: Duration.toMillis(peer.connectiontimeout),
        external: (name) => devMode || (chaincode.acceptExternal && packages.isInstalled(name)),
        ...(chaincode.acceptExternal || devMode
          ? { externalCredentials: join(peer.fileSystemPath, "chaincode-external") }
          : {})
      }),
      within("Failed to create chaincode server: ")
    )
  })
)

export const layer = watched.pipe(
  Layer.provideMerge(server),
  stage("chaincode server", {
    remedy: "set peer.chaincodeAddress and peer.chaincodeListenAddress to a free port that chaincode can reach",
    exitCode: 2
  })
)

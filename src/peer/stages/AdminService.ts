/**
 * Stage 21: the Admin service, on the main server or, where `peer.adminService.listenAddress` has another port, on one of
 * its own that serves at once. Source: peer-endorse-validate.md 2.7; startAdminServer in peer/node/start.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { splitAddress } from "../../config/index.js"
import { LocalMsp } from "../../msp/index.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { Vital } from "../../runtime/Vital.js"
import { GrpcServer, makeGrpcServer } from "../../transport/index.js"
import { Admin } from "../../wire/services.js"
import { TrustedRoots } from "../channels/trustedRoots.js"
import { PeerConfig } from "../PeerConfig.js"
import { adminHandlers, adminPolicy } from "../services/admin.js"
import { CertificateReload } from "./CertificateReload.js"
import { StartRefused, within } from "./failures.js"
import { ServerSettings } from "./ServerSettings.js"

const log = Log.module("nodeCmd", "startAdminServer")

const portOf = (what: string, address: string): Either.Either<number, StartRefused> =>
  Either.mapBoth(splitAddress(address), {
    onLeft: (reason) => new StartRefused({ reason: `Failed parsing ${what} listen address: ${reason}` }),
    onRight: ({ port }) => port
  })

/** Whether Admin has a server of its own: the host is not looked at. Pure. */
export const hasOwnListener = (peer: string, admin: string): Either.Either<boolean, StartRefused> =>
  admin === ""
    ? Either.right(false)
    : Either.zipWith(portOf("peer", peer), portOf("admin", admin), (peerPort, adminPort) => peerPort !== adminPort)

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const { msp } = yield* LocalMsp
    const node = yield* Log.CurrentLog
    const main = yield* GrpcServer
    const vital = yield* Vital
    const policy = yield* Either.mapLeft(adminPolicy(msp), within("Failed creating local policy: "))
    const handlers = adminHandlers(policy, node)
    const { listenAddress } = peer.adminService
    if (!(yield* hasOwnListener(peer.listenAddress, listenAddress))) return yield* main.addService(Admin, handlers)
    yield* log.info(`Creating gRPC server for admin service on ${listenAddress}`)
    const { server } = yield* ServerSettings
    const own = yield* Effect.mapError(makeGrpcServer({ ...server, address: listenAddress }), ({ message }) =>
      within("Failed to create admin server (")({ message: `${message})` })
    )
    yield* Effect.flatMap(TrustedRoots, ({ follow }) => follow(own))
    yield* Effect.flatMap(CertificateReload, ({ follow }) => follow(own))
    yield* own.addService(Admin, handlers)
    yield* own.serve
    yield* vital.fork("admin server", own.died)
  })
).pipe(
  stage("admin service", {
    remedy: "check peer.adminService.listenAddress: its port must be free, or that of the peer"
  })
)

/**
 * Stage 26: gossip with other peers. It is reachable when the main server serves; its own connects begin at once.
 * Released after the channels: each takes its own gossip down first.
 * Source: gossip-discovery.md 1, 3.11; peer-endorse-validate.md 1.2.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PrivateDataFetcher } from "../../commit/index.js"
import { decodePemAll } from "../../crypto/pem.js"
import { GrpcComm } from "../../gossip/comm/index.js"
import { gossipLayer } from "../../gossip/core/index.js"
import { Identities } from "../../gossip/identity/index.js"
import { gossipSettings } from "../../gossip/index.js"
import * as Service from "../../gossip/service/index.js"
import { SystemTimers } from "../../gossip/systemTimers.js"
import { LocalMsp } from "../../msp/index.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { GrpcServer } from "../../transport/index.js"
import { TrustedRoots } from "../channels/trustedRoots.js"
import { PrivateDataDistributor } from "../endorser/distribution.js"
import * as PeerSecurity from "../gossip/security.js"
import { PeerConfig } from "../PeerConfig.js"
import { Addresses } from "./Addresses.js"
import { Credentials } from "./Credentials.js"

const log = Log.module("gossip.service", "InitGossipService")

const settings = Effect.gen(function* () {
  const { peer } = yield* PeerConfig
  const { endpoint } = yield* Addresses
  return yield* gossipSettings(peer.gossip, endpoint)
})

/** Connections: whom to trust is asked at every dial, as channels are joined. */
const connections = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const { comm } = yield* settings
    const { client } = yield* Credentials
    const { applicationRoots } = yield* TrustedRoots
    const server = yield* GrpcServer
    return GrpcComm.layer({
      settings: comm,
      keepalive: peer.keepalive.client,
      credentials: () =>
        client === undefined
          ? undefined
          : {
              rootCerts: [...client.serverRoots, ...applicationRoots()],
              clientCert: client.certificate,
              clientKey: client.key
            },
      serverCertificate: () => {
        const pem = server.certificate()
        return pem === undefined ? undefined : decodePemAll(pem).find(({ type }) => type === "CERTIFICATE")?.bytes
      }
    })
  })
)

const core = Layer.unwrapEffect(
  Effect.gen(function* () {
    const made = yield* settings
    const identities = yield* Identities
    const { msp } = yield* LocalMsp
    yield* log.info(
      `Initialize gossip with endpoint ${made.internalEndpoint} and bootstrap set [${made.membership.bootstrapPeers.join(" ")}]`
    )
    return gossipLayer({ settings: made, identities, org: msp.mspId })
  })
)

const service = Layer.unwrapEffect(
  Effect.gen(function* () {
    const timers = yield* SystemTimers
    return Service.layer({ settings: yield* settings, timers, random: Math.random })
  })
)

/** What the endorser and the commit line ask of other peers. */
const answers = Layer.merge(
  Layer.effect(
    PrivateDataFetcher,
    Effect.map(Service.GossipService, ({ fetch }) => ({ fetch }))
  ),
  Layer.effect(
    PrivateDataDistributor,
    Effect.map(Service.GossipService, ({ distribute }) => ({ distribute }))
  )
)

export const layer = answers.pipe(
  Layer.provideMerge(service),
  Layer.provideMerge(core),
  Layer.provideMerge(connections),
  Layer.provideMerge(Identities.layer),
  Layer.provideMerge(PeerSecurity.layer),
  Layer.provideMerge(SystemTimers.layer),
  stage("gossip", {
    remedy: "check peer.gossip.endpoint and peer.address (host:port), and that the peer's own certificate is valid",
    exitCode: 2
  })
)

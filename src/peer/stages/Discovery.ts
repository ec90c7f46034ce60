/**
 * Stage 30: service discovery on the main server, where `peer.discovery.enabled` says so.
 * Source: gossip-discovery.md 1, 3.12; registerDiscoveryService in peer/node/start.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { makeDiscoveryService } from "../../discovery/index.js"
import { Gossip } from "../../gossip/index.js"
import { LocalMsp } from "../../msp/index.js"
import { channelApplicationWriters, fromEnvelope, signedByAnyAdmin, signedByAnyMember } from "../../policy/index.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { GrpcServer } from "../../transport/index.js"
import { discovery } from "../../wire/index.js"
import { Discovery } from "../../wire/services.js"
import { ChannelTable } from "../channels/ChannelTable.js"
import { Lifecycle } from "../lifecycle/index.js"
import { PeerConfig } from "../PeerConfig.js"
import { unreadableRequest } from "../services/requests.js"
import { within } from "./failures.js"

const log = Log.module("discovery", "NewService")

const noChannel = (channelId: string) => Either.left({ message: `channel ${channelId} doesn't exist` })

const support = Effect.gen(function* () {
  const { peer } = yield* PeerConfig
  const { msp } = yield* LocalMsp
  const { bundleOf } = yield* ChannelTable
  const { metadata } = yield* Lifecycle
  const local = peer.discovery.orgMembersAllowedAccess ? signedByAnyMember : signedByAnyAdmin
  const localPolicy = yield* Either.mapLeft(
    fromEnvelope(local([msp.mspId]), msp),
    within("Failed creating local policy: ")
  )
  const membership = yield* Gossip
  return {
    self: membership.self,
    selfChannelInfo: membership.selfChannelInfo,
    peers: membership.peers,
    peersOfChannel: membership.peersOfChannel,
    identities: membership.identities,
    eligible: (channelId: string, data: Parameters<typeof localPolicy.evaluate>[0][number]) => {
      if (channelId === "") return localPolicy.evaluate([data])
      const bundle = bundleOf(channelId)
      if (bundle === undefined) return Either.left({ message: `policy manager for channel ${channelId} doesn't exist` })
      return bundle.policyManager.getPolicy(channelApplicationWriters).evaluate([data])
    },
    sequence: (channelId: string) => (channelId === "" ? 0n : (bundleOf(channelId)?.sequence ?? 0n)),
    satisfiesPrincipal: (
      channelId: string,
      raw: Uint8Array,
      principal: Parameters<typeof msp.satisfiesPrincipal>[1]
    ) => {
      const msps = bundleOf(channelId)?.mspManager
      if (msps === undefined) return noChannel(channelId)
      const identity = msps.deserializeIdentity(raw)
      return Either.isLeft(identity) ? identity : msps.satisfiesPrincipal(identity.right, principal)
    },
    metadata,
    config: (channelId: string) => bundleOf(channelId)?.config
  }
})

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { authCacheEnabled, authCacheMaxSize, authCachePurgeRetentionRatio, enabled } = (yield* PeerConfig).peer
      .discovery
    if (!enabled) return
    const service = makeDiscoveryService(yield* support, {
      enabled: authCacheEnabled,
      maxSize: authCacheMaxSize,
      retentionRatio: authCachePurgeRetentionRatio
    })
    const server = yield* GrpcServer
    yield* server.addService(Discovery, {
      Discover: (request) =>
        Effect.flatMap(
          Effect.try({ try: () => discovery.SignedRequest.decode(request), catch: unreadableRequest }),
          service.discover
        )
    })
    yield* log.info("Discovery service activated")
  })
).pipe(stage("discovery", { remedy: "another service has taken Discovery's name; report this" }))

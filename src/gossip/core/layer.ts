/**
 * The gossip core as a layer: everything stops with its scope.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Log from "../../runtime/Log.js"
import { Metrics } from "../../runtime/Metrics.js"
import { Comm } from "../Comm.js"
import { Gossip } from "../Gossip.js"
import type { IdentityMapper } from "../identity/index.js"
import { systemRandom } from "../random.js"
import { Security } from "../Security.js"
import type { GossipSettings } from "../settings.js"
import { SystemTimers } from "../systemTimers.js"
import { GossipCore, type GossipLogs } from "./GossipCore.js"

const loggers: Effect.Effect<GossipLogs> = Effect.all({
  gossip: Log.module("gossip.gossip").sync,
  discovery: Log.module("gossip.discovery").sync,
  channel: Log.module("gossip.channel").sync,
  pull: Log.module("gossip.pull").sync
})

export interface GossipLayerOptions {
  readonly settings: GossipSettings
  /** The node's one mapper, which Comm uses too. */
  readonly identities: IdentityMapper
  /** Own MSP ID. */
  readonly org: string
}

/** The core over Comm, Security, the node's timers and metrics, started at once. */
export const makeGossip = (options: GossipLayerOptions) =>
  Effect.gen(function* () {
    const comm = yield* Comm
    const security = yield* Security
    const timers = yield* SystemTimers
    const metrics = yield* Metrics
    const logs = yield* loggers
    const run = yield* FiberSet.makeRuntime<never>()
    const total = metrics.gauge({
      namespace: "gossip",
      subsystem: "membership",
      name: "total_peers_known",
      help: "Total known peers",
      labelNames: ["channel"]
    })
    return yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new GossipCore({
            ...options,
            comm,
            security,
            timers,
            random: systemRandom,
            logs,
            fork: (task) => void run(task),
            peersKnown: (channelId, count) => total.with({ channel: channelId }).set(count)
          })
      ),
      (core) => Effect.sync(() => core.stop())
    )
  })

/** `Gossip` for a node. */
export const gossipLayer = (
  options: GossipLayerOptions
): Layer.Layer<Gossip, never, Comm | Security | SystemTimers | Metrics> => Layer.scoped(Gossip, makeGossip(options))

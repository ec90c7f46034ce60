/**
 * Runs a channel's delivery from the orderers while this peer is the one to do it: elected, always, or never.
 * Source: gossip-discovery.md 3.9 rule 6, 3.11 rule 3; gossip/service/gossip_service.go (onStatusChangeFactory).
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"
import { electionOf } from "../election/index.js"
import type { GossipShape } from "../Gossip.js"
import type { ElectionSettings } from "../settings.js"
import type { Timers } from "../Timers.js"

const log = Log.module("gossip.service")

/** Both leadership settings are on; the node must end. */
export class LeadershipConflict extends Data.TaggedError("LeadershipConflict")<{ readonly channel: string }> {
  override get message(): string {
    return "Setting both orgLeader and useLeaderElection to true isn't supported, aborting execution"
  }
}

export interface LeadershipSupport {
  readonly channelId: string
  readonly gossip: GossipShape
  readonly timers: Timers
  readonly settings: ElectionSettings
  /** The metric. */
  readonly report: (leader: boolean) => void
  /** Delivers until it ends by itself, with the reason; interrupted to stop. */
  readonly deliver: Effect.Effect<string>
}

/** Pause before a static leader begins anew a delivery that has ended. */
const AGAIN = "10 seconds"

export type Leads = () => boolean

/** Starts what the settings say; ends with the scope. Out: whether this peer leads at present. */
export const startLeadership = (support: LeadershipSupport): Effect.Effect<Leads, LeadershipConflict, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, deliver, settings } = support
    if (settings.useLeaderElection && settings.orgLeader) return yield* new LeadershipConflict({ channel: channelId })
    if (settings.useLeaderElection) {
      yield* log.debug(`Delivery uses dynamic leader election mechanism, channel ${channelId}`)
      return yield* elected(support)
    }
    if (settings.orgLeader) {
      yield* log.debug(
        `This peer is configured to connect to ordering service for blocks delivery, channel ${channelId}`
      )
      yield* deliver.pipe(
        Effect.tap((end) =>
          log.error(`[${channelId}] delivery from the orderers has ended: ${end}; it begins anew later`)
        ),
        Effect.zipRight(Effect.sleep(AGAIN)),
        Effect.forever,
        Effect.forkScoped
      )
      return () => true
    }
    yield* log.debug(
      `This peer is not configured to connect to ordering service for blocks delivery, channel ${channelId}`
    )
    return () => false
  })

const elected = (support: LeadershipSupport): Effect.Effect<Leads, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, deliver, gossip, report, settings, timers } = support
    const roles = yield* Queue.unbounded<boolean>()
    const { election } = yield* Effect.acquireRelease(
      Effect.sync(() =>
        electionOf({
          gossip,
          timers,
          channelId,
          settings,
          report,
          changed: (leader) => void Queue.unsafeOffer(roles, leader)
        })
      ),
      ({ stop }) => Effect.sync(stop)
    )
    const lead = deliver.pipe(
      Effect.flatMap((end) =>
        Effect.zipRight(
          log.error(`[${channelId}] delivery from the orderers has ended: ${end}; leadership is yielded`),
          Effect.sync(() => election.yield())
        )
      )
    )
    // one fiber sees the changes in their order, so that a delivery has ended before the next begins
    yield* Effect.gen(function* () {
      let delivery: Fiber.RuntimeFiber<void> | undefined
      while (true) {
        const leader = yield* Queue.take(roles)
        if (delivery !== undefined) yield* Fiber.interrupt(delivery)
        delivery = undefined
        if (leader) {
          yield* log.info(`Elected as a leader, starting delivery service for channel ${channelId}`)
          delivery = yield* Effect.fork(lead)
        } else yield* log.info(`Renounced leadership, stopping delivery service for channel ${channelId}`)
      }
    }).pipe(Effect.forkScoped)
    return () => election.isLeader
  })

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { gossipLayer } from "../../../src/gossip/core/index.js"
import { IdentityMapper } from "../../../src/gossip/identity/index.js"
import { Comm, Gossip, Security, SystemTimers } from "../../../src/gossip/index.js"
import { seededRandom } from "../../../src/gossip/random.js"
import { SimClock, SimTimers } from "../../../src/gossip/simulation/SimClock.js"
import { SimNetwork } from "../../../src/gossip/simulation/SimNetwork.js"
import { referenceSettings } from "../../../src/gossip/simulation/settings.js"
import { SimAuthority, simIdentity, simSecurity } from "../../../src/gossip/simulation/simSecurity.js"
import * as Metrics from "../../../src/runtime/Metrics.js"

describe("the layer", () => {
  it("starts the core with its metric, and stops all of it with its scope", async () => {
    const clock = new SimClock()
    const authority = new SimAuthority()
    authority.orgs.add("Org1")
    authority.channelOrgs.set("ch", new Set(["Org1"]))
    const identity = simIdentity("Org1", "me")
    const timers = new SimTimers(clock)
    const security = simSecurity(authority, identity)
    const identities = Either.getOrThrow(IdentityMapper.make({ timers, security }))
    const comm = new SimNetwork({ clock, random: seededRandom(1) }).attach("me:1", identity, identities)
    const metrics = Metrics.prometheus()
    const environment = Layer.mergeAll(
      Layer.succeed(Comm, comm),
      Layer.succeed(Security, security),
      Layer.succeed(SystemTimers, timers),
      Layer.succeed(Metrics.Metrics, metrics)
    )
    const live = gossipLayer({ settings: referenceSettings("me:1", "", []), identities, org: "Org1" })
    const scope = await Effect.runPromise(Scope.make())
    const built = await Effect.runPromise(Layer.buildWithScope(Layer.provide(live, environment), scope))
    const core = Context.get(built, Gossip)
    expect(core.org).toBe("Org1")
    core.joinChannel({ channelId: "ch", sequence: 1n, orgs: ["Org1"], anchorPeers: new Map() })
    clock.advance(10_000)
    const page = await Effect.runPromise(metrics.exposition)
    expect(page?.body).toContain('gossip_membership_total_peers_known{channel="ch"} 0')
    expect(comm.subscribers.size).toBe(1)
    await Effect.runPromise(Scope.close(scope, Exit.void))
    identities.stop()
    expect(comm.subscribers.size + comm.dead.size + comm.switched.size).toBe(0)
    clock.advance(10_000)
    const { steps } = clock
    clock.advance(3_600_000)
    expect(clock.steps).toBe(steps)
  })
})

/** Who takes blocks from the orderers, by the settings. */
import * as Effect from "effect/Effect"
import { afterEach, describe, expect, it, vi } from "vitest"
import { GossipNetwork, until } from "./support.js"

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 })

const [a, b] = ["peer0.org1.example.com", "peer1.org1.example.com"]
let network: GossipNetwork | undefined
afterEach(async () => {
  await network?.close()
  network = undefined
})

const both = { CORE_PEER_GOSSIP_USELEADERELECTION: "true", CORE_PEER_GOSSIP_ORGLEADER: "true" }
const neither = { CORE_PEER_GOSSIP_USELEADERELECTION: "false", CORE_PEER_GOSSIP_ORGLEADER: "false" }
const static_ = { CORE_PEER_GOSSIP_USELEADERELECTION: "false", CORE_PEER_GOSSIP_ORGLEADER: "true" }

describe("leadership", () => {
  it("set to both kinds ends the node when a channel is initialised, not before", async () => {
    network = await GossipNetwork.make({ environment: both })
    const peer = await network.start(a)
    await Effect.runPromise(network.gateway.createChannel)
    const failure = Effect.runPromise(Effect.flip(peer.failure))
    const refused = await Effect.runPromise(Effect.flip(network.gateway.join))
    const text = "Setting both orgLeader and useLeaderElection to true isn't supported, aborting execution"
    expect(refused.reason).toContain(text)
    expect((await failure).message).toContain(text)
    // found again at the next start, from the ledger that is there now
    await network.stop(a)
    const again = await network.start(a)
    expect((await Effect.runPromise(Effect.flip(again.failure))).message).toContain(text)
  })

  it("comes to a peer that is alone, without a restart and without anybody's help", async () => {
    network = await GossipNetwork.make({})
    await network.start(a)
    await Effect.runPromise(network.gateway.createChannel)
    await Effect.runPromise(network.gateway.join)
    expect(network.leads(a)).toBe(false)
    await until("it leads", () => network?.leads(a) === true)
    await network.deploy({ name: "vault" })
    expect(network.height(a)).toBe(2n)
  })

  it("is never taken by a peer that is told not to, nor given up by one that always leads", async () => {
    network = await GossipNetwork.make({
      orgs: [{ name: "Org1", peers: 2 }],
      environments: { [a]: static_, [b]: neither }
    })
    for (const host of [a, b]) await network.start(host)
    await Effect.runPromise(network.gateway.createChannel)
    await Effect.runPromise(network.gateway.join)
    await network.deploy({ name: "vault" })
    await until("blocks by gossip", () => network?.height(b) === 2n)
    expect([network.leads(a), network.leads(b)]).toEqual([true, false])
    expect(network.peer(b).channel()?.orderer()).toBeUndefined()
    await network.stop(b)
    expect(network.leads(a)).toBe(true)
  })
})

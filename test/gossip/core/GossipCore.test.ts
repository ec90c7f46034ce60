import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import { channelMac } from "../../../src/gossip/channel/mac.js"
import { aggregated } from "../../../src/gossip/core/criteria.js"
import type { NetworkMember, SendCriteria, SignedGossipMessage } from "../../../src/gossip/index.js"
import { sealed, unsigned } from "../../../src/gossip/signing.js"
import { blockMessage, type SimNode, type Simulation } from "../../../src/gossip/simulation/Simulation.js"
import { gossip } from "../../../src/wire/index.js"
import type { Init } from "../../../src/wire/types.js"
import {
  alive,
  CHAN_AND_ORG,
  CHAN_ONLY,
  CHAN_OR_ORG,
  EMPTY,
  LonePeer,
  networks,
  nodeOf,
  ORG_ONLY,
  type Person,
  person
} from "../support.js"

const started = networks(3)
const node = nodeOf
const stateInfo = (who: Person, channel: string, seq = 1n) =>
  sealed(
    {
      tag: CHAN_OR_ORG,
      stateInfo: {
        pkiId: who.pkiId,
        channelMAC: channelMac(who.pkiId, channel),
        timestamp: { incNum: 1n, seqNum: seq },
        properties: { ledgerHeight: 5n }
      }
    },
    who.sign
  )
/** Runs an Effect on the simulation's clock; its end, once time has passed. */
const ended = <A, E>(simulation: Simulation, effect: Effect.Effect<A, E>, ms: number): Exit.Exit<A, E> | undefined => {
  let exit: Exit.Exit<A, E> | undefined
  simulation.clock.fork(
    Effect.map(Effect.exit(effect), (found) => {
      exit = found
    })
  )
  simulation.clock.advance(ms)
  return exit
}
const failure = (exit: Exit.Exit<unknown, { readonly message: string }> | undefined) =>
  exit !== undefined && Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error.message : undefined

describe("intake (3.3)", () => {
  it("drops what carries a tag that its kind may not", () => {
    const { simulation } = started({ orgs: { Org1: 1 } })
    simulation.join("ch")
    const target = node(simulation, "peer0.Org1")
    const lone = new LonePeer(simulation, person("Org1", "lone"), "lone:1")
    const { message } = alive(lone.who, { seq: 1n, endpoint: "lone:1", inline: true })
    for (const tag of [0, ORG_ONLY, CHAN_ONLY, CHAN_AND_ORG, CHAN_OR_ORG, 17]) {
      lone.send(sealed({ ...message, tag }, lone.who.sign), target)
      lone.send(unsigned({ tag, dataMsg: { payload: { seqNum: 1n } } }), target)
    }
    simulation.clock.advance(100)
    expect(target.core.sizes).toMatchObject({ alive: 0, messages: 0 })
    lone.send(sealed({ ...message, tag: EMPTY }, lone.who.sign), target)
    simulation.clock.advance(100)
    expect(target.core.sizes.alive).toBe(1)
  })

  it("leaves private data, handshakes and acknowledgements to their own readers", () => {
    const { simulation, log } = started({ orgs: { Org1: 1 } })
    const target = node(simulation, "peer0.Org1")
    const lone = new LonePeer(simulation, person("Org1", "lone"), "lone:1")
    const raw: Array<unknown> = []
    const stop = target.core.subscribeRaw(
      ({ message: { privateData } }) => privateData !== undefined,
      (received) => void raw.push(received)
    )
    const before = log.length
    const contents: ReadonlyArray<Init<gossip.GossipMessage>> = [
      { privateData: {} },
      { privateReq: {} },
      { privateRes: {} },
      { conn: {} },
      { empty: {} },
      { ack: {} }
    ]
    for (const content of contents) lone.send(unsigned({ tag: 99, ...content }), target)
    simulation.clock.advance(100)
    expect(raw.length).toBe(1)
    expect(log.length).toBe(before)
    stop()
    lone.send(unsigned({ privateData: {} }), target)
    simulation.clock.advance(100)
    expect(raw.length).toBe(1)
  })

  it("relays StateInfo of channels it is not on, once, from its own organisation to its own organisation", () => {
    const { simulation } = started({ orgs: { Org1: 1, Org2: 0 } })
    const target = node(simulation, "peer0.Org1")
    const known = (org: string, name: string) => {
      const lone = new LonePeer(simulation, person(org, name), `${name}:1`)
      lone.send(alive(lone.who, { seq: 1n, endpoint: `${name}:1`, inline: true }), target)
      simulation.clock.advance(50)
      return lone
    }
    const [a, b, other] = [known("Org1", "a"), known("Org1", "b"), known("Org2", "other")]
    const message = stateInfo(a.who, "elsewhere")
    a.send(message, target)
    a.send(message, target)
    b.send(message, target)
    simulation.clock.advance(100)
    expect(b.of("stateInfo").length).toBe(1)
    expect(a.of("stateInfo")).toEqual([])
    expect(other.of("stateInfo")).toEqual([])
    // byte for byte
    expect(b.got.find((one) => one.message.stateInfo !== undefined)?.envelope).toEqual(message.envelope)
    // from another organisation, or with a bad signature: not
    other.send(stateInfo(other.who, "elsewhere"), target)
    a.send(sealed(stateInfo(b.who, "elsewhere", 2n).message, a.who.sign), target)
    simulation.clock.advance(100)
    expect(target.core.sizes.relayed).toBe(1)
    expect(a.of("stateInfo")).toEqual([])
  })

  it("holds back a stream for a subscriber's Effect, and lives through one that throws", () => {
    const { simulation, log } = started({ orgs: { Org1: 2 } })
    simulation.join("ch")
    simulation.clock.until(() => simulation.whole, 20_000)
    for (const { core } of simulation.nodes) core.updateLedgerHeight("ch", 1n)
    simulation.clock.advance(20_000)
    const [a, b] = [node(simulation, "peer0.Org1"), node(simulation, "peer1.Org1")]
    const seen: Array<string> = []
    b.core.subscribe(
      () => true,
      () => {
        throw new Error("broken")
      }
    )
    for (const name of ["first", "second"]) {
      b.core.subscribe(
        ({ message }) => message.dataMsg !== undefined,
        () => Effect.sync(() => void seen.push(name))
      )
    }
    a.core.gossip(blockMessage("ch", 1n))
    simulation.clock.advance(1000)
    expect(seen).toEqual(["first", "second"])
    expect(log.some((line) => line.includes("A subscriber failed: broken"))).toBe(true)
  })
})

describe("sending", () => {
  it("gossips only what is legal and of a channel that was joined", () => {
    const { simulation, log } = started({ orgs: { Org1: 1 } })
    const { core } = node(simulation, "peer0.Org1")
    core.gossip(gossip.GossipMessage.create({ tag: EMPTY, dataMsg: {} }))
    core.gossip(blockMessage("ch", 1n))
    expect(log.some((line) => line.includes("Tag should be CHAN_AND_ORG"))).toBe(true)
    expect(log.some((line) => line.includes("Failed obtaining gossipChannel of ch aborting"))).toBe(true)
    expect(core.sizes.waiting).toBe(0)
    simulation.join("ch")
    core.gossip(blockMessage("ch", 1n))
    expect(core.sizes.channels[0]).toMatchObject({ blocks: 1, pulled: 1 })
  })

  /** Three peers that know each other; all of them acknowledge unless told otherwise. */
  const trio = (refusal: (name: string) => string | undefined = () => "") => {
    const { simulation } = started({ orgs: { Org1: 4 } })
    simulation.join("ch")
    for (const { core } of simulation.nodes) core.updateLedgerHeight("ch", 1n)
    simulation.clock.until(() => simulation.nodes.every(({ core }) => core.peersOfChannel("ch").length === 3), 60_000)
    for (const { core, name } of simulation.nodes) {
      core.subscribeRaw(
        ({ message }) => message.privateData !== undefined,
        ({ ack }) => {
          const error = refusal(name)
          if (error !== undefined) ack(error)
        }
      )
    }
    const message = gossip.GossipMessage.create({
      channel: Buffer.from("ch"),
      tag: CHAN_ONLY,
      privateData: gossip.PrivateDataMessage.create({})
    })
    const criteria: SendCriteria = {
      timeoutMs: 3000,
      minAck: 2,
      maxPeers: 3,
      channelId: "ch",
      eligible: () => true
    }
    const send = (from: SimNode, changes: Partial<SendCriteria> = {}, ms = 5000) =>
      ended(simulation, from.core.sendByCriteria(message, { ...criteria, ...changes }), ms)
    return { simulation, send, first: node(simulation, "peer0.Org1") }
  }

  it("by criteria succeeds with enough acknowledgements", () => {
    const { send, first } = trio((name) => (name === "peer3.Org1" ? undefined : ""))
    expect(send(first, {}, 200)).toEqual(Exit.void)
    expect(send(first, { maxPeers: 0, minAck: 9 })).toEqual(Exit.void)
  })

  it("by criteria fails with the reference's texts", () => {
    const { send, first } = trio((name) => (name === "peer1.Org1" ? undefined : "no room"))
    expect(failure(send(first, { timeoutMs: 0 }))).toBe("Timeout should be specified")
    expect(failure(send(first, { channelId: "none" }))).toBe(
      "Requested to Send for channel none, but no such channel exists"
    )
    const only = ({ endpoint }: NetworkMember) => endpoint.startsWith("peer1")
    expect(failure(send(first, { eligible: only }))).toBe(
      "Requested to send to at least 2 peers, but know only of 1 suitable peers"
    )
    expect(failure(send(first, { eligible: only, minAck: 1 }))).toBe('{"failures":{"timed out":1}}')
    expect(failure(send(first))).toBe('{"failures":{"no room":2,"timed out":1}}')
  })

  it("counts as Go prints", () => {
    const peer = { endpoint: "a:1", pkiId: new Uint8Array(0) }
    const results = (...errors: ReadonlyArray<string>) => errors.map((error) => ({ peer, error }))
    expect(aggregated(results())).toBe("{}")
    expect(aggregated(results("", ""))).toBe('{"successes":2}')
    expect(aggregated(results("z", "a", "", "z"))).toBe('{"failures":{"a":1,"z":2},"successes":1}')
  })
})

describe("anchor peers", () => {
  it("are connected to on every join, and a new anchor without a restart (check 27)", () => {
    const { simulation, log } = started({ orgs: { Org1: 1, Org2: 2 } })
    const target = node(simulation, "peer0.Org1")
    simulation.authority.channelOrgs.set("ch", new Set(["Org1", "Org2"]))
    const join = (sequence: bigint, host: string | undefined, port = 7051) => {
      const anchorPeers = new Map(host === undefined ? [] : [["Org2", [{ host, port }]]])
      target.core.joinChannel({ channelId: "ch", sequence, orgs: ["Org1", "Org2"], anchorPeers })
    }
    join(1n, undefined)
    simulation.clock.advance(30_000)
    expect(target.core.peers()).toEqual([])
    expect(log.some((line) => line.includes("No configured anchor peers of Org2 for channel ch to learn about"))).toBe(
      true
    )
    join(2n, "peer1.Org2")
    const met = () => target.core.peers().length === 2
    expect(simulation.clock.until(met, 30_000)).toBeDefined()
  })

  it("are skipped where they are this peer, nowhere, or abroad while this peer shows no endpoint", () => {
    const { simulation, log } = started({ orgs: { Org1: 1, Org2: 1 }, external: (org) => org === "Org2" })
    const { core } = node(simulation, "peer0.Org1")
    simulation.authority.channelOrgs.set("ch", new Set(["Org1", "Org2"]))
    const dials = simulation.network.messages
    core.joinChannel({
      channelId: "ch",
      sequence: 1n,
      orgs: ["Org1", "Org2"],
      anchorPeers: new Map([
        [
          "Org1",
          [
            { host: "", port: 1 },
            { host: "x", port: 0 },
            { host: "peer0.Org1", port: 7051 }
          ]
        ],
        ["Org2", [{ host: "peer0.Org2", port: 7051 }]]
      ])
    })
    simulation.clock.advance(3000)
    for (const text of [
      "Got empty hostname for channel ch",
      "Got invalid port (0) for channel ch",
      "with same endpoint, skipping connecting to myself",
      "isn't in our org(Org2) and we have no external endpoint, skipping"
    ]) {
      expect(log.some((line) => line.includes(text))).toBe(true)
    }
    expect(simulation.network.messages).toBe(dials)
  })

  it("of the own organisation must belong to it", () => {
    const { simulation, log } = started({ orgs: { Org1: 1, Org2: 1 } })
    const { core } = node(simulation, "peer0.Org1")
    core.joinChannel({
      channelId: "ch",
      sequence: 1n,
      orgs: ["Org1"],
      anchorPeers: new Map([["Org1", [{ host: "peer0.Org2", port: 7051 }]]])
    })
    simulation.clock.advance(10_000)
    expect(core.peers()).toEqual([])
    const line = "Anchor peer peer0.Org2:7051 for channel ch isn't in our org, but is claimed to be"
    expect(log.some((one) => one.includes(line))).toBe(true)
  })
})

describe("at rest", () => {
  it("runs a timer for each job, not for each member", () => {
    const steps = (members: number) => {
      const { simulation } = started({ orgs: { Org1: 1 } })
      simulation.join("ch")
      const target = node(simulation, "peer0.Org1")
      for (let i = 0; i < members; i++) {
        const lone = new LonePeer(simulation, person("Org1", `m${i}`), `m${i}:1`)
        simulation.network.link(lone.comm, target.comm)
        simulation.network.arrive(
          lone.comm,
          target.comm,
          alive(lone.who, { seq: 1n, endpoint: `m${i}:1`, inline: true })
        )
        simulation.network.arrive(lone.comm, target.comm, stateInfo(lone.who, "ch"))
      }
      expect(target.core.peersOfChannel("ch").length).toBe(members)
      simulation.clock.advance(1000)
      const before = simulation.clock.steps
      simulation.clock.advance(20_000)
      return simulation.clock.steps - before
    }
    expect(steps(150)).toBe(steps(5))
  })
})

describe("the core's end", () => {
  it("leaves no timer, no subscription and no answer behind", () => {
    const { simulation } = started({ orgs: { Org1: 2 } })
    simulation.join("ch")
    simulation.clock.until(() => simulation.whole, 20_000)
    for (const { core } of simulation.nodes) core.stop()
    simulation.clock.advance(5000)
    for (const { identities } of simulation.nodes) identities.stop()
    simulation.clock.advance(10_000)
    const { steps } = simulation.clock
    const { messages } = simulation.network
    simulation.clock.advance(3_600_000)
    expect([simulation.clock.steps, simulation.network.messages]).toEqual([steps, messages])
    for (const { comm } of simulation.nodes) expect(comm.subscribers.size + comm.dead.size + comm.switched.size).toBe(0)
  })

  it("hands nothing up any more", () => {
    const { simulation } = started({ orgs: { Org1: 1 } })
    simulation.join("ch")
    const { core, comm } = node(simulation, "peer0.Org1")
    const got: Array<SignedGossipMessage> = []
    core.subscribe(
      () => true,
      (message) => void got.push(message)
    )
    core.stop()
    core.joinChannel({ channelId: "late", sequence: 1n, orgs: ["Org1"], anchorPeers: new Map() })
    expect(core.hasChannel("late")).toBe(false)
    expect([got.length, comm.subscribers.size]).toEqual([0, 0])
  })
})

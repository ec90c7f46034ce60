/**
 * Peers that lie, repeat themselves, shout and forge. Nothing of theirs is passed on, and nothing grows. Every case has
 * its seed.
 */
import { afterEach, describe, expect, it } from "vitest"
import { channelMac } from "../../../src/gossip/channel/mac.js"
import { idKey } from "../../../src/gossip/ids.js"
import type { SignedGossipMessage } from "../../../src/gossip/index.js"
import { type Random, seededRandom } from "../../../src/gossip/random.js"
import { envelopeBytes, openMessage, sealed, unsigned } from "../../../src/gossip/signing.js"
import { blockMessage, type SimNode, Simulation } from "../../../src/gossip/simulation/Simulation.js"
import { simBlock } from "../../../src/gossip/simulation/simSecurity.js"
import { gossip } from "../../../src/wire/index.js"
import { alive, block, CHAN_AND_ORG, CHAN_OR_ORG, EMPTY, LonePeer, type Person, person } from "../support.js"

let running: Array<Simulation> = []
afterEach(() => {
  for (const simulation of running) simulation.stop()
  running = []
})

const ch = Buffer.from("ch")
const { BLOCK_MSG, IDENTITY_MSG } = gossip.PullMsgType

/** Three honest peers of Org1 on a channel, at rest, and what they were handed. */
const network = (seed: number) => {
  const simulation = new Simulation({ seed, orgs: { Org1: 3, Org2: 0 }, bytes: true })
  running.push(simulation)
  simulation.start()
  simulation.join("ch")
  for (const { core } of simulation.nodes) core.updateLedgerHeight("ch", 10n)
  const met = () => simulation.nodes.every(({ core }) => core.peersOfChannel("ch").length === 2)
  if (simulation.clock.until(met, 60_000) === undefined) throw new Error("the peers did not meet")
  simulation.clock.advance(30_000)
  const handed: Array<bigint> = []
  const leaders = new Set<string>()
  for (const { core } of simulation.nodes) {
    core.subscribe(
      () => true,
      ({ message: { dataMsg, leadershipMsg } }) => {
        if (dataMsg !== undefined) handed.push(dataMsg.payload?.seqNum ?? -1n)
        if (leadershipMsg !== undefined) leaders.add(idKey(leadershipMsg.pkiId))
      }
    )
  }
  const [target] = simulation.nodes
  if (target === undefined) throw new Error("nobody is there")
  return { simulation, target, handed, leaders }
}

const enter = (simulation: Simulation, org: string, name: string, target: SimNode) => {
  const lone = new LonePeer(simulation, person(org, name), `${name}:1`)
  lone.send(alive(lone.who, { seq: 1n, inc: 1n, endpoint: `${name}:1`, inline: true }), target)
  lone.send(stateInfo(lone.who, 1n), target)
  simulation.clock.advance(100)
  return lone
}
const stateInfo = (who: Person, seq: bigint, sign = who.sign) =>
  sealed(
    {
      tag: CHAN_OR_ORG,
      stateInfo: {
        pkiId: who.pkiId,
        channelMAC: channelMac(who.pkiId, "ch"),
        timestamp: { incNum: 1n, seqNum: seq },
        properties: { ledgerHeight: 10n }
      }
    },
    sign
  )
const leadership = (who: Person, seq: bigint, sign = who.sign) =>
  sealed(
    { channel: ch, tag: CHAN_AND_ORG, leadershipMsg: { pkiId: who.pkiId, timestamp: { incNum: 1n, seqNum: seq } } },
    sign
  )
const identity = (who: Person, sign = who.sign) =>
  sealed({ tag: EMPTY, peerIdentity: { pkiId: who.pkiId, cert: who.identity } }, sign)

/** One of each kind of message, as an honest member would send it. */
const honest = (who: Person, other: Person): ReadonlyArray<SignedGossipMessage> => {
  const own = alive(who, { seq: 3n, inc: 2n, endpoint: "lone:1", internal: "lone:1", inline: true })
  const blocks = [11n, 12n].map((number) => block(number, simBlock("ch", number)))
  return [
    own,
    unsigned({ tag: EMPTY, nonce: 5n, memReq: { selfInformation: own.envelope } }),
    unsigned({
      tag: EMPTY,
      memRes: { alive: [own.envelope], dead: [alive(other, { seq: 1n, inline: true }).envelope] }
    }),
    stateInfo(who, 9n),
    unsigned({ tag: CHAN_OR_ORG, stateInfoPullReq: { channelMAC: channelMac(who.pkiId, "ch") } }),
    unsigned({ channel: ch, tag: CHAN_OR_ORG, stateSnapshot: { elements: [stateInfo(who, 10n).envelope] } }),
    leadership(who, 1n),
    block(13n, simBlock("ch", 13n)),
    ...[BLOCK_MSG, IDENTITY_MSG].flatMap((msgType) => {
      const way = msgType === BLOCK_MSG ? { channel: ch, tag: CHAN_AND_ORG } : { tag: EMPTY }
      const digests = msgType === BLOCK_MSG ? [Buffer.from("11")] : [other.pkiId]
      const data = (msgType === BLOCK_MSG ? blocks : [identity(other)]).map(({ envelope }) => envelope)
      return [
        unsigned({ ...way, hello: { nonce: 7n, msgType } }),
        unsigned({ ...way, dataDig: { nonce: 7n, digests, msgType } }),
        unsigned({ ...way, dataReq: { nonce: 7n, digests, msgType } }),
        unsigned({ ...way, dataUpdate: { nonce: 7n, data, msgType } })
      ]
    }),
    unsigned({ channel: ch, tag: CHAN_OR_ORG, nonce: 1n, stateRequest: { startSeqNum: 0n, endSeqNum: 5n } }),
    unsigned({ channel: ch, tag: CHAN_OR_ORG, nonce: 1n, stateResponse: {} })
  ]
}

/** Some bytes of the payload changed, cut, doubled or made up; signed anew by the sender, or left as it was. */
const mutated = ({ envelope }: SignedGossipMessage, sender: Person, random: Random): Uint8Array => {
  let payload = Buffer.from(envelope.payload)
  const times = 1 + random.below(2)
  for (let i = 0; i < times && payload.length > 0; i++) {
    const at = random.below(payload.length)
    const what = random.below(8)
    if (what === 0) payload = payload.subarray(0, at)
    else if (what === 1) payload = Buffer.concat([payload.subarray(0, at), payload.subarray(at >> 1)])
    else if (what === 2) {
      payload = Buffer.concat([payload.subarray(0, at), Buffer.alloc(random.below(20), 0xff), payload.subarray(at)])
    } else payload[at] = random.below(256)
  }
  const signature = random.below(2) === 0 ? envelope.signature : sender.sign(payload)
  return envelopeBytes({ ...envelope, payload, signature })
}

describe("hostile members", () => {
  it("10,000 mutated messages: nothing breaks, is handed up, passed on or grows", () => {
    const seed = 20261121
    const { simulation, target, handed, leaders } = network(seed)
    const random = seededRandom(seed)
    const lone = enter(simulation, "Org1", "lone", target)
    const originals = honest(lone.who, person("Org1", "other"))
    simulation.clock.advance(10_000)
    const others = simulation.nodes.filter((one) => one !== target)
    const before = JSON.stringify(
      others.map(({ core }) => ({ ...core.sizes, waiting: 0, identityPull: 0, channels: 0 }))
    )
    const pushed = () => (target.comm.sent.get("dataMsg") ?? 0) + (target.comm.sent.get("leadershipMsg") ?? 0)
    const passed = pushed()
    // as many again are not even messages: the stream ends there, nothing reaches the core
    let arrived = 0
    for (let i = 0; arrived < 10_000; i++) {
      const original = originals[i % originals.length]
      if (original === undefined) throw new Error("no message")
      const opened = openMessage(mutated(original, lone.who, random))
      if (opened._tag === "Left") continue
      // the unsigned kinds are the sender's own word: they may be taken, but not harm
      arrived += 1
      simulation.network.arrive(lone.comm, target.comm, opened.right)
      if (arrived % 500 === 0) simulation.clock.advance(50)
    }
    simulation.clock.advance(1000)
    // what could come through are whole blocks that the orderer signed
    expect(handed.every((number) => [11n, 12n, 13n].includes(number))).toBe(true)
    // it may say of itself that it leads, of nobody else
    expect([...leaders]).toEqual(leaders.size === 0 ? [] : [idKey(lone.who.pkiId)])
    expect(pushed() - passed).toBeLessThanOrEqual(3 * 3)
    const { alive: living, dead, messages, relayed, identityItems, channels } = target.core.sizes
    expect(living).toBeLessThanOrEqual(3)
    expect([dead, messages, relayed, identityItems].every((size) => size <= 5)).toBe(true)
    const [channel] = channels
    expect(channel?.stateInfos).toBeLessThanOrEqual(4)
    expect(channel?.hellos).toBeLessThanOrEqual(1000)
    const after = JSON.stringify(
      others.map(({ core }) => ({ ...core.sizes, waiting: 0, identityPull: 0, channels: 0 }))
    )
    expect(after.length).toBeLessThan(before.length + 20)
    // and the honest go on
    simulation.clock.advance(60_000)
    target.core.gossip(blockMessage("ch", 50n))
    expect(simulation.clock.until(() => handed.filter((number) => number === 50n).length === 2, 30_000)).toBeDefined()
  })

  it("wrong signatures: not taken, not passed on", () => {
    const { simulation, target, handed, leaders } = network(1)
    const lone = enter(simulation, "Org1", "lone", target)
    const victim = person("Org1", "victim")
    const { sign } = lone.who
    const forged = [
      alive({ ...victim, sign }, { seq: 1n, endpoint: "victim:1", inline: true }),
      alive({ ...person("Org1", "peer1.Org1"), sign }, { seq: 1n, inc: 1n << 62n, endpoint: "evil:1" }),
      stateInfo(person("Org1", "peer1.Org1"), 1n << 62n, sign),
      leadership(person("Org1", "peer1.Org1"), 1n, sign)
    ]
    simulation.clock.advance(5000)
    const sent = () => JSON.stringify([...target.comm.sent])
    const members = target.core
      .peers()
      .map(({ endpoint }) => endpoint)
      .sort()
    const heights = target.core.peersOfChannel("ch").length
    const before = sent()
    for (const message of forged) {
      for (let i = 0; i < 50; i++) simulation.network.arrive(lone.comm, target.comm, message)
    }
    // nothing waits to be passed on
    expect(target.core.sizes.waiting).toBe(0)
    expect(sent()).toBe(before)
    expect(
      target.core
        .peers()
        .map(({ endpoint }) => endpoint)
        .sort()
    ).toEqual(members)
    expect(target.core.peersOfChannel("ch").length).toBe(heights)
    expect([handed.length, leaders.size]).toEqual([0, 0])
  })

  it("replays: each message counts once, an old one not at all", () => {
    const { simulation, target } = network(2)
    const lone = enter(simulation, "Org1", "lone", target)
    const old = alive(lone.who, { seq: 2n, inc: 5n, endpoint: "old:1" })
    const current = alive(lone.who, { seq: 3n, inc: 5n, endpoint: "lone:1" })
    simulation.network.arrive(lone.comm, target.comm, old)
    simulation.network.arrive(lone.comm, target.comm, current)
    simulation.clock.advance(1000)
    const before = target.comm.sent.get("aliveMsg")
    const { messages } = target.core.sizes
    for (let i = 0; i < 500; i++) {
      simulation.network.arrive(lone.comm, target.comm, old)
      simulation.network.arrive(lone.comm, target.comm, current)
    }
    simulation.clock.advance(100)
    expect(target.core.sizes.messages).toBe(messages)
    expect(target.core.peers().some(({ endpoint }) => endpoint === "old:1")).toBe(false)
    // own heartbeats may have gone out meanwhile, none of the thousand
    expect((target.comm.sent.get("aliveMsg") ?? 0) - (before ?? 0)).toBeLessThan(10)
  })

  it("messages from the future: their sender harms only itself", () => {
    const { simulation, target } = network(3)
    const lone = enter(simulation, "Org1", "lone", target)
    const far = (1n << 64n) - 1n
    simulation.network.arrive(lone.comm, target.comm, alive(lone.who, { seq: far, inc: far, endpoint: "future:1" }))
    simulation.network.arrive(lone.comm, target.comm, stateInfo(lone.who, far))
    simulation.network.arrive(lone.comm, target.comm, alive(lone.who, { seq: 1n, inc: 2n, endpoint: "now:1" }))
    simulation.clock.advance(100)
    expect(target.core.peers().filter(({ endpoint }) => endpoint === "future:1").length).toBe(1)
    expect(target.core.peers().filter(({ endpoint }) => endpoint === "now:1").length).toBe(0)
    simulation.clock.advance(60_000)
    // it said nothing newer, so it is dead like any other
    expect(target.core.peers().length).toBe(2)
    expect(target.core.peersOfChannel("ch").length).toBe(2)
  })

  it("identities of organisations that nobody vouches for: not taken, in whatever they come", () => {
    const { simulation, target } = network(4)
    const lone = enter(simulation, "Org1", "lone", target)
    const known = target.identities.size
    const before = target.core.sizes
    for (let i = 0; i < 300; i++) {
      const stranger = person(`Evil${i}`, "x")
      const hello = alive(stranger, { seq: 1n, endpoint: "x:1", inline: true })
      for (const message of [
        hello,
        unsigned({ tag: EMPTY, memRes: { alive: [hello.envelope], dead: [hello.envelope] } }),
        unsigned({ tag: EMPTY, dataUpdate: { msgType: IDENTITY_MSG, data: [identity(stranger).envelope] } }),
        stateInfo(stranger, 1n),
        leadership(stranger, 1n)
      ]) {
        simulation.network.arrive(lone.comm, target.comm, message)
      }
    }
    expect(target.identities.size).toBe(known)
    const { alive: living, dead, messages, relayed, identityItems, waiting } = target.core.sizes
    expect({ living, dead, messages, relayed, identityItems }).toEqual({
      living: before.alive,
      dead: before.dead,
      messages: before.messages,
      relayed: before.relayed,
      identityItems: before.identityItems
    })
    expect(waiting).toBe(0)
  })

  it("huge digests, requests and floods of hellos: bounded, and the round goes on", () => {
    const { simulation, target } = network(5)
    const lone = enter(simulation, "Org1", "lone", target)
    const digests = Array.from({ length: 50_000 }, (_, i) => Buffer.from(String(i)))
    const greeted = () => lone.of("hello").at(-1)
    expect(simulation.clock.until(() => greeted() !== undefined, 60_000)).toBeDefined()
    const nonce = greeted()?.nonce ?? 0n
    for (const msgType of [BLOCK_MSG, IDENTITY_MSG]) {
      const way = msgType === BLOCK_MSG ? { channel: ch, tag: CHAN_AND_ORG } : { tag: EMPTY }
      for (let i = 0; i < 2000; i++) {
        simulation.network.arrive(lone.comm, target.comm, unsigned({ ...way, hello: { nonce: BigInt(i), msgType } }))
      }
      simulation.network.arrive(lone.comm, target.comm, unsigned({ ...way, dataDig: { nonce, digests, msgType } }))
      simulation.network.arrive(
        lone.comm,
        target.comm,
        unsigned({ ...way, dataReq: { nonce: 1999n, digests, msgType } })
      )
    }
    const { identityPull, channels } = target.core.sizes
    expect(identityPull.hellos).toBeLessThanOrEqual(1000)
    expect(identityPull.offers).toBeLessThanOrEqual(10_000)
    expect(channels[0]?.hellos).toBeLessThanOrEqual(1000)
    expect(channels[0]?.offers).toBeLessThanOrEqual(10_000)
    simulation.clock.advance(10_000)
    expect(target.core.sizes.channels[0]?.offers).toBeLessThan(100)
    expect(target.core.peersOfChannel("ch").length).toBeGreaterThanOrEqual(2)
  })

  it("floods of members' own StateInfo and heartbeats: one entry each", () => {
    const { simulation, target } = network(6)
    const lone = enter(simulation, "Org1", "lone", target)
    const before = target.core.sizes
    for (let seq = 10n; seq < 3000n; seq++) {
      simulation.network.arrive(lone.comm, target.comm, alive(lone.who, { seq, inc: 3n, endpoint: "lone:1" }))
      simulation.network.arrive(lone.comm, target.comm, stateInfo(lone.who, seq))
      simulation.network.arrive(lone.comm, target.comm, leadership(lone.who, seq))
    }
    const { messages, channels, waiting } = target.core.sizes
    expect(messages).toBe(before.messages)
    expect(channels[0]?.stateInfos).toBe(before.channels[0]?.stateInfos)
    expect(channels[0]?.leadership).toBe(1)
    expect(waiting).toBeLessThan(10)
  })
})

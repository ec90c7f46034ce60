import { describe, expect, it } from "vitest"
import { channelMac } from "../../../src/gossip/channel/mac.js"
import { viewChange } from "../../../src/gossip/channel/tracker.js"
import type { SignedGossipMessage } from "../../../src/gossip/index.js"
import { openEnvelope, sealed, unsigned } from "../../../src/gossip/signing.js"
import { blockMessage, type Simulation } from "../../../src/gossip/simulation/Simulation.js"
import { simBlock } from "../../../src/gossip/simulation/simSecurity.js"
import { gossip } from "../../../src/wire/index.js"
import { alive, block, CHAN_AND_ORG, CHAN_OR_ORG, LonePeer, networks, nodeOf, type Person, person } from "../support.js"

const network = networks(2)
const started = (options: Parameters<typeof network>[0]) => {
  const made = network(options)
  made.simulation.join("ch")
  return made
}
const node = nodeOf

interface InfoOptions {
  readonly height?: bigint
  readonly seq?: bigint
  readonly channel?: string
  readonly left?: boolean
  readonly sign?: Person["sign"]
}
const info = (
  who: Person,
  { height = 5n, seq = 1n, channel = "ch", left = false, sign = who.sign }: InfoOptions = {}
) =>
  sealed(
    {
      tag: CHAN_OR_ORG,
      stateInfo: {
        pkiId: who.pkiId,
        channelMAC: channelMac(who.pkiId, channel),
        timestamp: { incNum: 1n, seqNum: seq },
        properties: { ledgerHeight: height, leftChannel: left }
      }
    },
    sign
  )

/** A lone member of the channel, known to the target. */
const member = (simulation: Simulation, org: string, name: string, target: ReturnType<typeof node>) => {
  const lone = new LonePeer(simulation, person(org, name), `${name}:1`)
  lone.send(alive(lone.who, { seq: 1n, endpoint: `${name}:1`, inline: true }), target)
  simulation.clock.advance(50)
  return lone
}
const heights = (target: ReturnType<typeof node>) =>
  target.core.peersOfChannel("ch").map(({ properties }) => properties?.ledgerHeight)

describe("who is on a channel", () => {
  it("is told by StateInfo with MAC, growing sequence, height, and chaincodes (check 8)", () => {
    const { simulation } = started({ orgs: { Org1: 2 } })
    const [a, b] = [node(simulation, "peer0.Org1"), node(simulation, "peer1.Org1")]
    simulation.clock.until(() => simulation.whole, 20_000)
    expect(a.core.selfChannelInfo("ch")?.message.stateInfo?.properties?.ledgerHeight).toBe(1n)
    a.core.updateLedgerHeight("ch", 7n)
    expect(simulation.clock.until(() => heights(b)[0] === 7n, 10_000)).toBeDefined()
    const first = a.core.selfChannelInfo("ch")?.message
    expect(first).toMatchObject({ tag: CHAN_OR_ORG, nonce: 0n })
    expect(first?.channel.length).toBe(0)
    expect(Buffer.compare(first?.stateInfo?.channelMAC ?? a.comm.pkiId, channelMac(a.comm.pkiId, "ch"))).toBe(0)
    // chaincodes are published at once
    a.core.updateChaincodes("ch", [gossip.Chaincode.create({ name: "mycc", version: "1.0" })])
    simulation.clock.advance(100)
    const [seen] = b.core.peersOfChannel("ch")
    expect(seen?.properties?.chaincodes).toMatchObject([{ name: "mycc", version: "1.0" }])
    expect(seen?.properties?.ledgerHeight).toBe(7n)
    const second = a.core.selfChannelInfo("ch")?.message.stateInfo?.timestamp
    expect(second?.incNum).toBe(first?.stateInfo?.timestamp?.incNum)
    expect(second?.seqNum).toBeGreaterThan(first?.stateInfo?.timestamp?.seqNum ?? 0n)
    expect(seen?.envelope).toEqual(a.core.selfChannelInfo("ch")?.envelope)
  })

  it("is pushed only when something changed", () => {
    const { simulation } = started({ orgs: { Org1: 2 } })
    const a = node(simulation, "peer0.Org1")
    simulation.clock.until(() => simulation.whole, 20_000)
    a.core.updateLedgerHeight("ch", 3n)
    simulation.clock.advance(10_000)
    const before = a.comm.sent.get("stateInfo")
    expect(before).toBe(1)
    simulation.clock.advance(60_000)
    expect(a.comm.sent.get("stateInfo")).toBe(before)
  })

  it("reaches late joiners by snapshot", () => {
    const { simulation } = started({ orgs: { Org1: 3 } })
    simulation.clock.until(() => simulation.whole, 20_000)
    for (const { core } of simulation.nodes) core.updateLedgerHeight("ch", 9n)
    simulation.clock.advance(30_000)
    const late = simulation.startNode("Org1", 3)
    simulation.join("ch")
    expect(simulation.clock.until(() => late.core.peersOfChannel("ch").length === 3, 30_000)).toBeDefined()
    expect(heights(late)).toEqual([9n, 9n, 9n])
  })

  it("leaves out of a snapshot for others who shows them no endpoint, and third parties (check 9)", () => {
    const { simulation } = started({
      orgs: { Org1: 3, Org2: 1, Org3: 1 },
      external: (org, i) => !(org === "Org1" && i === 2)
    })
    simulation.clock.advance(60_000)
    for (const { core } of simulation.nodes) core.updateLedgerHeight("ch", 4n)
    simulation.clock.advance(60_000)
    const target = node(simulation, "peer0.Org1")
    const asked = (org: string) => {
      const lone = member(simulation, org, `asker${org}`, target)
      lone.send(
        unsigned({ tag: CHAN_OR_ORG, stateInfoPullReq: { channelMAC: channelMac(lone.who.pkiId, "ch") } }),
        target
      )
      simulation.clock.advance(50)
      const [answer] = lone.got.filter(({ message }) => message.stateSnapshot !== undefined)
      expect(answer?.message).toMatchObject({ tag: CHAN_OR_ORG, nonce: 0n })
      expect(Buffer.from(answer?.message.channel ?? []).toString()).toBe("ch")
      const subjects = (answer?.message.stateSnapshot?.elements ?? []).map((envelope) => {
        const opened = openEnvelope(envelope)
        const pkiId = opened._tag === "Right" ? opened.right.message.stateInfo?.pkiId : undefined
        return simulation.nodes.find(({ comm }) => Buffer.compare(comm.pkiId, pkiId ?? comm.identity) === 0)?.name
      })
      return subjects.sort()
    }
    expect(asked("Org1")).toEqual(["peer0.Org1", "peer0.Org2", "peer0.Org3", "peer1.Org1", "peer2.Org1"])
    expect(asked("Org2")).toEqual(["peer0.Org1", "peer0.Org2", "peer1.Org1"])
    // who does not know the channel's name gets nothing
    const stranger = member(simulation, "Org1", "stranger", target)
    stranger.send(
      unsigned({ tag: CHAN_OR_ORG, stateInfoPullReq: { channelMAC: channelMac(stranger.who.pkiId, "other") } }),
      target
    )
    simulation.clock.advance(50)
    expect(stranger.of("stateSnapshot")).toEqual([])
  })

  it("admits only what its subject signed, of an organisation of the channel, under the right MAC", () => {
    const { simulation } = started({ orgs: { Org1: 1, Org2: 0, Org3: 0 } })
    simulation.join("ch", ["Org1", "Org2"], 2n)
    const target = node(simulation, "peer0.Org1")
    const own = member(simulation, "Org1", "own", target)
    const second = member(simulation, "Org2", "second", target)
    const third = member(simulation, "Org3", "third", target)
    const tries: ReadonlyArray<[LonePeer, SignedGossipMessage]> = [
      [own, info(own.who, { sign: second.who.sign })],
      [own, info(person("Org1", "unknown"))],
      [third, info(third.who)],
      [own, info(third.who)],
      [third, info(own.who)],
      [own, info(own.who, { channel: "other" })]
    ]
    for (const [sender, message] of tries) sender.send(message, target)
    simulation.clock.advance(100)
    expect(target.core.peersOfChannel("ch")).toEqual([])
    own.send(info(second.who, { height: 8n }), target)
    simulation.clock.advance(100)
    expect(heights(target)).toEqual([8n])
  })

  it("keeps the newest StateInfo, and none of who left", () => {
    const { simulation } = started({ orgs: { Org1: 1 } })
    const target = node(simulation, "peer0.Org1")
    const lone = member(simulation, "Org1", "lone", target)
    const send = (message: SignedGossipMessage) => {
      lone.send(message, target)
      simulation.clock.advance(50)
    }
    send(info(lone.who, { seq: 5n, height: 5n }))
    send(info(lone.who, { seq: 4n, height: 99n }))
    send(info(lone.who, { seq: 5n, height: 99n }))
    expect(heights(target)).toEqual([5n])
    send(info(lone.who, { seq: 6n, height: 6n }))
    expect(heights(target)).toEqual([6n])
    send(info(lone.who, { seq: 7n, left: true }))
    expect(heights(target)).toEqual([])
  })

  it("takes a newer configuration only, and drops who is out", () => {
    const { simulation, log } = started({ orgs: { Org1: 1, Org2: 0 } })
    const target = node(simulation, "peer0.Org1")
    const lone = member(simulation, "Org2", "lone", target)
    const configure = (orgs: ReadonlyArray<string>, sequence: bigint) => {
      target.core.joinChannel({ channelId: "ch", sequence, orgs, anchorPeers: new Map() })
    }
    lone.send(info(lone.who), target)
    simulation.clock.advance(50)
    expect(heights(target)).toEqual([5n])
    configure([], 9n)
    configure(["Org1"], 0n)
    expect(heights(target)).toEqual([5n])
    expect(log.some((line) => line.includes("empty set of members"))).toBe(true)
    expect(log.some((line) => line.includes("Already have a more updated JoinChannel message(1) than 0"))).toBe(true)
    configure(["Org1"], 2n)
    expect(heights(target)).toEqual([])
    lone.send(info(lone.who, { seq: 2n }), target)
    simulation.clock.advance(50)
    expect(heights(target)).toEqual([])
  })

  it("forgets the StateInfo of members that are forgotten", () => {
    const { simulation } = started({ orgs: { Org1: 1 } })
    const target = node(simulation, "peer0.Org1")
    const lone = member(simulation, "Org1", "lone", target)
    lone.send(info(lone.who), target)
    simulation.clock.advance(50)
    expect(target.core.sizes.channels[0]?.stateInfos).toBe(1)
    simulation.network.detach(lone.comm)
    simulation.clock.advance(560_000)
    expect(target.core.sizes.channels[0]?.stateInfos).toBe(0)
  })

  it("leaves: says so, sees nobody, serves no blocks", () => {
    const { simulation } = started({ orgs: { Org1: 2 } })
    const [a, b] = [node(simulation, "peer0.Org1"), node(simulation, "peer1.Org1")]
    simulation.clock.until(() => simulation.whole, 20_000)
    for (const { core } of [a, b]) core.updateLedgerHeight("ch", 3n)
    expect(simulation.clock.until(() => heights(a).length === 1 && heights(b).length === 1, 20_000)).toBeDefined()
    a.core.leaveChannel("ch")
    expect(a.core.peersOfChannel("ch")).toEqual([])
    expect(simulation.clock.until(() => heights(b).length === 0, 10_000)).toBeDefined()
    expect(a.core.selfChannelInfo("ch")?.message.stateInfo?.properties?.leftChannel).toBe(true)
    expect(a.core.hasChannel("ch")).toBe(true)
    const lone = member(simulation, "Org1", "lone", a)
    lone.send(info(lone.who), a)
    simulation.clock.advance(50)
    a.core.gossip(blockMessage("ch", 3n))
    lone.send(
      unsigned({
        channel: Buffer.from("ch"),
        tag: CHAN_AND_ORG,
        hello: { nonce: 3n, msgType: gossip.PullMsgType.BLOCK_MSG }
      }),
      a
    )
    simulation.clock.advance(100)
    expect(lone.of("dataDig")).toEqual([])
  })

  it("evidences a member by its StateInfo as it came", () => {
    const { simulation } = started({ orgs: { Org1: 1 } })
    const target = node(simulation, "peer0.Org1")
    const lone = member(simulation, "Org1", "lone", target)
    const message = info(lone.who)
    lone.send(message, target)
    simulation.clock.advance(50)
    const evidence: Array<unknown> = []
    const filter = target.core.peerFilter("ch", (signature) => evidence.push(signature) > 0)
    const [there] = target.core.peersOfChannel("ch")
    if (there === undefined || filter === undefined) throw new Error("nobody is there")
    expect(filter(there)).toBe(true)
    expect(evidence).toEqual([
      { identity: lone.who.identity, message: message.envelope.payload, signature: message.envelope.signature }
    ])
    expect(filter({ ...there, pkiId: person("Org1", "nobody").pkiId })).toBe(false)
    expect(target.core.peerFilter("none", () => true)).toBeUndefined()
  })
})

describe("the tracker", () => {
  it("says who came and went as the reference does", () => {
    const of = (name: string, internal = name) => ({
      endpoint: name,
      internalEndpoint: internal,
      metadata: new Uint8Array(0),
      pkiId: Buffer.from(name)
    })
    expect(viewChange([], [])).toBeUndefined()
    expect(viewChange([of("a")], [of("a", "x")])).toBeUndefined()
    expect(viewChange([], [of("a"), of("b", "in")])).toBe(
      "Membership view has changed. peers went online:  [[a] [b in]] , current view:  [[a] [b in]]"
    )
    expect(viewChange([of("a")], [])).toBe(
      "Membership view has changed. peers went offline:  [[a]] , current view:  []"
    )
    expect(viewChange([of("a")], [of("b")])).toBe(
      "Membership view has changed. peers went offline:  [[a]] , peers went online:  [[b]] , current view:  [[b]]"
    )
  })

  it("counts and tells", () => {
    const { simulation, log } = started({ orgs: { Org1: 2 } })
    const a = node(simulation, "peer0.Org1")
    simulation.clock.until(() => simulation.whole, 20_000)
    for (const { core } of simulation.nodes) core.updateLedgerHeight("ch", 3n)
    simulation.clock.advance(20_000)
    expect(a.known.get("ch")).toBe(1)
    expect(log).toContain(
      "peer0.Org1 info Membership view has changed. peers went online:  [[peer1.Org1:7051]] , current view:  [[peer1.Org1:7051]]"
    )
  })
})

describe("blocks", () => {
  /** A network whose peers know each other on the channel, with what each was given. */
  const ready = (orgs: Readonly<Record<string, number>>) => {
    const { simulation, log } = started({ orgs })
    const all = simulation.nodes.length
    for (const { core } of simulation.nodes) core.updateLedgerHeight("ch", 1n)
    const done = () => simulation.nodes.every(({ core }) => core.peersOfChannel("ch").length === all - 1)
    expect(simulation.clock.until(done, 120_000)).toBeDefined()
    const given = new Map<string, Array<SignedGossipMessage>>()
    for (const { core, name } of simulation.nodes) {
      const list: Array<SignedGossipMessage> = []
      given.set(name, list)
      core.subscribe(
        ({ message }) => message.dataMsg !== undefined,
        (message) => void list.push(message)
      )
    }
    return { simulation, log, given }
  }

  it("reach every peer of the organisation, byte for byte, and none of another (trap 17)", () => {
    const { simulation, given } = ready({ Org1: 5, Org2: 2 })
    const leader = node(simulation, "peer0.Org1")
    for (let number = 1n; number <= 5n; number++) leader.core.gossip(blockMessage("ch", number, 500))
    const followers = simulation.nodes.filter((one) => one.org === "Org1" && one !== leader)
    const done = () => followers.every(({ name }) => given.get(name)?.length === 5)
    expect(simulation.clock.until(done, 30_000)).toBeDefined()
    simulation.clock.advance(30_000)
    for (const { name } of followers) {
      const got = given.get(name) ?? []
      expect(got.length).toBe(5)
      for (const { message } of got) {
        const { seqNum = 0n, data = new Uint8Array(0) } = message.dataMsg?.payload ?? {}
        expect(Buffer.compare(data, simBlock("ch", seqNum, 500))).toBe(0)
      }
    }
    for (const name of ["peer0.Org2", "peer1.Org2", "peer0.Org1"]) expect(given.get(name)).toEqual([])
  })

  it("that were missed are pulled", () => {
    const { simulation, given } = ready({ Org1: 3 })
    const [leader, absent] = [node(simulation, "peer0.Org1"), node(simulation, "peer2.Org1")]
    absent.comm.part = 1
    for (let number = 1n; number <= 8n; number++) leader.core.gossip(blockMessage("ch", number))
    simulation.clock.advance(2000)
    expect(given.get(absent.name)).toEqual([])
    simulation.heal()
    expect(simulation.clock.until(() => given.get(absent.name)?.length === 8, 60_000)).toBeDefined()
    expect(absent.core.sizes.channels[0]?.blocks).toBe(8)
  })

  it("that do not verify are neither handed up nor passed on nor kept, pushed or pulled (check 12)", () => {
    const { simulation, given } = ready({ Org1: 3 })
    const target = node(simulation, "peer0.Org1")
    const lone = member(simulation, "Org1", "lone", target)
    lone.send(info(lone.who), target)
    simulation.clock.advance(50)
    const good = simBlock("ch", 5n)
    const spoilt = good.slice()
    spoilt[spoilt.length - 3] = (spoilt[spoilt.length - 3] ?? 0) ^ 1
    const bad = [
      block(5n, spoilt),
      block(6n, good),
      block(5n, simBlock("other", 5n)),
      block(5n, new Uint8Array(0)),
      unsigned({ channel: Buffer.from("ch"), tag: CHAN_AND_ORG, dataMsg: {} })
    ]
    const sent = () => target.comm.sent.get("dataMsg") ?? 0
    const before = sent()
    for (const message of bad) {
      lone.send(message, target)
      const items = [block(1n, simBlock("ch", 1n)), message].map(({ envelope }) => envelope)
      lone.send(
        unsigned({
          channel: Buffer.from("ch"),
          tag: CHAN_AND_ORG,
          dataUpdate: { nonce: 1n, msgType: gossip.PullMsgType.BLOCK_MSG, data: items }
        }),
        target
      )
    }
    simulation.clock.advance(500)
    expect(given.get(target.name)).toEqual([])
    expect(sent()).toBe(before)
    expect(target.core.sizes.channels[0]).toMatchObject({ blocks: 0, pulled: 0 })
    // and none of them took the good one's place
    lone.send(block(5n, good), target)
    simulation.clock.advance(500)
    expect(given.get(target.name)?.length).toBe(1)
    expect(sent()).toBeGreaterThan(before)
  })

  it("come once, however often they are sent, and leave the store in time", () => {
    const { simulation, given } = ready({ Org1: 2 })
    const target = node(simulation, "peer0.Org1")
    const lone = member(simulation, "Org1", "lone", target)
    for (let i = 0; i < 10; i++) lone.send(block(5n, simBlock("ch", 5n)), target)
    simulation.clock.advance(500)
    expect(given.get(target.name)?.length).toBe(1)
    for (let number = 6n; number < 300n; number++) lone.send(block(number, simBlock("ch", number)), target)
    simulation.clock.advance(500)
    expect(given.get(target.name)?.length).toBe(295)
    expect(target.core.sizes.channels[0]?.blocks).toBeLessThanOrEqual(101)
    expect(target.core.sizes.channels[0]?.pulled).toBeLessThanOrEqual(101)
    // far behind the newest: refused though valid
    lone.send(block(7n, simBlock("ch", 7n)), target)
    simulation.clock.advance(500)
    expect(given.get(target.name)?.length).toBe(295)
    simulation.clock.advance(410_000)
    expect(target.core.sizes.channels[0]?.pulled).toBe(0)
    simulation.clock.advance(410_000)
    expect(target.core.sizes.channels[0]?.blocks).toBe(0)
  })

  it("are served by pull only to the own organisation, once its StateInfo is known", () => {
    const { simulation } = ready({ Org1: 2, Org2: 1 })
    const target = node(simulation, "peer0.Org1")
    target.core.gossip(blockMessage("ch", 1n))
    const hello = unsigned({
      channel: Buffer.from("ch"),
      tag: CHAN_AND_ORG,
      hello: { nonce: 3n, msgType: gossip.PullMsgType.BLOCK_MSG }
    })
    const own = member(simulation, "Org1", "own", target)
    const other = member(simulation, "Org2", "other", target)
    own.send(hello, target)
    simulation.clock.advance(50)
    expect(own.of("dataDig")).toEqual([])
    for (const lone of [own, other]) {
      lone.send(info(lone.who), target)
      simulation.clock.advance(50)
      lone.send(hello, target)
    }
    simulation.clock.advance(50)
    expect(own.of("dataDig").length).toBe(1)
    expect(other.of("dataDig")).toEqual([])
  })
})

describe("leadership messages", () => {
  it("come from the own organisation only, signed by their creator, once, and go no further", () => {
    const { simulation } = started({ orgs: { Org1: 2, Org2: 0 } })
    simulation.clock.until(() => simulation.whole, 20_000)
    const target = node(simulation, "peer0.Org1")
    const got: Array<SignedGossipMessage> = []
    target.core.subscribe(
      ({ message }) => message.leadershipMsg !== undefined,
      (message) => void got.push(message)
    )
    const own = member(simulation, "Org1", "own", target)
    const other = member(simulation, "Org2", "other", target)
    const leadership = (who: Person, seq: bigint, sign = who.sign) =>
      sealed(
        {
          channel: Buffer.from("ch"),
          tag: CHAN_AND_ORG,
          leadershipMsg: { pkiId: who.pkiId, timestamp: { incNum: 1n, seqNum: seq }, isDeclaration: true }
        },
        sign
      )
    other.send(leadership(other.who, 1n), target)
    other.send(leadership(own.who, 1n), target)
    own.send(leadership(other.who, 1n), target)
    own.send(leadership(own.who, 1n, other.who.sign), target)
    own.send(leadership(person("Org1", "unknown"), 1n), target)
    simulation.clock.advance(100)
    expect(got).toEqual([])
    own.send(leadership(own.who, 2n), target)
    own.send(leadership(own.who, 2n), target)
    simulation.clock.advance(100)
    expect(got.length).toBe(1)
    expect(target.comm.sent.get("leadershipMsg")).toBeUndefined()
  })
})

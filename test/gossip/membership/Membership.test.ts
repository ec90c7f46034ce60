import { describe, expect, it } from "vitest"
import { internalEndpointOf, openEnvelope, unsigned } from "../../../src/gossip/signing.js"
import { toHex } from "../../../src/wire/bytes.js"
import type { gossip } from "../../../src/wire/index.js"
import { alive, EMPTY, LonePeer, networks, nodeOf, person } from "../support.js"

const started = networks(1)
const node = nodeOf
const names = (members: ReadonlyArray<{ readonly endpoint: string }>) => members.map(({ endpoint }) => endpoint).sort()
const selfInformation = (request: gossip.MembershipRequest) => {
  const opened = openEnvelope(request.selfInformation)
  if (opened._tag === "Left") throw new Error(opened.left.message)
  return opened.right
}
const request = (self: ReturnType<typeof alive>, nonce = 0n) =>
  unsigned({ tag: EMPTY, nonce, memReq: { selfInformation: self.envelope } })

describe("membership", () => {
  it("has two peers list each other within ten seconds, one bootstrapping to the other (check 4)", () => {
    const { simulation, nodes } = started({ orgs: { Org1: 2 } })
    expect(simulation.clock.until(() => simulation.whole, 10_000)).toBeLessThanOrEqual(10_000)
    for (const { core } of nodes) {
      const seen = [...core.peers().map(({ endpoint }) => endpoint), core.self().endpoint].sort()
      expect(seen).toEqual(["peer0.Org1:7051", "peer1.Org1:7051"])
    }
  })

  it("has peers of two organisations find each other by anchors, without secrets (check 5)", () => {
    const { simulation, nodes } = started({
      orgs: { Org1: 2, Org2: 2 },
      external: (org, i) => !(org === "Org2" && i === 1)
    })
    simulation.join("ch")
    const expected = (name: string) => {
      const hidden = "peer1.Org2"
      // who shows no external endpoint is seen in its own organisation only, and sees nobody elsewhere
      if (name === hidden) return 1
      return name === "peer0.Org2" ? 3 : 2
    }
    const done = () => nodes.every(({ name, core }) => core.peers().length === expected(name))
    expect(simulation.clock.until(done, 60_000)).toBeDefined()
    simulation.clock.advance(60_000)
    expect(done()).toBe(true)
    for (const { core, org } of nodes) {
      for (const member of core.peers()) {
        const abroad = core.identityOf(member.pkiId)?.org !== org
        expect(member.internalEndpoint === "").toBe(abroad)
        if (abroad) expect(member.envelope?.secretEnvelope).toBeUndefined()
      }
    }
  })

  it("buries who is silent, closes the connection, and finds who came back (check 6)", () => {
    const { simulation, log } = started({ orgs: { Org1: 3 } })
    simulation.clock.until(() => simulation.whole, 20_000)
    const victim = node(simulation, "peer2.Org1")
    simulation.stopNode(victim)
    const gone = () => simulation.nodes.every(({ core }) => core.peers().length === 1)
    // connections that refuse tell at once; at the latest after the expiration and one check
    expect(simulation.clock.until(gone, 27_500)).toBeDefined()
    expect(log.some((line) => line.includes(`Closing connection to Endpoint: ${victim.endpoint}`))).toBe(true)
    simulation.startNode("Org1", 2)
    expect(simulation.clock.until(() => simulation.whole, 75_000)).toBeDefined()
  })

  it("buries by time alone where nothing tells of the loss", () => {
    const { simulation } = started({ orgs: { Org1: 2 } })
    simulation.clock.until(() => simulation.whole, 20_000)
    const [a, b] = [node(simulation, "peer0.Org1"), node(simulation, "peer1.Org1")]
    // b falls silent, its machine still there
    b.core.stop()
    simulation.clock.advance(24_000)
    expect(a.core.peers().length).toBe(1)
    const left = simulation.clock.until(() => a.core.peers().length === 0, 10_000)
    expect(left).toBeDefined()
  })

  it("forgets the dead after the TTL, bootstrap and anchor peers never, and says so", () => {
    const { simulation, log } = started({ orgs: { Org1: 4 } })
    simulation.join("ch")
    simulation.clock.until(() => simulation.whole, 20_000)
    simulation.clock.advance(30_000)
    const watcher = node(simulation, "peer1.Org1")
    const boot = node(simulation, "peer0.Org1")
    const other = node(simulation, "peer3.Org1")
    simulation.stopNode(boot)
    simulation.stopNode(other)
    simulation.clock.advance(480_000)
    expect(watcher.core.sizes.dead).toBe(2)
    expect(log.filter((line) => /Removing member|Do not remove/.test(line))).toEqual([])
    simulation.clock.advance(60_000)
    const about = log.filter((line) => line.startsWith(watcher.name) && /Removing member|Do not remove/.test(line))
    expect(about.length).toBe(2)
    expect(about.map((line) => line.slice(watcher.name.length + 1))).toEqual(
      expect.arrayContaining([
        `debug Do not remove bootstrap or anchor peer endpoint ${boot.endpoint} from membership`,
        `info Removing member: Endpoint: ${other.endpoint}, InternalEndpoint: ${other.endpoint}, PKIID: ${toHex(other.comm.pkiId)}`
      ])
    )
    expect(watcher.core.sizes.dead).toBe(1)
  })

  it("goes on refusing a forgotten member's old messages until twice the TTL (trap 22)", () => {
    const { simulation } = started({ orgs: { Org1: 2 } })
    const lone = new LonePeer(simulation, person("Org1", "lone"), "lone:1")
    const target = node(simulation, "peer0.Org1")
    const hello = alive(lone.who, { seq: 9n, endpoint: "lone:1", internal: "lone:1", inline: true })
    lone.send(hello, target)
    simulation.clock.advance(1000)
    expect(target.core.peers().some(({ endpoint }) => endpoint === "lone:1")).toBe(true)
    simulation.network.detach(lone.comm)
    simulation.clock.advance(510_000)
    expect(target.core.sizes.dead + target.core.sizes.alive).toBe(1)
    const again = new LonePeer(simulation, person("Org1", "replayer"), "replayer:1")
    again.send(hello, target)
    simulation.clock.advance(1000)
    expect(target.core.sizes.dead + target.core.sizes.alive).toBe(1)
    simulation.clock.advance(500_000)
    again.send(hello, target)
    simulation.clock.advance(1000)
    // it is learned anew, and found dead at the first message to it
    expect(target.core.sizes.dead + target.core.sizes.alive).toBe(2)
  })

  it("answers requests with all that may be told, its own message last, the nonce copied", () => {
    const { simulation } = started({ orgs: { Org1: 3, Org2: 0 } })
    simulation.clock.until(() => simulation.whole, 20_000)
    const target = node(simulation, "peer0.Org1")
    const lone = new LonePeer(simulation, person("Org1", "lone"), "lone:1")
    lone.send(request(alive(lone.who, { seq: 1n, endpoint: "lone:1", internal: "lone:1", inline: true }), 77n), target)
    simulation.clock.advance(100)
    const answer = lone.got.find(({ message }) => message.memRes !== undefined)
    expect(answer?.message.nonce).toBe(77n)
    const told = (answer?.message.memRes?.alive ?? []).map((envelope) => {
      const opened = openEnvelope(envelope)
      return opened._tag === "Right" ? opened.right.message.aliveMsg?.membership?.endpoint : undefined
    })
    expect([...told].sort()).toEqual(["lone:1", "peer0.Org1:7051", "peer1.Org1:7051", "peer2.Org1:7051"])
    expect(told.at(-1)).toBe("peer0.Org1:7051")
    const stranger = new LonePeer(simulation, person("Org2", "stranger"), "stranger:1")
    stranger.send(request(alive(stranger.who, { seq: 1n, endpoint: "stranger:1", inline: true }), 5n), target)
    simulation.clock.advance(100)
    const [toStranger] = stranger.of("memRes")
    expect(toStranger?.alive.length).toBe(4 + 1)
    expect(toStranger?.alive.every(({ secretEnvelope }) => secretEnvelope === undefined)).toBe(true)
  })

  it("does not answer who may not know even this peer, and closes the connection", () => {
    const { simulation, log } = started({ orgs: { Org1: 1, Org2: 0 }, external: () => false })
    const target = node(simulation, "peer0.Org1")
    const stranger = new LonePeer(simulation, person("Org2", "stranger"), "stranger:1")
    stranger.send(request(alive(stranger.who, { seq: 1n, endpoint: "stranger:1", inline: true })), target)
    simulation.clock.advance(100)
    expect(stranger.of("memRes")).toEqual([])
    expect(log.some((line) => line.includes("Got a membership request from a peer that shouldn't have sent one"))).toBe(
      true
    )
    expect(target.comm.linked.size).toBe(0)
  })

  it("takes a request only from the one whom it tells about", () => {
    const { simulation, log } = started({ orgs: { Org1: 1 } })
    const target = node(simulation, "peer0.Org1")
    const [a, b] = [person("Org1", "a"), person("Org1", "b")]
    const lone = new LonePeer(simulation, a, "a:1")
    lone.send(request(alive(b, { seq: 1n, endpoint: "b:1", inline: true })), target)
    lone.send(unsigned({ tag: EMPTY, memReq: {} }), target)
    lone.send(request(unsigned({ tag: EMPTY, memRes: {} })), target)
    simulation.clock.advance(1000)
    expect(lone.of("memRes")).toEqual([])
    expect(target.core.sizes.alive).toBe(0)
    for (const text of ["doesn't match the handshake", "invalid selfInfo", "isn't an AliveMessage"]) {
      expect(log.some((line) => line.includes(text))).toBe(true)
    }
  })

  it("shows its identity in its alive messages for ten seconds only, its secret to the own organisation only", () => {
    const { simulation } = started({ orgs: { Org1: 1, Org2: 0 } })
    const target = node(simulation, "peer0.Org1")
    const own = new LonePeer(simulation, person("Org1", "own"), "own:1")
    const other = new LonePeer(simulation, person("Org2", "other"), "other:1")
    for (const lone of [own, other]) {
      lone.send(
        alive(lone.who, { seq: 1n, endpoint: lone.endpoint, internal: lone === own ? "own:1" : "", inline: true }),
        target
      )
    }
    simulation.clock.advance(9000)
    const seen = own
      .of("aliveMsg")
      .filter((message) => Buffer.compare(message.membership?.pkiId ?? own.who.pkiId, target.comm.pkiId) === 0)
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.every(({ identity }) => identity.length > 0)).toBe(true)
    const requests = [...own.of("memReq"), ...other.of("memReq")].map(selfInformation)
    expect(requests.length).toBeGreaterThan(0)
    own.got.length = 0
    other.got.length = 0
    simulation.clock.advance(12_000)
    for (const lone of [own, other]) {
      const later = lone.of("memReq").map(selfInformation)
      expect(later.length).toBeGreaterThan(0)
      for (const { message, envelope } of later) {
        expect(message.aliveMsg?.identity.length).toBe(0)
        expect(internalEndpointOf(envelope)).toBe(lone === own ? target.endpoint : "")
      }
    }
    // incarnation in nanoseconds, sequence one more a message
    const [first] = seen
    expect(first?.timestamp?.incNum).toBeGreaterThan(1_700_000_000_000_000_000n)
    const numbers = own.of("memReq").map((one) => selfInformation(one).message.aliveMsg?.timestamp?.seqNum ?? 0n)
    expect(numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0n))).toBe(true)
  })

  it("tries a bootstrap peer until it is there", () => {
    const { simulation, log } = started({ orgs: { Org1: 0 } })
    simulation.startNode("Org1", 1)
    simulation.clock.advance(30_000)
    expect(log.filter((line) => line.includes("Could not connect to")).length).toBe(2)
    simulation.startNode("Org1", 0)
    expect(simulation.clock.until(() => simulation.whole, 60_000)).toBeDefined()
    const before = log.length
    simulation.clock.advance(60_000)
    expect(log.slice(before).filter((line) => line.includes("Could not connect"))).toEqual([])
  })

  it("gives a bootstrap peer up after the configured attempts", () => {
    const { simulation, log } = started({
      orgs: { Org1: 0 },
      settings: (settings) => ({ ...settings, membership: { ...settings.membership, maxConnectionAttempts: 3 } })
    })
    simulation.startNode("Org1", 1)
    simulation.clock.advance(300_000)
    expect(log.filter((line) => line.includes("Could not connect to")).length).toBe(3)
  })

  it("takes no bootstrap peer of another organisation", () => {
    const { simulation, log } = started({
      orgs: { Org1: 0, Org2: 1 },
      settings: (settings) => ({
        ...settings,
        membership: { ...settings.membership, bootstrapPeers: ["peer0.Org2:7051"] }
      })
    })
    const lone = simulation.startNode("Org1", 0)
    simulation.clock.advance(10_000)
    expect(lone.core.peers()).toEqual([])
    expect(
      log.some((line) => line.includes("peer0.Org2:7051 isn't in our organization, cannot be a bootstrap peer"))
    ).toBe(true)
  })

  it("drops a peer whose connection breaks at once, and takes its newer message again", () => {
    const { simulation, log } = started({ orgs: { Org1: 2 } })
    simulation.clock.until(() => simulation.whole, 20_000)
    const [a, b] = [node(simulation, "peer0.Org1"), node(simulation, "peer1.Org1")]
    for (const dead of a.comm.dead) dead(b.comm.pkiId)
    expect(a.core.peers()).toEqual([])
    expect(simulation.clock.until(() => a.core.peers().length === 1, 10_000)).toBeDefined()
    for (const switched of a.comm.switched) switched(b.comm.pkiId)
    expect(a.core.sizes.alive + a.core.sizes.dead).toBe(0)
    expect(log.some((line) => line.includes(`Purging ${toHex(b.comm.pkiId)} from membership`))).toBe(true)
  })

  it("ignores its own messages, telling of a twin whose endpoints differ once it is proved", () => {
    const { simulation, log } = started({ orgs: { Org1: 1 } })
    const target = node(simulation, "peer0.Org1")
    const lone = new LonePeer(simulation, person("Org1", "lone"), "lone:1")
    const twin = person("Org1", "peer0.Org1")
    const errors = () => log.filter((line) => line.includes("Bad configuration detected"))
    lone.send(alive({ ...twin, sign: lone.who.sign }, { seq: 1n, endpoint: "fake:1" }), target)
    simulation.clock.advance(100)
    expect(errors()).toEqual([])
    lone.send(alive(twin, { seq: 1n, endpoint: target.endpoint }), target)
    simulation.clock.advance(100)
    expect(errors()).toEqual([])
    lone.send(alive(twin, { seq: 2n, endpoint: "twin:1" }), target)
    simulation.clock.advance(100)
    expect(errors().length).toBe(1)
    expect(target.core.sizes.alive).toBe(0)
  })

  it("keeps everyone through jumps of the wall clock", () => {
    const { simulation, log } = started({ orgs: { Org1: 5 } })
    simulation.clock.until(() => simulation.whole, 30_000)
    simulation.clock.advance(60_000)
    log.length = 0
    const [first, second] = simulation.nodes
    if (first !== undefined) first.timers.offset = 3_600_000
    if (second !== undefined) second.timers.offset = -3_600_000
    for (let i = 0; i < 20; i++) {
      simulation.clock.advance(6000)
      expect(simulation.whole).toBe(true)
    }
    expect(log.filter((line) => line.includes("Haven't heard from"))).toEqual([])
  })

  it("reads a membership response past entries that are no good, but not without end (trap 11)", () => {
    const { simulation } = started({ orgs: { Org1: 1 } })
    const target = node(simulation, "peer0.Org1")
    const lone = new LonePeer(simulation, person("Org1", "lone"), "lone:1")
    const good = (name: string) =>
      alive(person("Org1", name), { seq: 1n, endpoint: `${name}:1`, inline: true }).envelope
    const bad = { payload: Buffer.from([0xff, 0xff]), signature: Buffer.from([1]) }
    const forged = alive(
      { ...person("Org1", "forged"), sign: () => Buffer.alloc(8) },
      { seq: 1n, inline: true }
    ).envelope
    lone.send(unsigned({ tag: EMPTY, memRes: { alive: [bad, forged, good("a")], dead: [bad, good("b")] } }), target)
    simulation.clock.advance(100)
    expect(names(target.core.peers())).toEqual(["a:1"])
    expect(target.core.sizes).toMatchObject({ alive: 1, dead: 1, messages: 0 })
    const flood = [...Array.from({ length: 1000 }, () => bad), good("c")]
    lone.send(unsigned({ tag: EMPTY, memRes: { alive: flood } }), target)
    simulation.clock.advance(100)
    expect(names(target.core.peers())).toEqual(["a:1"])
  })
})

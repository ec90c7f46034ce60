import { describe, expect, it } from "vitest"
import { type ElectionTimes, electionOf, LeaderElection } from "../../../src/gossip/election/index.js"
import { gossip } from "../../../src/wire/index.js"
import { equalBytes, utf8 } from "../../../src/wire/protoutil.js"
import { FakeTime } from "../fakes.js"

const times: ElectionTimes = {
  startupGracePeriodMs: 15_000,
  membershipSampleIntervalMs: 1000,
  leaderAliveThresholdMs: 10_000,
  leaderElectionDurationMs: 5000
}

/** Elections of one organisation under one clock; messages take no time but come after the sender's turn. */
class World {
  readonly time = new FakeTime()
  readonly members: Array<{
    readonly id: Uint8Array
    readonly name: string
    readonly election: LeaderElection
    readonly changes: Array<boolean>
    readonly metric: Array<boolean>
    up: boolean
  }> = []
  /** Pairs that cannot reach each other. */
  cut: (a: string, b: string) => boolean = () => false

  private reaches(a: string, b: string): boolean {
    return a !== b && !this.cut(a, b)
  }

  add(name: string): void {
    const id = utf8(name)
    const changes: Array<boolean> = []
    const metric: Array<boolean> = []
    const others = () => this.members.filter((one) => one.up && this.reaches(name, one.name))
    const election = new LeaderElection(
      {
        id,
        peers: () => others().map((one) => one.id),
        send: (declaration) => {
          for (const other of others())
            this.time.timers.after(1, () => other.up && other.election.receive(id, declaration))
        },
        report: (leader) => metric.push(leader)
      },
      this.time.timers,
      times,
      (leader) => changes.push(leader)
    )
    this.members.push({ id, name, election, changes, metric, up: true })
    election.start()
  }
  stop(name: string): void {
    const one = this.named(name)
    one.up = false
    one.election.stop()
  }
  named(name: string) {
    const found = this.members.find((one) => one.name === name)
    if (found === undefined) throw new Error(name)
    return found
  }
  leaders(): ReadonlyArray<string> {
    return this.members.filter((one) => one.up && one.election.isLeader).map((one) => one.name)
  }
}

describe("leader election", () => {
  it("makes a lone peer the leader once it has waited for others and for proposals", () => {
    const world = new World()
    world.add("b")
    world.time.advance(5900)
    expect(world.leaders()).toEqual([])
    world.time.advance(200)
    expect(world.leaders()).toEqual(["b"])
    expect(world.named("b").changes).toEqual([true])
    expect(world.named("b").metric).toContain(true)
  })

  it("elects the peer with the lowest PKI-ID, and only that", () => {
    const world = new World()
    for (const name of ["c", "a", "b", "d"]) world.add(name)
    world.time.advance(10_000)
    expect(world.leaders()).toEqual(["a"])
    world.time.advance(120_000)
    expect(world.leaders()).toEqual(["a"])
    for (const name of ["b", "c", "d"]) expect(world.named(name).changes).toEqual([])
    expect(world.named("a").changes).toEqual([true])
  })

  it("compares ids as bytes", () => {
    const world = new World()
    for (const name of ["\u{ffff}", "\u{10000}", "Z", "a"]) world.add(name)
    world.time.advance(20_000)
    expect(world.leaders()).toEqual(["Z"])
  })

  it("replaces a dead leader within two thresholds and the duration of an election", () => {
    const world = new World()
    for (const name of ["a", "b", "c"]) world.add(name)
    world.time.advance(60_000)
    world.stop("a")
    world.time.advance(2 * times.leaderAliveThresholdMs + times.leaderElectionDurationMs + 10)
    expect(world.leaders()).toEqual(["b"])
  })

  it("lets a higher leader give way when a partition heals", () => {
    const world = new World()
    world.cut = (a, b) => ["a", "b"].includes(a) !== ["a", "b"].includes(b)
    for (const name of ["a", "b", "c", "d"]) world.add(name)
    world.time.advance(60_000)
    expect(world.leaders()).toEqual(["a", "c"])
    world.cut = () => false
    world.time.advance(times.leaderAliveThresholdMs)
    expect(world.leaders()).toEqual(["a"])
    expect(world.named("c").changes).toEqual([true, false])
  })

  it("abstains after it yielded: another leads, or it itself after six thresholds", () => {
    const world = new World()
    for (const name of ["a", "b"]) world.add(name)
    world.time.advance(20_000)
    world.named("a").election.yield()
    expect(world.leaders()).toEqual([])
    world.time.advance(30_000)
    expect(world.leaders()).toEqual(["b"])

    const alone = new World()
    alone.add("a")
    alone.time.advance(20_000)
    alone.named("a").election.yield()
    alone.time.advance(55_000)
    expect(alone.leaders()).toEqual([])
    alone.time.advance(30_000)
    expect(alone.leaders()).toEqual(["a"])
  })

  it("ignores messages of peers that are out of view", () => {
    const world = new World()
    world.add("b")
    world.time.advance(2000)
    world.named("b").election.receive(utf8("a"), true)
    world.named("b").election.receive(utf8("a"), false)
    world.time.advance(10_000)
    expect(world.leaders()).toEqual(["b"])
  })

  it("is silent once stopped", () => {
    const world = new World()
    world.add("a")
    world.stop("a")
    world.time.advance(100_000)
    expect(world.named("a").changes).toEqual([])
  })
})

describe("the election's messages", () => {
  it("carry the channel, the tag, the own id and a growing time", async () => {
    const { FakeNetwork } = await import("../fakes.js")
    const network = new FakeNetwork()
    const node = network.node("a", "Org1MSP")
    const foreign = network.node("0", "Org2MSP")
    const time = new FakeTime()
    time.now = 7
    const reports: Array<boolean> = []
    const { stop } = electionOf({
      gossip: node.gossip,
      timers: time.timers,
      channelId: "ch",
      settings: times,
      report: (leader) => reports.push(leader),
      changed: () => {}
    })
    time.advance(6100)
    stop()
    expect(foreign.org).toBe("Org2MSP")
    expect(node.sent.map(({ leadershipMsg }) => leadershipMsg?.isDeclaration)).toEqual([false, true])
    for (const [i, message] of node.sent.entries()) {
      expect(message.tag).toBe(gossip.GossipMessage_Tag.CHAN_AND_ORG)
      expect(message.nonce).toBe(0n)
      expect(equalBytes(message.channel, utf8("ch"))).toBe(true)
      expect(equalBytes(message.leadershipMsg?.pkiId ?? utf8(""), node.pkiId)).toBe(true)
      expect(message.leadershipMsg?.timestamp?.incNum).toBe(7_000_000n)
      expect(message.leadershipMsg?.timestamp?.seqNum).toBe(BigInt(i + 1))
    }
    expect(reports).toEqual([true])
    expect(node.subscriptions).toEqual([])
  })
})

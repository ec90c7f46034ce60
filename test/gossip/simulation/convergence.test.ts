/**
 * The real core in a network of many peers on simulated time, with loss and delay by seed: members, heights and leaders
 * converge, after partitions and clock jumps too. Small by default; FABRIC_EFFECT_LONG runs 200 peers.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { blockMessage, Simulation } from "../../../src/gossip/simulation/Simulation.js"
import { compareBytes } from "../../../src/wire/bytes.js"

const long = process.env.FABRIC_EFFECT_LONG !== undefined
const peersPerOrg = long ? 50 : 6
const orgs = { Org1: peersPerOrg, Org2: peersPerOrg, Org3: peersPerOrg, Org4: peersPerOrg }
const peers = 4 * peersPerOrg
const minute = 60_000
// simulated time has its own limits; wall time has none in the long run: a test that went on behind the next one would spoil it
const timeout = long ? 0 : 300_000

const simulation = new Simulation({ seed: 20261121, orgs, lossPerMille: 10, delayMs: [1, 50], bootstraps: 2 })
const { clock, nodes, network } = simulation
const blocks = new Map<string, Set<bigint>>()
const report: Array<string> = []

/** Heights that every node sees of every other are those that they have. */
const heightsAgree = (): boolean => {
  const heights = new Map(
    nodes.map(({ endpoint, core }) => [
      endpoint,
      core.selfChannelInfo("ch")?.message.stateInfo?.properties?.ledgerHeight
    ])
  )
  return nodes.every(({ core }) => {
    const seen = core.peersOfChannel("ch")
    return (
      seen.length === nodes.length - 1 &&
      seen.every(({ endpoint, properties }) => properties?.ledgerHeight === heights.get(endpoint))
    )
  })
}
/** One leader an organisation: the lowest PKI-ID (3.9.1). */
const oneLeaderEach = (): boolean =>
  [...simulation.leaders("ch")].every(([org, leaders]) => {
    const [lowest] = nodes.filter((node) => node.org === org).sort((a, b) => compareBytes(a.comm.pkiId, b.comm.pkiId))
    return leaders.length === 1 && leaders[0] === lowest?.name
  })
/**
 * One leader an organisation, whoever it is: the lowest among those that proposed, and its patience may have ended first
 * (3.9.3). He stays leader when a lower one comes back: it hears of him before it would propose itself.
 */
const someLeaderEach = (): boolean => [...simulation.leaders("ch").values()].every(({ length }) => length === 1)
/** A second at a time, giving the thread back in between: the test runner has timeouts of its own. */
const breathe = () => new Promise<void>((resume) => void setImmediate(resume))
const advance = async (ms: number): Promise<void> => {
  for (let left = ms; left > 0; left -= 1000) {
    clock.advance(Math.min(left, 1000))
    await breathe()
  }
}
/** The time that passed until it held, or undefined. */
const until = async (holds: () => boolean, limitMs: number): Promise<number | undefined> => {
  const start = clock.time
  while (!holds()) {
    if (clock.time - start >= limitMs) return undefined
    clock.advance(long ? 1000 : 250)
    await breathe()
  }
  return clock.time - start
}
/** What it cost, for the report: a loaded machine makes every clock but this one lie. */
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
let started = 0
const seconds = (ms: number | undefined) => (ms === undefined ? "never" : `${(ms / 1000).toFixed(1)} s`)

beforeAll(() => {
  started = cpuSeconds()
  simulation.start()
  simulation.join("ch")
  for (const [i, { core, name }] of nodes.entries()) {
    core.updateLedgerHeight("ch", BigInt(10 + i))
    const got = new Set<bigint>()
    blocks.set(name, got)
    core.subscribe(
      ({ message }) => message.dataMsg !== undefined,
      ({ message }) => void got.add(message.dataMsg?.payload?.seqNum ?? 0n)
    )
  }
})
afterAll(() => {
  simulation.stop()
  const cpu = cpuSeconds() - started
  const perMessage = (cpu * 1e6) / network.messages
  report.push(
    `${(clock.time / minute).toFixed(1)} minutes of simulated time, ${network.messages} messages: ${cpu.toFixed(0)} s of one core, ${perMessage.toFixed(0)} us a message`
  )
  console.log(report.join("\n"))
})

describe(`${peers} peers of four organisations`, () => {
  it("find each other, learn each other's heights, elect one leader each", { timeout }, async () => {
    const met = await until(() => simulation.whole, 3 * minute)
    expect(met).toBeDefined()
    const agreed = await until(heightsAgree, 3 * minute)
    expect(agreed).toBeDefined()
    simulation.elect("ch")
    const led = await until(oneLeaderEach, 3 * minute)
    expect(led).toBeDefined()
    report.push(
      `${peers} peers: members after ${seconds(met)}, heights ${seconds(agreed)}, leaders ${seconds(led)} later`
    )
  })

  it("at rest send what the reference's parameters make of it", { timeout }, async () => {
    const before = simulation.counts()
    await advance(minute)
    const perPeer = (kind: string) => ((simulation.counts().get(kind) ?? 0) - (before.get(kind) ?? 0)) / peers
    const kinds = [...simulation.counts().keys()].sort()
    const rows = kinds.map((kind) => `  ${kind.padEnd(18)} ${perPeer(kind).toFixed(1).padStart(9)}`)
    report.push(
      "messages a peer and minute at rest (aliveTimeInterval 5 s, propagatePeerNum 3, pullInterval 4 s, pullPeerNum 3,",
      "requestStateInfoInterval 4 s, leaderAliveThreshold 10 s):",
      ...rows
    )
    // 12 heartbeats of each peer, each passed on by everybody to at most three
    expect(perPeer("aliveMsg")).toBeLessThanOrEqual(12 * 3 * peers)
    expect(perPeer("aliveMsg")).toBeGreaterThan(12 * peers)
    // 15 rounds of three, for identities and for blocks
    expect(perPeer("hello")).toBeLessThanOrEqual(91)
    expect(perPeer("memReq")).toBeLessThanOrEqual(46)
    expect(perPeer("stateInfoPullReq")).toBeLessThanOrEqual(46)
    // nothing changed, so no StateInfo is pushed; a leader declares every five seconds to the seven others
    expect(perPeer("stateInfo")).toBe(0)
    expect(perPeer("leadershipMsg")).toBeLessThanOrEqual((13 * 4 * (peersPerOrg - 1)) / peers)
  })

  it("get every block from their leader alone", { timeout }, async () => {
    const count = 20n
    const before = simulation.counts()
    const leaders = nodes.filter(({ leads }) => leads.get("ch") === true)
    expect(leaders.length).toBe(4)
    // above all heights: what lies below its own nobody pulls (3.7.4), and pushes alone do not reach everybody
    for (let number = 1000n; number < 1000n + count; number++) {
      for (const { core } of leaders) core.gossip(blockMessage("ch", number))
      await advance(500)
    }
    const followers = nodes.filter((node) => !leaders.includes(node))
    const all = () => followers.every(({ name }) => blocks.get(name)?.size === Number(count))
    const done = await until(all, minute)
    expect(done).toBeDefined()
    const pushed = (simulation.counts().get("dataMsg") ?? 0) - (before.get("dataMsg") ?? 0)
    const perBlock = pushed / Number(count) / peers
    report.push(
      `a block: ${perBlock.toFixed(2)} pushes a peer (at most 3), the last peer had it ${seconds(done)} after the last push`
    )
    expect(perBlock).toBeLessThanOrEqual(3)
  })

  it("replace leaders that are killed, in the reference's time", { timeout }, async () => {
    const leaders = nodes.filter(({ leads }) => leads.get("ch") === true)
    for (const leader of leaders) simulation.stopNode(leader)
    const took = await until(someLeaderEach, 2 * minute)
    report.push(`killed leaders were replaced after ${seconds(took)} (at most 2 x 10 s and 5 s, and the view's change)`)
    expect(took).toBeDefined()
    for (const { org, name } of leaders) {
      const back = simulation.startNode(org, Number(/^peer(\d+)/.exec(name)?.[1]))
      simulation.join("ch")
      simulation.elect("ch", [back])
      back.core.updateLedgerHeight("ch", 120n)
    }
    const whole = await until(() => simulation.whole && someLeaderEach() && heightsAgree(), 5 * minute)
    expect(whole).toBeDefined()
    report.push(`all is whole ${seconds(whole)} after their return`)
  })

  it("survive five minutes of partition, clocks set wrong meanwhile, and heal", { timeout }, async () => {
    const half = Math.floor(nodes.length / 2)
    simulation.partition((node) => (nodes.indexOf(node) % 2 === 0 ? 1 : 2))
    const split = await until(() => nodes.every(({ core }) => core.peers().length < nodes.length - 1), 5 * minute)
    expect(split).toBeDefined()
    await advance(5 * minute - (split ?? 0))
    for (const { core } of nodes) expect(core.peers().length).toBeLessThanOrEqual(half)
    // clocks of some jump an hour ahead, of others an hour back
    for (const [i, { timers }] of nodes.entries()) if (i % 5 === 0) timers.offset = i % 2 === 0 ? 3_600_000 : -3_600_000
    for (const { core } of nodes) core.updateLedgerHeight("ch", 200n)
    simulation.heal()
    const members = await until(() => simulation.whole, 5 * minute)
    const rest = await until(() => heightsAgree() && someLeaderEach(), 5 * minute)
    report.push(`after the partition: members whole in ${seconds(members)}, heights and leaders ${seconds(rest)} later`)
    expect(members).toBeDefined()
    expect(rest).toBeDefined()
    for (const { core } of nodes) expect(core.sizes.dead).toBe(0)
  })

  it("run the same again from the same seed", () => {
    const trace = () => {
      const small = new Simulation({ seed: 5, orgs: { Org1: 3, Org2: 3 }, lossPerMille: 20 })
      small.start()
      small.join("ch")
      small.clock.advance(minute)
      const { messages } = small.network
      const { steps } = small.clock
      small.stop()
      return [messages, steps]
    }
    expect(trace()).toEqual(trace())
    expect(network.messages).toBeGreaterThan(0)
  })
})

import { afterEach, describe, expect, it } from "vitest"
import { openEnvelope, sealed, unsigned } from "../../../src/gossip/signing.js"
import { Simulation } from "../../../src/gossip/simulation/Simulation.js"
import { gossip } from "../../../src/wire/index.js"
import { alive, EMPTY, LonePeer, type Person, person } from "../support.js"

let running: Array<Simulation> = []
afterEach(() => {
  for (const simulation of running) simulation.stop()
  running = []
})
const { IDENTITY_MSG } = gossip.PullMsgType

const started = (orgs: Readonly<Record<string, number>>, external?: (org: string, i: number) => boolean) => {
  const simulation = new Simulation({ seed: 4, orgs, ...(external === undefined ? {} : { external }) })
  running.push(simulation)
  simulation.start()
  return simulation
}
const node = (simulation: Simulation, name: string) => {
  const found = simulation.nodes.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no node ${name}`)
  return found
}
const identityOf = (who: Person, sign = who.sign) =>
  sealed({ tag: EMPTY, peerIdentity: { pkiId: who.pkiId, cert: who.identity } }, sign)
const update = (...items: ReadonlyArray<{ readonly envelope: gossip.Envelope }>) =>
  unsigned({
    tag: EMPTY,
    dataUpdate: { nonce: 1n, msgType: IDENTITY_MSG, data: items.map(({ envelope }) => envelope) }
  })

/** What a node offers and gives to a lone peer. */
const pulled = (simulation: Simulation, lone: LonePeer, name: string) => {
  const target = node(simulation, name)
  lone.got.length = 0
  lone.send(unsigned({ tag: EMPTY, hello: { nonce: 5n, msgType: IDENTITY_MSG } }), target)
  simulation.clock.advance(100)
  const [digest] = lone.of("dataDig")
  lone.send(
    unsigned({ tag: EMPTY, dataReq: { nonce: 5n, msgType: IDENTITY_MSG, digests: digest?.digests ?? [] } }),
    target
  )
  simulation.clock.advance(100)
  const [answer] = lone.of("dataUpdate")
  return (answer?.data ?? []).flatMap((envelope) => {
    const opened = openEnvelope(envelope)
    return opened._tag === "Right" ? [Buffer.from(opened.right.message.peerIdentity?.cert ?? []).toString()] : []
  })
}

describe("identities", () => {
  it("reach peers that come after the certificates are no longer shown (check 7)", () => {
    const simulation = started({ Org1: 3, Org2: 3 })
    simulation.join("ch")
    expect(simulation.clock.until(() => simulation.whole, 60_000)).toBeDefined()
    simulation.clock.advance(60_000)
    const late = simulation.startNode("Org1", 3)
    simulation.join("ch")
    expect(simulation.clock.until(() => simulation.whole, 60_000)).toBeDefined()
    expect(late.core.identities().length).toBe(7)
    // learned inline is usable but not servable (trap 33): in time all of them are
    expect(simulation.clock.until(() => late.core.sizes.identityItems === 7, 120_000)).toBeDefined()
  })

  it("go to the own organisation all, to others only what concerns them and shows an endpoint", () => {
    const simulation = started({ Org1: 3, Org2: 2, Org3: 1 }, (org, i) => !(org === "Org1" && i === 2))
    simulation.join("ch")
    simulation.clock.advance(120_000)
    const target = node(simulation, "peer0.Org1")
    expect(target.core.sizes.identityItems).toBe(6)
    const own = new LonePeer(simulation, person("Org1", "own"), "own:1")
    expect(pulled(simulation, own, target.name).sort()).toEqual([
      "Org1/peer0.Org1",
      "Org1/peer1.Org1",
      "Org1/peer2.Org1",
      "Org2/peer0.Org2",
      "Org2/peer1.Org2",
      "Org3/peer0.Org3"
    ])
    const other = new LonePeer(simulation, person("Org2", "other"), "other:1")
    expect(pulled(simulation, other, target.name).sort()).toEqual([
      "Org1/peer0.Org1",
      "Org1/peer1.Org1",
      "Org2/peer0.Org2",
      "Org2/peer1.Org2"
    ])
  })

  it("are taken only when their owner signed them, under their own PKI-ID, valid", () => {
    const simulation = started({ Org1: 1 })
    const target = node(simulation, "peer0.Org1")
    const lone = new LonePeer(simulation, person("Org1", "lone"), "lone:1")
    const [good, bad, revoked] = [person("Org1", "good"), person("Org1", "bad"), person("Org1", "revoked")]
    simulation.authority.revoked.add("Org1/revoked")
    const items = [
      identityOf(bad, lone.who.sign),
      sealed({ tag: EMPTY, peerIdentity: { pkiId: good.pkiId, cert: bad.identity } }, bad.sign),
      identityOf(revoked),
      identityOf(person("Nobody", "x")),
      alive(good, { seq: 1n }),
      sealed({ tag: EMPTY, peerIdentity: {} }, good.sign),
      identityOf(good)
    ]
    lone.send(update(...items), target)
    simulation.clock.advance(100)
    expect(target.core.identityOf(good.pkiId)?.org).toBe("Org1")
    for (const { pkiId } of [bad, revoked]) expect(target.core.identityOf(pkiId)).toBeUndefined()
    expect(target.core.sizes.identityItems).toBe(2)
    // too many faults: the rest is left unread
    const later = person("Org1", "later")
    lone.send(update(...Array.from({ length: 100 }, () => identityOf(bad, lone.who.sign)), identityOf(later)), target)
    simulation.clock.advance(100)
    expect(target.core.identityOf(later.pkiId)).toBeUndefined()
  })

  it("that were revoked are dropped with their item and connection, and their peer leaves (check 26)", () => {
    const simulation = started({ Org1: 3 })
    simulation.clock.until(() => simulation.whole, 30_000)
    simulation.clock.advance(30_000)
    const target = node(simulation, "peer0.Org1")
    const victim = node(simulation, "peer2.Org1")
    expect(target.core.sizes.identityItems).toBe(3)
    expect(target.comm.linked.has(victim.comm.key)).toBe(true)
    simulation.authority.revoked.add("Org1/peer2.Org1")
    for (const { core } of simulation.nodes) core.suspectPeers(() => true)
    expect(target.core.sizes.identityItems).toBe(2)
    expect(target.core.identityOf(victim.comm.pkiId)).toBeUndefined()
    expect(target.comm.linked.has(victim.comm.key)).toBe(false)
    const gone = () =>
      simulation.nodes.every(
        (one) => one === victim || one.core.peers().every(({ endpoint }) => endpoint !== victim.endpoint)
      )
    expect(simulation.clock.until(gone, 30_000)).toBeDefined()
    simulation.clock.advance(60_000)
    expect(gone()).toBe(true)
  })
})

import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { NetworkMember, RemotePeer, SignedGossipMessage } from "../../../src/gossip/index.js"
import { numberOfDigest } from "../../../src/gossip/pull/blockPull.js"
import { maxDigests, maxNonces, PullEngine, type PullPorts } from "../../../src/gossip/pull/PullEngine.js"
import { seededRandom } from "../../../src/gossip/random.js"
import { unsigned } from "../../../src/gossip/signing.js"
import { SimClock, SimTimers } from "../../../src/gossip/simulation/SimClock.js"
import { referenceSettings } from "../../../src/gossip/simulation/settings.js"
import { gossip } from "../../../src/wire/index.js"
import { block, CHAN_AND_ORG, person, receivedFrom } from "../support.js"

const { pull } = referenceSettings("a:1", "", [])
const silent = { enabled: () => false, debug: () => {}, info: () => {}, warning: () => {}, error: () => {} }
const { BLOCK_MSG } = gossip.PullMsgType

const others = ["b", "c", "d", "e"].map((name) => person("Org1", name))
const members: ReadonlyArray<NetworkMember> = others.map(({ pkiId }, i) => ({
  endpoint: `other${i}:1`,
  internalEndpoint: "",
  metadata: new Uint8Array(0),
  pkiId
}))

const made = (ports: Partial<PullPorts> = {}) => {
  const clock = new SimClock()
  const sent: Array<{ readonly message: gossip.GossipMessage; readonly peers: ReadonlyArray<RemotePeer> }> = []
  const engine = new PullEngine(pull, {
    timers: new SimTimers(clock),
    random: seededRandom(3),
    log: silent,
    msgType: BLOCK_MSG,
    tag: CHAN_AND_ORG,
    channel: Buffer.from("ch"),
    members: () => members,
    send: ({ message }: SignedGossipMessage, peers) => void sent.push({ message, peers }),
    egress: () => () => true,
    ingress: () => true,
    ...ports
  })
  const from = (who: (typeof others)[number], content: Partial<gossip.GossipMessage>) => {
    const received = receivedFrom(who, unsigned({ channel: Buffer.from("ch"), tag: CHAN_AND_ORG, ...content }))
    engine.handle(received)
    return received.answers
  }
  /** Who was greeted, with the nonce of each. */
  const greeted = () =>
    sent.flatMap(({ message, peers: [peer] }) => {
      const who = others.find(({ pkiId }) => peer !== undefined && Buffer.compare(pkiId, peer.pkiId) === 0)
      return message.hello === undefined || who === undefined ? [] : [{ who, nonce: message.hello.nonce }]
    })
  const requests = () => sent.flatMap(({ message }) => (message.dataReq === undefined ? [] : [message.dataReq]))
  const digest = (nonce: bigint, items: ReadonlyArray<string>) => ({
    dataDig: gossip.DataDigest.create({ nonce, digests: items.map((item) => Buffer.from(item)), msgType: BLOCK_MSG })
  })
  const hello = (nonce: bigint) => ({ hello: gossip.GossipHello.create({ nonce, msgType: BLOCK_MSG }) })
  const request = (nonce: bigint, items: ReadonlyArray<string>) => ({
    dataReq: gossip.DataRequest.create({ nonce, digests: items.map((item) => Buffer.from(item)), msgType: BLOCK_MSG })
  })
  return { clock, engine, sent, from, greeted, requests, digest, hello, request }
}
const texts = (digests: ReadonlyArray<Uint8Array>) => digests.map((bytes) => Buffer.from(bytes).toString()).sort()

describe("pulling", () => {
  it("greets as many peers as configured each interval, each with a nonce of its own", () => {
    const { clock, sent, greeted } = made()
    clock.advance(3999)
    expect(sent).toEqual([])
    clock.advance(1)
    expect(greeted().length).toBe(3)
    expect(new Set(greeted().map(({ nonce }) => nonce)).size).toBe(3)
    expect(new Set(greeted().map(({ who }) => who)).size).toBe(3)
    for (const { message } of sent) {
      expect(message).toMatchObject({ tag: CHAN_AND_ORG, nonce: 0n })
      expect(Buffer.from(message.channel).toString()).toBe("ch")
    }
  })

  it("asks each missing item of one of its owners, with that owner's nonce, when digests have had their time", () => {
    const { clock, engine, from, greeted, requests, digest } = made()
    engine.add("1", block(1n))
    clock.advance(4000)
    for (const { who, nonce } of greeted()) from(who, digest(nonce, ["1", "2", "3"]))
    clock.advance(999)
    expect(requests()).toEqual([])
    clock.advance(1)
    expect(texts(requests().flatMap(({ digests }) => digests))).toEqual(["2", "3"])
    for (const { nonce } of requests()) expect(greeted().some((one) => one.nonce === nonce)).toBe(true)
    // the round is over: nothing lingers
    clock.advance(2000)
    expect(engine.pending).toMatchObject({ offers: 0, asked: 0 })
  })

  it("believes a digest only with a nonce of this round, from the peer that it was given to, in its time", () => {
    const { clock, from, greeted, requests, digest } = made()
    clock.advance(4000)
    const [first, second] = greeted()
    if (first === undefined || second === undefined) throw new Error("nobody was greeted")
    from(first.who, digest(12345n, ["7"]))
    from(second.who, digest(first.nonce, ["8"]))
    clock.advance(1000)
    from(first.who, digest(first.nonce, ["9"]))
    clock.advance(2000)
    expect(requests()).toEqual([])
  })

  it("answers a hello with what the asker may know, and nothing where that is nothing", () => {
    const { engine, from, hello } = made({ egress: () => (item) => item !== "2" })
    const [who] = others
    if (who === undefined) throw new Error()
    expect(from(who, hello(5n))).toEqual([])
    engine.add("2", block(2n))
    expect(from(who, hello(6n))).toEqual([])
    engine.add("1", block(1n))
    const [answer] = from(who, hello(7n))
    expect(texts(answer?.dataDig?.digests ?? [])).toEqual(["1"])
    expect(answer?.dataDig?.nonce).toBe(7n)
    expect(answer).toMatchObject({ tag: CHAN_AND_ORG, nonce: 0n })
  })

  it("serves only the one who greeted, while the nonce is remembered, what he may have, each item once", () => {
    const { clock, engine, from, hello, request } = made({ egress: () => (item) => item !== "2" })
    const [who, other] = others
    if (who === undefined || other === undefined) throw new Error()
    const kept = block(1n)
    engine.add("1", kept)
    engine.add("2", block(2n))
    from(who, hello(9n))
    expect(from(who, request(8n, ["1"]))).toEqual([])
    expect(from(other, request(9n, ["1"]))).toEqual([])
    const [answer] = from(who, request(9n, ["1", "2", "1", "3"]))
    expect(answer?.dataUpdate?.data).toEqual([kept.envelope])
    expect(answer?.dataUpdate?.nonce).toBe(9n)
    expect(from(who, request(9n, ["2"]))).toEqual([])
    clock.advance(1501)
    expect(from(who, request(9n, ["1"]))).toEqual([])
    engine.remove("1")
    from(who, hello(10n))
    expect(from(who, request(10n, ["1"]))).toEqual([])
  })

  it("stays bounded under floods of hellos and huge digests", () => {
    const { clock, engine, from, greeted, hello, digest, requests } = made()
    const [who] = others
    if (who === undefined) throw new Error()
    for (let i = 0; i < 5 * maxNonces; i++) from(who, hello(BigInt(i)))
    expect(engine.pending.hellos).toBeLessThanOrEqual(maxNonces)
    clock.advance(4000)
    for (const { who: owner, nonce } of greeted()) {
      for (let part = 0; part < 4; part++) {
        const items = Array.from({ length: 20_000 }, (_, i) => `${part}-${i}`)
        from(owner, digest(nonce, items))
        from(owner, digest(nonce, ["x".repeat(10_000), ""]))
      }
    }
    expect(engine.pending.offers).toBeLessThanOrEqual(maxDigests)
    clock.advance(1000)
    expect(requests().flatMap(({ digests }) => digests).length).toBeLessThanOrEqual(maxDigests)
    clock.advance(2000)
    expect(engine.pending).toMatchObject({ offers: 0, asked: 0 })
  })

  it("stops with everything", () => {
    const { clock, engine, sent } = made()
    engine.stop()
    clock.advance(60_000)
    expect(sent).toEqual([])
  })

  it("reads block numbers as plain decimals only", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 64n) - 1n), (number) => {
        expect(numberOfDigest(number.toString())).toBe(number)
        expect(numberOfDigest(`0${number}`)).toBeUndefined()
        expect(numberOfDigest(`-${number}`)).toBeUndefined()
      })
    )
    for (const bad of ["", " 1", "1 ", "1e3", "0x1", "18446744073709551616", "９"]) {
      expect(numberOfDigest(bad)).toBeUndefined()
    }
  })
})

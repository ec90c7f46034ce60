import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { SignedGossipMessage } from "../../src/gossip/index.js"
import { MessageStore } from "../../src/gossip/messageStore.js"
import { sealed } from "../../src/gossip/signing.js"
import { SimClock, SimTimers } from "../../src/gossip/simulation/SimClock.js"
import {
  blockWindow,
  compareMessages,
  latestAlive,
  latestLeadership,
  latestStateInfo,
  newer
} from "../../src/gossip/supersede.js"
import { alive, block, CHAN_AND_ORG, CHAN_OR_ORG, person } from "./support.js"

const people = ["a", "b", "c"].map((name) => person("Org1", name))
const time = fc.record({ incNum: fc.bigInt(0n, 3n), seqNum: fc.bigInt(0n, 4n) })
const one = fc.constantFrom(...people)

const aliveMessage = fc.tuple(one, time).map(([who, t]) => alive(who, { inc: t.incNum, seq: t.seqNum }))
const stateInfoMessage = fc
  .tuple(one, time)
  .map(([who, timestamp]) => sealed({ tag: CHAN_OR_ORG, stateInfo: { pkiId: who.pkiId, timestamp } }, who.sign))
const leadershipMessage = fc
  .tuple(one, time)
  .map(([who, timestamp]) => sealed({ tag: CHAN_AND_ORG, leadershipMsg: { pkiId: who.pkiId, timestamp } }, who.sign))
const identityMessage = one.map((who) =>
  sealed({ tag: 1, peerIdentity: { pkiId: who.pkiId, cert: who.identity } }, who.sign)
)
const blockMessages = fc.bigInt(0n, 30n).map((number) => block(number))
const anyMessage = fc.oneof(aliveMessage, stateInfoMessage, leadershipMessage, identityMessage, blockMessages)

describe("comparing messages", () => {
  it("orders times by incarnation, then sequence; equal is old", () => {
    const at = (incNum: bigint, seqNum: bigint) => ({ incNum, seqNum })
    expect(newer(at(2n, 0n), at(1n, 99n))).toBe(true)
    expect(newer(at(1n, 2n), at(1n, 1n))).toBe(true)
    expect(newer(at(1n, 1n), at(1n, 1n))).toBe(false)
    // beyond what a JavaScript number holds (trap 5)
    expect(newer(at(1_767_225_600_000_000_001n, 0n), at(1_767_225_600_000_000_000n, 0n))).toBe(true)
  })

  it("never lets two messages replace each other, and refuses each its own copy", () => {
    fc.assert(
      fc.property(anyMessage, anyMessage, (a, b) => {
        const there = compareMessages(a, b, 5)
        const back = compareMessages(b, a, 5)
        expect(there === "replaces" && back === "replaces").toBe(false)
        expect(there === "unrelated").toBe(back === "unrelated")
        expect(compareMessages(a, a, 5)).toBe("refused")
      })
    )
  })

  it("holds blocks within the window and refuses those further behind", () => {
    expect(compareMessages(block(7n), block(7n), 10)).toBe("refused")
    expect(compareMessages(block(17n), block(7n), 10)).toBe("unrelated")
    expect(compareMessages(block(18n), block(7n), 10)).toBe("replaces")
    expect(compareMessages(block(7n), block(18n), 10)).toBe("refused")
  })
})

/** The reference's store: every message compared with every other. */
class Plain {
  held: Array<SignedGossipMessage> = []
  constructor(readonly window: number) {}
  accepts(message: SignedGossipMessage): boolean {
    return !this.held.some((other) => compareMessages(message, other, this.window) === "refused")
  }
  add(message: SignedGossipMessage): boolean {
    if (!this.accepts(message)) return false
    this.held = this.held.filter((other) => compareMessages(message, other, this.window) !== "replaces")
    this.held.push(message)
    return true
  }
}

describe("the message store", () => {
  const kinds = [
    ["alive", latestAlive, aliveMessage],
    ["StateInfo", latestStateInfo, stateInfoMessage],
    ["leadership", latestLeadership, leadershipMessage],
    ["blocks", blockWindow(5), blockMessages]
  ] as const
  for (const [kind, rule, message] of kinds) {
    it(`takes and drops ${kind} as the reference's scan does`, () => {
      fc.assert(
        fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
          const store = new MessageStore({ rule, timers: new SimTimers(new SimClock()) })
          const plain = new Plain(5)
          for (const next of messages) {
            expect(store.accepts(next)).toBe(plain.accepts(next))
            expect(store.add(next)).toBe(plain.add(next))
            expect(new Set(store.messages())).toEqual(new Set(plain.held))
          }
        })
      )
    })
  }

  const timed = (ttlMs: number) => {
    const clock = new SimClock()
    const expired: Array<SignedGossipMessage> = []
    const removed: Array<SignedGossipMessage> = []
    const store = new MessageStore({
      rule: latestAlive,
      timers: new SimTimers(clock),
      ttlMs,
      onExpired: (message) => void expired.push(message),
      onRemoved: (message) => void removed.push(message)
    })
    return { clock, store, expired, removed }
  }
  const [a, b] = [person("Org1", "a"), person("Org1", "b")]

  it("expires after the TTL, refuses replays until twice that, then forgets", () => {
    const { clock, store, expired } = timed(1000)
    const first = alive(a, { seq: 5n })
    expect(store.add(first)).toBe(true)
    clock.advance(900)
    store.add(alive(b, { seq: 1n }))
    expect([store.size, expired.length]).toEqual([2, 0])
    clock.advance(150)
    expect(expired).toEqual([first])
    expect([store.size, store.held]).toEqual([1, 2])
    expect(store.accepts(alive(a, { seq: 5n }))).toBe(false)
    expect(store.accepts(alive(a, { seq: 6n }))).toBe(true)
    clock.advance(900)
    expect(store.accepts(alive(a, { seq: 5n }))).toBe(false)
    clock.advance(1100)
    expect([store.size, store.held, expired.length]).toEqual([0, 0, 2])
    expect(store.accepts(alive(a, { seq: 5n }))).toBe(true)
  })

  it("keeps a message that goes on coming in newer versions", () => {
    const { clock, store, expired } = timed(1000)
    for (let seq = 1n; seq < 20n; seq++) {
      expect(store.add(alive(a, { seq }))).toBe(true)
      clock.advance(300)
    }
    expect(expired).toEqual([])
    expect(store.held).toBe(1)
  })

  it("brings an expired message's place back with a newer one", () => {
    const { clock, store, expired } = timed(1000)
    store.add(alive(a, { seq: 1n }))
    clock.advance(1500)
    expect(expired.length).toBe(1)
    expect(store.add(alive(a, { seq: 2n }))).toBe(true)
    expect([store.size, store.held]).toEqual([1, 1])
    clock.advance(1500)
    expect([expired.length, store.held]).toEqual([2, 1])
  })

  it("runs no timer while empty and none after its stop", () => {
    const { clock, store } = timed(1000)
    clock.advance(100_000)
    expect(clock.steps).toBe(0)
    store.add(alive(a, { seq: 1n }))
    store.stop()
    clock.advance(100_000)
    expect(clock.steps).toBe(0)
    expect(store.add(alive(a, { seq: 2n }))).toBe(false)
  })

  it("holds no more than its limit", () => {
    const store = new MessageStore({ rule: latestAlive, timers: new SimTimers(new SimClock()), limit: 10 })
    for (let i = 0; i < 100; i++) store.add(alive(person("Org1", `p${i}`), { seq: 1n }))
    expect(store.held).toBe(10)
  })

  it("does not take what lacks PKI-ID or time", () => {
    const store = new MessageStore({ rule: latestAlive, timers: new SimTimers(new SimClock()) })
    expect(store.add(sealed({ tag: 1, aliveMsg: {} }, a.sign))).toBe(false)
    expect(store.add(sealed({ tag: 1, aliveMsg: { membership: { pkiId: a.pkiId } } }, a.sign))).toBe(false)
    expect(store.add(block(1n))).toBe(false)
  })

  it("reopens its window when the highest blocks are purged", () => {
    const store = new MessageStore({ rule: blockWindow(5), timers: new SimTimers(new SimClock()) })
    for (const number of [1n, 2n, 20n]) store.add(block(number))
    expect(store.messages().length).toBe(1)
    expect(store.accepts(block(3n))).toBe(false)
    store.purge(() => true)
    expect(store.accepts(block(3n))).toBe(true)
  })
})

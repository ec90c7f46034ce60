/** The parts of connections by themselves: lines, the store's choices, the judgement of handshakes. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Acks } from "../../../src/gossip/comm/Acks.js"
import { Connection } from "../../../src/gossip/comm/Connection.js"
import { atOnceMs, ConnectionStore } from "../../../src/gossip/comm/ConnectionStore.js"
import { judgeConnMessage } from "../../../src/gossip/comm/handshake.js"
import { Line } from "../../../src/gossip/comm/Line.js"
import { IdentityMapper } from "../../../src/gossip/identity/index.js"
import {
  CommFailed,
  connMessage,
  envelopeBytes,
  openMessage,
  type Timers,
  unsigned
} from "../../../src/gossip/index.js"
import { sha256, utf8 } from "../../../src/wire/bytes.js"
import { gossip } from "../../../src/wire/index.js"
import { identityOf, securityOf } from "./support.js"

describe("a line", () => {
  const small = { count: 3, bytes: 100 }

  it("is bounded by count and by bytes; one message may be larger", () => {
    const line = new Line<string>(small)
    expect([1, 2, 3, 4].map((i) => line.offer(`${i}`, 10))).toEqual([true, true, true, false])
    expect(line.force("answer", 10, 2)).toBe(true)
    const large = new Line<string>(small)
    expect(large.offer("large", 1000)).toBe(true)
    expect(large.offer("small", 1)).toBe(false)
    expect(large.force("small", 1, 2)).toBe(false)
  })

  it("lets putters wait for room and the taker for messages, in order", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const line = new Line<number>(small)
        const putting = yield* Effect.fork(Effect.forEach([1, 2, 3, 4, 5, 6], (i) => line.put(i, 10)))
        const taken: Array<number | undefined> = []
        for (let i = 0; i < 6; i++) taken.push(yield* line.take)
        expect(taken).toEqual([1, 2, 3, 4, 5, 6])
        expect(yield* Fiber.join(putting)).toEqual([true, true, true, true, true, true])
        const taking = yield* Effect.fork(line.take)
        yield* Effect.yieldNow()
        line.offer(7, 1)
        expect(yield* Fiber.join(taking)).toBe(7)
      })
    ))

  it("gives out what it holds when it is finished, and nothing when it is closed", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const finished = new Line<number>(small)
        finished.offer(1, 1)
        finished.finish()
        expect(finished.offer(2, 1)).toBe(false)
        expect([yield* finished.take, yield* finished.take]).toEqual([1, undefined])
        const closed = new Line<number>({ count: 1, bytes: 1 })
        closed.offer(1, 1)
        const waiting = yield* Effect.fork(closed.put(2, 1))
        const room = yield* Effect.fork(closed.room)
        yield* Effect.yieldNow()
        closed.close()
        expect(yield* Fiber.join(waiting)).toBe(false)
        yield* Fiber.join(room)
        expect([yield* closed.take, yield* closed.put(3, 1)]).toEqual([undefined, false])
        expect(closed.length).toBe(0)
      })
    ))
})

const log = { enabled: () => false, debug: () => {}, info: () => {}, warning: () => {}, error: () => {} }
const ids = { low: Uint8Array.of(1), high: Uint8Array.of(9) }
const connectionTo = (pkiId: Uint8Array, dialled?: string): Connection =>
  new Connection(
    { pkiId, identity: pkiId, endpoint: "somewhere", auth: { signedData: pkiId, signature: pkiId } },
    dialled,
    {
      recvBuffSize: 1,
      sendBuffSize: 1,
      metrics: { sent: () => {}, received: () => {}, overflowed: () => {} },
      log,
      dispatch: () => undefined,
      ended: () => {},
      broken: () => {}
    }
  )

describe("the store", () => {
  const storeOf = (own: Uint8Array) => {
    let now = 0
    const store = new ConnectionStore(own, () => now)
    return { store, at: (time: number) => (now = time) }
  }
  const dialTo = (store: ConnectionStore, pkiId: Uint8Array) => store.startDial({ endpoint: "there:1", pkiId })

  it("keeps an inbound stream that appeared while dialling, but for the lower PKI-ID", () => {
    for (const [own, remote, keepsOwn] of [
      [ids.low, ids.high, true],
      [ids.high, ids.low, false]
    ] as const) {
      const { store } = storeOf(own)
      const dial = dialTo(store, remote)
      const inbound = connectionTo(remote)
      const outbound = connectionTo(remote, "there:1")
      expect(store.accept(inbound, 0)).toBe(true)
      expect(store.adopt(dial, outbound)).toBe(keepsOwn ? outbound : inbound)
      expect([inbound.closed, outbound.closed]).toEqual([keepsOwn, !keepsOwn])
      expect(store.size).toBe(1)
    }
  })

  it("gives way to an inbound stream that comes after its own, unless both were dialled at once and its own is lower", () => {
    for (const [own, remote, started, accepted] of [
      [ids.low, ids.high, 0, false],
      [ids.low, ids.high, atOnceMs - 1, false],
      [ids.low, ids.high, atOnceMs, true],
      [ids.high, ids.low, 0, true]
    ] as const) {
      const { store } = storeOf(own)
      const outbound = connectionTo(remote, "there:1")
      store.adopt(dialTo(store, remote), outbound)
      const inbound = connectionTo(remote)
      expect(store.accept(inbound, started)).toBe(accepted)
      expect([outbound.closed, inbound.closed]).toEqual([accepted, !accepted])
    }
  })

  it("makes both ends keep the same one of two streams, in whatever order they come", () => {
    // Each side registers its own stream and the other's, in either order: four cases.
    for (const lowFirst of ["own", "other"]) {
      for (const highFirst of ["own", "other"]) {
        const kept = (own: Uint8Array, remote: Uint8Array, first: string): "mine" | "theirs" => {
          const { store } = storeOf(own)
          const mine = connectionTo(remote, "there:1")
          const theirs = connectionTo(remote)
          const dial = dialTo(store, remote)
          const steps = [() => void store.adopt(dial, mine), () => void store.accept(theirs, 0)]
          for (const step of first === "own" ? steps : steps.reverse()) step()
          expect(mine.closed).not.toBe(theirs.closed)
          return mine.closed ? "theirs" : "mine"
        }
        expect(kept(ids.low, ids.high, lowFirst)).toBe("mine")
        expect(kept(ids.high, ids.low, highFirst)).toBe("theirs")
      }
    }
  })

  it("closes an older connection to the identity that answered in another's place", () => {
    const { store } = storeOf(ids.low)
    const older = connectionTo(ids.high)
    store.accept(older, 0)
    const expected = Uint8Array.of(5)
    const found = connectionTo(ids.high, "there:1")
    expect(store.adopt(dialTo(store, expected), found)).toBe(found)
    expect([older.closed, found.closed]).toEqual([true, false])
  })

  it("takes out only the connection that ended, not the one in its place", () => {
    const { store } = storeOf(ids.high)
    const [first, second] = [connectionTo(ids.low), connectionTo(ids.low)]
    store.accept(first, 0)
    store.accept(second, 0)
    expect(first.closed).toBe(true)
    store.remove(first)
    expect(store.get({ endpoint: "", pkiId: ids.low })).toBe(second)
    store.close(ids.low)
    expect([store.size, second.closed]).toEqual([0, true])
  })

  it("ends dials and connections when it shuts down", () => {
    const { store } = storeOf(ids.high)
    const dial = dialTo(store, ids.low)
    let told = ""
    dial.settled.add((result) => {
      told = Either.isLeft(result) ? result.left.message : "connected"
    })
    dial.waiting.push(utf8("message"))
    store.shutdown()
    expect(told).toBe("ConnStore is closing")
    expect([store.closing, store.dialling, dial.waiting.length]).toEqual([true, 0, 0])
    store.settle(dial, Either.left(new CommFailed({ endpoint: "", reason: "late" })))
    expect(told).toBe("ConnStore is closing")
  })
})

describe("acknowledgements", () => {
  it("are told once, to whom awaits this nonce of this peer", () => {
    const acks = new Acks()
    const told: Array<string> = []
    const connection = {
      pkiId: ids.low,
      identity: ids.low,
      endpoint: "",
      auth: { signedData: ids.low, signature: ids.low }
    }
    const ack = (nonce: bigint, error = "") => ({ message: unsigned({ nonce, ack: { error } }).message, connection })
    const big = 2n ** 64n - 1n
    acks.expect(big, ids.low, (error) => told.push(`low:${error}`))
    const cancel = acks.expect(big, ids.high, (error) => told.push(`high:${error}`))
    expect(acks.intercept(ack(big - 1n))).toBe(true)
    expect(acks.intercept(ack(big, "no"))).toBe(true)
    expect(acks.intercept(ack(big))).toBe(true)
    expect(told).toEqual(["low:no"])
    cancel()
    expect(acks.size).toBe(0)
    expect(acks.intercept({ message: unsigned({ nonce: big, empty: {} }).message, connection })).toBe(false)
  })
})

describe("the judgement of a handshake", () => {
  const own = identityOf("Org1MSP", "own")
  const other = identityOf("Org1MSP", "other")
  const still: Timers = {
    now: () => Date.now(),
    monotonic: () => 0,
    nanos: () => 0n,
    after: () => () => {},
    every: () => () => {}
  }
  const identities = Either.getOrThrowWith(
    IdentityMapper.make({ timers: still, security: securityOf(own, new Set(["Org1MSP"])) }),
    (e) => new Error(e.message)
  )
  const certificate = utf8("certificate")
  const hello = connMessage(
    { pkiId: other.pkiId, identity: other.identity, tlsCertHash: sha256(certificate) },
    other.sign
  )
  const judge = (bytes: Uint8Array) =>
    Either.flatMap(openMessage(bytes), (message) =>
      judgeConnMessage(message, { address: "a:1", certificate }, { identities, tlsEnabled: true })
    )

  it("keeps payload and signature as evidence", () => {
    const info = Either.getOrThrow(judge(envelopeBytes(hello.envelope)))
    expect(info.auth).toEqual({ signedData: hello.envelope.payload, signature: hello.envelope.signature })
    expect(info.endpoint).toBe("a:1")
  })

  it("passes none that was changed in a bit, and never throws", () => {
    const { payload, signature } = hello.envelope
    const runs = process.env.FABRIC_EFFECT_LONG === undefined ? 1500 : 10_000
    fc.assert(
      fc.property(fc.nat(payload.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(payload)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(Either.isLeft(judge(gossip.Envelope.encode({ payload: changed, signature })))).toBe(true)
      }),
      { numRuns: runs }
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => Either.isLeft(judge(bytes))))
    expect(identities.size).toBeLessThanOrEqual(2)
  })

  it("does not pass another's handshake with an own one's certificate", () => {
    const replayed = judgeConnMessage(
      hello,
      { address: "a:1", certificate: utf8("mine") },
      { identities, tlsEnabled: true }
    )
    expect(Either.isLeft(replayed) && replayed.left.message).toMatch(/in remote hash of TLS cert/)
  })
})

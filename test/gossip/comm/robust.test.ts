/** Hostile and slow remotes: nothing grows, nothing is lost that need not be, the process lives. */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { envelopeBytes, unsigned } from "../../../src/gossip/index.js"
import { connect } from "../../../src/transport/index.js"
import { utf8 } from "../../../src/wire/bytes.js"
import { gossip } from "../../../src/wire/index.js"
import { Gossip as service } from "../../../src/wire/services.js"
import { identityOf, joined, peer, rawClient, type TestPeer, textMessage, textOf, tlsOf, until } from "./support.js"

const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))
const long = process.env.FABRIC_EFFECT_LONG !== undefined

const sized = (text: string, size: number) =>
  unsigned(textMessage(`${text} ${"x".repeat(Math.max(0, size - text.length - 1))}`))
const number = (text: string): number => Number(text.split(" ")[0])

/** Reproducible damage: a byte changed, a piece cut off, taken out or doubled. */
const damage = (seed: number) => {
  let state = seed
  const below = (n: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return state % Math.max(1, n)
  }
  return (bytes: Uint8Array): Uint8Array => {
    const at = below(bytes.length)
    switch (below(5)) {
      case 0:
        return bytes.subarray(0, at)
      case 1:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(8))])
      case 2:
        return Buffer.concat([bytes, bytes.subarray(at)])
      case 3:
        return Buffer.concat([bytes.subarray(0, at), randomBytes(1 + below(16)), bytes.subarray(at)])
      default: {
        const changed = Buffer.from(bytes)
        changed[at] = below(256)
        return changed
      }
    }
  }
}

const isAtRest = ({ comm, identities }: TestPeer, known: number): boolean =>
  comm.diagnosis.connections() === 0 &&
  comm.diagnosis.handshakes() === 0 &&
  comm.diagnosis.dials() === 0 &&
  comm.diagnosis.awaitedAcks() === 0 &&
  identities.size <= known

describe("a remote that reads slowly", () => {
  it("gets what the line holds; the rest is dropped and counted", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ settings: { sendBuffSize: 10 } })
        const own = identityOf("Org1MSP", "slow")
        const client = yield* joined(target, own)
        const remote = { endpoint: "127.0.0.1:1", pkiId: own.pkiId }
        const count = 400
        for (let i = 0; i < count; i++) {
          target.comm.send(sized(`${i}`, 128 * 1024), [remote])
          if (i % 20 === 19) yield* Effect.sleep("1 millis")
        }
        const overflow = yield* target.metric("gossip_comm_overflow_count")
        expect(overflow).toBeGreaterThan(count / 4)
        const got: Array<number> = []
        for (let i = 0; i < count - overflow; i++) {
          const message = yield* client.receive
          if (message !== undefined) got.push(number(textOf(message)))
        }
        expect(got).toEqual([...got].sort((a, b) => a - b))
        expect(got[0]).toBe(0)
        expect(yield* target.metric("gossip_comm_messages_sent")).toBe(count - overflow)
        // The connection is as good as before.
        target.comm.send(sized("9999", 100), [remote])
        const last = yield* client.receive
        expect(last === undefined ? 0 : number(textOf(last))).toBe(9999)
        expect(target.dead).toHaveLength(0)
      })
    ))

  it("holds back its own requests when it does not take the answers", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ settings: { sendBuffSize: 4, recvBuffSize: 4 } })
        const answer = textMessage("x".repeat(256 * 1024))
        target.comm.subscribe(
          () => true,
          (message) => message.respond(answer)
        )
        const client = yield* joined(target)
        const flood = yield* Effect.fork(
          Effect.forEach(Array.from({ length: 200 }), () => client.send(sized("ask", 1000)), { discard: true })
        )
        yield* until(() => target.received.length >= 5)
        yield* Effect.sleep("100 millis")
        const stalled = target.received.length
        expect(stalled).toBeLessThan(60)
        for (let i = 0; i < 200; i++) expect((yield* client.receive)?.message.dataMsg).toBeDefined()
        yield* flood.await
        expect(target.received).toHaveLength(200)
        expect(yield* target.metric("gossip_comm_overflow_count")).toBe(0)
      })
    ))

  it("costs no more than a bound by answers that nobody asked for", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ settings: { sendBuffSize: 10 } })
        const client = yield* joined(target)
        yield* client.send(sized("hello", 10))
        yield* until(() => target.received.length === 1)
        const [message] = target.received
        for (let i = 0; i < 1000; i++) message?.respond(textMessage("y".repeat(64 * 1024)))
        expect(yield* target.metric("gossip_comm_overflow_count")).toBeGreaterThan(900)
      })
    ))
})

describe("messages for a peer that is being dialled", () => {
  it("are held to the size of its line", () =>
    run(
      Effect.gen(function* () {
        const a = yield* peer({ settings: { sendBuffSize: 5, dialTimeoutMs: 100 }, limits: { maxDials: 2 } })
        const unknown = [1, 2, 3].map((i) => ({ endpoint: `127.0.0.1:${i}`, pkiId: utf8(`peer ${i}`) }))
        for (let i = 0; i < 50; i++) a.comm.send(unsigned(textMessage("x")), unknown)
        expect(a.comm.diagnosis.dials()).toBe(2)
        expect(yield* a.metric("gossip_comm_overflow_count")).toBe(50 + 2 * 45)
        yield* until(() => a.dead.length === 2)
        expect(isAtRest(a, 1)).toBe(true)
      })
    ))
})

describe("hostile clients", () => {
  it(
    "leave nothing behind with spoilt handshakes",
    () =>
      run(
        Effect.gen(function* () {
          const target = yield* peer({ tls: tlsOf(), settings: { connTimeoutMs: 500 } })
          const own = identityOf("Org1MSP", "raw")
          const { hello } = yield* rawClient(target, own)
          const good = envelopeBytes(hello().envelope)
          const channel = yield* connect(target.address, {
            tls: {
              rootCerts: [target.tls?.authority.certificate ?? good],
              clientCert: target.tls?.client.certificate ?? good,
              clientKey: target.tls?.client.key ?? good
            }
          })
          const spoil = damage(7)
          const attempt = Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* channel.bidi(service.methods.GossipStream)
              yield* stream.send(spoil(good))
              yield* stream.next
              yield* stream.end
              yield* stream.next
            })
          )
          const rounds = long ? 10_000 : 120
          const outcomes = yield* Effect.forEach(Array.from({ length: rounds }), () => Effect.exit(attempt), {
            concurrency: 20
          })
          expect(outcomes.filter(({ _tag }) => _tag === "Failure").length).toBeGreaterThan(rounds / 2)
          yield* until(() => isAtRest(target, 2))
          const client = yield* joined(target)
          yield* client.send(unsigned(textMessage("still there?")))
          yield* until(() => target.received.length === 1)
        })
      ),
    long ? 600_000 : 60_000
  )

  it(
    "leave nothing behind with spoilt messages",
    () =>
      run(
        Effect.gen(function* () {
          const target = yield* peer()
          const own = identityOf("Org1MSP", "raw")
          const kinds = [
            unsigned({ ...textMessage("block"), nonce: 3n }),
            unsigned({ tag: 1, memReq: { selfInformation: { payload: utf8("x") }, known: [utf8("y")] } }),
            unsigned({ tag: 5, stateSnapshot: { elements: [{ payload: utf8("a") }, { signature: utf8("b") }] } }),
            unsigned({ nonce: 1n, ack: { error: "x" } }),
            unsigned({ tag: 3, privateData: { payload: { collectionName: "c", namespace: "n", txId: "t" } } })
          ].map(({ envelope }) => envelopeBytes(envelope))
          const spoil = damage(11)
          const rounds = long ? 10_000 : 200
          let sent = 0
          while (sent < rounds) {
            // A stream takes damaged messages until one of them ends it: those before it are heard.
            yield* Effect.scoped(
              Effect.gen(function* () {
                const client = yield* joined(target, own)
                for (let open = true, i = 0; open && i < 5; i++, sent++) {
                  open = yield* Effect.isSuccess(client.stream.send(spoil(kinds[sent % kinds.length] ?? utf8(""))))
                }
                yield* client.stream.end
                yield* client.ending
              })
            )
          }
          yield* until(() => isAtRest(target, 2))
          expect(target.received.length).toBeGreaterThan(0)
        })
      ),
    long ? 600_000 : 60_000
  )

  it("cannot keep the door with half-open handshakes", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ settings: { connTimeoutMs: 400 }, limits: { maxHandshakes: 10 } })
        const channel = yield* connect(target.address)
        const silent = yield* Effect.forEach(Array.from({ length: 50 }), () =>
          channel.bidi(service.methods.GossipStream)
        )
        const endings = yield* Effect.forEach(
          silent,
          (stream) => {
            const ending: Effect.Effect<string> = Effect.matchEffect(stream.next, {
              onFailure: ({ details }) => Effect.succeed(details),
              onSuccess: () => ending
            })
            return ending
          },
          { concurrency: "unbounded" }
        )
        expect(endings.filter((text) => text === "too many handshakes in progress")).toHaveLength(40)
        expect(endings.filter((text) => text.startsWith("timed out waiting for connection message"))).toHaveLength(10)
        yield* until(() => isAtRest(target, 1))
        yield* joined(target)
        yield* until(() => target.comm.diagnosis.connections() === 1)
      })
    ))

  it("of organisations that nobody knows are not remembered", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ trusted: new Set(["Org1MSP"]) })
        yield* Effect.forEach(
          Array.from({ length: 40 }, (_, i) => identityOf(`Org${i + 2}MSP`, "stranger")),
          (stranger) =>
            Effect.scoped(
              Effect.gen(function* () {
                const client = yield* rawClient(target, stranger)
                yield* client.send(client.hello())
                expect(yield* client.ending).toMatch(/^failed classifying identity/)
              })
            ),
          { concurrency: 8 }
        )
        expect(isAtRest(target, 1)).toBe(true)
      })
    ))

  it("are refused beyond the number of connections; those that are known may come again", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ limits: { maxConnections: 3 } })
        const known = [1, 2, 3].map((i) => identityOf("Org1MSP", `known ${i}`))
        for (const own of known) yield* joined(target, own)
        yield* until(() => target.comm.diagnosis.connections() === 3)
        const more = yield* rawClient(target, identityOf("Org1MSP", "more"))
        yield* more.send(more.hello())
        expect(yield* more.ending).toBe("too many connections")
        const again = yield* joined(target, known[0])
        yield* again.send(unsigned(textMessage("again")))
        yield* until(() => target.received.length === 1)
        expect(target.comm.diagnosis.connections()).toBe(3)
      })
    ))

  it("that connect again and again leave one connection", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer()
        const own = identityOf("Org1MSP", "eager")
        for (let i = 0; i < 30; i++) yield* joined(target, own)
        yield* until(() => target.comm.diagnosis.connections() === 1)
        yield* until(() => target.comm.diagnosis.handshakes() === 0)
      })
    ))

  it("that send a flood are heard in order", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer()
        const client = yield* joined(target)
        const count = 2000
        for (let i = 0; i < count; i++) yield* client.send(sized(`${i}`, 200))
        yield* until(() => target.received.length === count)
        expect(target.received.map((m) => number(textOf(m)))).toEqual(Array.from({ length: count }, (_, i) => i))
      })
    ))

  it("cannot answer for a hostile server either", () =>
    run(
      Effect.gen(function* () {
        // A peer whose identity the dialler does not know, and one whose certificate hash cannot match.
        const tls = tlsOf()
        const a = yield* peer({ tls, trusted: new Set(["Org1MSP"]), settings: { dialTimeoutMs: 500 } })
        const foreign = yield* peer({ tls, org: "Org7MSP", trusted: new Set(["Org1MSP", "Org7MSP"]) })
        const refused = yield* Effect.flip(a.comm.handshake({ endpoint: foreign.address, pkiId: utf8("") }))
        expect(refused.message).toMatch(/^failed classifying identity/)
        const plain = yield* peer()
        expect((yield* Effect.flip(a.comm.handshake({ endpoint: plain.address, pkiId: utf8("") })))._tag).toBe(
          "CommFailed"
        )
        expect(isAtRest(a, 1)).toBe(true)
      })
    ))
})

it("gives everything back when it ends, with connections, dials and waits under way", () =>
  run(
    Effect.gen(function* () {
      const a = yield* peer()
      const b = yield* peer()
      a.comm.send(unsigned(textMessage("x")), [b.remote])
      yield* until(() => b.received.length === 1)
      a.comm.send(unsigned(textMessage("x")), [{ endpoint: "127.0.0.1:1", pkiId: utf8("nobody") }])
      const waiting = yield* Effect.fork(
        a.comm.sendWithAck(textMessage("x"), { timeoutMs: 60_000, minimum: 1 }, [b.remote])
      )
      yield* until(() => b.received.length === 2)
      yield* a.close
      yield* until(() => b.comm.diagnosis.connections() === 0)
      expect(isAtRest(a, 1 + 1)).toBe(true)
      a.comm.send(unsigned(textMessage("x")), [b.remote])
      expect((yield* Effect.flip(a.comm.probe(b.remote))).message).toBe("Stopping")
      yield* waiting.interruptAsFork(waiting.id())
      expect(a.dead).toHaveLength(0)
      expect(gossip.Empty.encode({})).toHaveLength(0)
    })
  ))

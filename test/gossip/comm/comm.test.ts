/** Acceptance checks 1 to 3 and the life of connections between real peers on loopback. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { ackMessage, unsigned, verifyMessage } from "../../../src/gossip/index.js"
import { connect } from "../../../src/transport/index.js"
import { compareBytes, sha256, toHex, utf8 } from "../../../src/wire/bytes.js"
import { gossip } from "../../../src/wire/index.js"
import { Gossip as service } from "../../../src/wire/services.js"
import {
  identityOf,
  joined,
  type PeerOptions,
  peer,
  rawClient,
  securityOf,
  type TestPeer,
  textMessage,
  textOf,
  tlsOf,
  until,
  untilEffect
} from "./support.js"

const run = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

const modes: ReadonlyArray<readonly [string, () => PeerOptions]> = [
  ["without TLS", () => ({})],
  ["with TLS", () => ({ tls: tlsOf() })],
  ["with mutual TLS", () => ({ tls: tlsOf(true) })]
]

describe.each(modes)("acceptance 1, %s", (_, options) => {
  it("answers Ping to anyone, and says who it is unprompted", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer(options())
        const client = yield* rawClient(target)
        const first = yield* client.receive
        const conn = first?.message.conn
        expect(first?.message.tag).toBe(gossip.GossipMessage_Tag.EMPTY)
        expect(first?.message.nonce).toBe(0n)
        expect(toHex(conn?.pkiId ?? new Uint8Array())).toBe(toHex(target.own.pkiId))
        expect(toHex(conn?.tlsCertHash ?? new Uint8Array())).toBe(
          target.tls === undefined ? "" : toHex(sha256(target.tls.server.der))
        )
        const { verify } = securityOf(target.own, new Set())
        expect(verifyMessage({ envelope: first?.envelope }, target.own.identity, verify)._tag).toBe("Right")
        yield* client.send(client.hello())
        yield* until(() => target.comm.diagnosis.connections() === 1)
        expect(yield* Effect.exit(target.comm.probe(target.remote))).toMatchObject({ _tag: "Success" })
      })
    ))
})

it("answers Ping with an empty message", () =>
  run(
    Effect.gen(function* () {
      const target = yield* peer()
      const channel = yield* connect(target.address)
      expect(yield* channel.unary(service.methods.Ping, new Uint8Array())).toHaveLength(0)
    })
  ))

describe("acceptance 2: refusals", () => {
  type Spoil = (client: Effect.Effect.Success<ReturnType<typeof rawClient>>) => Effect.Effect<void, unknown>
  const own = identityOf("Org1MSP", "raw")
  const highS = (payload: Uint8Array): Uint8Array => {
    // Replaces s by n - s in a DER signature.
    const der = own.sign(payload)
    const rLength = der[3] ?? 0
    const r = der.subarray(2, 4 + rLength)
    const s = BigInt(`0x${toHex(der.subarray(6 + rLength))}`)
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const hex = (n - s).toString(16).padStart(64, "0")
    const body = Buffer.from(
      hex.startsWith("0") && Number.parseInt(hex.slice(0, 2), 16) < 0x80 ? hex : `00${hex}`,
      "hex"
    )
    const inner = Buffer.concat([r, Uint8Array.of(2, body.length), body])
    return Buffer.concat([Uint8Array.of(0x30, inner.length), inner])
  }
  const cases: ReadonlyArray<readonly [string, Spoil, RegExp, PeerOptions]> = [
    [
      "a wrong hash",
      (c) => c.send(c.hello({ tlsCertHash: sha256(utf8("x")) })),
      /^Expected \[(\d+ ){31}\d+\] in remote hash of TLS cert, but got \[(\d+ ){31}\d+\]$/,
      {}
    ],
    [
      "no hash",
      (c) => c.send(c.hello({ tlsCertHash: new Uint8Array() })),
      /^Expected \[.*\] in remote hash of TLS cert, but got \[\]$/,
      {}
    ],
    [
      "a wrong PKI-ID",
      (c) => c.send(c.hello({ pkiId: sha256(utf8("x")) })),
      /^identity doesn't match the computed pkiID$/,
      {}
    ],
    ["no PKI-ID", (c) => c.send(c.hello({ pkiId: new Uint8Array() })), /^No PKI-ID$/, {}],
    ["no identity", (c) => c.send(c.hello({ identity: new Uint8Array() })), /^identity is nil$/, {}],
    ["garbage for an identity", (c) => c.send(c.hello({ identity: utf8("x") })), /^failed classifying identity: /, {}],
    ["a high-S signature", (c) => c.send(c.hello({}, highS)), /^The signature is invalid$/, {}],
    [
      "an altered signature",
      (c) =>
        c.send(
          c.hello({}, (payload) => {
            const signature = own.sign(payload)
            const last = signature.length - 1
            signature[last] = (signature[last] ?? 0) ^ 1
            return signature
          })
        ),
      /^The signature is invalid$/,
      {}
    ],
    ["no signature", (c) => c.send(c.hello({}, () => new Uint8Array())), /^Empty signature$/, {}],
    ["another first message", (c) => c.send(unsigned(textMessage("x"))), /^Wrong type$/, {}],
    ["an empty envelope", (c) => c.stream.send(new Uint8Array()), /^Wrong type$/, {}],
    ["bytes that are no message", (c) => c.stream.send(Uint8Array.of(10, 99)), /^Failed unmarshaling Envelope: /, {}],
    [
      "nothing in time",
      () => Effect.void,
      /^timed out waiting for connection message from 127\.0\.0\.1:\d+$/,
      { settings: { connTimeoutMs: 50 } }
    ],
    ["an early end", (c) => c.stream.end, /^timed out waiting for connection message from 127\.0\.0\.1:\d+$/, {}]
  ]
  it.each(cases)("of %s", (_, spoil, text, options) =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ tls: tlsOf(), ...options })
        const client = yield* rawClient(target, own)
        yield* spoil(client)
        expect(yield* client.ending).toMatch(text)
        yield* until(() => target.comm.diagnosis.handshakes() === 0)
        expect(target.comm.diagnosis.connections()).toBe(0)
      })
    )
  )

  it("of a client without a certificate, before saying anything", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ tls: tlsOf() })
        const client = yield* rawClient(target, own, { showCertificate: false })
        expect(yield* Effect.flip(client.receive)).toMatchObject({ details: "No TLS certificate", code: 2 })
      })
    ))

  it("of an organisation that is not known", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ trusted: new Set(["Org1MSP"]) })
        const stranger = identityOf("Org9MSP", "stranger")
        const client = yield* rawClient(target, stranger)
        yield* client.send(client.hello())
        expect(yield* client.ending).toBe("failed classifying identity: No MSP found able to do that.")
        expect(target.identities.size).toBe(1)
      })
    ))
})

it("acceptance 3: the PKI-ID is SHA-256 of MSP ID and certificate", () => {
  const { pkiId, identity } = identityOf("Org1MSP", "peer")
  const { idBytes } = gossipIdentity(identity)
  expect(toHex(pkiId)).toBe(toHex(sha256(utf8("Org1MSP"), idBytes)))
})
const gossipIdentity = (identity: Uint8Array): { idBytes: Uint8Array } => {
  // SerializedIdentity: mspid 1, id_bytes 2; the MSP ID here is 7 bytes long
  expect(identity[0]).toBe(10)
  const start = 2 + (identity[1] ?? 0)
  expect(identity[start]).toBe(18)
  const high = identity[start + 2] ?? 0
  const length = ((identity[start + 1] ?? 0) & 0x7f) | (high << 7)
  return { idBytes: identity.subarray(start + 3, start + 3 + length) }
}

describe.each(modes)("two peers, %s", (_, options) => {
  it("send both ways over one connection, in order, and keep the bytes", () =>
    run(
      Effect.gen(function* () {
        const shared = options()
        const a = yield* peer(shared)
        const b = yield* peer({ ...shared, org: "Org2MSP" })
        for (let i = 0; i < 10; i++) a.comm.send(unsigned(textMessage(`${i}`)), [b.remote])
        yield* until(() => b.received.length === 10)
        expect(b.received.map(textOf)).toEqual([..."0123456789"])
        const [first] = b.received
        expect(toHex(first?.connection.pkiId ?? new Uint8Array())).toBe(toHex(a.own.pkiId))
        expect(compareBytes(first?.connection.identity ?? new Uint8Array(), a.own.identity)).toBe(0)
        const auth = first?.connection.auth
        const { verify } = securityOf(b.own, new Set())
        expect(
          verify(a.own.identity, auth?.signature ?? new Uint8Array(), auth?.signedData ?? new Uint8Array())._tag
        ).toBe("Right")
        // The way back uses the stream that came in, also with an address that leads nowhere.
        b.comm.send(unsigned(textMessage("back")), [{ ...a.remote, endpoint: "127.0.0.1:1" }])
        first?.respond(textMessage("answer"))
        yield* until(() => a.received.length === 2)
        expect(a.received.map(textOf).sort()).toEqual(["answer", "back"])
        expect([a.comm.diagnosis.connections(), b.comm.diagnosis.connections()]).toEqual([1, 1])
        expect(yield* a.metric("gossip_comm_messages_sent")).toBe(10)
        expect(yield* a.metric("gossip_comm_messages_received")).toBe(2)
        expect(yield* b.metric("gossip_comm_messages_received")).toBe(10)
        expect(yield* a.metric("gossip_comm_overflow_count")).toBe(0)
      })
    ))

  it("shake hands on a connection of its own that closes again", () =>
    run(
      Effect.gen(function* () {
        const shared = options()
        const a = yield* peer(shared)
        const b = yield* peer(shared)
        const identity = yield* a.comm.handshake({ endpoint: b.address, pkiId: new Uint8Array() })
        expect(compareBytes(identity, b.own.identity)).toBe(0)
        yield* until(() => b.comm.diagnosis.connections() === 0)
        expect(a.comm.diagnosis.connections()).toBe(0)
        const wrong = yield* Effect.flip(a.comm.handshake({ endpoint: b.address, pkiId: a.own.pkiId }))
        expect(wrong.message).toBe("PKI-ID of remote peer doesn't match expected PKI-ID")
      })
    ))
})

describe("connections", () => {
  const pair = (options: PeerOptions = {}) =>
    Effect.gen(function* () {
      const a = yield* peer(options)
      const b = yield* peer(options)
      return { a, b }
    })
  const connected = (a: TestPeer, b: TestPeer) =>
    Effect.gen(function* () {
      const before = b.received.length
      a.comm.send(unsigned(textMessage("hello")), [b.remote])
      yield* until(() => b.received.length > before)
    })

  it("are dialled once for many sends at once", () =>
    run(
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        for (let i = 0; i < 20; i++) a.comm.send(unsigned(textMessage(`${i}`)), [b.remote])
        expect(a.comm.diagnosis.dials()).toBe(1)
        yield* until(() => b.received.length === 20)
        expect(yield* b.server.connections).toBe(1)
      })
    ))

  it("survive both sides dialling at once: one stream remains and carries both ways", () =>
    run(
      Effect.gen(function* () {
        for (let round = 0; round < 5; round++) {
          const { a, b } = yield* pair()
          a.comm.send(unsigned(textMessage("from a")), [b.remote])
          b.comm.send(unsigned(textMessage("from b")), [a.remote])
          yield* until(() => a.comm.diagnosis.dials() + b.comm.diagnosis.dials() === 0)
          yield* untilEffect(Effect.zip(a.server.connections, b.server.connections), ([toA, toB]) => toA + toB === 1)
          expect([a.comm.diagnosis.connections(), b.comm.diagnosis.connections()]).toEqual([1, 1])
          const [before, after] = [a.received.length, b.received.length]
          a.comm.send(unsigned(textMessage("again")), [b.remote])
          b.comm.send(unsigned(textMessage("again")), [a.remote])
          yield* until(() => a.received.length > before && b.received.length > after)
          expect(a.dead.length + b.dead.length).toBe(0)
          yield* a.close
          yield* b.close
        }
      })
    ))

  it("give way to a new stream of the same PKI-ID, and outlive the end of the old one", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer()
        const own = identityOf("Org1MSP", "raw")
        const first = yield* joined(target, own)
        yield* until(() => target.comm.diagnosis.connections() === 1)
        const second = yield* joined(target, own)
        expect(yield* first.ending).toBe("")
        yield* second.send(unsigned(textMessage("still here")))
        yield* until(() => target.received.length === 1)
        target.comm.send(unsigned(textMessage("back")), [{ endpoint: "127.0.0.1:1", pkiId: own.pkiId }])
        const back = yield* second.receive
        expect(back === undefined ? "" : textOf(back)).toBe("back")
        expect(target.comm.diagnosis.connections()).toBe(1)
      })
    ))

  it("are closed on request, and dialled anew when needed", () =>
    run(
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        yield* connected(a, b)
        a.comm.closeConnection(b.own.pkiId)
        yield* until(() => b.comm.diagnosis.connections() === 0)
        expect(a.comm.diagnosis.connections()).toBe(0)
        yield* connected(b, a)
        expect(a.dead.length + b.dead.length).toBe(0)
        // From the accepting side as well: it ends the call with OK.
        a.comm.closeConnection(b.own.pkiId)
        yield* until(() => a.comm.diagnosis.connections() + b.comm.diagnosis.connections() === 0)
        yield* connected(a, b)
      })
    ))

  it("are closed when the remote's identity leaves the mapper", () =>
    run(
      Effect.gen(function* () {
        const trusted = new Set(["Org1MSP", "Org2MSP"])
        const a = yield* peer({ trusted })
        const b = yield* peer({ org: "Org2MSP" })
        yield* connected(a, b)
        trusted.delete("Org2MSP")
        a.identities.suspect(() => true)
        expect(a.identities.size).toBe(1)
        yield* until(() => a.comm.diagnosis.connections() + b.comm.diagnosis.connections() === 0)
      })
    ))

  it("are noticed to be gone; a peer that cannot be dialled is presumed dead", () =>
    run(
      Effect.gen(function* () {
        const { a, b } = yield* pair({ settings: { dialTimeoutMs: 200 } })
        yield* connected(a, b)
        yield* b.close
        yield* until(() => a.comm.diagnosis.connections() === 0)
        expect(a.dead).toHaveLength(0)
        a.comm.send(unsigned(textMessage("anyone?")), [b.remote])
        yield* until(() => a.dead.length === 1)
        expect(toHex(a.dead[0] ?? new Uint8Array())).toBe(toHex(b.own.pkiId))
        const failure = yield* Effect.flip(a.comm.probe(b.remote))
        expect(failure._tag).toBe("CommFailed")
        expect((yield* Effect.flip(a.comm.handshake(b.remote)))._tag).toBe("CommFailed")
        expect(a.comm.diagnosis.dials()).toBe(0)
      })
    ))

  it("take another identity in the same place for a change of identity, of another organisation for an intruder", () =>
    run(
      Effect.gen(function* () {
        const { a, b } = yield* pair()
        const former = identityOf("Org1MSP", "former")
        const foreign = identityOf("Org2MSP", "foreign")
        for (const known of [former, foreign]) a.identities.put(known.pkiId, known.identity)
        a.comm.send(unsigned(textMessage("x")), [{ endpoint: b.address, pkiId: former.pkiId }])
        yield* until(() => b.received.length === 1)
        expect(a.switched.map(toHex)).toEqual([toHex(former.pkiId)])
        a.comm.closeConnection(b.own.pkiId)
        yield* until(() => b.comm.diagnosis.connections() === 0)
        for (const id of [foreign.pkiId, sha256(utf8("nobody"))]) {
          a.comm.send(unsigned(textMessage("x")), [{ endpoint: b.address, pkiId: id }])
          yield* until(() => a.dead.some((dead) => compareBytes(dead, id) === 0))
        }
        expect(a.lines.join("\n")).toMatch(/authentication failure/)
        expect(a.switched).toHaveLength(1)
        expect(a.comm.diagnosis.connections()).toBe(0)
        expect(b.received).toHaveLength(1)
      })
    ))

  it("end an RPC with the reading error's text", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer()
        const garbage = yield* joined(target)
        yield* garbage.stream.send(Uint8Array.of(10, 99))
        expect(yield* garbage.ending).toMatch(/^Failed unmarshaling Envelope/)
        const inner = yield* joined(target)
        yield* inner.send({ ...unsigned({}), envelope: gossip.Envelope.create({ payload: Uint8Array.of(42, 99) }) })
        expect(yield* inner.ending).toMatch(/^Failed unmarshaling GossipMessage from envelope/)
        const done = yield* joined(target)
        yield* done.send(unsigned(textMessage("last words")))
        yield* done.stream.end
        expect(yield* done.ending).toBe("EOF")
        expect(target.received.map(textOf)).toEqual(["last words"])
        yield* until(() => target.comm.diagnosis.connections() === 0)
      })
    ))

  it("fail with a reason when there are no credentials to be had", () =>
    run(
      Effect.gen(function* () {
        const a = yield* peer({
          credentials: () => {
            throw new Error("the files are gone")
          }
        })
        const b = yield* peer()
        for (const attempt of [a.comm.probe(b.remote), a.comm.handshake(b.remote)]) {
          expect(yield* Effect.flip(attempt)).toMatchObject({ reason: "no credentials: the files are gone" })
        }
      })
    ))

  it("use new roots at the next dial", () =>
    run(
      Effect.gen(function* () {
        const tls = tlsOf()
        const roots: Array<Uint8Array> = []
        const clientCert = tls.client.certificate
        const a = yield* peer({
          tls,
          settings: { dialTimeoutMs: 500 },
          credentials: () => ({ rootCerts: [...roots], clientCert, clientKey: tls.client.key })
        })
        const b = yield* peer({ tls })
        a.comm.send(unsigned(textMessage("too early")), [b.remote])
        yield* until(() => a.dead.length === 1)
        roots.push(tls.authority.certificate)
        yield* connected(a, b)
      })
    ))
})

describe("acknowledged sends", () => {
  const noAck = { timeoutMs: 100, minimum: 1 }

  it("come back with the text of each acknowledgement", () =>
    run(
      Effect.gen(function* () {
        const a = yield* peer()
        const good = yield* peer()
        const bad = yield* peer()
        const mute = yield* peer()
        const nonces = new Set<bigint>()
        good.comm.subscribe(
          () => true,
          (m) => {
            nonces.add(m.message.nonce)
            m.ack()
          }
        )
        bad.comm.subscribe(
          () => true,
          (m) => m.ack("no room")
        )
        const all = [good.remote, bad.remote, mute.remote]
        const results = yield* a.comm.sendWithAck(textMessage("x", 7n), { timeoutMs: 500, minimum: 3 }, all)
        const byPeer = new Map(results.map(({ peer: { endpoint }, error }) => [endpoint, error]))
        expect(all.map(({ endpoint }) => byPeer.get(endpoint))).toEqual(["", "no room", "timed out"])
        // Nobody sees acknowledgements but the sender's own books.
        expect(a.received).toHaveLength(0)
        expect(a.comm.diagnosis.awaitedAcks()).toBe(0)
        yield* a.comm.sendWithAck(textMessage("x"), { timeoutMs: 500, minimum: 1 }, [good.remote])
        expect(nonces.size).toBe(2)
        expect(nonces.has(7n)).toBe(false)
      })
    ))

  it("end when enough have answered, and go out to the others all the same", () =>
    run(
      Effect.gen(function* () {
        const a = yield* peer()
        const quick = yield* peer()
        const mute = yield* peer()
        quick.comm.subscribe(
          () => true,
          (m) => m.ack()
        )
        const send = a.comm.sendWithAck(textMessage("x"), { timeoutMs: 5000, minimum: 1 }, [mute.remote, quick.remote])
        const results = yield* Effect.timeout(send, "3 seconds")
        expect(results).toEqual([{ peer: quick.remote, error: "" }])
        yield* until(() => mute.received.length === 1)
        // None wanted: the first failure ends the wait, as in the reference.
        const none = yield* a.comm.sendWithAck(textMessage("x"), { timeoutMs: 50, minimum: 0 }, [mute.remote])
        expect(none.map(({ error }) => error)).toEqual(["timed out"])
        expect(yield* a.comm.sendWithAck(textMessage("x"), { timeoutMs: 50, minimum: 0 }, [])).toEqual([])
      })
    ))

  it("count only the right nonce from the right peer, once", () =>
    run(
      Effect.gen(function* () {
        const a = yield* peer()
        const own = identityOf("Org1MSP", "raw")
        const other = yield* joined(a)
        const client = yield* joined(a, own)
        const remote = { endpoint: "127.0.0.1:1", pkiId: own.pkiId }
        yield* until(() => a.comm.diagnosis.connections() === 2)
        const sending = yield* Effect.fork(
          a.comm.sendWithAck(textMessage("x"), { timeoutMs: 300, minimum: 1 }, [remote])
        )
        const asked = yield* client.receive
        const nonce = asked?.message.nonce ?? 0n
        yield* other.send(ackMessage(nonce))
        yield* client.send(ackMessage(nonce + 1n))
        expect(yield* sending.await).toMatchObject({ value: [{ error: "timed out" }] })
        yield* client.send(ackMessage(nonce))
        yield* client.send(ackMessage(nonce, "again"))
        const next = yield* Effect.fork(a.comm.sendWithAck(textMessage("y"), { timeoutMs: 2000, minimum: 1 }, [remote]))
        const second = yield* client.receive
        expect(second?.message.nonce).not.toBe(nonce)
        yield* client.send(ackMessage(second?.message.nonce ?? 0n))
        yield* client.send(ackMessage(second?.message.nonce ?? 0n, "too late"))
        expect(yield* next.await).toMatchObject({ value: [{ error: "" }] })
        expect(a.received).toHaveLength(0)
      })
    ))

  it("fail for peers that cannot be reached", () =>
    run(
      Effect.gen(function* () {
        const a = yield* peer({ settings: { dialTimeoutMs: 50 } })
        const remote = { endpoint: "127.0.0.1:1", pkiId: sha256(utf8("gone")) }
        const [result] = yield* a.comm.sendWithAck(textMessage("x"), { ...noAck, timeoutMs: 3000 }, [remote])
        expect(result?.error).not.toBe("")
        yield* a.close
        const [stopped] = yield* a.comm.sendWithAck(textMessage("x"), noAck, [remote])
        expect(stopped?.error).toBe("comm is stopping")
      })
    ))
})

describe("subscribers", () => {
  it("hold back their stream, and only theirs", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer({ settings: { recvBuffSize: 2 } })
        const gate = yield* Deferred.make<void>()
        const slow = identityOf("Org1MSP", "slow")
        const isSlow = (id: Uint8Array) => compareBytes(id, slow.pkiId) === 0
        const handled: Array<string> = []
        target.comm.subscribe(
          ({ connection }) => isSlow(connection.pkiId),
          (m) =>
            Effect.as(Deferred.await(gate), undefined).pipe(
              Effect.tap(() => Effect.sync(() => handled.push(textOf(m))))
            )
        )
        const slowClient = yield* joined(target, slow)
        const quickClient = yield* joined(target)
        for (let i = 0; i < 5; i++) yield* slowClient.send(unsigned(textMessage(`${i}`)))
        for (let i = 0; i < 5; i++) yield* quickClient.send(unsigned(textMessage("q")))
        yield* until(() => target.received.filter(({ connection }) => !isSlow(connection.pkiId)).length === 5)
        expect(target.received.filter(({ connection }) => isSlow(connection.pkiId))).toHaveLength(1)
        yield* Deferred.succeed(gate, undefined)
        yield* until(() => handled.length === 5)
        expect(handled).toEqual([..."01234"])
      })
    ))

  it("hear a remote that says no more to its last message, while nothing is sent to it any more", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer()
        const gate = yield* Deferred.make<void>()
        const handled: Array<string> = []
        target.comm.subscribe(
          () => true,
          (m) => Effect.tap(Deferred.await(gate), () => Effect.sync(() => handled.push(textOf(m))))
        )
        const client = yield* joined(target)
        for (const text of ["1", "2", "3"]) yield* client.send(unsigned(textMessage(text)))
        yield* until(() => target.received.length === 1)
        expect(target.comm.diagnosis.connections()).toBe(1)
        yield* client.stream.end
        yield* until(() => target.comm.diagnosis.connections() === 0)
        expect(handled).toEqual([])
        yield* Deferred.succeed(gate, undefined)
        expect(yield* client.ending).toBe("EOF")
        expect(handled).toEqual(["1", "2", "3"])
        expect(target.dead).toHaveLength(0)
      })
    ))

  it("harm nobody when they fail, and hear no more once they have left", () =>
    run(
      Effect.gen(function* () {
        const target = yield* peer()
        target.comm.subscribe(
          () => {
            throw new Error("boom")
          },
          () => {}
        )
        target.comm.subscribe(
          () => true,
          () => Effect.die(new Error("boom"))
        )
        let heard = 0
        const leave = target.comm.subscribe(
          () => true,
          () => {
            heard += 1
          }
        )
        const client = yield* joined(target)
        yield* client.send(unsigned(textMessage("1")))
        yield* until(() => target.received.length === 1)
        leave()
        yield* client.send(unsigned(textMessage("2")))
        yield* until(() => target.received.length === 2)
        expect(heard).toBe(1)
      })
    ))
})

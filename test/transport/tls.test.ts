/** TLS variants with real handshakes: versions, client certificates, reloads, expired material. */
import { once } from "node:events"
import * as http2 from "node:http2"
import * as tls from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ServerTls } from "../../src/transport/tls.js"
import { type Authority, authority, type Pair } from "./material.js"
import { bytes, connect, Echo, type Node, node, text, until } from "./support.js"

const ca = authority("ca.org1")
const otherCa = authority("ca.org2")
const server = ca.issue("peer0.org1", { dns: ["localhost", "peer0.org1"] })
const client = ca.issue("user1")
const stranger = otherCa.issue("user2")

const roots = (...authorities: ReadonlyArray<Authority>) => authorities.map((each) => each.certificate)
const shows = ({ certificate, key }: Pair) => ({ clientCert: certificate, clientKey: key })

/** A TLS node that answers with the hex of the certificate it saw. */
const tlsNode = (options: Partial<ServerTls> = {}) =>
  Effect.gen(function* () {
    const target = yield* node({
      tls: { ...server, requireClientCert: false, clientRootCAs: [], ...options },
      connectionTimeout: "300 millis"
    })
    yield* target.server.addService(Echo, {
      Unary: (_, call) =>
        Effect.succeed(
          call.clientCertificateDer === undefined
            ? bytes("none")
            : bytes(Buffer.from(call.clientCertificateDer).toString("hex"))
        )
    })
    yield* target.server.serve
    return target
  })

const seen = (target: Node, tlsOptions: Parameters<typeof connect>[1]) =>
  Effect.scoped(
    connect(target, tlsOptions).pipe(
      Effect.flatMap((channel) => channel.unary(Echo.methods.Unary, bytes(""), { deadline: "3 seconds" })),
      Effect.map(text)
    )
  )
const hexOf = (pair: Pair): string => Buffer.from(pair.der).toString("hex")

/** A bare handshake; the negotiated protocol, or the error. */
const handshake = (target: Node, options: tls.ConnectionOptions): Effect.Effect<string> =>
  Effect.async((resume) => {
    const socket = tls.connect({
      host: "127.0.0.1",
      port: target.server.port,
      ca: ca.certificate.toString(),
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
      ...options
    })
    socket.once("secureConnect", () => resume(Effect.succeed(`${socket.getProtocol()} ${socket.getCipher().name}`)))
    socket.once("error", (error) => resume(Effect.succeed(`error ${error.message}`)))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.map(String))

describe("server certificates", () => {
  it.scopedLive("are verified against the given roots and the host", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode()
      assert.strictEqual(yield* seen(target, { tls: { rootCerts: roots(ca) } }), "none")
      const unknown = yield* Effect.flip(seen(target, { tls: { rootCerts: roots(otherCa) } }))
      assert.deepInclude(unknown, { _tag: "ConnectFailed", timedOut: false })
      assert.include(unknown.message, "authentication handshake failed: x509: certificate signed by unknown authority")
      const nobody = yield* Effect.flip(seen(target, { tls: { rootCerts: [] } }))
      assert.include(nobody.message, "x509: certificate signed by unknown authority")
      const named = { rootCerts: roots(ca), serverNameOverride: "peer0.org1" }
      assert.strictEqual(yield* seen(target, { tls: named }), "none")
      const misnamed = yield* Effect.flip(seen(target, { tls: { ...named, serverNameOverride: "peer9.org1" } }))
      assert.include(misnamed.message, "peer9.org1")
    })
  )

  it.scopedLive("a plain client of a TLS server and a TLS client of a plain server fail", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode()
      const plain = yield* Effect.flip(connect(target, { connectTimeout: "500 millis" }).pipe(Effect.scoped))
      assert.strictEqual(plain._tag, "ConnectFailed")
      const open = yield* node({ connectionTimeout: "300 millis" })
      yield* open.server.serve
      const secure = yield* Effect.flip(
        connect(open, { tls: { rootCerts: roots(ca) }, connectTimeout: "500 millis" }).pipe(Effect.scoped)
      )
      assert.strictEqual(secure._tag, "ConnectFailed")
    })
  )

  it.scopedLive("are bad material at the start", () =>
    Effect.gen(function* () {
      const bad = (pair: Partial<Pair>) =>
        Effect.flip(node({ tls: { ...server, ...pair, requireClientCert: false, clientRootCAs: [] } }))
      assert.include(String(yield* bad({ key: client.key })), "private key does not match public key")
      assert.include(String(yield* bad({ certificate: bytes("no PEM") })), "failed to find any PEM data")
      const roots = yield* Effect.flip(
        node({
          tls: {
            ...server,
            requireClientCert: true,
            clientRootCAs: [bytes("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
          }
        })
      )
      assert.include(String(roots), "client root CAs")
    })
  )

  it.scopedLive("expired ones pass a client that looks back", () =>
    Effect.gen(function* () {
      const expired = ca.issue("old", { notBefore: Date.now() - 3_000_000, notAfter: Date.now() - 1_000_000 })
      const target = yield* tlsNode(expired)
      const refused = yield* Effect.flip(seen(target, { tls: { rootCerts: roots(ca) } }))
      assert.include(refused.message, "x509: certificate has expired or is not yet valid")
      const timeShift = Duration.minutes(30)
      assert.strictEqual(yield* seen(target, { tls: { rootCerts: roots(ca), timeShift } }), "none")
      const unknown = yield* Effect.flip(seen(target, { tls: { rootCerts: roots(otherCa), timeShift } }))
      assert.include(unknown.message, "unknown authority")
      const misnamed = yield* Effect.flip(
        seen(target, { tls: { rootCerts: roots(ca), timeShift, serverNameOverride: "peer9" } })
      )
      assert.include(misnamed.message, "peer9")
    })
  )
})

describe("protocol", () => {
  it.scopedLive("is TLS 1.2 with the reference's suites, also after every reload", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode({ requireClientCert: true, clientRootCAs: roots(ca) })
      const pair = { cert: Buffer.from(client.certificate), key: Buffer.from(client.key) }
      const check = Effect.gen(function* () {
        assert.match(yield* handshake(target, pair), /^TLSv1\.2 ECDHE-ECDSA-AES(128|256)-GCM/)
        assert.match(yield* handshake(target, { ...pair, minVersion: "TLSv1.3" }), /^error/)
        assert.match(
          yield* handshake(target, {
            ...pair,
            minVersion: "TLSv1",
            maxVersion: "TLSv1.1",
            ciphers: "DEFAULT@SECLEVEL=0"
          }),
          /^error/
        )
        assert.match(
          yield* handshake(target, { ...pair, maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA" }),
          /^error/
        )
      })
      yield* check
      yield* target.server.setClientRootCAs(roots(ca, otherCa))
      yield* check
      yield* target.server.reloadServerCert(ca.issue("peer0.org1"))
      yield* check
    })
  )

  it.scopedLive("TLS 1.3 only when asked for", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode({ maxVersion: "TLSv1.3" })
      assert.match(yield* handshake(target, {}), /^TLSv1\.3/)
      assert.strictEqual(yield* seen(target, { tls: { rootCerts: roots(ca) } }), "none")
    })
  )

  it.scopedLive("no session tickets", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode()
      const socket = tls.connect({
        host: "127.0.0.1",
        port: target.server.port,
        rejectUnauthorized: false,
        ALPNProtocols: ["h2"]
      })
      yield* Effect.promise(() => once(socket, "secureConnect"))
      assert.isUndefined(socket.getTLSTicket())
      socket.destroy()
    })
  )

  it.scopedLive("serves clients that negotiate no protocol", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode()
      const session = http2.connect("https://localhost", {
        createConnection: () => tls.connect({ host: "127.0.0.1", port: target.server.port, rejectUnauthorized: false })
      })
      session.on("error", () => {})
      const request = session.request({
        ":path": "/test.Echo/Unary",
        ":method": "POST",
        "content-type": "application/grpc"
      })
      request.on("error", () => {})
      request.end(Buffer.from([0, 0, 0, 0, 0]))
      const [headers] = yield* Effect.promise(() => once(request, "response"))
      assert.strictEqual(headers[":status"], 200)
      session.destroy()
    })
  )
})

describe("client certificates", () => {
  it.scopedLive("are asked for and not verified without mutual TLS", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode()
      assert.isTrue(target.server.tlsEnabled)
      assert.isFalse(target.server.mutualTls)
      const options = { rootCerts: roots(ca) }
      assert.strictEqual(yield* seen(target, { tls: options }), "none")
      assert.strictEqual(yield* seen(target, { tls: { ...options, ...shows(client) } }), hexOf(client))
      assert.strictEqual(yield* seen(target, { tls: { ...options, ...shows(stranger) } }), hexOf(stranger))
      const expired = otherCa.issue("old", { notAfter: Date.now() - 1000 })
      assert.strictEqual(yield* seen(target, { tls: { ...options, ...shows(expired) } }), hexOf(expired))
      assert.match(
        target.lines.find((line) => line.includes("grpc.peer_subject")) ?? "",
        /grpc\.peer_subject="?CN=user1,L=San Francisco,C=US/
      )
    })
  )

  it.scopedLive("are verified under mutual TLS, against roots that change at run time", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode({ requireClientCert: true, clientRootCAs: roots(ca) })
      assert.isTrue(target.server.mutualTls)
      const options = { rootCerts: roots(ca) }
      const bare = yield* Effect.flip(seen(target, { tls: options }))
      assert.include(bare.message, "authentication handshake failed: remote error: tls: handshake failure")
      const admitted = (pair: Pair | undefined) =>
        seen(target, {
          tls: { ...options, ...(pair === undefined ? {} : shows(pair)) },
          connectTimeout: "1 second"
        }).pipe(
          Effect.map((hex) => hex !== "none"),
          Effect.orElseSucceed(() => false)
        )
      assert.isTrue(yield* admitted(client))
      assert.isFalse(yield* admitted(undefined))
      assert.isFalse(yield* admitted(stranger))
      yield* until(() => target.lines.some((line) => line.includes("Server TLS handshake failed")))
      yield* target.server.setClientRootCAs(roots(ca, otherCa))
      assert.isTrue(yield* admitted(stranger))
      assert.isTrue(yield* admitted(client))
      yield* target.server.setClientRootCAs(roots(otherCa))
      assert.isFalse(yield* admitted(client))
      // Nobody trusted means nobody, not the public roots.
      yield* target.server.setClientRootCAs([])
      assert.isFalse(yield* admitted(client))
      assert.isFalse(yield* admitted(stranger))
      const bad = yield* Effect.flip(
        target.server.setClientRootCAs([bytes("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")])
      )
      assert.include(bad.message, "Failed to set client root certificate(s): ")
    })
  )

  it.scopedLive("expired ones pass with a time shift, unknown ones do not", () =>
    Effect.gen(function* () {
      const old = { notBefore: Date.now() - 3_000_000, notAfter: Date.now() - 1_000_000 }
      const admitted = (target: Node, pair: Pair) =>
        seen(target, { tls: { rootCerts: roots(ca), ...shows(pair) }, connectTimeout: "1 second" }).pipe(
          Effect.map((hex) => hex === hexOf(pair)),
          Effect.orElseSucceed(() => false)
        )
      const strict = yield* tlsNode({ requireClientCert: true, clientRootCAs: roots(ca) })
      assert.isFalse(yield* admitted(strict, ca.issue("old", old)))
      const shifted = yield* tlsNode({
        requireClientCert: true,
        clientRootCAs: roots(ca),
        timeShift: Duration.minutes(30)
      })
      assert.isTrue(yield* admitted(shifted, ca.issue("old", old)))
      assert.isTrue(yield* admitted(shifted, client))
      assert.isFalse(yield* admitted(shifted, otherCa.issue("old", old)))
      const mute = yield* Effect.flip(seen(shifted, { tls: { rootCerts: roots(ca) }, connectTimeout: "1 second" }))
      assert.isDefined(mute)
    })
  )

  it.scopedLive("a new server certificate serves new handshakes, open connections stay", () =>
    Effect.gen(function* () {
      const target = yield* tlsNode()
      const tlsOptions = { tls: { rootCerts: roots(ca) } }
      const before = yield* connect(target, tlsOptions)
      const next = ca.issue("peer0.org1")
      yield* target.server.reloadServerCert(next)
      const after = yield* connect(target, tlsOptions)
      assert.deepStrictEqual(yield* before.serverCertificateDer, new Uint8Array(server.der))
      assert.deepStrictEqual(yield* after.serverCertificateDer, new Uint8Array(next.der))
      assert.strictEqual(text(yield* before.unary(Echo.methods.Unary, bytes(""))), "none")
      const bad = yield* Effect.flip(target.server.reloadServerCert({ certificate: next.certificate, key: client.key }))
      assert.include(bad.message, "does not match")
    })
  )
})

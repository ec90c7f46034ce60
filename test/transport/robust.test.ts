/** What hostile, slow or dying peers do to a server: nothing but what they are due. */
import { once } from "node:events"
import * as http2 from "node:http2"
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { connect as connectTo } from "../../src/transport/GrpcClient.js"
import { rawHandler } from "../../src/transport/handlers.js"
import { Code } from "../../src/transport/status.js"
import { makeThrottle } from "../../src/transport/Throttle.js"
import { authority } from "./material.js"
import { bytes, connect, Echo, node, page, text, until, untilEffect } from "./support.js"

const mib = 1024 * 1024

/** A raw HTTP/2 session that ends with the scope. */
const rawSession = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const session = http2.connect(`http://127.0.0.1:${port}`)
      session.on("error", () => {})
      return session
    }),
    (session) => Effect.sync(() => session.destroy())
  )
const grpcRequest = (session: http2.ClientHttp2Session, path: string): http2.ClientHttp2Stream => {
  const request = session.request({
    ":path": path,
    ":method": "POST",
    "content-type": "application/grpc",
    te: "trailers"
  })
  request.on("error", () => {})
  return request
}
const frame = (size: number, announced = size): Buffer => {
  const message = Buffer.alloc(5 + size)
  message.writeUInt32BE(announced, 1)
  return message
}

describe("sizes", () => {
  it.scopedLive("large messages pass, oversized ones are refused in both directions", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, {
        Unary: (request) => Effect.succeed(request.length === 1 ? new Uint8Array(100 * mib + 1) : request)
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      assert.strictEqual((yield* channel.unary(Echo.methods.Unary, new Uint8Array(20 * mib))).length, 20 * mib)
      const answer = yield* Effect.flip(channel.unary(Echo.methods.Unary, bytes("x")))
      assert.deepInclude(answer, {
        code: Code.ResourceExhausted,
        details: `grpc: trying to send message larger than max (${100 * mib + 1} vs. ${100 * mib})`
      })
      // A client without our own limit announces too much.
      const session = yield* rawSession(target.server.port)
      const request = grpcRequest(session, Echo.methods.Unary.path)
      request.write(frame(10, 100 * mib + 1))
      const [headers] = yield* Effect.promise(() => once(request, "response"))
      assert.strictEqual(headers["grpc-status"], String(Code.ResourceExhausted))
      assert.strictEqual((yield* channel.unary(Echo.methods.Unary, bytes("alive"))).length, 5)
    })
  )

  it.scopedLive("garbage instead of a message ends the call, not the server", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, { Unary: (request) => Effect.succeed(request) })
      yield* target.server.serve
      const session = yield* rawSession(target.server.port)
      const compressed = frame(10)
      compressed[0] = 1
      for (const body of [compressed, Buffer.from([0, 0]), Buffer.alloc(0)]) {
        const request = grpcRequest(session, Echo.methods.Unary.path)
        request.end(body)
        const [headers] = yield* Effect.promise(() => once(request, "response"))
        assert.notStrictEqual(headers["grpc-status"], "0")
      }
      const odd = session.request({ ":path": "/", ":method": "GET" })
      odd.on("error", () => {})
      const [headers] = yield* Effect.promise(() => once(odd, "response"))
      assert.strictEqual(headers[":status"], 415)
      for (const timeout of ["", "99999999H", "abc", "-1S", "\u00001m"]) {
        const late = session.request({
          ":path": Echo.methods.Unary.path,
          ":method": "POST",
          "content-type": "application/grpc",
          ...(timeout.includes("\u0000") ? {} : { "grpc-timeout": timeout })
        })
        late.on("error", () => {})
        late.end(frame(3))
        yield* Effect.promise(() => once(late, "response"))
      }
      const channel = yield* connect(target)
      assert.strictEqual(text(yield* channel.unary(Echo.methods.Unary, bytes("alive"))), "alive")
    })
  )
})

describe("slow readers", () => {
  it.scopedLive("a client that does not read stops the sender, memory stays bounded", () =>
    Effect.gen(function* () {
      const target = yield* node()
      let sent = 0
      yield* target.server.addService(Echo, {
        Stream: (_, out) =>
          Effect.forever(
            Effect.zipRight(
              out.send(new Uint8Array(64 * 1024)),
              Effect.sync(() => (sent += 1))
            )
          )
      })
      yield* target.server.serve
      const session = yield* rawSession(target.server.port)
      const request = grpcRequest(session, Echo.methods.Stream.path)
      request.end(frame(0))
      yield* Effect.promise(() => once(request, "response"))
      request.pause()
      yield* Effect.sleep("150 millis")
      const before = sent
      assert.isBelow(before, 64)
      yield* Effect.sleep("100 millis")
      assert.strictEqual(sent, before)
      request.resume()
      yield* until(() => sent > before + 100)
      session.destroy()
      yield* until(() => target.lines.some((line) => line.includes("grpc.code=Canceled")))
    })
  )

  it.scopedLive("a handler that does not pull stops the client", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const go = yield* Deferred.make<void>()
      let pulled = 0
      yield* target.server.addService(Echo, {
        Bidi: (incoming) =>
          Effect.zipRight(
            Deferred.await(go),
            Effect.whileLoop({
              while: () => pulled < 200,
              body: () => incoming.next,
              step: () => {
                pulled += 1
              }
            })
          )
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      let sent = 0
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.zipRight(
            stream.send(new Uint8Array(64 * 1024)),
            Effect.sync(() => (sent += 1))
          )
        )
      )
      yield* Effect.sleep("150 millis")
      const before = sent
      assert.isBelow(before, 80)
      yield* Effect.sleep("100 millis")
      assert.strictEqual(sent, before)
      yield* Deferred.succeed(go, undefined)
      assert.isUndefined(yield* stream.next)
      assert.strictEqual(pulled, 200)
    })
  )

  it.scopedLive("one stalled stream does not stall its neighbours", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, {
        Unary: (request) => Effect.succeed(request),
        Bidi: () => Effect.never
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      yield* Effect.forkScoped(Effect.forever(stream.send(new Uint8Array(64 * 1024))))
      yield* Effect.sleep("100 millis")
      const big = yield* channel.unary(Echo.methods.Unary, new Uint8Array(2 * mib), { deadline: "5 seconds" })
      assert.strictEqual(big.length, 2 * mib)
    })
  )
})

describe("connections", () => {
  const silent = (port: number) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const socket = net.connect(port, "127.0.0.1")
        socket.on("error", () => {})
        return socket
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
  const closed = (socket: net.Socket) =>
    Effect.promise(() => (socket.closed ? Promise.resolve([]) : once(socket, "close")))

  it.scopedLive("that say nothing, or too little, are closed in time; others stay", () =>
    Effect.gen(function* () {
      const ca = authority("ca")
      const plain = yield* node({ connectionTimeout: "150 millis" })
      const secure = yield* node({
        connectionTimeout: "150 millis",
        tls: { ...ca.issue("server"), requireClientCert: false, clientRootCAs: [] }
      })
      yield* plain.server.serve
      yield* secure.server.serve
      const idle = yield* connect(plain)
      const mute = yield* silent(plain.server.port)
      const short = yield* silent(plain.server.port)
      short.write("PRI * HTTP/2.0\r\n")
      const garbage = yield* silent(plain.server.port)
      garbage.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      const muteTls = yield* silent(secure.server.port)
      const garbageTls = yield* silent(secure.server.port)
      garbageTls.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      for (const socket of [mute, short, garbage, muteTls, garbageTls]) socket.resume()
      yield* Effect.all([mute, short, garbage, muteTls, garbageTls].map(closed))
      yield* untilEffect(plain.server.connections, (open) => open === 1)
      assert.isTrue(secure.lines.some((line) => line.includes("Server TLS handshake failed")))
      const failure = yield* Effect.flip(idle.unary(Echo.methods.Unary, bytes("")))
      assert.strictEqual(failure.code, Code.Unimplemented)
    })
  )

  it.scopedLive("that stop answering pings are cut", () =>
    Effect.gen(function* () {
      const target = yield* node({ keepalive: { interval: "100 millis", timeout: "100 millis" } })
      yield* target.server.serve
      const socket = yield* silent(target.server.port)
      socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
      socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]))
      socket.resume()
      yield* closed(socket)
      const metrics = yield* page(target)
      assert.include(metrics, "grpc_comm_conn_opened 1")
      yield* Effect.iterate("", {
        while: (body) => !body.includes("grpc_comm_conn_closed 1"),
        body: () => page(target)
      })
    })
  )

  it.scopedLive("are limited in number when asked", () =>
    Effect.gen(function* () {
      const target = yield* node({ maxConnections: 1 })
      yield* target.server.serve
      yield* connect(target)
      const socket = yield* silent(target.server.port)
      socket.resume()
      yield* closed(socket)
      assert.isTrue(target.lines.some((line) => line.includes("too many connections")))
    })
  )

  it.scopedLive("addresses that cannot be bound fail in Go's words", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const taken = yield* Effect.flip(node({ address: target.server.address }))
      assert.strictEqual(String(taken), `BindFailed: listen tcp ${target.server.address}: bind: address already in use`)
      const portless = yield* Effect.flip(node({ address: "127.0.0.1" }))
      assert.include(String(portless), "listen tcp 127.0.0.1: address 127.0.0.1: missing port in address")
    })
  )

  it.scopedLive("refused ones fail at once, patient clients wait until their time is up", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.close
      const refused = yield* Effect.flip(Effect.scoped(connect(target)))
      assert.include(refused.message, "failed to create new connection: connection error")
      assert.include(refused.message, "connect: connection refused")
      const late = yield* Effect.flip(Effect.scoped(connect(target, { patient: true, connectTimeout: "200 millis" })))
      assert.deepInclude(late, { timedOut: true })
      assert.include(late.message, "failed to create new connection: context deadline exceeded")
    })
  )
})

describe("the client's connection", () => {
  it.scopedLive("tells of its loss; reconnects unless told not to", () =>
    Effect.gen(function* () {
      const first = yield* node()
      yield* first.server.serve
      const once = yield* connect(first, { reconnect: false })
      const again = yield* connect(first, { reconnect: { initial: "50 millis", max: "50 millis" } })
      yield* first.close
      yield* once.lost
      yield* again.lost
      const second = yield* node({ address: first.server.address })
      yield* second.server.addService(Echo, { Unary: (request) => Effect.succeed(request) })
      yield* second.server.serve
      const answer = yield* again
        .unary(Echo.methods.Unary, bytes("x"))
        .pipe(Effect.retry({ times: 200, while: () => true }))
      assert.strictEqual(text(answer), "x")
      const gone = yield* Effect.flip(once.unary(Echo.methods.Unary, bytes("x")))
      assert.strictEqual(gone.code, Code.Unavailable)
      const stream = yield* once.bidi(Echo.methods.Bidi)
      assert.strictEqual((yield* Effect.flip(stream.next)).code, Code.Unavailable)
    })
  )
})

describe("cancellation", () => {
  it.scopedLive("reaches a handler that is not reading", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const rawEnded = yield* Deferred.make<void>()
      yield* target.server.addService(Echo, {
        Bidi: () =>
          Deferred.succeed(begun, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
          ),
        Stream: rawHandler(() => ({
          message: () => {},
          halfClosed: () => {},
          closed: () => Deferred.unsafeDone(rawEnded, Effect.void)
        }))
      })
      yield* target.server.serve
      const session = yield* rawSession(target.server.port)
      const request = grpcRequest(session, Echo.methods.Bidi.path)
      request.write(frame(60_000))
      request.write(frame(60_000))
      yield* Deferred.await(begun)
      const raw = grpcRequest(session, Echo.methods.Stream.path)
      raw.write(frame(60_000))
      yield* Effect.sleep("20 millis")
      request.close(http2.constants.NGHTTP2_CANCEL)
      raw.close(http2.constants.NGHTTP2_CANCEL)
      yield* Deferred.await(ended)
      yield* Deferred.await(rawEnded)
    })
  )

  it.scopedLive("a connection that breaks cancels its calls", () =>
    Effect.gen(function* () {
      const target = yield* node()
      let running = 0
      yield* target.server.addService(Echo, {
        Bidi: () =>
          Effect.acquireUseRelease(
            Effect.sync(() => (running += 1)),
            () => Effect.never,
            () => Effect.sync(() => (running -= 1))
          )
      })
      yield* target.server.serve
      const session = yield* rawSession(target.server.port)
      for (let i = 0; i < 10; i += 1) grpcRequest(session, Echo.methods.Bidi.path).write(frame(10))
      yield* until(() => running === 10)
      session.destroy()
      yield* until(() => running === 0)
    })
  )
})

describe("the throttle", () => {
  it("hands out slots in order of arrival and forgets who left", async () => {
    const throttle = makeThrottle(2)
    const granted: Array<string> = []
    const enter = (name: string) => throttle.acquire(() => granted.push(name))
    const a = enter("a")
    enter("b")
    const c = enter("c")
    enter("d")
    assert.deepStrictEqual(granted, ["a", "b"])
    c()
    a()
    a()
    await Promise.resolve()
    assert.deepStrictEqual(granted, ["a", "b", "d"])
    assert.deepInclude({ inUse: throttle.inUse, waiting: throttle.waiting }, { inUse: 2, waiting: 0 })
    assert.throws(() => makeThrottle(0))
  })

  it.scopedLive("is shared by servers, streams keep their slot, waiting calls may give up", () =>
    Effect.gen(function* () {
      const throttle = makeThrottle(2)
      const one = yield* node({ throttle })
      const two = yield* node({ throttle })
      const service = {
        Unary: (request: Uint8Array) => Effect.succeed(request),
        Bidi: (incoming: { readonly next: Effect.Effect<Uint8Array | undefined> }) => Effect.asVoid(incoming.next)
      }
      for (const target of [one, two]) {
        yield* target.server.addService(Echo, service)
        yield* target.server.serve
      }
      const first = yield* connect(one)
      const second = yield* connect(two)
      const held = yield* first.bidi(Echo.methods.Bidi)
      yield* second.bidi(Echo.methods.Bidi)
      yield* until(() => throttle.inUse === 2)
      const failure = yield* Effect.flip(first.unary(Echo.methods.Unary, bytes("x"), { deadline: "100 millis" }))
      assert.strictEqual(failure.code, Code.DeadlineExceeded)
      yield* until(() => throttle.waiting === 0)
      const waiting = yield* Effect.fork(second.unary(Echo.methods.Unary, bytes("y")))
      yield* until(() => throttle.waiting === 1)
      yield* held.end
      assert.strictEqual(text(yield* Fiber.join(waiting)), "y")
      yield* until(() => throttle.inUse === 1)
    })
  )
})

describe("stopping", () => {
  it.scopedLive(
    "calls under way are interrupted and told, hanging clients are cut, and it takes no longer than it should",
    () =>
      Effect.gen(function* () {
        const target = yield* node({ stopGrace: "300 millis" })
        const services = yield* Scope.make()
        let interrupted = 0
        yield* Scope.extend(
          target.server.addService(Echo, {
            Bidi: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted += 1))),
            Stream: (_, out) => Effect.forever(out.send(new Uint8Array(64 * 1024)))
          }),
          services
        )
        const listening = yield* Scope.make()
        yield* Scope.extend(target.server.serve, listening)
        const channel = yield* connect(target)
        const stream = yield* channel.bidi(Echo.methods.Bidi)
        yield* stream.send(bytes("x"))
        const session = yield* rawSession(target.server.port)
        const hanging = grpcRequest(session, Echo.methods.Stream.path)
        hanging.end(frame(0))
        yield* Effect.promise(() => once(hanging, "response"))
        hanging.pause()
        yield* Effect.sleep("20 millis")

        const start = performance.now()
        yield* Scope.close(listening, Exit.void)
        const refused = yield* Effect.flip(Effect.scoped(connectTo(target.server.address)))
        assert.include(refused.message, "connection refused")
        assert.strictEqual(interrupted, 0)
        yield* Scope.close(services, Exit.void)
        assert.strictEqual(interrupted, 1)
        const told = yield* Effect.flip(stream.next)
        assert.deepInclude(told, { code: Code.Unavailable, details: "transport is closing" })
        yield* target.close
        assert.isBelow(performance.now() - start, 1500)
        assert.strictEqual(yield* target.server.connections, 0)
      })
  )

  it.scopedLive("a handler that will not be interrupted does not hold the node", () =>
    Effect.gen(function* () {
      const target = yield* node({ stopGrace: "100 millis", handlerGrace: "200 millis" })
      const services = yield* Scope.make()
      const begun = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      yield* Scope.extend(
        target.server.addService(Echo, {
          Unary: () =>
            Effect.uninterruptible(
              Effect.zipRight(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(go), new Uint8Array()))
            )
        }),
        services
      )
      yield* target.server.serve
      const channel = yield* connect(target)
      yield* Effect.forkScoped(Effect.ignore(channel.unary(Echo.methods.Unary, bytes(""))))
      yield* Deferred.await(begun)
      const start = performance.now()
      yield* Scope.close(services, Exit.void)
      assert.isBelow(performance.now() - start, 2000)
      yield* Deferred.succeed(go, undefined)
    })
  )
})

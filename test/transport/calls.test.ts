/** Calls over plain text: shapes, statuses, order, metrics, access log. */
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { GrpcFailure } from "../../src/transport/errors.js"
import { rawHandler } from "../../src/transport/handlers.js"
import { pipelined } from "../../src/transport/pipelined.js"
import { Code } from "../../src/transport/status.js"
import { bytes, connect, Echo, node, page, text, until } from "./support.js"

class Boom extends Data.TaggedError("Boom")<{ readonly what: string }> {
  override get message() {
    return `went off: ${this.what}`
  }
}

const echoing = {
  Unary: (request: Uint8Array) => Effect.succeed(request)
}

describe("unary calls", () => {
  it.scopedLive("answers with bytes", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, echoing)
      yield* target.server.serve
      const channel = yield* connect(target)
      const answer = yield* channel.unary(Echo.methods.Unary, bytes("hello"))
      assert.strictEqual(text(answer), "hello")
      const empty = yield* channel.unary(Echo.methods.Unary, new Uint8Array())
      assert.strictEqual(empty.length, 0)
    })
  )

  it.scopedLive("maps failures to statuses", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, {
        Unary: (request) => {
          switch (text(request)) {
            case "grpc":
              return Effect.fail(new GrpcFailure({ code: Code.InvalidArgument, details: "bad é ☃" }))
            case "tagged":
              return Effect.fail(new Boom({ what: "bomb" }))
            case "surrogate":
              return Effect.fail(new Error("half \ud800 pair"))
            case "long":
              return Effect.fail(new Error("x".repeat(100_000)))
            case "string":
              return Effect.fail("only text")
            default:
              return Effect.die(new Error("secret"))
          }
        }
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const failure = (request: string) => Effect.flip(channel.unary(Echo.methods.Unary, bytes(request)))
      assert.deepInclude(yield* failure("grpc"), { code: Code.InvalidArgument, details: "bad é ☃" })
      assert.deepInclude(yield* failure("tagged"), { code: Code.Unknown, details: "went off: bomb" })
      assert.deepInclude(yield* failure("surrogate"), { code: Code.Unknown, details: "half \ufffd pair" })
      assert.deepInclude(yield* failure("string"), { code: Code.Unknown, details: "only text" })
      assert.strictEqual((yield* failure("long")).code, Code.Unknown)
      const defect = yield* failure("die")
      assert.deepInclude(defect, { code: Code.Internal, details: "internal error" })
      assert.isTrue(target.lines.some((line) => line.includes("handler of /test.Echo/Unary failed")))
      const missing = yield* Effect.flip(
        channel.serverStream(Echo.methods.Stream, bytes("")).pipe(Effect.flatMap((s) => s.next))
      )
      assert.strictEqual(missing.code, Code.Unimplemented)
    })
  )

  it.scopedLive("keeps the deadline and cancels the handler", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const interrupted = yield* Deferred.make<boolean>()
      yield* target.server.addService(Echo, {
        Unary: (_, call) =>
          Effect.never.pipe(
            Effect.onInterrupt(() => Deferred.succeed(interrupted, call.cancelled && call.deadline !== undefined))
          )
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const failure = yield* Effect.flip(channel.unary(Echo.methods.Unary, bytes(""), { deadline: "100 millis" }))
      assert.strictEqual(failure.code, Code.DeadlineExceeded)
      assert.isTrue(yield* Deferred.await(interrupted))
    })
  )

  it.scopedLive("interrupting the client cancels the handler", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      yield* target.server.addService(Echo, {
        Unary: () =>
          Deferred.succeed(begun, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
          )
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const fiber = yield* Effect.fork(channel.unary(Echo.methods.Unary, bytes("")))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(ended)
      yield* until(() => target.lines.some((line) => line.includes("grpc.code=Canceled")))
    })
  )

  it.scopedLive("many at once", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, echoing)
      yield* target.server.serve
      const channel = yield* connect(target)
      const answers = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => String(i)),
        (i) => channel.unary(Echo.methods.Unary, bytes(i)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        answers.map(text),
        Array.from({ length: 200 }, (_, i) => String(i))
      )
    })
  )
})

describe("streams", () => {
  it.scopedLive("bidi: echoes in order, half-close ends it with OK", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, {
        Bidi: (incoming, out) =>
          Effect.gen(function* () {
            for (;;) {
              const message = yield* incoming.next
              if (message === undefined) return
              yield* out.send(message)
            }
          })
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      const sender = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 500 }, (_, i) => i),
          (i) => stream.send(bytes(String(i)))
        ).pipe(Effect.zipRight(stream.end))
      )
      for (let i = 0; i < 500; i += 1) assert.strictEqual(text(yield* stream.next), String(i))
      assert.isUndefined(yield* stream.next)
      assert.isUndefined(yield* stream.next)
      yield* Fiber.join(sender)
      const failure = yield* Effect.flip(stream.send(bytes("late")))
      assert.strictEqual(failure.code, Code.OK)
    })
  )

  it.scopedLive("a failed handler ends the stream with its status after what was sent", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, {
        Bidi: (incoming, out) =>
          incoming.next.pipe(
            Effect.flatMap((message) => out.send(message ?? new Uint8Array())),
            Effect.zipRight(Effect.fail(new Boom({ what: "stream" })))
          )
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      yield* stream.send(bytes("a"))
      assert.strictEqual(text(yield* stream.next), "a")
      assert.deepInclude(yield* Effect.flip(stream.next), { code: Code.Unknown, details: "went off: stream" })
    })
  )

  it.scopedLive("server streams", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, {
        Stream: (request, out) =>
          Effect.forEach(["1", "2", "3"], (i) => out.send(bytes(text(request) + i)), { discard: true })
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const { next } = yield* channel.serverStream(Echo.methods.Stream, bytes("n"))
      assert.deepStrictEqual(
        [text(yield* next), text(yield* next), text(yield* next), text(yield* next)],
        ["n1", "n2", "n3", undefined]
      )
    })
  )

  it.scopedLive("thousands of tiny messages in one frame do not overflow the stack", () =>
    Effect.gen(function* () {
      const target = yield* node()
      let seen = 0
      yield* target.server.addService(Echo, {
        Bidi: rawHandler((call) => {
          call.read()
          return {
            message: () => {
              seen += 1
              call.read()
            },
            halfClosed: () => {
              call.send(bytes(String(seen)))
              call.end()
            },
            closed: () => {}
          }
        })
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      yield* Effect.forEach(Array.from({ length: 20_000 }), () => stream.send(new Uint8Array()), { discard: true })
      yield* stream.end
      assert.strictEqual(text(yield* stream.next), "20000")
      assert.isUndefined(yield* stream.next)
    })
  )

  it.scopedLive("a handler's throw ends only its call", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, {
        Unary: (request) => Effect.succeed(request),
        Bidi: rawHandler((call) => {
          call.read()
          return {
            message: () => {
              throw new Error("secret")
            },
            halfClosed: () => {},
            closed: () => {
              throw new Error("again")
            }
          }
        })
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      yield* stream.send(bytes("x"))
      assert.deepInclude(yield* Effect.flip(stream.next), { code: Code.Internal, details: "internal error" })
      assert.strictEqual(text(yield* channel.unary(Echo.methods.Unary, bytes("alive"))), "alive")
    })
  )
})

describe("pipelined streams", () => {
  const service = (options: { readonly last?: string } = {}) => {
    const waiting: Array<() => void> = []
    const prepared: Array<string> = []
    const decided: Array<string> = []
    return {
      waiting,
      prepared,
      decided,
      handler: pipelined<string>({
        window: 4,
        prepare: (message) => {
          const value = text(message) ?? ""
          prepared.push(value)
          if (value.startsWith("bad")) throw new Boom({ what: value })
          return value.startsWith("now") ? value : new Promise((resolve) => waiting.push(() => resolve(value)))
        },
        answer: (value) => {
          decided.push(value)
          return { message: bytes(`${value}!`), last: value === options.last }
        }
      })
    }
  }

  it.scopedLive("answers in order, prepares out of order, holds to its window", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const { decided, handler, prepared, waiting } = service()
      yield* target.server.addService(Echo, { Bidi: handler })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      for (const name of ["a", "b", "now1", "c", "d", "e"]) yield* stream.send(bytes(name))
      yield* until(() => prepared.length === 4)
      yield* Effect.sleep("20 millis")
      assert.deepStrictEqual(prepared, ["a", "b", "now1", "c"])
      waiting[1]?.()
      yield* Effect.sleep("5 millis")
      assert.deepStrictEqual(decided, [])
      waiting[0]?.()
      yield* until(() => prepared.length === 6)
      waiting[4]?.()
      waiting[3]?.()
      waiting[2]?.()
      yield* stream.end
      const answers: Array<string | undefined> = []
      for (let i = 0; i < 7; i += 1) answers.push(text(yield* stream.next))
      assert.deepStrictEqual(answers, ["a!", "b!", "now1!", "c!", "d!", "e!", undefined])
      assert.deepStrictEqual(decided, ["a", "b", "now1", "c", "d", "e"])
    })
  )

  it.scopedLive("the last answer ends the stream with OK and drops what is behind it", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const { decided, handler } = service({ last: "now2" })
      yield* target.server.addService(Echo, { Bidi: handler })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      for (const name of ["now1", "now2", "now3"]) yield* Effect.ignore(stream.send(bytes(name)))
      assert.strictEqual(text(yield* stream.next), "now1!")
      assert.strictEqual(text(yield* stream.next), "now2!")
      assert.isUndefined(yield* stream.next)
      assert.deepStrictEqual(decided, ["now1", "now2"])
    })
  )

  it.scopedLive("a throw in a step ends the stream with its text", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, { Bidi: service().handler })
      yield* target.server.serve
      const channel = yield* connect(target)
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      yield* stream.send(bytes("bad"))
      assert.deepInclude(yield* Effect.flip(stream.next), { code: Code.Unknown, details: "went off: bad" })
    })
  )
})

describe("services", () => {
  it.scopedLive("serves connections that came before", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const connecting = yield* Effect.fork(connect(target))
      yield* Effect.sleep("50 millis")
      yield* target.server.addService(Echo, echoing)
      yield* target.server.serve
      const channel = yield* Fiber.join(connecting)
      assert.strictEqual(text(yield* channel.unary(Echo.methods.Unary, bytes("x"))), "x")
    })
  )

  it.scopedLive("refuses a second service of one name, takes it again after the first has gone", () =>
    Effect.gen(function* () {
      const target = yield* node()
      const scope = yield* Scope.make()
      yield* Scope.extend(target.server.addService(Echo, echoing), scope)
      const refused = yield* Effect.flip(target.server.addService(Echo, echoing))
      assert.strictEqual(refused._tag, "ServiceRefused")
      yield* target.server.serve
      const channel = yield* connect(target)
      yield* Scope.close(scope, Exit.void)
      const failure = yield* Effect.flip(channel.unary(Echo.methods.Unary, bytes("x")))
      assert.deepInclude(failure, { code: Code.Unavailable, details: "transport is closing" })
      yield* target.server.addService(Echo, echoing)
      assert.strictEqual(text(yield* channel.unary(Echo.methods.Unary, bytes("x"))), "x")
    })
  )

  it.scopedLive("metrics and access log carry Fabric's names", () =>
    Effect.gen(function* () {
      const target = yield* node()
      yield* target.server.addService(Echo, {
        Unary: (request) => (request.length === 0 ? Effect.fail(new Boom({ what: "empty" })) : Effect.succeed(request)),
        Bidi: (incoming, out) => incoming.next.pipe(Effect.flatMap((message) => out.send(message ?? new Uint8Array())))
      })
      yield* target.server.serve
      const channel = yield* connect(target)
      yield* channel.unary(Echo.methods.Unary, bytes("x"))
      yield* Effect.flip(channel.unary(Echo.methods.Unary, bytes("")))
      const stream = yield* channel.bidi(Echo.methods.Bidi)
      yield* stream.send(bytes("m"))
      yield* stream.next
      yield* stream.next
      yield* Effect.sleep("5 millis")
      const metrics = yield* page(target)
      for (const line of [
        'grpc_server_unary_requests_received{service="test_Echo",method="Unary"} 2',
        'grpc_server_unary_requests_completed{service="test_Echo",method="Unary",code="OK"} 1',
        'grpc_server_unary_requests_completed{service="test_Echo",method="Unary",code="Unknown"} 1',
        'grpc_server_unary_request_duration_count{service="test_Echo",method="Unary",code="OK"} 1',
        'grpc_server_stream_requests_received{service="test_Echo",method="Bidi"} 1',
        'grpc_server_stream_requests_completed{service="test_Echo",method="Bidi",code="OK"} 1',
        'grpc_server_stream_request_duration_count{service="test_Echo",method="Bidi",code="OK"} 1',
        'grpc_server_stream_messages_received{service="test_Echo",method="Bidi"} 1',
        'grpc_server_stream_messages_sent{service="test_Echo",method="Bidi"} 1',
        "grpc_comm_conn_opened 1"
      ]) {
        assert.include(metrics, line)
      }
      assert.notInclude(metrics, "grpc_comm_conn_closed")
      const unary = target.lines.filter((line) => line.includes("unary call completed"))
      assert.match(
        unary[0] ?? "",
        /^INFO \[comm\.grpc\.server\] unary call completed grpc\.service=test\.Echo grpc\.method=Unary grpc\.peer_address=127\.0\.0\.1:\d+ grpc\.code=OK grpc\.call_duration=[\d.]+(µs|ms)\n$/
      )
      assert.match(unary[1] ?? "", /error="went off: empty" grpc\.code=Unknown/)
      assert.isTrue(target.lines.some((line) => line.includes("streaming call completed")))
    })
  )
})

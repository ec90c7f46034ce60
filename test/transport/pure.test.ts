/** Texts and addresses, and the layers put together as a program does. */
import * as http2 from "node:http2"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as fc from "fast-check"
import { bindReason, joinAddress, splitAddress } from "../../src/config/address.js"
import { layerDisabled } from "../../src/runtime/Metrics.js"
import * as Vital from "../../src/runtime/Vital.js"
import { connect, GrpcFailure, GrpcServer, Listen } from "../../src/transport/index.js"
import { durationText } from "../../src/transport/observe.js"
import { failureOf } from "../../src/transport/serverCall.js"
import { Code, codeName, statusText } from "../../src/transport/status.js"
import { makeThrottle } from "../../src/transport/Throttle.js"
import { bytes, Echo, node, text } from "./support.js"

describe("texts", () => {
  it("durations as Go prints them", () => {
    for (const [ms, want] of [
      [0.0005, "500ns"],
      [0.25, "250µs"],
      [1.234567, "1.234567ms"],
      [999, "999ms"],
      [1500, "1.5s"],
      [60_000, "1m0s"],
      [3_725_000, "1h2m5s"]
    ] as const) {
      assert.strictEqual(durationText(ms), want)
    }
  })

  it("codes by Go's names", () => {
    assert.deepStrictEqual([0, 1, 2, 14, 16, 17].map(codeName), [
      "OK",
      "Canceled",
      "Unknown",
      "Unavailable",
      "Unauthenticated",
      "Code(17)"
    ])
  })

  it("failures become statuses", () => {
    assert.deepStrictEqual(failureOf(new GrpcFailure({ code: Code.NotFound, details: "gone" })), {
      code: Code.NotFound,
      details: "gone",
      error: "rpc error: code = NotFound desc = gone"
    })
    assert.deepStrictEqual(failureOf(new Error("plain")), { code: Code.Unknown, details: "plain", error: "plain" })
    assert.deepStrictEqual(failureOf("word"), { code: Code.Unknown, details: "word", error: "word" })
  })

  it("status texts can always be encoded", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (units) => {
        const encoded = encodeURI(statusText(String.fromCharCode(...units)))
        assert.isString(encoded)
      })
    )
    assert.isBelow(statusText("x".repeat(1_000_000)).length, 5000)
  })
})

describe("addresses", () => {
  it("split and join", () => {
    const split = (address: string) => Either.merge(splitAddress(address))
    assert.deepStrictEqual(split("127.0.0.1:7051"), { host: "127.0.0.1", port: 7051 })
    assert.deepStrictEqual(split("[::1]:7051"), { host: "::1", port: 7051 })
    assert.deepStrictEqual(split(":7051"), { host: "", port: 7051 })
    assert.deepStrictEqual(split("peer0.org1:"), { host: "peer0.org1", port: 0 })
    assert.strictEqual(split("peer0"), "address peer0: missing port in address")
    assert.strictEqual(split("::1:7051"), "address ::1:7051: too many colons in address")
    assert.strictEqual(split("a:65536"), "address 65536: invalid port")
    assert.strictEqual(split("a:-1"), "address -1: invalid port")
    assert.strictEqual(joinAddress("::1", 1), "[::1]:1")
    assert.strictEqual(bindReason(Object.assign(new Error("x"), { code: "EACCES" })), "bind: permission denied")
  })
})

describe("the throttle", () => {
  it("never hands out more slots than it has, and loses none", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(fc.nat(20), { maxLength: 60 }), async (size, steps) => {
        const throttle = makeThrottle(size)
        let held = 0
        const releases: Array<() => void> = []
        for (const step of steps) {
          if (step % 2 === 0) {
            let mine = false
            const release = throttle.acquire(() => {
              mine = true
              held += 1
              assert.isAtMost(held, size)
            })
            releases.push(() => {
              if (mine) held -= 1
              mine = false
              release()
            })
          } else releases[step % Math.max(1, releases.length)]?.()
          await Promise.resolve()
        }
        for (const release of releases) release()
        await Promise.resolve()
        for (const release of releases) release()
        assert.deepStrictEqual([throttle.inUse, throttle.waiting], [0, 0])
      })
    )
  })
})

describe("layers", () => {
  it.scopedLive("a program: object, service, door; closed in the opposite order", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const service = Layer.scopedDiscard(
        Effect.gen(function* () {
          const server = yield* GrpcServer
          yield* Effect.addFinalizer(() => Effect.sync(() => order.push("domain closed")))
          yield* server.addService(Echo, {
            Unary: (request) => Effect.succeed(request),
            Bidi: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => order.push("call ended")))
          })
        })
      )
      const program = Listen.layer.pipe(
        Layer.provideMerge(service),
        Layer.provideMerge(GrpcServer.layer({ address: "127.0.0.1:0", stopGrace: "200 millis" })),
        Layer.provide(layerDisabled),
        Layer.provide(Vital.layer)
      )
      const address = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* GrpcServer
          const channel = yield* connect(server.address)
          assert.strictEqual(text(yield* channel.unary(Echo.methods.Unary, bytes("x"))), "x")
          const stream = yield* channel.bidi(Echo.methods.Bidi)
          yield* stream.send(bytes("y"))
          yield* channel.unary(Echo.methods.Unary, bytes("z"))
          return server.address
        })
      ).pipe(Effect.provide(program))
      assert.deepStrictEqual(order, ["call ended", "domain closed"])
      const gone = yield* Effect.flip(Effect.scoped(connect(address)))
      assert.include(gone.message, "connection refused")
    })
  )

  it.scopedLive("a limit of calls per connection is told to clients", () =>
    Effect.gen(function* () {
      const target = yield* node({ maxCallsPerConnection: 3 })
      yield* target.server.serve
      const session = http2.connect(`http://127.0.0.1:${target.server.port}`)
      const settings = yield* Effect.promise(
        () => new Promise<http2.Settings>((resolve) => session.once("remoteSettings", resolve))
      )
      assert.strictEqual(settings.maxConcurrentStreams, 3)
      session.destroy()
    })
  )
})

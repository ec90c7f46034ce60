import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Bundle } from "../../src/channelconfig/index.js"
import { statusResponse } from "../../src/deliver/index.js"
import { connectionDelay, statusDelay } from "../../src/peer/delivery/backoff.js"
import { type DeliveryOptions, makeDeliveryClient } from "../../src/peer/delivery/DeliveryClient.js"
import { endpointsOf, type OrdererEndpoint, rootsFor, sameEndpoints } from "../../src/peer/delivery/endpoints.js"
import { shuffled } from "../../src/runtime/shuffled.js"
import type { Channel } from "../../src/transport/index.js"
import { Code, GrpcFailure } from "../../src/transport/index.js"
import { common, orderer } from "../../src/wire/index.js"
import { utf8 } from "../../src/wire/protoutil.js"
import { firstBundle } from "./support.js"

// ---- Pure parts --------------------------------------------------------------------------------------------------

describe("delays", () => {
  test("after connections: doubling from one second up to the longest", () => {
    expect([1, 2, 3, 4, 30].map((attempt) => connectionDelay(attempt, 3_600_000))).toEqual([
      1000, 2000, 4000, 8000, 3_600_000
    ])
  })
  test("after statuses: doubling from 100 ms up to ten seconds", () => {
    expect([0, 1, 2, 6, 7, 500].map(statusDelay)).toEqual([100, 200, 400, 6400, 10_000, 10_000])
  })
})

/** The recorded channel with endpoints of its orderer organization. */
const withOrgEndpoints = (addresses: ReadonlyArray<string>): Bundle => {
  const bundle = firstBundle()
  const section = bundle.orderer ?? expect.fail("no orderer section")
  const orgs = new Map([...section.orgs].map(([name, org]) => [name, { ...org, endpoints: addresses }] as const))
  return Object.create(bundle, {
    orderer: { value: { ...section, orgs } },
    channel: { value: bundle.channel },
    mspManager: { value: bundle.mspManager }
  })
}

describe("endpoints", () => {
  const none = new Map()
  test("the channel-wide list, vouched for by all orderer organizations", () => {
    expect(endpointsOf(firstBundle(), none)).toEqual([{ address: "127.0.0.1:7050", orgs: ["OrdererMSP"] }])
  })
  test("those of organizations go before it", () => {
    expect(endpointsOf(withOrgEndpoints(["a:1", "b:2"]), none)).toEqual([
      { address: "a:1", orgs: ["OrdererMSP"] },
      { address: "b:2", orgs: ["OrdererMSP"] }
    ])
  })
  test("overrides put another address in place, and add their authorities for all", () => {
    const overrides = new Map([
      ["127.0.0.1:7050", { to: "x:1", caCerts: utf8("PEM") }],
      ["elsewhere:1", { to: "y:1", caCerts: utf8("OTHER") }]
    ])
    const bundle = firstBundle()
    const [endpoint] = endpointsOf(bundle, overrides)
    if (endpoint === undefined) return expect.fail("no endpoint")
    expect(endpoint.address).toBe("x:1")
    const roots = rootsFor(bundle, endpoint, overrides, [utf8("STATIC")]).map((pem) => Buffer.from(pem).toString())
    expect(roots.slice(-3)).toEqual(["STATIC", "PEM", "OTHER"])
    expect(roots[0]).toMatch(/^-----BEGIN CERTIFICATE-----/)
    expect(rootsFor(bundle, { ...endpoint, orgs: ["Org1MSP"] }, none, [])).not.toEqual(
      rootsFor(bundle, endpoint, none, [])
    )
  })
  test("order does not matter when sets are compared, organizations do", () => {
    const a = { address: "a:1", orgs: ["X"] }
    const b = { address: "b:1", orgs: ["X"] }
    expect(sameEndpoints([a, b], [b, a])).toBe(true)
    expect(sameEndpoints([a], [{ ...a, orgs: ["Y"] }])).toBe(false)
    expect(sameEndpoints([a], [a, b])).toBe(false)
  })
  test("shuffling keeps every one", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.array(fc.double({ min: 0, max: 0.999, noNaN: true })), (list, randoms) => {
        let i = 0
        const out = shuffled(list, () => randoms[i++ % Math.max(randoms.length, 1)] ?? 0)
        expect([...out].sort()).toEqual([...list].sort())
      })
    )
  })
})

// ---- The client, on a clock of its own -----------------------------------------------------------------------------

type Message = Uint8Array | GrpcFailure
const block = (number: number) => Buffer.from([0x12, 1, number])
const blockOf = (bytes: Uint8Array) => bytes[0] ?? -1
const down = new GrpcFailure({ code: Code.Unavailable, details: "gone" })

/** Orderers that answer each stream with what they were given, then stay silent. */
class Orderers {
  readonly tried: Array<string> = []
  readonly seeks: Array<orderer.SeekInfo> = []
  readonly taken: Array<number> = []
  open = 0
  streams: Array<ReadonlyArray<Message>> = []
  dead = new Set<string>()

  readonly connect = (endpoint: OrdererEndpoint): Effect.Effect<Channel, { readonly message: string }, Scope.Scope> =>
    Effect.suspend(() => {
      this.tried.push(endpoint.address)
      if (this.dead.has(endpoint.address)) return Effect.fail({ message: "connection refused" })
      return Effect.as(
        Effect.acquireRelease(
          Effect.sync(() => this.open++),
          () => Effect.sync(() => this.open--)
        ),
        this.channel(endpoint.address)
      )
    })

  private channel(address: string): Channel {
    const answers = [...(this.streams.shift() ?? [])]
    const unused = Effect.die(new Error("not used"))
    return {
      address,
      serverCertificateDer: Effect.succeed(undefined),
      unary: () => unused,
      serverStream: () => unused,
      lost: Effect.never,
      bidi: () =>
        Effect.succeed({
          send: (bytes) =>
            Effect.sync(() => {
              const payload = common.Payload.decode(common.Envelope.decode(bytes).payload)
              this.seeks.push(orderer.SeekInfo.decode(payload.data))
            }),
          next: Effect.suspend((): Effect.Effect<Uint8Array, GrpcFailure> => {
            const answer = answers.shift()
            return answer === undefined ? Effect.never : answer instanceof GrpcFailure ? answer : Effect.succeed(answer)
          }),
          end: Effect.void
        })
    }
  }
}

const signer = { serialized: utf8("me"), sign: (message: Uint8Array) => message }

const start = (orderers: Orderers, options: Partial<DeliveryOptions> = {}) =>
  Effect.gen(function* () {
    const client = makeDeliveryClient({
      channelId: "ch",
      endpoints: [
        { address: "a:1", orgs: [] },
        { address: "b:1", orgs: [] }
      ],
      connect: orderers.connect,
      signer,
      tlsCertHash: undefined,
      nextBlock: () => BigInt(orderers.taken.length),
      submit: (bytes) => Effect.sync(() => void orderers.taken.push(blockOf(bytes))),
      staticLeader: false,
      longestDelay: 4_000,
      totalDelay: 10_000,
      random: () => 0.99,
      ...options
    })
    const fiber = yield* Effect.forkScoped(client.run)
    return { client, fiber }
  })

const settle = TestClock.adjust(0)

describe("delivery", () => {
  it.scoped("asks from the ledger's height on, for ever, and passes blocks on in order", () =>
    Effect.gen(function* () {
      const orderers = new Orderers()
      orderers.streams = [[block(0), block(1)]]
      const { client } = yield* start(orderers)
      yield* settle
      expect(orderers.taken).toEqual([0, 1])
      expect(client.connectedTo()).toBe("a:1")
      expect(orderers.seeks[0]?.start?.oldest).toBeDefined()
      expect(orderers.seeks[0]?.stop?.specified?.number).toBe(2n ** 64n - 1n)
      expect(orderers.seeks[0]?.behavior).toBe(orderer.SeekInfo_SeekBehavior.BLOCK_UNTIL_READY)
    })
  )
  it.scoped("a broken stream goes on at the next orderer after a second, from the new height", () =>
    Effect.gen(function* () {
      const orderers = new Orderers()
      orderers.streams = [[block(0), down], [block(1)]]
      yield* start(orderers)
      yield* settle
      expect(orderers.open).toBe(0)
      yield* TestClock.adjust(999)
      expect(orderers.tried).toEqual(["a:1"])
      yield* TestClock.adjust(1)
      expect(orderers.tried).toEqual(["a:1", "b:1"])
      expect(orderers.seeks[1]?.start?.specified?.number).toBe(1n)
      expect(orderers.taken).toEqual([0, 1])
      expect(orderers.open).toBe(1)
    })
  )
  it.scoped("delays grow while nobody can be reached, and it gives up in the end unless it leads for good", () =>
    Effect.gen(function* () {
      const orderers = new Orderers()
      orderers.dead = new Set(["a:1", "b:1"])
      const { fiber } = yield* start(orderers)
      yield* settle
      expect(orderers.tried).toHaveLength(2)
      for (const [delay, tries] of [
        [1000, 4],
        [2000, 6],
        [4000, 8],
        [4000, 10]
      ] as const) {
        yield* TestClock.adjust(delay - 1)
        expect(orderers.tried).toHaveLength(tries - 2)
        yield* TestClock.adjust(1)
        expect(orderers.tried).toHaveLength(tries)
      }
      // 11 of 10 seconds are waited
      expect(yield* Fiber.join(fiber)).toBe("gave up")

      const others = new Orderers()
      others.dead = orderers.dead
      const leader = yield* start(others, { staticLeader: true })
      yield* TestClock.adjust(60_000)
      expect(yield* Fiber.poll(leader.fiber)).toMatchObject({ _tag: "None" })
      others.dead = new Set()
      others.streams = [[block(7)]]
      yield* TestClock.adjust(4_000)
      expect(others.taken).toEqual([7])
    })
  )
  it.scoped("refusals end it after more than ten in a row; a block between them starts the count anew", () =>
    Effect.gen(function* () {
      const forbidden = statusResponse(common.Status.FORBIDDEN)
      const orderers = new Orderers()
      orderers.streams = [
        ...Array.from({ length: 10 }, () => [forbidden]),
        [block(0), forbidden],
        ...Array.from({ length: 9 }, () => [forbidden]),
        [forbidden]
      ]
      const { fiber } = yield* start(orderers)
      yield* TestClock.adjust(200_000)
      expect(orderers.seeks).toHaveLength(21)
      expect(yield* Fiber.join(fiber)).toBe("refused")
    })
  )
  it.scoped("other statuses never do", () =>
    Effect.gen(function* () {
      const orderers = new Orderers()
      orderers.streams = Array.from({ length: 40 }, () => [statusResponse(common.Status.NOT_FOUND)])
      const { fiber } = yield* start(orderers)
      yield* TestClock.adjust(700)
      expect(orderers.seeks).toHaveLength(4) // at 0, 100, 300, 700
      yield* TestClock.adjust(600_000)
      expect(orderers.seeks).toHaveLength(41)
      expect(yield* Fiber.poll(fiber)).toMatchObject({ _tag: "None" })
    })
  )
  it.scoped("a success ends it: the request has no end", () =>
    Effect.gen(function* () {
      const orderers = new Orderers()
      orderers.streams = [[statusResponse(common.Status.SUCCESS)]]
      const { fiber } = yield* start(orderers)
      expect(yield* Fiber.join(fiber)).toBe("complete")
    })
  )
  it.scoped("other addresses move it at once, the same ones leave it where it is", () =>
    Effect.gen(function* () {
      const orderers = new Orderers()
      orderers.streams = [[block(0)], [block(1)]]
      const { client } = yield* start(orderers)
      yield* settle
      client.updated([
        { address: "b:1", orgs: [] },
        { address: "a:1", orgs: [] }
      ])
      client.updated([])
      yield* settle
      expect(orderers.tried).toEqual(["a:1"])
      client.updated([{ address: "c:1", orgs: [] }])
      yield* settle
      expect(orderers.tried).toEqual(["a:1", "c:1"])
      expect(orderers.taken).toEqual([0, 1])
      expect(orderers.open).toBe(1)
    })
  )
  it.scoped("a block that is not taken breaks the stream", () =>
    Effect.gen(function* () {
      const orderers = new Orderers()
      orderers.streams = [[block(9)], [block(0)]]
      const refused = yield* Queue.unbounded<number>()
      yield* start(orderers, {
        submit: (bytes) =>
          blockOf(bytes) === 9
            ? Effect.zipRight(Queue.offer(refused, 9), Effect.fail({ message: "bad signature" }))
            : Effect.sync(() => void orderers.taken.push(blockOf(bytes)))
      })
      yield* Queue.take(refused)
      yield* TestClock.adjust(1000)
      expect(orderers.tried).toEqual(["a:1", "b:1"])
      expect(orderers.taken).toEqual([0])
    })
  )
})

import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import {
  AccessDenied,
  blockResponse,
  type DeliverChain,
  declareDeliverMetrics,
  makeDeliverHandler
} from "../../src/deliver/index.js"
import { makeMemory } from "../../src/ledger/blockstore/index.js"
import { expiresAt } from "../../src/msp/index.js"
import { breathe } from "../../src/runtime/breathe.js"
import { prometheus } from "../../src/runtime/Metrics.js"
import type { CallInfo, CallOut } from "../../src/transport/index.js"
import { common, type Init, msp, orderer } from "../../src/wire/index.js"
import { blockHeaderHash, makePayload, newBlock, sha256, timestampOf } from "../../src/wire/protoutil.js"
import { field, varint } from "../../src/wire/raw.js"

const startOfTime = 1_700_000_000_000
type Seek = Init<orderer.SeekInfo>
type Position = NonNullable<Seek["start"]>

const at = (number: bigint): Position => ({ specified: { number } })
const oldest: Position = { oldest: {} }
const newest: Position = { newest: {} }
const max = at(2n ** 64n - 1n)

interface HeaderOptions {
  readonly channelId?: string
  readonly timestamp?: number | undefined
  readonly tlsCertHash?: Uint8Array
  readonly creator?: Uint8Array
}

const request = (seek: Seek | Uint8Array, header: HeaderOptions = {}): Uint8Array => {
  const { channelId = "ch", creator = new Uint8Array(), tlsCertHash = new Uint8Array() } = header
  const time = "timestamp" in header ? header.timestamp : startOfTime
  const payload = makePayload(
    { channelId, tlsCertHash, timestamp: time === undefined ? undefined : timestampOf(time) },
    { creator },
    seek instanceof Uint8Array ? seek : orderer.SeekInfo.encode(seek)
  )
  return common.Envelope.encode({ payload, signature: new Uint8Array([1]) })
}

/** A chain in memory with the given number of blocks, its handler, and one open stream. */
const makeStream = (options: {
  readonly height?: number
  readonly mutualTls?: boolean
  readonly certificate?: Uint8Array
  readonly access?: () => Effect.Effect<void, AccessDenied>
  /** Told of every question to the chain. */
  readonly asked?: (what: string) => void
}) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(startOfTime)
    const asked = options.asked ?? (() => {})
    const store = makeMemory("ch")
    let last: Pick<common.BlockHeader, "number" | "previousHash" | "dataHash"> | undefined
    const append = Effect.suspend(() => {
      const block = newBlock(
        (last?.number ?? -1n) + 1n,
        last === undefined ? new Uint8Array() : blockHeaderHash(last),
        [new Uint8Array([1])]
      )
      last = block.header
      return Effect.orDie(store.append(common.Block.encode(block)))
    })
    for (let i = 0; i < (options.height ?? 4); i++) yield* append
    let errored = yield* Deferred.make<void>()
    let sequence = 0n
    const chain: DeliverChain = {
      sequence: () => {
        asked("sequence")
        return sequence
      },
      height: () => {
        asked("height")
        return store.height()
      },
      blocks: (from) => {
        const { close, next } = store.iterator(from)
        return {
          close,
          next: Effect.zipRight(
            Effect.sync(() => asked("next")),
            next
          )
        }
      },
      errored: () => errored,
      checkAccess: options.access ?? (() => Effect.void)
    }
    const metrics = prometheus()
    const handler = makeDeliverHandler({
      channel: (id) => (id === "ch" ? chain : undefined),
      blockMessage: blockResponse,
      filtered: false,
      timeWindow: 15 * 60_000,
      mutualTls: options.mutualTls ?? false,
      checkExpiration: true,
      metrics: declareDeliverMetrics(metrics)
    })
    const requests = yield* Queue.unbounded<Uint8Array | undefined>()
    const received: Array<string> = []
    const out: CallOut = {
      send: (message) =>
        Effect.sync(() => {
          const block = field(message, 2)
          received.push(
            block === undefined ? `=${varint(message, 1)}` : String(common.Block.decode(block).header?.number)
          )
        })
    }
    const call: CallInfo = {
      path: "",
      peer: "127.0.0.1:1",
      clientCertificateDer: options.certificate,
      metadata: () => undefined,
      deadline: undefined,
      cancelled: false
    }
    const fiber = yield* Effect.forkScoped(handler({ next: Queue.take(requests) }, out, call))
    return {
      append,
      metrics,
      fiber,
      send: (bytes: Uint8Array) => Queue.offer(requests, bytes),
      halfClose: Queue.offer(requests, undefined),
      /** Everything that can happen has happened: what came so far, `waits` when more may come. */
      settled: Effect.gen(function* () {
        for (let i = 0; i < 3; i++) yield* breathe
        return [...received, ...((yield* Fiber.poll(fiber))._tag === "Some" ? ["end"] : [])].join(" ")
      }),
      raiseError: Effect.suspend(() => Deferred.succeed(errored, undefined)),
      clearError: Effect.flatMap(Deferred.make<void>(), (next) =>
        Effect.sync(() => {
          errored = next
        })
      ),
      growSequence: Effect.sync(() => {
        sequence += 1n
      })
    }
  })

const once = (seek: Seek | Uint8Array, header?: HeaderOptions, options: Parameters<typeof makeStream>[0] = {}) =>
  Effect.gen(function* () {
    const stream = yield* makeStream(options)
    yield* stream.send(request(seek, header))
    return yield* stream.settled
  })

describe("Deliver matrix (acceptance check 14), height 4", () => {
  const starts = { oldest, newest, "0": at(0n), "3": at(3n), "4": at(4n), "5": at(5n) }
  const stops = { oldest, newest, "2": at(2n), max }
  type Row = readonly [keyof typeof starts, keyof typeof stops, string, string]
  // what comes with BLOCK_UNTIL_READY, and with FAIL_IF_NOT_READY; a stream that neither ends nor says SUCCESS waits
  const rows: ReadonlyArray<Row> = [
    ["oldest", "oldest", "0 =200", "0 =200"],
    ["oldest", "newest", "0 1 2 3 =200", "0 1 2 3 =200"],
    ["oldest", "2", "0 1 2 =200", "0 1 2 =200"],
    ["oldest", "max", "0 1 2 3", "0 1 2 3 =404 end"],
    ["newest", "oldest", "3 =200", "3 =200"],
    ["newest", "newest", "3 =200", "3 =200"],
    ["newest", "2", "=400 end", "=400 end"],
    ["newest", "max", "3", "3 =404 end"],
    ["0", "oldest", "0 =200", "0 =200"],
    ["0", "newest", "0 1 2 3 =200", "0 1 2 3 =200"],
    ["0", "2", "0 1 2 =200", "0 1 2 =200"],
    ["0", "max", "0 1 2 3", "0 1 2 3 =404 end"],
    ["3", "oldest", "3 =200", "3 =200"],
    ["3", "newest", "3 =200", "3 =200"],
    ["3", "2", "=400 end", "=400 end"],
    ["3", "max", "3", "3 =404 end"],
    ["4", "oldest", "", "=404 end"],
    ["4", "newest", "", "=404 end"],
    ["4", "2", "=400 end", "=400 end"],
    ["4", "max", "", "=404 end"],
    ["5", "oldest", "=404 end", "=404 end"],
    ["5", "newest", "=404 end", "=404 end"],
    ["5", "2", "=404 end", "=404 end"],
    ["5", "max", "=404 end", "=404 end"]
  ]
  for (const [start, stop, blocking, failing] of rows) {
    it.scoped(`${start} to ${stop}`, () =>
      Effect.gen(function* () {
        const seek = { start: starts[start], stop: stops[stop] }
        expect(yield* once(seek)).toBe(blocking)
        const behavior = orderer.SeekInfo_SeekBehavior.FAIL_IF_NOT_READY
        expect(yield* once({ ...seek, behavior })).toBe(failing)
      })
    )
  }
  it.scoped("a missing start or stop is bad, one without a variant is not found, a stop without one is 0", () =>
    Effect.gen(function* () {
      expect(yield* once({ start: oldest })).toBe("=400 end")
      expect(yield* once({ stop: oldest })).toBe("=400 end")
      expect(yield* once({ start: {}, stop: newest })).toBe("=404 end")
      expect(yield* once({ start: oldest, stop: {} })).toBe("0 =200")
      expect(yield* once({ start: at(1n), stop: {} })).toBe("1 2 3") // never equal again
    })
  )
  it.scoped("waits for the next block; stop newest with start at the height never comes to an end", () =>
    Effect.gen(function* () {
      const first = yield* makeStream({})
      yield* first.send(request({ start: at(4n), stop: oldest }))
      expect(yield* first.settled).toBe("")
      yield* first.append
      expect(yield* first.settled).toBe("4 =200")
      const second = yield* makeStream({})
      yield* second.send(request({ start: at(4n), stop: newest }))
      expect(yield* second.settled).toBe("")
      yield* second.append
      yield* second.append
      expect(yield* second.settled).toBe("4 5")
    })
  )
  it.scoped("a stream that waits does nothing until a block comes: no timer, no question to the chain", () =>
    Effect.gen(function* () {
      const questions: Array<string> = []
      const stream = yield* makeStream({ asked: (what) => questions.push(what) })
      yield* stream.send(request({ start: at(4n), stop: max }))
      expect(yield* stream.settled).toBe("")
      questions.length = 0
      expect(yield* TestClock.sleeps()).toHaveLength(0)
      yield* TestClock.adjust("1 day")
      expect(yield* stream.settled).toBe("")
      expect(questions).toEqual([])
      yield* stream.append
      expect(yield* stream.settled).toBe("4")
      // one look at the next height and one wish for the next block each
      expect(questions.filter((what) => what === "next")).toHaveLength(1)
      expect(questions.length).toBeLessThan(8)
    })
  )
  it.scoped("takes several requests on one stream and ends with the client", () =>
    Effect.gen(function* () {
      const stream = yield* makeStream({})
      yield* stream.send(request({ start: newest, stop: newest }))
      yield* stream.send(request({ start: oldest, stop: at(1n) }))
      expect(yield* stream.settled).toBe("3 =200 0 1 =200")
      yield* stream.halfClose
      expect(yield* stream.settled).toBe("3 =200 0 1 =200 end")
      expect(Either.isRight(yield* Effect.either(Fiber.join(stream.fiber)))).toBe(true)
    })
  )
})

describe("requests (3.6 steps 1-8)", () => {
  const whole: Seek = { start: oldest, stop: oldest }
  it.scoped("refuses what cannot be read", () =>
    Effect.gen(function* () {
      const raw = (bytes: Uint8Array) =>
        Effect.gen(function* () {
          const stream = yield* makeStream({})
          yield* stream.send(bytes)
          return yield* stream.settled
        })
      const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "hex"))
      expect(yield* raw(common.Envelope.encode({ payload: bytes("0aff") }))).toBe("=400 end")
      expect(yield* raw(common.Envelope.encode({ payload: common.Payload.encode({}) }))).toBe("=400 end")
      const header = { header: { channelHeader: bytes("0aff") } }
      expect(yield* raw(common.Envelope.encode({ payload: common.Payload.encode(header) }))).toBe("=400 end")
      expect(yield* once(bytes("0aff"))).toBe("=400 end")
      const stream = yield* makeStream({})
      yield* stream.send(bytes("0aff"))
      const exit = yield* Effect.either(Fiber.join(stream.fiber))
      expect(Either.isLeft(exit) && exit.left.details).toBe(
        "grpc: failed to unmarshal the received message unexpected EOF"
      )
    })
  )
  it.scoped("answers NOT_FOUND for an unknown channel before it looks at the seek", () =>
    Effect.gen(function* () {
      expect(yield* once(new Uint8Array([0xff]), { channelId: "other" })).toBe("=404 end")
    })
  )
  it.scoped("holds the clocks together, both ways (check 15)", () =>
    Effect.gen(function* () {
      const minutes = (n: number) => ({ timestamp: startOfTime + n * 60_000 })
      for (const n of [-14, 0, 14, 15]) expect(yield* once(whole, minutes(n))).toBe("0 =200")
      for (const n of [-16, 16]) expect(yield* once(whole, minutes(n))).toBe("=400 end")
      expect(yield* once(whole, { timestamp: undefined })).toBe("=400 end")
    })
  )
  it.scoped("binds the request to the TLS certificate under mutual TLS only (check 15)", () =>
    Effect.gen(function* () {
      const certificate = new Uint8Array([1, 2, 3])
      const right = { tlsCertHash: sha256(certificate) }
      const wrong = { tlsCertHash: sha256(new Uint8Array([4])) }
      const mutual = { mutualTls: true, certificate }
      expect(yield* once(whole, right, mutual)).toBe("0 =200")
      expect(yield* once(whole, wrong, mutual)).toBe("=400 end")
      expect(yield* once(whole, {}, mutual)).toBe("=400 end")
      expect(yield* once(whole, right, { mutualTls: true })).toBe("=400 end")
      expect(yield* once(whole, wrong, { certificate })).toBe("0 =200")
    })
  )
  it.scoped("checks access before it asks for start and stop", () =>
    Effect.gen(function* () {
      const access = () => Effect.fail(new AccessDenied({ detail: "no" }))
      expect(yield* once({}, {}, { access })).toBe("=403 end")
    })
  )
})

describe("what ends a stream (check 16)", () => {
  it.scoped("asks the policy again when the config has grown, before the next block", () =>
    Effect.gen(function* () {
      let allowed = true
      let asked = 0
      const access = () => {
        asked += 1
        return allowed ? Effect.void : Effect.fail(new AccessDenied({ detail: "revoked" }))
      }
      const stream = yield* makeStream({ access })
      yield* stream.send(request({ start: newest, stop: max }))
      expect(yield* stream.settled).toBe("3")
      yield* stream.append
      expect(yield* stream.settled).toBe("3 4")
      expect(asked).toBe(1)
      allowed = false
      yield* stream.append
      expect(yield* stream.settled).toBe("3 4 5") // the config is the same
      yield* stream.growSequence
      yield* stream.append
      expect(yield* stream.settled).toBe("3 4 5 =403 end")
      expect(asked).toBe(2)
    })
  )
  it.scoped("ends when the chain errs, also later, unless the client wants best effort", () =>
    Effect.gen(function* () {
      const waiting = yield* makeStream({})
      const seek: Seek = { start: newest, stop: max }
      yield* waiting.send(request(seek))
      expect(yield* waiting.settled).toBe("3")
      yield* waiting.raiseError
      expect(yield* waiting.settled).toBe("3 =503 end")

      const late = yield* makeStream({})
      yield* late.raiseError
      yield* late.send(request(seek))
      expect(yield* late.settled).toBe("=503 end")

      const patient = yield* makeStream({})
      yield* patient.raiseError
      yield* patient.send(request({ ...seek, errorResponse: orderer.SeekInfo_SeekErrorResponse.BEST_EFFORT }))
      expect(yield* patient.settled).toBe("3")
      yield* patient.append
      expect(yield* patient.settled).toBe("3 4")

      const reopened = yield* makeStream({})
      yield* reopened.raiseError
      yield* reopened.clearError
      yield* reopened.send(request(seek))
      expect(yield* reopened.settled).toBe("3")
    })
  )
  it.scoped("ends before the next block when the signer's certificate has expired (check 15)", () =>
    Effect.gen(function* () {
      const pem = fs.readFileSync(
        path.join(
          import.meta.dirname,
          "../vectors/chain-a/crypto-config/peerOrganizations/org1.example.com/users/User1@org1.example.com/msp/signcerts/User1@org1.example.com-cert.pem"
        )
      )
      const creator = msp.SerializedIdentity.encode({ mspid: "Org1MSP", idBytes: pem })
      const end = expiresAt(creator) ?? Number.NaN
      const stream = yield* makeStream({})
      yield* TestClock.setTime(end - 60_000)
      yield* stream.send(request({ start: newest, stop: max }, { creator, timestamp: end }))
      expect(yield* stream.settled).toBe("3")
      yield* stream.append
      expect(yield* stream.settled).toBe("3 4")
      yield* TestClock.adjust("2 minutes")
      yield* stream.append
      expect(yield* stream.settled).toBe("3 4 =403 end")
    })
  )
  it.scoped("counts streams, requests and blocks", () =>
    Effect.gen(function* () {
      const stream = yield* makeStream({})
      yield* stream.send(request({ start: oldest, stop: newest }))
      yield* stream.send(request({ start: at(9n), stop: newest }))
      yield* stream.settled
      const page = (yield* stream.metrics.exposition)?.body ?? ""
      for (const line of [
        "deliver_streams_opened 1",
        "deliver_streams_closed 1",
        'deliver_requests_received{channel="ch",filtered="false"} 2',
        'deliver_requests_completed{channel="ch",filtered="false",success="true"} 1',
        'deliver_requests_completed{channel="ch",filtered="false",success="false"} 1',
        'deliver_blocks_sent{channel="ch",filtered="false"} 4'
      ]) {
        expect(page).toContain(line)
      }
    })
  )
})

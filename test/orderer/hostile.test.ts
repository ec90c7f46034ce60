/** What arrives is not to be trusted: damaged messages, requests and updates, slow readers, many connections. */
import * as net from "node:net"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import fc from "fast-check"
import { GrpcFailure } from "../../src/transport/index.js"
import { common } from "../../src/wire/index.js"
import { AtomicBroadcast as service } from "../../src/wire/services.js"
import {
  broadcastAll,
  broadcastOne,
  chainA,
  createMychannel,
  deliverAll,
  message,
  numbersOf,
  readDelivered,
  seekMessage,
  signedUpdate,
  signerOf,
  startNode,
  temporaryFolder,
  textsOf,
  waitForHeight
} from "./support/node.js"
import { batchSize, envelopeOf, groupOf, setValue, updateOf } from "./support/updates.js"

const long = process.env.FABRIC_EFFECT_LONG !== undefined
const statuses: ReadonlySet<number> = new Set([200, 400, 403, 404, 503])

/** One damaged copy: bytes flipped, cut, doubled, or replaced. */
const damaged = (originals: ReadonlyArray<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc
    .record({
      which: fc.nat(originals.length - 1),
      flips: fc.array(fc.record({ at: fc.nat(), bit: fc.nat(7) }), { maxLength: 4 }),
      cut: fc.option(fc.nat(), { nil: undefined, freq: 3 }),
      splice: fc.option(fc.record({ at: fc.nat(), bytes: fc.uint8Array({ maxLength: 12 }) }), {
        nil: undefined,
        freq: 3
      })
    })
    .map(({ cut, flips, splice, which }) => {
      let bytes = Buffer.from(originals[which] ?? [])
      for (const { at, bit } of flips) {
        const i = at % bytes.length
        bytes[i] = (bytes[i] ?? 0) ^ (1 << bit)
      }
      if (splice !== undefined) {
        const i = splice.at % bytes.length
        bytes = Buffer.concat([bytes.subarray(0, i), splice.bytes, bytes.subarray(i)])
      }
      return cut === undefined ? bytes : bytes.subarray(0, cut % bytes.length)
    })

describe("bad input", () => {
  it.scopedLive(
    "damaged envelopes, updates and seek requests get a status of the sheet, and the others go on",
    () =>
      Effect.gen(function* () {
        const node = yield* startNode({ folder: yield* temporaryFolder })
        const { client } = node
        yield* createMychannel(node)
        const user = yield* signerOf("user1")
        const admin = yield* signerOf("admin1")
        const ordererAdmin = yield* signerOf("ordererAdmin")
        const bundle = node.registrar.channel("mychannel")?.bundles.current()
        if (bundle === undefined) return
        const update = updateOf(bundle, (root) => setValue(groupOf(root, "Orderer"), "BatchSize", batchSize(9)))
        const messages = [
          message(user, "mychannel", "hello"),
          message(user, "sys", "hello"),
          envelopeOf(update, [ordererAdmin]),
          signedUpdate(path.join(chainA, "mychannel.tx"), "mychannel", [admin])
        ]
        const requests = [
          seekMessage(user, "mychannel", "oldest", "newest"),
          seekMessage(user, "mychannel", 0n, 0n, { failIfNotReady: true }),
          seekMessage(ordererAdmin, "sys", "newest", "newest", { bestEffort: true })
        ]
        // a stream that is open all the while must see nothing of it
        const witness = yield* client.bidi(service.methods.Broadcast)
        let answered = 0
        const count = long ? 10_000 : 600
        const seed = Date.now() & 0x7fffffff
        const [envelopes, seeks] = [
          fc.sample(damaged(messages), { numRuns: count, seed }),
          fc.sample(damaged(requests), { numRuns: count / 3, seed })
        ]
        const check = (status: number | undefined, of: Uint8Array) => {
          if (status === undefined || !statuses.has(status)) {
            throw new Error(`seed ${seed}: ${Buffer.from(of).toString("hex")} was answered with ${status}`)
          }
        }
        const orOf = (of: Uint8Array) => (failure: unknown) => {
          // gRPC's own refusal of what is no envelope
          if (
            !(failure instanceof GrpcFailure) ||
            failure.code !== 13 ||
            !failure.details.startsWith("grpc: failed to unmarshal")
          ) {
            throw new Error(`seed ${seed}: ${Buffer.from(of).toString("hex")} failed: ${String(failure)}`)
          }
          return Effect.succeed(undefined)
        }
        yield* Effect.forEach(
          envelopes,
          (bytes, i) =>
            Effect.gen(function* () {
              const answer = yield* Effect.catchAll(broadcastOne(client, bytes), orOf(bytes))
              if (answer !== undefined) check(answer.status, bytes)
              if (i % 100 !== 0) return
              yield* witness.send(message(user, "mychannel", `witness ${i}`))
              const response = yield* witness.next
              expect(response?.length).toBe(3)
              answered += 1
            }),
          { concurrency: 1 }
        )
        yield* Effect.forEach(
          seeks,
          (bytes) =>
            Effect.gen(function* () {
              // a damaged position may ask for blocks that never come: those wait, which is right
              const result = yield* deliverAll(client, bytes).pipe(
                Effect.catchAll(orOf(bytes)),
                Effect.timeoutOption("300 millis")
              )
              if (result._tag === "Some" && result.value !== undefined) check(result.value.status, bytes)
            }),
          { concurrency: 16 }
        )
        expect(answered).toBe(Math.ceil(count / 100))
        yield* broadcastAll(client, [message(user, "mychannel", "still here")])
        const height = () => node.registrar.channel("mychannel")?.ledger.height() ?? 0n
        yield* Effect.repeat(Effect.delay(Effect.sync(height), "20 millis"), { until: (h) => h > 1n })
        const { blocks, status } = yield* deliverAll(client, seekMessage(user, "mychannel", "oldest", "newest"))
        expect(status).toBe(200)
        expect(numbersOf(blocks)).toEqual(Array.from({ length: blocks.length }, (_, i) => i))
      }),
    600_000
  )

  it.scopedLive("a message over the gRPC limit ends its stream only", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      const huge = common.Envelope.encode({ payload: new Uint8Array(100 * 1024 * 1024) })
      const failure = yield* Effect.flip(broadcastAll(node.client, [huge]))
      expect(failure).toBeInstanceOf(GrpcFailure)
      yield* createMychannel(node)
    })
  )
})

describe("many and slow callers", () => {
  it.scopedLive("a reader that does not read holds back itself alone", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const mebibyte = new Uint8Array(1024 * 1024)
      const slow = yield* node.client.bidi(service.methods.Deliver)
      yield* slow.send(seekMessage(user, "mychannel", 1n, 2n ** 64n - 1n))
      const sent = 32
      for (let i = 0; i < sent / 4; i++) {
        const four = Array.from({ length: 4 }, () => message(user, "mychannel", mebibyte))
        expect(yield* broadcastAll(node.client, four)).toHaveLength(4)
      }
      const last = node.registrar.channel("mychannel")?.ledger.height() ?? 0n
      yield* waitForHeight(node, "mychannel", last)
      const { blocks } = yield* deliverAll(node.client, seekMessage(user, "mychannel", 1n, last - 1n))
      expect(textsOf(blocks).length).toBeGreaterThan(sent / 2)
      // and nothing of what it did not read is lost
      const first = yield* slow.next
      expect(first === undefined ? undefined : "block" in readDelivered(first)).toBe(true)
    })
  )

  it.scopedLive("five hundred streams wait for a block, and all get it", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const request = seekMessage(user, "mychannel", 1n, 1n)
      const streams = yield* Effect.forEach(
        Array.from({ length: 500 }),
        () =>
          Effect.gen(function* () {
            const stream = yield* node.client.bidi(service.methods.Deliver)
            yield* stream.send(request)
            return yield* Effect.fork(stream.next)
          }),
        { concurrency: 50 }
      )
      yield* broadcastAll(node.client, [message(user, "mychannel", "for all")])
      const got = yield* Effect.forEach(streams, Fiber.join)
      for (const bytes of got) {
        const delivered = bytes === undefined ? undefined : readDelivered(bytes)
        expect(delivered !== undefined && "block" in delivered && textsOf([delivered.block])).toEqual(["for all"])
      }
    })
  )

  it.scopedLive("two thousand connections that say nothing, or half of something, keep nobody out", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      const count = long ? 2000 : 300
      const port = Number(node.address.slice(node.address.lastIndexOf(":") + 1))
      const connected = yield* Deferred.make<void>()
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          let open = 0
          return Array.from({ length: count }, (_, i) => {
            const socket = net.connect(port, "127.0.0.1", () => {
              if (i % 2 === 0) socket.write("PRI * HTTP/2.0\r\n")
              open += 1
              if (open === count) Deferred.unsafeDone(connected, Effect.void)
            })
            return socket.on("error", () => {})
          })
        }),
        (sockets) =>
          Effect.sync(() => {
            for (const socket of sockets) socket.destroy()
          })
      )
      yield* Deferred.await(connected)
      yield* createMychannel(node)
    })
  )
})

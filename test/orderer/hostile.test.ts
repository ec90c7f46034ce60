/** What arrives is not to be trusted: damaged messages, requests and updates, slow readers, many connections. */
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import fc from "fast-check"
import { type ClientSigner, configUpdateEnvelope, seekInfo, signedEnvelope } from "../../src/client/index.js"
import { type Channel, connect, GrpcFailure } from "../../src/transport/index.js"
import { common } from "../../src/wire/index.js"
import { AtomicBroadcast as service } from "../../src/wire/services.js"
import {
  broadcastAll,
  broadcastOne,
  chainA,
  createMychannel,
  deliverAll,
  message,
  moment,
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

v8.setFlagsFromString("--expose-gc")
const collectGarbage: unknown = vm.runInNewContext("gc")

/** Bytes that this process holds on to. */
const memoryInUse = (): number => {
  if (typeof collectGarbage === "function") collectGarbage()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

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
        const seed = Number(process.env.ORDERER_TEST_SEED ?? Date.now() & 0x7fffffff)
        /** Damage that a signature is put on: it gets beyond the filters. */
        const resigned = (signer: ClientSigner, originals: ReadonlyArray<Uint8Array>) =>
          damaged(originals.map((bytes) => common.Envelope.decode(bytes).payload)).map((payload) =>
            common.Envelope.encode({ payload, signature: signer.sign(payload) })
          )
        const creation = common.ConfigUpdateEnvelope.decode(
          common.Payload.decode(common.Envelope.decode(fs.readFileSync(path.join(chainA, "mychannel.tx"))).payload).data
        )
        const updates = fc.oneof(
          damaged([common.ConfigUpdate.encode(update)]).map((bytes) =>
            configUpdateEnvelope("mychannel", bytes, [ordererAdmin], ordererAdmin, moment)
          ),
          damaged([creation.configUpdate]).map((bytes) =>
            configUpdateEnvelope("another", bytes, [admin], admin, moment)
          )
        )
        const seekInfos = damaged([
          seekInfo({ start: 0n, stop: 1n }),
          seekInfo({ start: "newest", stop: "newest", failIfNotReady: true, bestEffort: true })
        ]).map((data) => signedEnvelope({ ...moment(), type: 5, channelId: "mychannel", data, signer: user }))
        const [envelopes, seeks] = [
          fc.sample(
            fc.oneof(
              { arbitrary: damaged(messages), weight: 2 },
              { arbitrary: resigned(user, messages.slice(0, 2)), weight: 1 },
              { arbitrary: resigned(ordererAdmin, messages.slice(2, 3)), weight: 1 },
              { arbitrary: updates, weight: 2 }
            ),
            { numRuns: count, seed }
          ),
          fc.sample(fc.oneof(damaged(requests), resigned(user, requests.slice(0, 2)), seekInfos), {
            numRuns: count / 3,
            seed
          })
        ]
        const tally: Record<string, number> = {}
        const check = (status: number | undefined, of: Uint8Array) => {
          tally[String(status)] = (tally[String(status)] ?? 0) + 1
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
        // Node's HTTP/2 cuts a connection that resets more than a thousand streams: requests that time out reset theirs
        const inRuns = <A>(
          all: ReadonlyArray<A>,
          each: (client: Channel, one: A, i: number) => Effect.Effect<void, unknown, Scope.Scope>,
          concurrency: number
        ) =>
          Effect.forEach(
            Array.from({ length: Math.ceil(all.length / 500) }, (_, i) => i * 500),
            (from) =>
              Effect.scoped(
                Effect.flatMap(connect(node.address), (fresh) =>
                  Effect.forEach(all.slice(from, from + 500), (one, i) => each(fresh, one, from + i), { concurrency })
                )
              )
          )
        yield* inRuns(
          envelopes,
          (client, bytes, i) =>
            Effect.gen(function* () {
              const answer = yield* Effect.catchAll(broadcastOne(client, bytes), orOf(bytes))
              if (answer !== undefined) check(answer.status, bytes)
              if (i % 100 !== 0) return
              yield* witness.send(message(user, "mychannel", `witness ${i}`))
              const response = yield* witness.next
              expect(response?.length).toBe(3)
              answered += 1
            }),
          1
        )
        yield* inRuns(
          seeks,
          (client, bytes) =>
            Effect.gen(function* () {
              // a damaged position may ask for blocks that never come: those wait, which is right
              const result = yield* deliverAll(client, bytes).pipe(
                Effect.catchAll(orOf(bytes)),
                Effect.timeoutOption("300 millis")
              )
              if (result._tag === "Some" && result.value !== undefined) check(result.value.status, bytes)
            }),
          16
        )
        expect(answered).toBe(Math.ceil(count / 100))
        if (long)
          console.log(`seed ${seed}, ${count} messages and ${seeks.length} seek requests: ${JSON.stringify(tally)}`)
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

  it.scopedLive(
    "five hundred streams wait for a block without a timer, in less than 100 KiB each, and all get it",
    () =>
      Effect.gen(function* () {
        const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
        const node = yield* startNode({ folder: yield* temporaryFolder })
        yield* createMychannel(node)
        const user = yield* signerOf("user1")
        const request = seekMessage(user, "mychannel", 1n, 1n)
        const before = memoryInUse()
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
        // those of the connection and of grpc-js, not of the streams
        yield* Effect.repeat(Effect.delay(Effect.sync(timers), "10 millis"), { until: (count) => count < 50 })
        // the clients' ends, which are in this process too, included
        expect((memoryInUse() - before) / 500).toBeLessThan(100 * 1024)
        yield* broadcastAll(node.client, [message(user, "mychannel", "for all")])
        const got = yield* Effect.forEach(streams, Fiber.join)
        for (const bytes of got) {
          const delivered = bytes === undefined ? undefined : readDelivered(bytes)
          expect(delivered !== undefined && "block" in delivered && textsOf([delivered.block])).toEqual(["for all"])
        }
      })
  )

  it.scopedLive("streams that send nothing stay, cost the others nothing, and end with their client", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const silent = yield* Scope.make()
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? service.methods.Broadcast : service.methods.Deliver)),
        (method) =>
          Scope.extend(
            Effect.flatMap(connect(node.address), (client) => client.bidi(method)),
            silent
          ),
        { concurrency: 20 }
      )
      yield* Effect.repeat(Effect.delay(node.connections, "10 millis"), { until: (count) => count > 200 })
      expect(yield* broadcastOne(node.client, message(user, "mychannel", "heard"))).toEqual({ status: 200, info: "" })
      yield* waitForHeight(node, "mychannel", 2n)
      yield* Scope.close(silent, Exit.void)
      yield* Effect.repeat(Effect.delay(node.connections, "10 millis"), { until: (count) => count === 1 })
    })
  )

  it.scopedLive(
    "two thousand connections that say nothing, half of something, or are half open, keep nobody out and are ended",
    () =>
      Effect.gen(function* () {
        const node = yield* startNode({ folder: yield* temporaryFolder })
        const count = long ? 2000 : 300
        const port = Number(node.address.slice(node.address.lastIndexOf(":") + 1))
        const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        const greetings: ReadonlyArray<(socket: net.Socket) => void> = [
          () => {},
          (socket) => socket.write(preface.subarray(0, 11)),
          (socket) => socket.end(preface.subarray(0, 11)), // our half is closed, theirs may go on
          (socket) => socket.write(preface), // and then no SETTINGS
          (socket) => socket.write(Buffer.alloc(70_000, 0xff))
        ]
        const connected = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        let open = 0
        let closed = 0
        yield* Effect.acquireRelease(
          Effect.sync(() =>
            Array.from({ length: count }, (_, i) => {
              const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: i % 5 === 2 }, () => {
                greetings[i % greetings.length]?.(socket)
                open += 1
                if (open === count) Deferred.unsafeDone(connected, Effect.void)
              })
              socket.on("close", () => {
                closed += 1
                if (closed === count) Deferred.unsafeDone(ended, Effect.void)
              })
              socket.on("end", () => socket.destroy())
              socket.resume()
              return socket.on("error", () => {})
            })
          ),
          (sockets) =>
            Effect.sync(() => {
              for (const socket of sockets) socket.destroy()
            })
        )
        yield* Deferred.await(connected)
        yield* createMychannel(node)
        // ConnectionTimeout (five seconds) ends what has not begun to speak HTTP/2
        yield* Deferred.await(ended)
        yield* Effect.repeat(Effect.delay(node.connections, "10 millis"), { until: (left) => left === 1 })
      }),
    120_000
  )
})

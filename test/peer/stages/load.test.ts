/**
 * A peer under many callers: the limit of 2,500 calls at a time, a thousand idle event streams, readers that do not read.
 * The figures of memory are of a peer that is a process of its own.
 */
import { readFileSync } from "node:fs"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { peerBlocks, seekInfo, signedEnvelope, system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { type Channel, Code, connect } from "../../../src/transport/index.js"
import { common } from "../../../src/wire/index.js"
import { Endorser, PeerDeliver } from "../../../src/wire/services.js"
import { join, statusOf } from "../node/calls.js"
import { buildProgram, freePort, launch, prepare, removeProgram } from "../node/process.js"
import { recordedBlocks, serveChain } from "../node/serveChain.js"
import { startPeer, tempFolder } from "../node/support.js"
import { genesisBlock, person, proposal } from "../support.js"

let admin: Signer
let user: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
  await buildProgram()
})
afterAll(removeProgram)

let counter = 0
const waiting = (height: bigint): Uint8Array =>
  signedEnvelope({
    type: common.HeaderType.DELIVER_SEEK_INFO,
    channelId: "mychannel",
    data: seekInfo({ start: height, stop: height }),
    signer: user,
    now: Date.now(),
    nonce: Buffer.from(`load ${counter++}`.padEnd(24))
  })

/** Opens streams that wait for a block that is not there yet. */
const idle = (clients: ReadonlyArray<Channel>, many: number, height: bigint) =>
  Effect.forEach(
    Array.from({ length: many }, (_, at) => at),
    (at) =>
      Effect.gen(function* () {
        const stream = yield* (clients[at % clients.length] ?? expect.fail("no client")).bidi(
          PeerDeliver.methods.DeliverFiltered
        )
        yield* stream.send(waiting(height))
        return stream
      })
  )

/** Value of an unlabelled or first series of the peer's metrics. */
const metric = (operations: string, name: string) =>
  Effect.promise(async () => {
    const page = await (await fetch(`http://${operations}/metrics`)).text()
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(page)?.[1] ?? "0")
  })

const connections = (address: string, many: number) =>
  Effect.forEach(Array.from({ length: many }), () => connect(address))

describe("2,600 calls at once", () => {
  it.scopedLive(
    "2,500 run, the others wait for a slot: until their deadline, or until one is free",
    () =>
      Effect.gen(function* () {
        const orderer = yield* serveChain(recordedBlocks.slice(0, 3))
        const peer = yield* startPeer({ folder: yield* tempFolder, orderer: orderer.address, spec: "warn" })
        const client = yield* peer.connect()
        expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
        yield* peer.table.get("mychannel")?.pipeline.reached(3n) ?? Effect.die("not joined")
        const clients = yield* connections(peer.address, 10)
        const streams = yield* idle(clients, 2500, 3n)
        // a stream holds its slot for as long as it lives
        while ((yield* metric(peer.operations, "deliver_streams_opened")) < 2500) yield* Effect.sleep("20 millis")
        const ask = (deadline: `${number} ${"millis" | "seconds"}`) => {
          const { signed } = proposal({ channelId: "", signer: admin, ...system.getChannels })
          return Effect.either(client.unary(Endorser.methods.ProcessProposal, signed, { deadline }))
        }
        const impatient = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.fork(ask("300 millis")))
        const patient = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.fork(ask("60 seconds")))
        for (const fiber of impatient) {
          const answer = yield* Fiber.join(fiber)
          expect(Either.isLeft(answer) ? answer.left.code : "served").toBe(Code.DeadlineExceeded)
        }
        expect(yield* metric(peer.operations, "endorser_proposals_received")).toBe(1) // the join
        expect(patient.filter((fiber) => fiber.unsafePoll() !== null)).toEqual([])
        // one block comes: the streams have what they waited for, and end
        yield* orderer.append(recordedBlocks[3] ?? expect.fail("no block"))
        for (const stream of streams) {
          expect((yield* stream.next)?.length).toBeGreaterThan(0) // no event is lost
          yield* stream.end
        }
        for (const fiber of patient) expect(Either.isRight(yield* Fiber.join(fiber))).toBe(true)
        expect(yield* metric(peer.operations, "endorser_proposals_received")).toBe(51)
      }),
    300_000
  )
})

const rss = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0") * 1024

describe("a thousand idle event streams", () => {
  it.scopedLive(
    "cost less than 100 KiB each, and all hear of the next block",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const orderer = yield* serveChain(recordedBlocks.slice(0, 3))
        const folder = yield* tempFolder
        const env = prepare(folder, { port, orderer: orderer.address })
        const peer = yield* launch(["node", "start"], { ...env, FABRIC_LOGGING_SPEC: "info:comm.grpc.server=error" })
        yield* peer.says("Started peer with ID=")
        const client = yield* connect(`127.0.0.1:${port}`)
        expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
        yield* peer.says("Committed block [2]")
        const pid = peer.child.pid ?? expect.fail("no process")
        const clients = yield* connections(`127.0.0.1:${port}`, 50)
        // warm: what a first few cost is the code's, not theirs
        yield* Effect.scoped(
          Effect.gen(function* () {
            for (const stream of yield* idle(clients, 50, 2n)) yield* stream.next
          })
        )
        const before = rss(pid)
        const streams = yield* idle(clients, 1000, 3n)
        yield* Effect.sleep("1 second")
        const each = (rss(pid) - before) / 1000 / 1024
        yield* orderer.append(recordedBlocks[3] ?? expect.fail("no block"))
        for (const stream of streams) expect((yield* stream.next)?.length).toBeGreaterThan(0)
        console.log(`an idle event stream: ${each.toFixed(1)} KiB`)
        expect(each).toBeLessThan(100)
        peer.child.kill("SIGTERM")
        expect(yield* peer.ended).toBe(0)
      }),
    300_000
  )
})

describe("readers that do not read", () => {
  it.scopedLive(
    "hold up neither commits nor each other, and cost no more than a bound",
    () =>
      Effect.gen(function* () {
        const orderer = yield* serveChain(recordedBlocks.slice(0, 3))
        const peer = yield* startPeer({ folder: yield* tempFolder, orderer: orderer.address, spec: "warn" })
        const client = yield* peer.connect()
        expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
        const reached = (height: number) =>
          peer.table.get("mychannel")?.pipeline.reached(BigInt(height)) ?? Effect.die("not joined")
        // each asks for all blocks, again and again on one stream, and never reads
        const stalled = yield* Effect.forEach(yield* connections(peer.address, 20), (one) =>
          Effect.gen(function* () {
            const stream = yield* one.bidi(PeerDeliver.methods.Deliver)
            for (let ask = 0; ask < 30; ask += 1)
              yield* stream.send(
                signedEnvelope({
                  type: common.HeaderType.DELIVER_SEEK_INFO,
                  channelId: "mychannel",
                  data: seekInfo({ start: "oldest", stop: BigInt(recordedBlocks.length - 1) }),
                  signer: user,
                  now: Date.now(),
                  nonce: Buffer.from(`slow ${counter++}`.padEnd(24))
                })
              )
            return stream
          })
        )
        for (const block of recordedBlocks.slice(3)) yield* orderer.append(block)
        yield* reached(recordedBlocks.length)
        // a reader that reads is served beside them
        const last = BigInt(recordedBlocks.length - 1)
        const blocks = yield* peerBlocks(client, {
          channelId: "mychannel",
          signer: user,
          seek: { start: "oldest", stop: last }
        })
        let number = 0
        while ((yield* blocks.next) !== undefined) number += 1
        expect(number).toBe(recordedBlocks.length)
        // what waits for them is a bound of bytes each, not the chain
        const sent = yield* metric(peer.operations, 'deliver_blocks_sent\\{channel="mychannel",filtered="false"\\}')
        expect(sent - number).toBeLessThan(20 * 30 * recordedBlocks.length)
        expect(stalled).toHaveLength(20)
      }),
    300_000
  )
})

/**
 * Open Deliver streams that wait for the next block: memory and CPU of the orderer for each, and how long a block takes
 * to reach all. Run: `npm run build`, then `npm run bench -- broadcast-waiting`. BENCH_STREAMS sets how many (500) in each
 * of two rounds: all on one connection, and each on its own.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { broadcast, forever, seekEnvelope, signedEnvelope } from "../src/client/index.js"
import { type Channel, connect } from "../src/transport/index.js"
import { AtomicBroadcast } from "../src/wire/services.js"
import { createChannel, moment, signerOf, startOrderer, temporaryFolder } from "./support/orderer.js"
import { Report, rounded, usageOf } from "./support/report.js"
import { amount } from "./support/target.js"

const streams = amount("BENCH_STREAMS", 500)
const quietSeconds = 10
const channelId = "mychannel"
const report = new Report()

type Connections = (
  address: string
) => Effect.Effect<(i: number) => Effect.Effect<Channel, unknown, Scope.Scope>, unknown, Scope.Scope>

/** One round on an orderer of its own: memory that an earlier round has left behind would hide this one's. */
const round = (name: string, connections: Connections) =>
  Effect.gen(function* () {
    const { address, pid } = yield* startOrderer(yield* temporaryFolder)
    yield* createChannel(address)
    const user = yield* signerOf("User1")
    const sender = yield* connect(address)
    const send = Effect.suspend(() =>
      broadcast(sender, signedEnvelope({ ...moment(), type: 3, channelId, data: randomBytes(100), signer: user }))
    )
    const connectionOf = yield* connections(address)
    /** Opens streams that have read all there is. */
    const open = (count: number) =>
      Effect.forEach(
        Array.from({ length: count }, (_, i) => i),
        (i) =>
          Effect.gen(function* () {
            const stream = yield* (yield* connectionOf(i)).bidi(AtomicBroadcast.methods.Deliver)
            const seek = { start: "newest", stop: forever } as const
            yield* stream.send(seekEnvelope({ ...moment(), channelId, signer: user, seek }))
            yield* stream.next
            return stream
          }),
        { concurrency: 50 }
      )
    // what is made once is made before
    yield* Effect.scoped(Effect.zipRight(open(5), send))
    yield* Effect.sleep("3 seconds")
    const before = usageOf(pid)
    const opened = yield* open(streams)
    yield* Effect.sleep("3 seconds")
    const [loaded, from] = [usageOf(pid), performance.now()]
    yield* Effect.sleep(`${quietSeconds} seconds`)
    const quiet = usageOf(pid)
    const cpuMsPerSecond = ((quiet.cpu - loaded.cpu) * 1e6) / (performance.now() - from)
    const waiting = yield* Effect.forEach(opened, ({ next }) => Effect.fork(next))
    const sent = performance.now()
    yield* send
    yield* Effect.forEach(waiting, Fiber.join)
    report.add({
      name: `${streams} waiting streams, ${name}`,
      unit: "KiB each",
      value: rounded(((loaded.rss - before.rss) * 1024) / streams),
      idleMiB: before.rss,
      rssMiB: loaded.rss,
      cpuMsPerSecond: rounded(cpuMsPerSecond, 2),
      blockToAllMs: rounded(performance.now() - sent) // with the batch timeout of half a second
    })
  }).pipe(Effect.scoped)

await Effect.runPromise(
  Effect.gen(function* () {
    yield* round("one connection", (address) => Effect.map(connect(address), (shared) => () => Effect.succeed(shared)))
    yield* round("a connection each", (address) => Effect.succeed(() => connect(address)))
  })
)
report.table()

/**
 * Broadcast: envelopes a second, latency, CPU and memory of the orderer, against a client in another process. Run:
 *
 *     npx vite-node bench/broadcast.bench.ts
 *
 * Starts our orderer (dist, solo, durable journal) on the recorded genesis block; or measures any that is running:
 * BENCH_ORDERER=host:port, BENCH_CRYPTO=crypto-config folder, BENCH_CHANNEL, BENCH_PID (for CPU and memory). One JSON
 * line per case, then a table. BENCH_MESSAGES, BENCH_STREAMS, BENCH_WINDOW, BENCH_SIZES change the load.
 */
import { fork } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { signedEnvelope } from "../src/client/index.js"
import { createChannel, moment, signerOf, startOrderer, temporaryFolder, type Under } from "./support/orderer.js"
import { cpuPer, Report, rounded, usageOf } from "./support/report.js"

const { env } = process
const numbers = (text: string | undefined, otherwise: string) => (text ?? otherwise).split(",").map(Number)

const channelId = env.BENCH_CHANNEL ?? "mychannel"
const [messages = 0] = numbers(env.BENCH_MESSAGES, "60000")
const [streams = 0] = numbers(env.BENCH_STREAMS, "8")
const [window = 0] = numbers(env.BENCH_WINDOW, "500")
const sizes = numbers(env.BENCH_SIZES, "1024")

// ---- The load ------------------------------------------------------------------------------------------------------

interface Result {
  readonly messages: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
}

/** A file of signed envelopes as gRPC frames: enough different ones that nothing can remember them. */
const writeEnvelopes = (folder: string, size: number) =>
  Effect.gen(function* () {
    const user = yield* signerOf("User1", env.BENCH_CRYPTO)
    const make = (data: number) =>
      signedEnvelope({ ...moment(), type: 3, channelId, data: randomBytes(data), signer: user })
    const overhead = make(1).length - 1
    const frames: Array<Uint8Array> = []
    for (let i = 0; i < 4000; i++) {
      const envelope = make(Math.max(1, size - overhead))
      const head = Buffer.alloc(5)
      head.writeUInt32BE(envelope.length, 1)
      frames.push(head, envelope)
    }
    const file = path.join(folder, `envelopes-${size}`)
    fs.writeFileSync(file, Buffer.concat(frames))
    return file
  })

const load = (folder: string, under: Under, size: number, report: Report) =>
  Effect.flatMap(writeEnvelopes(folder, size), (envelopes) =>
    Effect.async<void, Error>((resume) => {
      const options = { address: under.address, envelopes, messages, streams, warmup: Math.ceil(messages / 4), window }
      const client = fork(
        fileURLToPath(new URL("./broadcast.client.mjs", import.meta.url)),
        [JSON.stringify(options)],
        { stdio: ["ignore", "pipe", "inherit", "ipc"] }
      )
      let before = usageOf(under.pid)
      let text = ""
      client.stdout?.on("data", (data) => {
        text += data
      })
      client.on("message", () => {
        before = usageOf(under.pid)
      })
      client.on("exit", (code) => {
        if (code !== 0) return resume(Effect.fail(new Error(`the client ended with ${code}`)))
        const after = usageOf(under.pid)
        const result: Result = JSON.parse(text)
        report.add({
          name: `broadcast ${size} B`,
          unit: "envelopes/s",
          value: Math.round(result.messages / result.seconds),
          p50Ms: rounded(result.p50),
          p99Ms: rounded(result.p99),
          cpuUsPerEnvelope: cpuPer(result.messages, before, after),
          rssMiB: after.rss,
          peakMiB: after.peak
        })
        resume(Effect.void)
      })
    })
  )

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const given = env.BENCH_ORDERER
  const under: Under =
    given === undefined
      ? yield* startOrderer(folder)
      : { address: given, pid: env.BENCH_PID === undefined ? undefined : Number(env.BENCH_PID) }
  if (given === undefined) yield* createChannel(under.address)
  const report = new Report()
  for (const size of sizes) yield* load(folder, under, size, report)
  report.table()
})

await Effect.runPromise(Effect.scoped(program))

/**
 * Broadcast: envelopes a second, latency, CPU and memory of the orderer, against a client in another process. Run:
 *
 *     npx vite-node bench/broadcast.bench.ts
 *
 * Starts our orderer (dist, solo, durable journal) on the recorded genesis block; or measures any that is running:
 * BENCH_ORDERER=host:port, BENCH_CRYPTO=crypto-config folder, BENCH_CHANNEL, BENCH_PID (for CPU and memory). One JSON
 * line per case, then a table. BENCH_MESSAGES, BENCH_STREAMS, BENCH_WINDOW, BENCH_SIZES change the load.
 */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { broadcast, configUpdateEnvelope, fetchBlock, signedEnvelope } from "../src/client/index.js"
import { loadLocalMsp } from "../src/msp/index.js"
import { connect } from "../src/transport/index.js"
import { common } from "../src/wire/index.js"

const root = fileURLToPath(new URL("..", import.meta.url))
const vectors = path.join(root, "test/vectors/chain-a")
const { env } = process
const numbers = (text: string | undefined, otherwise: string) => (text ?? otherwise).split(",").map(Number)

const crypto = env.BENCH_CRYPTO ?? path.join(vectors, "crypto-config")
const channelId = env.BENCH_CHANNEL ?? "mychannel"
const [messages = 0] = numbers(env.BENCH_MESSAGES, "60000")
const [streams = 0] = numbers(env.BENCH_STREAMS, "8")
const [window = 0] = numbers(env.BENCH_WINDOW, "500")
const sizes = numbers(env.BENCH_SIZES, "1024")

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bench-broadcast-"))
const moment = () => ({ now: Date.now(), nonce: new Uint8Array(randomBytes(24)) })

const signer = (folderOfMsp: string, mspId: string) =>
  Effect.map(loadLocalMsp({ dir: path.join(crypto, folderOfMsp), mspId }), (msp) => msp.signer)
const org1 = "peerOrganizations/org1.example.com/users"

// ---- The process under test ----------------------------------------------------------------------------------------

interface Under {
  readonly address: string
  readonly pid: number | undefined
}

const port = 20_000 + (process.pid % 20_000)
let child: ChildProcess | undefined

const startOurs = Effect.async<Under, Error>((resume) => {
  const started = spawn(process.execPath, [env.BENCH_LAUNCHER ?? path.join(root, "orderer.mjs"), "start"], {
    env: {
      ...env,
      FABRIC_CFG_PATH: path.join(root, "config"),
      ORDERER_GENERAL_LISTENPORT: String(port),
      ORDERER_GENERAL_GENESISMETHOD: "file",
      ORDERER_GENERAL_GENESISFILE: path.join(vectors, "genesis.block"),
      ORDERER_GENERAL_LOCALMSPDIR: path.join(
        vectors,
        "crypto-config/ordererOrganizations/example.com/orderers/orderer.example.com/msp"
      ),
      ORDERER_GENERAL_LOCALMSPID: "OrdererMSP",
      ORDERER_FILELEDGER_LOCATION: path.join(folder, "ledger"),
      ORDERER_OPERATIONS_LISTENADDRESS: "127.0.0.1:0",
      ORDERER_METRICS_PROVIDER: "prometheus"
    },
    stdio: ["ignore", "ignore", "pipe"]
  })
  child = started
  let text = ""
  started.stderr.on("data", (data) => {
    text += data
    if (text.includes("Beginning to serve requests"))
      resume(Effect.succeed({ address: `127.0.0.1:${port}`, pid: started.pid }))
  })
  started.on("exit", (code) => resume(Effect.fail(new Error(`the orderer ended with ${code}: ${text}`))))
})

/** CPU seconds so far, and resident MiB now and at most, of a process on Linux. */
const usage = (pid: number | undefined) => {
  if (pid === undefined) return { cpu: Number.NaN, rss: Number.NaN, peak: Number.NaN }
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8")
  const mebibytes = (key: string) => Math.round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024)
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rss: mebibytes("VmRSS"), peak: mebibytes("VmHWM") }
}

const createChannel = (address: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* connect(address)
      const admin = yield* signer(`${org1}/Admin@org1.example.com/msp`, "Org1MSP")
      const { payload } = common.Envelope.decode(fs.readFileSync(path.join(vectors, "mychannel.tx")))
      const { configUpdate } = common.ConfigUpdateEnvelope.decode(common.Payload.decode(payload).data)
      yield* broadcast(client, configUpdateEnvelope(channelId, configUpdate, [admin], admin, moment))
      const seek = { channelId, signer: admin, seek: { start: 0n, stop: 0n } }
      yield* Effect.retry(fetchBlock(client, seek), Schedule.spaced("20 millis"))
    })
  )

// ---- The load ------------------------------------------------------------------------------------------------------

interface Result {
  readonly messages: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
}

/** A file of signed envelopes as gRPC frames: enough different ones that nothing can remember them. */
const writeEnvelopes = (size: number) =>
  Effect.gen(function* () {
    const user = yield* signer(`${org1}/User1@org1.example.com/msp`, "Org1MSP")
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

const load = (under: Under, size: number) =>
  Effect.flatMap(writeEnvelopes(size), (envelopes) =>
    Effect.async<Record<string, number | string>, Error>((resume) => {
      const options = { address: under.address, envelopes, messages, streams, warmup: Math.ceil(messages / 4), window }
      const client = fork(
        fileURLToPath(new URL("./broadcast.client.mjs", import.meta.url)),
        [JSON.stringify(options)],
        {
          stdio: ["ignore", "pipe", "inherit", "ipc"]
        }
      )
      let before = usage(under.pid)
      let text = ""
      client.stdout?.on("data", (data) => {
        text += data
      })
      client.on("message", () => {
        before = usage(under.pid)
      })
      client.on("exit", (code) => {
        if (code !== 0) return resume(Effect.fail(new Error(`the client ended with ${code}`)))
        const after = usage(under.pid)
        const result: Result = JSON.parse(text)
        resume(
          Effect.succeed({
            name: `broadcast ${size} B`,
            unit: "envelopes/s",
            value: Math.round(result.messages / result.seconds),
            p50Ms: Math.round(result.p50 * 10) / 10,
            p99Ms: Math.round(result.p99 * 10) / 10,
            cpuUsPerEnvelope: Math.round(((after.cpu - before.cpu) * 1e6) / result.messages),
            rssMiB: after.rss,
            peakMiB: after.peak
          })
        )
      })
    })
  )

const program = Effect.gen(function* () {
  const given = env.BENCH_ORDERER
  const under: Under =
    given === undefined
      ? yield* startOurs
      : { address: given, pid: env.BENCH_PID === undefined ? undefined : Number(env.BENCH_PID) }
  if (given === undefined) yield* createChannel(under.address)
  const rows: Array<Record<string, number | string>> = []
  for (const size of sizes) {
    const row = yield* load(under, size)
    console.log(JSON.stringify(row))
    rows.push(row)
  }
  console.table(rows)
})

try {
  await Effect.runPromise(program)
} finally {
  child?.kill("SIGTERM")
  fs.rmSync(folder, { recursive: true, force: true })
}

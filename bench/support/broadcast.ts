/** Load on a Broadcast service from another process, and what it says of the orderer under it. */
import { fork } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { signedEnvelope } from "../../src/client/index.js"
import { moment, signerOf, type Under } from "./orderer.js"
import { cpuPer, type Row, rounded, usageOf } from "./report.js"

export interface BroadcastLoad {
  readonly channelId: string
  /** Bytes of one envelope. */
  readonly size: number
  /** Messages measured; a quarter as many go before them. */
  readonly messages: number
  readonly streams: number
  /** Messages of one stream on their way. */
  readonly window: number
  /** Envelopes a second of all streams together, one by one; as fast as they are answered if not given. */
  readonly rate?: number | undefined
  /** A crypto-config folder, if not the recorded one. */
  readonly crypto?: string | undefined
}

interface Result {
  readonly messages: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
}

/** A file of signed envelopes as gRPC frames: enough different ones that nothing can remember them. */
const writeEnvelopes = (folder: string, { channelId, crypto, size }: BroadcastLoad) =>
  Effect.gen(function* () {
    const user = yield* signerOf("User1", crypto)
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
    const file = path.join(folder, `envelopes-${channelId}-${size}`)
    fs.writeFileSync(file, Buffer.concat(frames))
    return file
  })

/** Runs the load; the row tells what the orderer did. */
export const broadcastLoad = (name: string, folder: string, under: Under, load: BroadcastLoad) =>
  Effect.flatMap(writeEnvelopes(folder, load), (envelopes) =>
    Effect.async<Row, Error>((resume) => {
      const { messages, rate = 0, streams, window } = load
      const warmup = Math.ceil(messages / 4)
      const options = { address: under.address, envelopes, messages, streams, warmup, window, rate }
      const client = fork(
        fileURLToPath(new URL("../broadcast.client.mjs", import.meta.url)),
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
        resume(
          Effect.succeed({
            name,
            unit: "envelopes/s",
            value: Math.round(result.messages / result.seconds),
            p50Ms: rounded(result.p50),
            p99Ms: rounded(result.p99),
            cpuUsPerEnvelope: cpuPer(result.messages, before, after),
            rssMiB: after.rss,
            peakMiB: after.peak
          })
        )
      })
    })
  )

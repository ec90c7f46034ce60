// The other side of broadcast.bench.ts, in a process of its own: bare HTTP/2 with ready-made gRPC frames, so that the
// orderer's CPU time is measured alone. One argument: JSON of {address, envelopes, streams, window, messages, warmup,
// rate}. With a rate (envelopes a second of all streams together) they are sent one by one, evenly; with 0 as fast as
// they are answered.
// Prints one JSON line: messages, seconds, p50 and p99 in milliseconds.
import * as fs from "node:fs"
import * as http2 from "node:http2"

const { address, envelopes, messages, rate, streams, warmup, window } = JSON.parse(process.argv[2])
const file = fs.readFileSync(envelopes)
// the file is a run of gRPC frames: 0, length (4 bytes), envelope
const frames = []
for (let at = 0; at < file.length; ) {
  const end = at + 5 + file.readUInt32BE(at + 1)
  frames.push(file.subarray(at, end))
  at = end
}
const success = Buffer.from("000000000308c801", "hex")
const latencies = []
const session = http2.connect(`http://${address}`)
session.on("error", (error) => {
  console.error(error)
  process.exit(1)
})

const run = (count, index, record) =>
  new Promise((resolve, reject) => {
    const stream = session.request({
      ":path": "/orderer.AtomicBroadcast/Broadcast",
      ":method": "POST",
      "content-type": "application/grpc",
      te: "trailers"
    })
    let sent = 0
    let received = 0
    let rest = Buffer.alloc(0)
    const first = index * 997
    const sentAt = new Float64Array(count)
    const begun = performance.now()
    /** How many may have been sent by now. */
    const due = (now) =>
      rate === 0 ? count : Math.min(count, Math.floor((((now - begun) * rate) / 1000 + index) / streams))
    const fill = () => {
      const batch = []
      const now = performance.now()
      const limit = due(now)
      while (sent < limit && sent - received < window) {
        batch.push(frames[(first + sent) % frames.length])
        sentAt[sent] = now
        sent += 1
      }
      if (batch.length > 0) stream.write(Buffer.concat(batch))
      if (sent === count && received < count && !stream.writableEnded) stream.end()
    }
    stream.on("data", (data) => {
      const now = performance.now()
      let bytes = rest.length === 0 ? data : Buffer.concat([rest, data])
      while (bytes.length >= success.length) {
        if (!bytes.subarray(0, success.length).equals(success)) {
          reject(new Error(`not SUCCESS: ${bytes.toString("latin1")}`))
          return
        }
        if (record) latencies.push(now - sentAt[received])
        received += 1
        bytes = bytes.subarray(success.length)
      }
      rest = bytes
      if (received < count) fill()
    })
    const pacing = rate === 0 ? undefined : setInterval(fill, 1)
    stream.on("error", reject)
    stream.on("close", () => clearInterval(pacing))
    stream.on("end", () => (received === count ? resolve() : reject(new Error(`${received} of ${count} answered`))))
    fill()
  })

const all = async (total, record) => {
  const each = Math.ceil(total / streams)
  await Promise.all(Array.from({ length: streams }, (_, i) => run(each, i, record)))
  return each * streams
}

await all(warmup, false)
process.send?.("warm")
const start = performance.now()
const done = await all(messages, true)
const seconds = (performance.now() - start) / 1000
latencies.sort((a, b) => a - b)
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))]
console.log(JSON.stringify({ messages: done, seconds, p50: at(0.5), p99: at(0.99) }))
session.close()
process.disconnect?.()

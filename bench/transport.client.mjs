// The other side of transport.bench.ts, in a process of its own: bare HTTP/2 with ready-made gRPC frames, so that the
// server's CPU time is measured alone. Arguments: port, mode (bidi | unary), messages, message size.
import * as http2 from "node:http2"

const [port, mode, messages, size] = process.argv.slice(2)
const total = Number(messages)
const frame = Buffer.alloc(5 + Number(size))
frame.writeUInt32BE(Number(size), 1)
const session = http2.connect(`http://127.0.0.1:${port}`)
const headers = (method) => ({
  ":path": `/bench.Echo/${method}`,
  ":method": "POST",
  "content-type": "application/grpc",
  te: "trailers"
})

const bidi = () =>
  new Promise((resolve) => {
    const stream = session.request(headers("Bidi"))
    let sent = 0
    let received = 0
    const fill = () => {
      // Up to 256 messages in flight, written in batches as a busy client's would be.
      while (sent < total && sent - received / frame.length < 256) {
        stream.write(frame)
        sent += 1
      }
      if (sent === total) stream.end()
    }
    stream.on("data", (data) => {
      received += data.length
      if (sent < total) fill()
    })
    stream.on("end", resolve)
    fill()
  })

const unary = () =>
  new Promise((resolve) => {
    let begun = 0
    let ended = 0
    const next = () => {
      if (begun === total) return
      begun += 1
      const stream = session.request(headers("Unary"))
      stream.resume()
      stream.on("close", () => {
        ended += 1
        if (ended === total) resolve()
        else next()
      })
      stream.end(frame)
    }
    for (let i = 0; i < 64; i += 1) next()
  })

await (mode === "bidi" ? bidi() : unary())
session.destroy()

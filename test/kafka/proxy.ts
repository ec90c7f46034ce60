/** Stands between a client and the broker's proxied listener: changes answers, or keeps quiet. Not a test. */
import * as net from "node:net"
import * as Effect from "effect/Effect"

export const produceRequest = 0

export interface Proxy {
  /** Changes an answer (correlation id first) to a request of this kind; undefined: passes all. */
  patch: ((apiKey: number, answer: Buffer) => void) | undefined
  /** Takes bytes in and lets none through. */
  quiet: boolean
  /** Breaks all connections. */
  readonly cut: () => void
}

/** Whole frames (without their size) of a stream of chunks. */
const framing = (onFrame: (frame: Buffer) => void) => {
  let rest = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      onFrame(rest.subarray(4, end))
      rest = rest.subarray(end)
    }
  }
}

const framed = (frame: Buffer): Buffer => {
  const size = Buffer.alloc(4)
  size.writeInt32BE(frame.length)
  return Buffer.concat([size, frame])
}

/** Puts an error code into the answer to a produce request of one topic and partition. */
export const withProduceError = (answer: Buffer, code: number): void => {
  const topic = 4 + 4
  answer.writeInt16BE(code, topic + 2 + answer.readInt16BE(topic) + 4 + 4)
}

/** Listens on a port of the loopback address and passes on to another, until the scope ends. */
export const startProxy = (port: number, target: number) =>
  Effect.gen(function* () {
    const sockets = new Set<net.Socket>()
    const proxy: Proxy = {
      patch: undefined,
      quiet: false,
      cut: () => {
        for (const socket of sockets) socket.destroy()
      }
    }
    const server = net.createServer((client) => {
      const broker = net.connect(target, "127.0.0.1")
      for (const [socket, other] of [
        [client, broker],
        [broker, client]
      ] as const) {
        sockets.add(socket)
        socket.on("error", () => other.destroy())
        socket.on("close", () => {
          sockets.delete(socket)
          other.destroy()
        })
      }
      const asked = new Map<number, number>()
      client.on(
        "data",
        framing((frame) => {
          asked.set(frame.readInt32BE(4), frame.readInt16BE(0))
          if (!proxy.quiet) broker.write(framed(frame))
        })
      )
      broker.on(
        "data",
        framing((answer) => {
          const id = answer.readInt32BE(0)
          const apiKey = asked.get(id)
          asked.delete(id)
          if (apiKey !== undefined) proxy.patch?.(apiKey, answer)
          if (!proxy.quiet) client.write(framed(answer))
        })
      )
    })
    yield* Effect.acquireRelease(
      Effect.async<void, Error>((resume) => {
        server.on("error", (error) => resume(Effect.fail(error)))
        server.listen(port, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          proxy.cut()
          server.close(() => resume(Effect.void))
        })
    )
    return proxy
  })

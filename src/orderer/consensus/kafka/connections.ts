/**
 * The sockets of one Kafka client: ours to open, so that they can be watched, counted, and closed for certain; and so
 * that bytes which are not Kafka's break the connection and not the process.
 */
import * as net from "node:net"
import * as tls from "node:tls"
import type { ISocketFactory } from "kafkajs"
import type { Traffic } from "./metrics.js"

/** Told of a connection that had been open and was not closed by us. */
export type OnLost = (broker: string) => void

const keepAliveDelay = 60_000

/** In: the counters of the node, and who wants to know of lost connections. */
export class Connections {
  private readonly sockets = new Set<net.Socket>()
  private closed = false

  constructor(
    private readonly traffic: Traffic,
    private readonly onLost: OnLost = () => {}
  ) {}

  readonly factory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.closed) throw new Error("the client is closed")
    const broker = `${host}:${port}`
    let connected = false
    const opened = () => {
      connected = true
      onConnect()
    }
    // kafkajs says `ssl` is always there; without TLS it is not
    const options: tls.ConnectionOptions | undefined = ssl
    const socket = options
      ? tls.connect({ host, port, ...(net.isIP(host) === 0 ? { servername: host } : {}), ...options }, opened)
      : net.connect({ host, port }, opened)
    socket.setKeepAlive(true, keepAliveDelay)
    guard(socket)
    this.sockets.add(socket)
    const counters = this.traffic.connection(broker, () => socket.bytesWritten)
    socket.on("data", (chunk: Uint8Array) => counters.received(chunk.length))
    socket.on("error", () => {}) // a listener must be there from the first moment to the last
    socket.once("close", () => {
      counters.close()
      this.sockets.delete(socket)
      if (connected && !this.closed) this.onLost(broker)
    })
    return socket
  }

  /** Lets no new connection be made and breaks those that are still there. */
  destroy(): void {
    this.closed = true
    // with an error: it is what makes the library give up requests under way
    for (const socket of this.sockets) socket.destroy(new Error("the client is closed"))
  }

  /** From now on lost connections are of no interest. */
  closing(): void {
    this.closed = true
  }
}

/** The library decodes in the socket's data event; what it throws there nobody would catch. */
const guard = (socket: net.Socket): void => {
  const emit = socket.emit.bind(socket)
  socket.emit = (event: string | symbol, ...args: ReadonlyArray<unknown>): boolean => {
    try {
      return emit(event, ...args)
    } catch (error) {
      if (event !== "error") socket.destroy(error instanceof Error ? error : new Error(String(error)))
      return true
    }
  }
}

/**
 * A StatsD sender: counters and gauges are kept and flushed once per interval, timings are sent as they came.
 * Source: operations-cli.md 3.1. Own code: the kept client libraries neither speak TCP nor Fabric's six decimals.
 */
import * as dgram from "node:dgram"
import * as net from "node:net"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { closing } from "./closing.js"

export interface StatsdOptions {
  readonly network: "udp" | "tcp"
  /** `host:port`. */
  readonly address: string
  readonly writeInterval: Duration.Duration
  /** A trailing dot is added when it is not empty and has none. */
  readonly prefix: string
}

export class StatsdUnreachable extends Data.TaggedError("StatsdUnreachable")<{
  readonly address: string
  readonly reason: string
}> {
  override get message() {
    return `failed to reach statsd at ${this.address}: ${this.reason}`
  }
}

export interface StatsdClient {
  readonly count: (name: string, delta: number) => void
  readonly gauge: (name: string, value: number) => void
  readonly gaugeAdd: (name: string, delta: number) => void
  /** The value goes out as it is (Fabric sends seconds under the `ms` suffix). */
  readonly timing: (name: string, value: number) => void
}

/** Inside a label value these characters would cut the bucket's name. */
export const labelValue = (value: string): string => value.replace(/[.|:\s]/g, "_")

/** Timings kept between two flushes; later ones are dropped so that a dead receiver costs no memory. */
const maxTimings = 65_536
const datagram = 1400

interface Out {
  readonly send: (text: string) => void
}

const udp = (host: string, port: number): Effect.Effect<Out, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = dgram.createSocket("udp4")
      socket.on("error", () => {}) // nobody listens: lost, as datagrams are
      socket.unref()
      let last = Promise.resolve()
      const send = (text: string) => {
        last = new Promise((resolve) => socket.send(text, port, host, () => resolve()))
      }
      return { socket, send, sent: () => last }
    }),
    ({ sent, socket }) =>
      Effect.zipRight(
        closing("statsd", sent),
        Effect.sync(() => socket.close())
      )
  )

const tcp = (host: string, port: number, address: string): Effect.Effect<Out, StatsdUnreachable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<net.Socket, StatsdUnreachable>((resume) => {
      const socket = net.connect({ host, port })
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.on("error", (error) => resume(Effect.fail(new StatsdUnreachable({ address, reason: error.message }))))
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.map((socket) => ({
      send: (text) => {
        if (!socket.destroyed && socket.writableLength < 1 << 20) socket.write(text)
      }
    }))
  )

/** Opens the connection (TCP needs a listener at this moment), starts the flusher; both end with the scope. */
export const make = (options: StatsdOptions): Effect.Effect<StatsdClient, StatsdUnreachable, Scope.Scope> =>
  Effect.gen(function* () {
    const split = options.address.lastIndexOf(":")
    const host = options.address.slice(0, split) || "127.0.0.1"
    const port = Number(options.address.slice(split + 1))
    if (split < 0 || !Number.isInteger(port) || port < 1 || port > 65_535)
      return yield* new StatsdUnreachable({ address: options.address, reason: "want host:port" })
    const out = yield* options.network === "tcp" ? tcp(host, port, options.address) : udp(host, port)
    const prefix = options.prefix === "" || options.prefix.endsWith(".") ? options.prefix : `${options.prefix}.`

    const counters = new Map<string, number>()
    const gauges = new Map<string, number>()
    let timings: Array<string> = []
    const flush = Effect.sync(() => {
      const lines = timings
      timings = []
      for (const [name, value] of counters) lines.push(`${prefix}${name}:${value.toFixed(6)}|c\n`)
      counters.clear()
      for (const [name, value] of gauges) lines.push(`${prefix}${name}:${value.toFixed(6)}|g\n`)
      let packet = ""
      for (const line of lines) {
        if (packet.length + line.length > datagram) {
          if (packet !== "") out.send(packet)
          packet = ""
        }
        packet += line
      }
      if (packet !== "") out.send(packet)
    })
    const loop = Effect.repeat(flush, Schedule.spaced(options.writeInterval)).pipe(
      Effect.delay(Duration.min(options.writeInterval, Duration.seconds(60)))
    )
    yield* Effect.addFinalizer(() => flush)
    yield* Effect.forkScoped(loop)
    return {
      count: (name, delta) => void counters.set(name, (counters.get(name) ?? 0) + delta),
      gauge: (name, value) => void gauges.set(name, value),
      gaugeAdd: (name, delta) => void gauges.set(name, (gauges.get(name) ?? 0) + delta),
      timing: (name, value) => {
        if (timings.length < maxTimings) timings.push(`${prefix}${name}:${value.toFixed(6)}|ms\n`)
      }
    }
  })

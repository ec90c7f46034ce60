/**
 * CPU time of the server per message and per call, against a client in another process. Run: npx vite-node
 * bench/transport.bench.ts. One JSON line per case; the floors of design.md section 5 are 28 us (bidi) and 85 us (unary)
 * for bare grpc-js.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Metrics from "../src/runtime/Metrics.js"
import { makeGrpcServer, pipelined, type RawHandler, rawHandler } from "../src/transport/index.js"

const Echo = {
  name: "bench.Echo",
  methods: {
    Unary: { path: "/bench.Echo/Unary", requestStream: false, responseStream: false },
    Bidi: { path: "/bench.Echo/Bidi", requestStream: true, responseStream: true }
  }
} as const

const effectBidi = (
  incoming: { readonly next: Effect.Effect<Uint8Array | undefined> },
  out: { readonly send: (message: Uint8Array) => Effect.Effect<void> }
) =>
  Effect.gen(function* () {
    for (;;) {
      const message = yield* incoming.next
      if (message === undefined) return
      yield* out.send(message)
    }
  })

const raw: RawHandler = rawHandler((call) => {
  call.read()
  return {
    message: (message) => {
      call.send(message)
      call.read()
    },
    halfClosed: () => call.end(),
    closed: () => {}
  }
})

const piped = pipelined<Uint8Array>({ window: 64, prepare: (message) => message, answer: (message) => ({ message }) })

const client = fileURLToPath(new URL("./transport.client.mjs", import.meta.url))

const run = (port: number, mode: string, messages: number): Effect.Effect<number> =>
  Effect.promise(async () => {
    const child = fork(client, [String(port), mode, String(messages), "1000"])
    const before = process.cpuUsage()
    const start = performance.now()
    await once(child, "exit")
    const { system, user } = process.cpuUsage(before)
    const seconds = (performance.now() - start) / 1000
    return Math.round((user + system) / messages) + Math.round(messages / seconds) / 1e9
  })

const measure = (
  name: string,
  mode: "bidi" | "unary",
  messages: number,
  bidi: RawHandler | typeof effectBidi,
  observed: boolean
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* makeGrpcServer({ address: "127.0.0.1:0", observed })
      yield* server.addService(Echo, { Unary: Effect.succeed, Bidi: bidi })
      yield* server.serve
      yield* run(server.port, mode, messages / 5)
      const results: Array<number> = []
      for (let i = 0; i < 3; i += 1) results.push(yield* run(server.port, mode, messages))
      results.sort((a, b) => a - b)
      const median = results[1] ?? 0
      const value = Math.floor(median)
      const perSecond = Math.round((median - value) * 1e9)
      yield* Effect.sync(() => console.log(JSON.stringify({ name, unit: "us CPU", value, perSecond })))
    })
  )

const all = Effect.gen(function* () {
  yield* measure("transport bidi raw", "bidi", 100_000, raw, false)
  yield* measure("transport bidi raw observed", "bidi", 100_000, raw, true)
  yield* measure("transport bidi pipelined observed", "bidi", 100_000, piped, true)
  yield* measure("transport bidi effect observed", "bidi", 100_000, effectBidi, true)
  yield* measure("transport unary effect", "unary", 20_000, raw, false)
  yield* measure("transport unary effect observed", "unary", 20_000, raw, true)
})

await Effect.runPromise(Effect.provideService(all, Metrics.Metrics, Metrics.prometheus()))

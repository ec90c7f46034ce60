/**
 * Stage 23: CPU and heap profiles over HTTP where the reference serves Go's pprof: `/debug/pprof/profile?seconds=N` gives
 * a V8 CPU profile, `/debug/pprof/heap` a heap snapshot. A server that cannot listen is an error line, no more: the
 * orderer serves without it.
 * Source: orderer.md section 1, 2.3 (General.Profile); orderer/common/server/main.go (initializeProfilingService).
 */
import * as http from "node:http"
import { Session } from "node:inspector/promises"
import * as v8 from "node:v8"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { type OrdererConfig, splitAddress } from "../../config/index.js"
import { closing } from "../../runtime/closing.js"
import * as Log from "../../runtime/Log.js"

const log = Log.module("orderer.common.server")
const index = "profile?seconds=30: CPU profile (.cpuprofile)\nheap: heap snapshot (.heapsnapshot)\n"
const longest = 300

const cpuProfile = async (seconds: number): Promise<string> => {
  const session = new Session()
  session.connect()
  try {
    await session.post("Profiler.enable")
    await session.post("Profiler.start")
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    const { profile } = await session.post("Profiler.stop")
    return JSON.stringify(profile)
  } finally {
    session.disconnect()
  }
}

const handle: http.RequestListener = (request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost")
  response.on("error", () => {})
  if (url.pathname === "/debug/pprof/heap") {
    v8.getHeapSnapshot()
      .on("error", () => response.destroy())
      .pipe(response.writeHead(200, { "Content-Type": "application/octet-stream" }))
  } else if (url.pathname === "/debug/pprof/profile") {
    const asked = Number(url.searchParams.get("seconds") ?? "30")
    const seconds = Number.isFinite(asked) ? Math.min(Math.max(asked, 0.1), longest) : 30
    cpuProfile(seconds).then(
      (profile) => response.writeHead(200, { "Content-Type": "application/json" }).end(profile),
      (error) => response.writeHead(500).end(String(error))
    )
  } else if (url.pathname === "/debug/pprof/") response.writeHead(200, { "Content-Type": "text/plain" }).end(index)
  else response.writeHead(404, { "Content-Type": "text/plain" }).end("404 page not found\n")
}

export const layer = ({ address, enabled }: OrdererConfig["general"]["profile"]): Layer.Layer<never> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      if (!enabled) return
      const sync = yield* log.sync
      const target = splitAddress(address)
      if (Either.isLeft(target)) return sync.error(`pprof service failed: ${target.left}`)
      const { host, port } = target.right
      sync.info(`Starting pprof profiling service on: ${address}`)
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const server = http.createServer(handle)
          server.on("error", (error) => sync.error(`pprof service failed: ${error.message}`))
          server.listen({ port, ...(host === "" ? {} : { host }) })
          return server
        }),
        (server) =>
          closing("profiling service", () => {
            server.closeAllConnections()
            return new Promise<void>((resolve) => server.close(() => resolve()))
          })
      )
    })
  )

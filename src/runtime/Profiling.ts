/**
 * CPU and heap profiles over HTTP, under the paths of Go's pprof and in its format: `go tool pprof
 * http://host:6060/debug/pprof/profile?seconds=30` and `.../heap` work as with a Go node. The profiler is a native
 * package, loaded when profiling is enabled and not before; from then on it samples allocations (one in 512 KiB), which is
 * the cost of having heap profiles at any time.
 * Source: peer-endorse-validate.md 1.2 stage 32; orderer.md 2.3 (General.Profile); net/http/pprof.
 */
import * as http from "node:http"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { closing } from "./closing.js"

type Pprof = typeof import("@datadog/pprof")

/** No profile for now; the text is the answer's. */
class NotNow extends Data.TaggedError("NotNow")<{ readonly status: number; readonly reason: string }> {}

/** The profiling server could not listen; the nodes go on without it, as the reference does. */
export class ProfilingFailed extends Data.TaggedError("ProfilingFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

interface Answer {
  readonly type: string
  readonly body: Uint8Array | string
  /** Name for a browser that saves it. */
  readonly file?: string
}

// ---- Profiles ------------------------------------------------------------------------------------------------------

/** Bytes between two samples of allocations; Go's runtime.MemProfileRate. */
const heapInterval = 512 * 1024
const heapDepth = 64
/** Microseconds between two samples of the stack; Go's hundred a second. */
const cpuInterval = 10_000
const defaultSeconds = 30
const longestSeconds = 600

/** Starts the sampling unless it runs: there is one in a process, whichever node asked for it. */
const startHeap = ({ heap }: Pprof): void => {
  try {
    heap.start(heapInterval, heapDepth)
  } catch (error) {
    if (!String(error).includes("already started")) throw error
  }
}

const cpuProfile = (pprof: Pprof, seconds: number): Effect.Effect<Answer, NotNow> => {
  const { time } = pprof
  const profile = Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.suspend(() => {
          // one profiler in a process, whoever asked first
          if (time.isStarted())
            return new NotNow({ status: 500, reason: "Could not enable CPU profiling: cpu profiling already in use" })
          return Effect.sync(() => time.start({ intervalMicros: cpuInterval }))
        }),
        () => Effect.sync(() => void (time.isStarted() ? time.stop() : undefined)) // the caller has gone
      )
      yield* Effect.sleep(Duration.seconds(seconds))
      return time.stop()
    })
  )
  return Effect.flatMap(profile, (taken) =>
    Effect.map(
      Effect.promise(() => pprof.encode(taken)),
      (body) => ({ type: "application/octet-stream", body, file: "profile" })
    )
  )
}

const heapProfile = (pprof: Pprof): Effect.Effect<Answer> =>
  Effect.gen(function* () {
    startHeap(pprof) // another node of this process may have ended the sampling
    const body = yield* Effect.promise(() => pprof.encode(pprof.heap.profile()))
    return { type: "application/octet-stream", body, file: "heap" }
  })

const index = `/debug/pprof/

profile  CPU: ?seconds=N (30), in pprof's format
heap     memory that is in use, by where it was allocated, in pprof's format
cmdline  the program's arguments

For each: go tool pprof http://<address>/debug/pprof/<name>
`

const plain = "text/plain; charset=utf-8"

/** What a path is answered with. Paths of Go's that have no counterpart here are unknown profiles. */
const answer = (pprof: Pprof, target: string): Effect.Effect<Answer, NotNow> => {
  const url = URL.parse(target, "http://localhost")
  if (url === null || !url.pathname.startsWith("/debug/pprof"))
    return new NotNow({ status: 404, reason: "404 page not found" })
  switch (url.pathname.slice("/debug/pprof".length)) {
    case "":
    case "/":
      return Effect.succeed({ type: plain, body: index })
    case "/cmdline":
      return Effect.succeed({ type: plain, body: process.argv.join("\0") })
    case "/profile": {
      const asked = Number(url.searchParams.get("seconds") ?? "")
      return cpuProfile(pprof, asked > 0 ? Math.min(asked, longestSeconds) : defaultSeconds)
    }
    case "/heap":
      return heapProfile(pprof)
    default:
      return new NotNow({ status: 404, reason: "Unknown profile" })
  }
}

// ---- The server ----------------------------------------------------------------------------------------------------

const respond = (pprof: Pprof, request: http.IncomingMessage, response: http.ServerResponse): Effect.Effect<void> =>
  answer(pprof, request.url ?? "/").pipe(
    Effect.match({
      onSuccess: ({ body, file, type }) => {
        const disposition = file === undefined ? {} : { "Content-Disposition": `attachment; filename="${file}"` }
        response.writeHead(200, { "Content-Type": type, "X-Content-Type-Options": "nosniff", ...disposition }).end(body)
      },
      onFailure: ({ reason, status }) => {
        response.writeHead(status, { "Content-Type": plain, "X-Content-Type-Options": "nosniff" }).end(`${reason}\n`)
      }
    })
  )

export interface ProfilingOptions {
  /** Empty: every interface. */
  readonly host: string
  readonly port: number
  /** Told of failures after the start. */
  readonly failed: (reason: string) => void
}

/** Serves profiles until the scope closes. The result is the port. */
export const serve = ({ failed, host, port }: ProfilingOptions): Effect.Effect<number, ProfilingFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const pprof = yield* Effect.tryPromise({
      try: () => import("@datadog/pprof"),
      catch: (error) => new ProfilingFailed({ reason: `the profiler cannot be loaded: ${String(error)}` })
    })
    const fork = Runtime.runFork(yield* Effect.runtime<never>())
    const server = http.createServer((request, response) => {
      response.on("error", () => {})
      const fiber = fork(respond(pprof, request, response))
      response.once("close", () => fiber.unsafeInterruptAsFork(fiber.id()))
      fiber.addObserver((exit) => {
        if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return
        failed(Cause.pretty(exit.cause))
        if (!response.headersSent) response.writeHead(500)
        response.end()
      })
    })
    const bound = yield* Effect.acquireRelease(
      Effect.async<number, ProfilingFailed>((resume) => {
        server.once("error", (error) => resume(new ProfilingFailed({ reason: error.message })))
        server.listen({ port, ...(host === "" ? {} : { host }) }, () => {
          server.on("error", (error) => failed(error.message))
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
        })
      }),
      () =>
        closing("profiling service", () => {
          const closed = new Promise<void>((resolve) => server.close(() => resolve()))
          server.closeAllConnections()
          return closed
        })
    )
    yield* Effect.acquireRelease(
      Effect.sync(() => startHeap(pprof)),
      () => Effect.sync(() => pprof.heap.stop())
    )
    return bound
  })

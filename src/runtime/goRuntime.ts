/**
 * The gauges that only StatsD gets: what the reference tells of Go's runtime, as far as Node has a counterpart. Names are
 * the reference's; the others of its list (stacks, spans, caches, cgo, threads) have no meaning here and are left out.
 * Source: operations-cli.md 3.1; go-kit's runtime collector as common/metrics/statsd/goruntime uses it.
 */
import { constants, PerformanceObserver } from "node:perf_hooks"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"

const nanos = (milliseconds: number): number => Math.round(milliseconds * 1e6)

/** Sums over the collections of garbage since the observer began. */
interface Collections {
  count: number
  forced: number
  pauseTotal: number
  pauseLast: number
  last: number
}

const kindsOfDetail = (detail: unknown): number =>
  typeof detail === "object" && detail !== null && "flags" in detail && typeof detail.flags === "number"
    ? detail.flags
    : 0

const watchCollections: Effect.Effect<Collections, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const seen: Collections = { count: 0, forced: 0, pauseTotal: 0, pauseLast: 0, last: 0 }
      const observer = new PerformanceObserver((list) => {
        for (const { detail, duration, startTime } of list.getEntries()) {
          seen.count += 1
          if ((kindsOfDetail(detail) & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0) seen.forced += 1
          seen.pauseLast = nanos(duration)
          seen.pauseTotal += seen.pauseLast
          seen.last = nanos(performance.timeOrigin + startTime + duration)
        }
      })
      observer.observe({ entryTypes: ["gc"] })
      return { observer, seen }
    }),
    ({ observer }) => Effect.sync(() => observer.disconnect())
  ),
  ({ seen }) => seen
)

/** Names behind `go.` with their values now. */
const sample = (collections: Collections, fibers: number): ReadonlyArray<readonly [name: string, value: number]> => {
  const { arrayBuffers, external, heapTotal, heapUsed } = process.memoryUsage()
  return [
    ["goroutine_count", fibers],
    ["mem.heap_alloc_bytes", heapUsed],
    ["mem.heap_sys_bytes", heapTotal],
    ["mem.heap_idle_bytes", heapTotal - heapUsed],
    ["mem.heap_inuse_bytes", heapUsed],
    ["mem.other_sys_bytes", external + arrayBuffers],
    ["mem.gc_last_epoch_nanotime", collections.last],
    ["mem.gc_pause_total_ns", collections.pauseTotal],
    ["mem.gc_pause_last_ns", collections.pauseLast],
    ["mem.gc_completed_count", collections.count],
    ["mem.gc_forced_count", collections.forced]
  ]
}

/** Sets the gauges now and twice in every interval between writes, until the scope closes. */
export const collect = (
  set: (name: string, value: number) => void,
  writeInterval: Duration.Duration
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const collections = yield* watchCollections
    const once = Effect.map(Fiber.roots, (roots) => {
      for (const [name, value] of sample(collections, Chunk.size(Chunk.fromIterable(roots)))) set(`go.${name}`, value)
    })
    yield* once
    yield* Effect.forkScoped(Effect.repeat(once, Schedule.spaced(Duration.times(writeInterval, 0.5))))
  })

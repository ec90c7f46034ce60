/** Profiles over HTTP in pprof's format, under Go's paths; one profiler for all who ask. */
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Profile } from "pprof-format"
import { serve } from "../../src/runtime/Profiling.js"

const get = (port: number, path: string) =>
  Effect.promise(async (signal) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal })
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      body: Buffer.from(await response.arrayBuffer())
    }
  })

const started = Effect.suspend(() => serve({ host: "127.0.0.1", port: 0, failed: (reason) => assert.fail(reason) }))

/** Type and unit of a profile's values, and the functions that it names. */
const read = (body: Buffer) => {
  const profile = Profile.decode(gunzipSync(body))
  const text = (at: number | bigint): string => profile.stringTable.strings[Number(at)] ?? ""
  return {
    types: profile.sampleType.map(({ type, unit }) => `${text(type)}/${text(unit)}`),
    functions: profile.function.map(({ name }) => text(name)),
    samples: profile.sample.length
  }
}

/** Keeps the thread busy for a while under a name of its own. */
const busyForTheProfile = (until: number): number => {
  let sum = 0
  while (Date.now() < until) sum += JSON.stringify({ a: [1, 2, 3, sum] }).length
  return sum
}

describe("profiling", () => {
  it.scopedLive("CPU: names what ran, for as long as asked", () =>
    Effect.gen(function* () {
      const port = yield* started
      const asked = yield* Effect.fork(get(port, "/debug/pprof/profile?seconds=0.4"))
      for (let turn = 0; turn < 8; turn += 1) {
        yield* Effect.sleep("20 millis")
        busyForTheProfile(Date.now() + 60)
      }
      const { body, status, type } = yield* asked
      assert.deepStrictEqual([status, type], [200, "application/octet-stream"])
      const profile = read(body)
      assert.include(profile.types, "wall/nanoseconds")
      assert.isAbove(profile.samples, 0)
      assert.isTrue(profile.functions.some((name) => name.includes("busyForTheProfile")))
    })
  )

  it.scopedLive("heap: what is in use, by bytes", () =>
    Effect.gen(function* () {
      const port = yield* started
      const kept = Array.from({ length: 200 }, () => new Array(4096).fill(0.5))
      const { body, status } = yield* get(port, "/debug/pprof/heap")
      assert.strictEqual(status, 200)
      assert.isAbove(kept.length, 0)
      assert.deepStrictEqual(read(body).types, ["inuse_objects/count", "inuse_space/bytes"])
    })
  )

  it.scopedLive("a second CPU profile is refused as Go does; one whose caller leaves makes room", () =>
    Effect.gen(function* () {
      const port = yield* started
      const other = yield* started
      const first = yield* Effect.fork(get(port, "/debug/pprof/profile?seconds=60"))
      const second = get(other, "/debug/pprof/profile?seconds=0.1")
      const refused = yield* Effect.repeat(second, { until: ({ status }) => status === 500 })
      assert.include(refused.body.toString(), "cpu profiling already in use")
      first.unsafeInterruptAsFork(first.id())
      const served = yield* Effect.repeat(second, { until: ({ status }) => status === 200 })
      assert.strictEqual(served.type, "application/octet-stream")
    })
  )

  it.scopedLive("index, arguments, and what is not known", () =>
    Effect.gen(function* () {
      const port = yield* started
      assert.include((yield* get(port, "/debug/pprof/")).body.toString(), "profile")
      assert.include((yield* get(port, "/debug/pprof/cmdline")).body.toString(), process.argv[0] ?? "?")
      for (const path of ["/debug/pprof/goroutine", "/debug/pprof/x", "/", "//[", "/debug/pprof/heap/../.."])
        assert.strictEqual((yield* get(port, path)).status, 404, path)
    })
  )

  it.live("gives its port back, also while a profile is taken", () =>
    Effect.gen(function* () {
      const asked = yield* Effect.scoped(
        Effect.gen(function* () {
          const port = yield* started
          const waiting = yield* Effect.forkDaemon(
            Effect.either(Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}/debug/pprof/profile?seconds=60`)))
          )
          yield* Effect.sleep("50 millis")
          return waiting
        })
      )
      assert.strictEqual((yield* asked)._tag, "Left")
      yield* Effect.scoped(
        Effect.asVoid(Effect.flatMap(started, (port) => get(port, "/debug/pprof/profile?seconds=0.1")))
      )
    })
  )
})

/**
 * The clients of benchmark mode: streams in this process that keep so many envelopes on their way, and one reader that
 * counts what comes out in blocks. Callbacks, as the service itself: what is measured is the orderer.
 * Source: orderer.md 2.1 (benchmark).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { GrpcFailure, PoolCall, ServerPool } from "../../transport/index.js"
import { common, orderer } from "../../wire/index.js"
import { AtomicBroadcast } from "../../wire/services.js"
import { BenchmarkFailed } from "./errors.js"

type Pool = ServerPool["Type"]

const { Broadcast, Deliver } = AtomicBroadcast.methods

/** Latencies kept for the quantiles; the latest ones. */
const keptLatencies = 100_000

const ended = (what: string, failure: GrpcFailure | undefined) =>
  new BenchmarkFailed({ detail: `${what} has ended: ${failure?.message ?? "OK"}` })

// ---- What comes out ------------------------------------------------------------------------------------------------

export interface Reader {
  /** Envelopes in blocks since the reader was opened. */
  readonly count: () => number
  readonly blocks: () => number
  /** Done when so many envelopes have been seen in all. */
  readonly until: (count: number) => Effect.Effect<void, BenchmarkFailed>
}

/** Follows the channel by one Deliver request, which must start with the newest block: that one is not counted. */
export const openReader = (pool: Pool, seek: Uint8Array): Effect.Effect<Reader, never, Scope.Scope> =>
  Effect.gen(function* () {
    let count = 0
    let blocks = -1
    let failure: BenchmarkFailed | undefined
    let waiting: { readonly target: number; readonly resume: () => void } | undefined
    const look = () => {
      if (waiting !== undefined && (failure !== undefined || count >= waiting.target)) waiting.resume()
    }
    const call = yield* Effect.acquireRelease(
      Effect.sync(() =>
        pool.open(Deliver.path, {
          message: (bytes) => {
            const { block, status } = orderer.DeliverResponse.decode(bytes)
            if (block === undefined) failure = new BenchmarkFailed({ detail: `Deliver answered with status ${status}` })
            else if (blocks >= 0) count += block.data?.data.length ?? 0
            blocks += 1
            look()
          },
          ended: (reason) => {
            failure ??= ended("Deliver", reason)
            look()
          }
        })
      ),
      (made) => Effect.sync(made.cancel)
    )
    call.send(seek)
    return {
      count: () => count,
      blocks: () => Math.max(blocks, 0),
      until: (target) =>
        Effect.async<void, BenchmarkFailed>((resume) => {
          const settle = () => resume(failure === undefined ? Effect.void : Effect.fail(failure))
          waiting = { target, resume: settle }
          look()
          return Effect.sync(() => {
            waiting = undefined
          })
        })
    }
  })

// ---- What goes in --------------------------------------------------------------------------------------------------

export interface LoadOptions {
  readonly envelopes: ReadonlyArray<Uint8Array>
  readonly clients: number
  /** Envelopes of one client on their way at a time. */
  readonly window: number
  /** How many in all; undefined: as many as go in `millis`. */
  readonly count: number | undefined
  readonly millis: number
}

export interface Sent {
  readonly count: number
  readonly bytes: number
  readonly seconds: number
  /** Milliseconds from sending to the answer, sorted. */
  readonly latencies: Float64Array
}

/** Sends until the count or the time is over and all is answered; fails with the first answer that is not SUCCESS. */
export const send = (pool: Pool, options: LoadOptions): Effect.Effect<Sent, BenchmarkFailed> =>
  Effect.async<Sent, BenchmarkFailed>((resume) => {
    const { clients, count, envelopes, millis, window } = options
    const limit = count ?? Number.POSITIVE_INFINITY
    const started = performance.now()
    const latencies = new Float64Array(keptLatencies)
    let [sent, answered, bytes, running] = [0, 0, 0, 0]
    let over = false
    const calls: Array<PoolCall> = []
    const finish = (outcome: Effect.Effect<Sent, BenchmarkFailed>) => {
      if (over) return
      over = true
      for (const call of calls) call.cancel()
      resume(outcome)
    }
    const open = () => {
      const times: Array<number> = []
      let first = 0
      const push = () => {
        if (sent >= limit || (count === undefined && performance.now() - started >= millis)) return
        const envelope = envelopes[sent % envelopes.length]
        if (envelope === undefined) return
        sent += 1
        bytes += envelope.length
        times.push(performance.now())
        call.send(envelope)
      }
      const call = pool.open(Broadcast.path, {
        message: (answer) => {
          if (over) return
          const { info, status } = orderer.BroadcastResponse.decode(answer)
          if (status !== common.Status.SUCCESS) {
            const name = common.StatusInfo.nameOf(status) ?? String(status)
            return finish(Effect.fail(new BenchmarkFailed({ detail: `Broadcast answered ${name}: ${info}` })))
          }
          latencies[answered % keptLatencies] = performance.now() - (times[first++] ?? 0)
          answered += 1
          if (first === 4096) {
            times.splice(0, first)
            first = 0
          }
          push()
          if (first === times.length) call.halfClose()
        },
        ended: (failure) => {
          running -= 1
          if (failure !== undefined || first < times.length) {
            return finish(Effect.fail(ended("a Broadcast stream", failure)))
          }
          if (running > 0) return
          const seconds = (performance.now() - started) / 1000
          const kept = latencies.slice(0, Math.min(answered, keptLatencies)).sort()
          finish(Effect.succeed({ count: answered, bytes, seconds, latencies: kept }))
        }
      })
      calls.push(call)
      running += 1
      return { call, push, idle: () => times.length === 0 }
    }
    const streams = Array.from({ length: clients }, open)
    for (let i = 0; i < window; i++) for (const { push } of streams) push()
    for (const { call, idle } of streams) if (idle()) call.halfClose() // fewer envelopes than clients
    return Effect.sync(() => {
      over = true
      for (const call of calls) call.cancel()
    })
  })

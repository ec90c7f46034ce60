/**
 * Real time for the protocol code: Effect's clock and Node's timers, which end with a scope. A task that throws is
 * logged and harms nothing else.
 * Source: gossip-discovery.md trap 5.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Log from "../runtime/Log.js"
import { textOf } from "../runtime/Stage.js"
import type { Timers } from "./Timers.js"

const log = Log.module("gossip.gossip", "timer")

/** Node takes longer delays for none at all; certificates live longer. */
const longestDelay = 2 ** 31 - 1

/** Timers of the system. None of their tasks runs once the scope is closed. */
export const makeSystemTimers: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Effect.clock
  const { error } = yield* log.sync
  const running = new Set<NodeJS.Timeout>()
  let closed = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      for (const timer of running) clearTimeout(timer)
      running.clear()
    })
  )
  const guarded = (task: () => void): void => {
    try {
      task()
    } catch (thrown) {
      error("a task failed", { error: textOf(thrown) })
    }
  }
  const origin = performance.now()
  let lastNanos = 0n

  const after: Timers["after"] = (ms, task) => {
    if (closed) return () => {}
    let left = Math.max(0, Number.isNaN(ms) ? 0 : ms)
    let timer: NodeJS.Timeout
    const arm = (): void => {
      const step = Math.min(left, longestDelay)
      left -= step
      timer = setTimeout(() => {
        running.delete(timer)
        if (left > 0) arm()
        else guarded(task)
      }, step)
      running.add(timer)
    }
    arm()
    return () => {
      running.delete(timer)
      clearTimeout(timer)
    }
  }

  return {
    now: () => clock.unsafeCurrentTimeMillis(),
    monotonic: () => performance.now() - origin,
    nanos: () => {
      const now = clock.unsafeCurrentTimeNanos()
      lastNanos = now > lastNanos ? now : lastNanos + 1n
      return lastNanos
    },
    after,
    every: (ms, task) => {
      if (closed) return () => {}
      const timer = setInterval(() => guarded(task), Math.min(Math.max(1, ms), longestDelay))
      running.add(timer)
      return () => {
        running.delete(timer)
        clearInterval(timer)
      }
    }
  }
})

/** The node's timers for gossip. */
export class SystemTimers extends Context.Tag("gossip/systemTimers")<SystemTimers, Timers>() {
  static readonly layer: Layer.Layer<SystemTimers> = Layer.scoped(SystemTimers, makeSystemTimers)
}

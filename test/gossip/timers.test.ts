import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, expect, it, vi } from "vitest"
import { makeSystemTimers } from "../../src/gossip/index.js"

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "setInterval", "clearTimeout", "clearInterval"] }))
afterEach(() => void vi.useRealTimers())

const make = () => {
  const scope = Effect.runSync(Scope.make())
  const timers = Effect.runSync(Scope.extend(makeSystemTimers, scope))
  return { timers, close: () => Effect.runSync(Scope.close(scope, Exit.void)) }
}

it("runs tasks once or again and again, until cancelled or closed", () => {
  const { timers, close } = make()
  const ran: Array<string> = []
  timers.after(10, () => ran.push("once"))
  timers.after(10, () => ran.push("never"))()
  const stop = timers.every(4, () => ran.push("again"))
  vi.advanceTimersByTime(12)
  expect(ran).toEqual(["again", "again", "once", "again"])
  stop()
  timers.every(4, () => ran.push("late"))
  timers.after(4, () => ran.push("late"))
  close()
  timers.after(1, () => ran.push("late"))
  vi.advanceTimersByTime(100)
  expect(ran).toHaveLength(4)
  expect(vi.getTimerCount()).toBe(0)
})

it("waits for longer than Node's timers can", () => {
  const { timers, close } = make()
  const year = 365 * 24 * 3_600_000
  let ran = false
  timers.after(year, () => {
    ran = true
  })
  vi.advanceTimersByTime(year - 1)
  expect(ran).toBe(false)
  vi.advanceTimersByTime(1)
  expect(ran).toBe(true)
  timers.after(year, () => {})()
  expect(vi.getTimerCount()).toBe(0)
  close()
})

it("outlives a task that throws", () => {
  const { timers, close } = make()
  let count = 0
  timers.every(1, () => {
    count += 1
    throw new Error("boom")
  })
  vi.advanceTimersByTime(3)
  expect(count).toBe(3)
  close()
})

it("tells nanoseconds that only grow, near the wall clock", () => {
  const { timers, close } = make()
  let last = timers.nanos()
  expect(Number(last / 1_000_000n)).toBeCloseTo(Date.now(), -4)
  for (let i = 0; i < 10_000; i++) {
    const next = timers.nanos()
    expect(next > last).toBe(true)
    last = next
  }
  expect(timers.monotonic()).toBeGreaterThanOrEqual(0)
  close()
})

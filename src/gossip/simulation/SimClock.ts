/**
 * Time that moves only when told: a queue of tasks by time, and Timers on it for each node, whose wall clocks may be
 * wrong. Effects run on it too (`fork`), without a microtask: a run depends on nothing but its seed.
 */
import * as Effect from "effect/Effect"
import type { Timers } from "../Timers.js"

interface Task {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

const before = (a: Task, b: Task): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

/** Start of simulated time, milliseconds since 1970. */
export const epochMs = Date.UTC(2026, 0, 1)

export class SimClock {
  /** Milliseconds since the start of the simulation. */
  time = 0
  /** Tasks run so far. */
  steps = 0
  private readonly heap: Array<Task> = []
  private order = 0

  /** Runs `task` in `ms`; the result cancels. */
  after(ms: number, run: () => void): () => void {
    const task: Task = { at: this.time + Math.max(ms, 0), order: this.order++, run, cancelled: false }
    this.push(task)
    return () => {
      task.cancelled = true
    }
  }

  /** Runs an Effect; whatever it waits for must be on this clock. */
  readonly fork = (task: Effect.Effect<void>): void => {
    Effect.runFork(task, {
      scheduler: { shouldYield: () => false, scheduleTask: (next) => void this.after(0, next) }
    })
  }

  /** Runs all that is due in the next `ms`. */
  advance(ms: number): void {
    const end = this.time + ms
    for (let task = this.heap[0]; task !== undefined && task.at <= end; task = this.heap[0]) {
      this.pop()
      if (task.cancelled) continue
      this.time = task.at
      this.steps += 1
      task.run()
    }
    this.time = end
  }

  /** Advances until `holds`, at most `limitMs`; the time that passed, or undefined. */
  until(holds: () => boolean, limitMs: number, stepMs = 250): number | undefined {
    const start = this.time
    while (!holds()) {
      if (this.time - start >= limitMs) return undefined
      this.advance(stepMs)
    }
    return this.time - start
  }

  private push(task: Task): void {
    const { heap } = this
    let i = heap.length
    heap.push(task)
    while (i > 0) {
      const up = (i - 1) >> 1
      const parent = heap[up]
      if (parent === undefined || before(parent, task)) break
      heap[i] = parent
      i = up
    }
    heap[i] = task
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let i = 0
    for (;;) {
      const left = heap[2 * i + 1]
      const right = heap[2 * i + 2]
      if (left === undefined) break
      const least = right !== undefined && before(right, left) ? 2 * i + 2 : 2 * i + 1
      const child = heap[least]
      if (child === undefined || !before(child, last)) break
      heap[i] = child
      i = least
    }
    heap[i] = last
  }
}

/** One node's Timers. Its wall clock can be set; its monotonic clock cannot. */
export class SimTimers implements Timers {
  /** Milliseconds by which the wall clock is wrong. */
  offset = 0
  private last = 0n

  constructor(private readonly clock: SimClock) {}

  readonly now = (): number => epochMs + this.clock.time + this.offset

  readonly monotonic = (): number => this.clock.time

  readonly nanos = (): bigint => {
    const now = BigInt(Math.round(this.now() * 1000)) * 1000n
    this.last = now > this.last ? now : this.last + 1n
    return this.last
  }

  readonly after = (ms: number, task: () => void): (() => void) => this.clock.after(ms, task)

  readonly every = (ms: number, task: () => void): (() => void) => {
    let cancel = (): void => {}
    let cancelled = false
    const next = (): void => {
      cancel = this.clock.after(ms, () => {
        if (cancelled) return
        next()
        task()
      })
    }
    next()
    return () => {
      cancelled = true
      cancel()
    }
  }
}

/**
 * Gathers messages and passes them on in bursts: at a size or after a time, each so many times.
 * Source: gossip-discovery.md 3.5.1 (gossip/gossip/batcher.go). The timer runs only while something waits.
 */
import type { PushSettings } from "../settings.js"
import type { Timers } from "../Timers.js"

interface Waiting<A> {
  readonly item: A
  left: number
}

/** Most items that wait: only a burst size above it would ever reach it. */
const maxWaiting = 10_000

export class Emitter<A> {
  private waiting: Array<Waiting<A>> = []
  private cancel: (() => void) | undefined
  private stopped = false

  constructor(
    private readonly settings: PushSettings,
    private readonly timers: Timers,
    private readonly emit: (burst: ReadonlyArray<A>) => void
  ) {}

  get size(): number {
    return this.waiting.length
  }

  add(item: A): void {
    const { propagateIterations, maxPropagationBurstSize } = this.settings
    if (this.stopped || propagateIterations <= 0) return
    if (this.waiting.length >= maxWaiting) this.waiting.shift()
    this.waiting.push({ item, left: propagateIterations })
    if (this.waiting.length >= maxPropagationBurstSize) this.flush()
    else this.arm()
  }

  stop(): void {
    this.stopped = true
    this.cancel?.()
    this.waiting = []
  }

  private arm(): void {
    if (this.cancel !== undefined || this.waiting.length === 0) return
    this.cancel = this.timers.after(this.settings.maxPropagationBurstLatencyMs, () => this.flush())
  }

  private flush(): void {
    this.cancel?.()
    this.cancel = undefined
    const burst = this.waiting.map(({ item }) => item)
    this.waiting = this.waiting.filter((waiting) => {
      waiting.left -= 1
      return waiting.left > 0
    })
    this.emit(burst)
    this.arm()
  }
}

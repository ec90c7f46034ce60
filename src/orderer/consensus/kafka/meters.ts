/**
 * The two kinds of numbers that the reference's Kafka client keeps: a rate that fades over a minute, and the mean of
 * what was seen lately. Pure but for what they hold; the time comes in.
 * Source: rcrowley/go-metrics (EWMA1, sample of 1028), which orderer/consensus/kafka/metrics.go publishes.
 */

const tickMs = 5000
const alpha = 1 - Math.exp(-tickMs / 60_000)

/** Events per second, averaged over about a minute. */
export class Rate {
  private counted = 0
  private rate: number | undefined
  private tick: number

  constructor(now: number) {
    this.tick = now
  }

  mark(now: number, events = 1): void {
    this.advance(now)
    this.counted += events
  }

  perSecond(now: number): number {
    this.advance(now)
    return this.rate ?? 0
  }

  private advance(now: number): void {
    let ticks = Math.floor((now - this.tick) / tickMs)
    if (ticks <= 0) return
    this.tick += ticks * tickMs
    const instant = this.counted / (tickMs / 1000)
    this.counted = 0
    this.rate = this.rate === undefined ? instant : this.rate + alpha * (instant - this.rate)
    ticks -= 1
    if (ticks > 0) this.rate *= (1 - alpha) ** ticks // quiet ticks in one step
  }
}

const sampleSize = 1028

/** The mean of the latest values. */
export class Mean {
  private readonly values: Array<number> = []
  private next = 0
  private sum = 0

  update(value: number): void {
    this.sum += value - (this.values[this.next] ?? 0)
    this.values[this.next] = value
    this.next = (this.next + 1) % sampleSize
  }

  get mean(): number {
    return this.values.length === 0 ? 0 : this.sum / this.values.length
  }
}

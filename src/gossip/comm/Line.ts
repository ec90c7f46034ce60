/**
 * A line of messages between two fibers, bounded by count and by bytes: who puts waits, or is told that there is no room.
 * One taker, any number of putters.
 */
import * as Effect from "effect/Effect"

export interface LineLimits {
  /** Messages that may wait. */
  readonly count: number
  /** Bytes that may wait; one message may be larger. */
  readonly bytes: number
}

interface Item<A> {
  readonly value: A
  readonly size: number
}

export class Line<A> {
  private items: Array<Item<A>> = []
  private held = 0
  private state: "open" | "finished" | "closed" = "open"
  private readonly forRoom = new Set<() => void>()
  private taker: (() => void) | undefined

  constructor(private readonly limits: LineLimits) {}

  get length(): number {
    return this.items.length
  }

  /** Whether one more message has room. */
  get hasRoom(): boolean {
    return this.fits(1)
  }

  /** Puts a message where there is room; false: there is none, or the line is over. */
  offer(value: A, size: number): boolean {
    return this.admit(value, size, 1)
  }

  /** Puts a message even into a full line, up to `factor` times its bounds. */
  force(value: A, size: number, factor: number): boolean {
    return this.admit(value, size, factor)
  }

  /** Waits for room; false: the line is over. */
  readonly put = (value: A, size: number): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      if (this.state !== "open") return Effect.succeed(false)
      if (this.offer(value, size)) return Effect.succeed(true)
      return Effect.zipRight(this.change, this.put(value, size))
    })

  /** Waits until there is room or the line is over. */
  readonly room: Effect.Effect<void> = Effect.suspend(() =>
    this.state !== "open" || this.hasRoom ? Effect.void : Effect.zipRight(this.change, this.room)
  )

  /** The next message; undefined: the line is over. */
  readonly take: Effect.Effect<A | undefined> = Effect.suspend(() => {
    const item = this.items.shift()
    if (item === undefined) {
      return this.state === "open" ? Effect.zipRight(this.arrival, this.take) : Effect.succeed(undefined)
    }
    this.held -= item.size
    this.wakePutters()
    return Effect.succeed(item.value)
  })

  /** No more come; those in the line may still be taken. */
  finish(): void {
    if (this.state === "open") this.state = "finished"
    this.wake()
  }

  /** No more come, and those in the line are dropped. */
  close(): void {
    this.state = "closed"
    this.items = []
    this.held = 0
    this.wake()
  }

  private fits(factor: number): boolean {
    const { count, bytes } = this.limits
    return this.items.length === 0 || (this.items.length < count * factor && this.held < bytes * factor)
  }

  private admit(value: A, size: number, factor: number): boolean {
    if (this.state !== "open" || !this.fits(factor)) return false
    this.items.push({ value, size })
    this.held += size
    this.wakeTaker()
    return true
  }

  private readonly change = Effect.async<void>((resume) => {
    const wake = (): void => resume(Effect.void)
    this.forRoom.add(wake)
    return Effect.sync(() => this.forRoom.delete(wake))
  })

  private readonly arrival = Effect.async<void>((resume) => {
    const wake = (): void => resume(Effect.void)
    this.taker = wake
    return Effect.sync(() => {
      if (this.taker === wake) this.taker = undefined
    })
  })

  private wakePutters(): void {
    if (this.forRoom.size === 0) return
    const waiting = [...this.forRoom]
    this.forRoom.clear()
    for (const wake of waiting) wake()
  }
  private wakeTaker(): void {
    const { taker } = this
    this.taker = undefined
    taker?.()
  }
  private wake(): void {
    this.wakePutters()
    this.wakeTaker()
  }
}

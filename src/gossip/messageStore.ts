/**
 * Messages seen, so that none is handled or passed on twice. A message outlives its time: until twice the TTL it still
 * refuses what it supersedes, or replays would bring the dead back (trap 22).
 * Source: gossip-discovery.md 3.4.7, 3.5.4; gossip/gossip/msgstore/msgs.go. Unlike there nothing is scanned: a message
 * is compared with the one under its key, and with the highest number where the kind has a window.
 */
import type { SignedGossipMessage } from "./messages.js"
import type { Superseding } from "./supersede.js"
import type { Timers } from "./Timers.js"

export interface MessageStoreOptions {
  readonly rule: Superseding
  readonly timers: Timers
  /** Milliseconds; undefined: messages stay until superseded or purged. */
  readonly ttlMs?: number
  /** Most messages held; beyond it the oldest go. */
  readonly limit?: number
  /** A message that was superseded, purged or pushed out by the limit. */
  readonly onRemoved?: (message: SignedGossipMessage) => void
  /** A message whose time is over; it goes on refusing until twice the TTL. */
  readonly onExpired?: (message: SignedGossipMessage) => void
}

interface Entry {
  readonly message: SignedGossipMessage
  /** Monotonic milliseconds. */
  readonly created: number
  expired: boolean
}

const DEFAULT_LIMIT = 10_000

export class MessageStore {
  // oldest first: a message that replaces another goes to the end, so the expired ones are at the front
  private readonly entries = new Map<string, Entry>()
  private highest: bigint | undefined
  private cancel: (() => void) | undefined
  private expiredCount = 0
  private stopped = false

  constructor(private readonly options: MessageStoreOptions) {}

  /** Messages whose time is not over. */
  get size(): number {
    return this.entries.size - this.expiredCount
  }

  /** Everything held, what has expired included. */
  get held(): number {
    return this.entries.size
  }

  /** Whether `add` would take the message; `key` is what the rule gives, for who has it at hand. */
  accepts(message: SignedGossipMessage, key = this.options.rule.key(message)): boolean {
    return key !== undefined && this.acceptsAs(key, message)
  }

  /** false: something held supersedes it, and nothing has changed. */
  add(message: SignedGossipMessage, key = this.options.rule.key(message)): boolean {
    const { rule, timers, ttlMs, limit = DEFAULT_LIMIT } = this.options
    if (this.stopped || key === undefined || !this.acceptsAs(key, message)) return false
    this.remove(key)
    if (rule.window !== undefined) this.advance(rule.window.number(message), rule.window)
    while (this.entries.size >= limit) {
      const oldest = this.entries.keys().next()
      if (oldest.done) break
      this.remove(oldest.value)
    }
    this.entries.set(key, { message, created: timers.monotonic(), expired: false })
    if (ttlMs !== undefined && this.cancel === undefined) this.arm(ttlMs)
    return true
  }

  get(key: string): SignedGossipMessage | undefined {
    const entry = this.entries.get(key)
    return entry === undefined || entry.expired ? undefined : entry.message
  }

  /** What has not expired, oldest first. */
  messages(): Array<SignedGossipMessage> {
    const found: Array<SignedGossipMessage> = []
    for (const { message, expired } of this.entries.values()) if (!expired) found.push(message)
    return found
  }

  purge(unwanted: (message: SignedGossipMessage) => boolean): void {
    for (const [key, { message }] of this.entries) if (unwanted(message)) this.remove(key)
    this.findHighest()
  }

  stop(): void {
    this.stopped = true
    this.cancel?.()
    this.cancel = undefined
  }

  private acceptsAs(key: string, message: SignedGossipMessage): boolean {
    const { rule } = this.options
    const held = this.entries.get(key)
    if (held !== undefined && !rule.replaces(message, held.message)) return false
    return (
      rule.window === undefined ||
      this.highest === undefined ||
      rule.window.number(message) + rule.window.width >= this.highest
    )
  }

  private remove(key: string): void {
    const entry = this.entries.get(key)
    if (entry === undefined) return
    this.entries.delete(key)
    if (entry.expired) this.expiredCount -= 1
    this.options.onRemoved?.(entry.message)
  }

  private advance(number: bigint, { number: numberOf, width }: NonNullable<Superseding["window"]>): void {
    if (this.highest !== undefined && number <= this.highest) return
    this.highest = number
    for (const [key, { message }] of this.entries) if (numberOf(message) + width < number) this.remove(key)
  }

  private findHighest(): void {
    const { window } = this.options.rule
    if (window === undefined) return
    this.highest = undefined
    for (const { message } of this.entries.values()) {
      const number = window.number(message)
      if (this.highest === undefined || number > this.highest) this.highest = number
    }
  }

  private arm(ms: number): void {
    this.cancel = this.options.timers.after(ms, () => this.sweep())
  }

  /** Expires and forgets, then sleeps until the next message's turn, but at least a hundredth of the TTL. */
  private sweep(): void {
    this.cancel = undefined
    const { ttlMs, timers, onExpired } = this.options
    if (this.stopped || ttlMs === undefined) return
    const now = timers.monotonic()
    let next: number | undefined
    let gone = false
    for (const [key, entry] of this.entries) {
      const age = now - entry.created
      if (!entry.expired) {
        if (age <= ttlMs) {
          next = Math.min(next ?? Number.POSITIVE_INFINITY, ttlMs - age)
          break
        }
        entry.expired = true
        this.expiredCount += 1
        onExpired?.(entry.message)
      } else if (age > ttlMs * 2) {
        this.entries.delete(key)
        this.expiredCount -= 1
        gone = true
        continue
      }
      next = Math.min(next ?? Number.POSITIVE_INFINITY, ttlMs * 2 - age)
    }
    if (gone) this.findHighest()
    if (next !== undefined) this.arm(Math.max(next + 1, ttlMs / 100))
  }
}

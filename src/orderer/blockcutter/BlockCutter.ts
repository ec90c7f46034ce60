/**
 * Cuts a channel's ordered messages into batches. Pure: sizes, limits and times come in as data.
 * Every orderer of a channel must agree to the byte, so the rules are the reference's, its 32-bit sums included.
 * Source: orderer.md 3.7 rules 1-4; orderer/common/blockcutter/blockcutter.go.
 */

/** The limits in force when a message is judged; read afresh from the channel's config for each message. */
export interface BatchLimits {
  readonly maxMessageCount: number
  readonly preferredMaxBytes: number
}

export interface Batch<T> {
  readonly items: ReadonlyArray<T>
  /** When its first message came, on the clock of the caller; equals the time of the cut for an isolated message. */
  readonly since: number
}

/** What one message led to: no batch, one, or two; `pending` says whether messages wait for the next cut. */
export interface Ordered<T> {
  readonly batches: ReadonlyArray<Batch<T>>
  readonly pending: boolean
}

/** The size that counts for cutting: bytes of payload and signature, without the envelope's own framing. */
export const messageSize = (envelope: { readonly payload: Uint8Array; readonly signature: Uint8Array }): number =>
  (envelope.payload.length + envelope.signature.length) >>> 0

/** One channel's pending batch. Not shared: only the channel's loop touches it. */
export class BlockCutter<T> {
  private pending: Array<T> = []
  private pendingBytes = 0
  private since = 0

  /** Messages that wait for the next cut. */
  get pendingCount(): number {
    return this.pending.length
  }

  /** Takes the next message, `size` bytes by `messageSize`, at time `now`. */
  ordered(item: T, size: number, limits: BatchLimits, now: number): Ordered<T> {
    const batches: Array<Batch<T>> = []
    if (size > limits.preferredMaxBytes) {
      this.cutInto(batches)
      batches.push({ items: [item], since: now })
      return { batches, pending: false }
    }
    if ((this.pendingBytes + size) >>> 0 > limits.preferredMaxBytes) this.cutInto(batches)
    if (this.pending.length === 0) this.since = now
    this.pending.push(item)
    this.pendingBytes = (this.pendingBytes + size) >>> 0
    const full = this.pending.length >= limits.maxMessageCount
    if (full) this.cutInto(batches)
    return { batches, pending: !full }
  }

  /** Takes what is pending, if anything, and starts afresh. */
  cut(): Batch<T> | undefined {
    if (this.pending.length === 0) return undefined
    const batch = { items: this.pending, since: this.since }
    this.pending = []
    this.pendingBytes = 0
    return batch
  }

  private cutInto(batches: Array<Batch<T>>): void {
    const batch = this.cut()
    if (batch !== undefined) batches.push(batch)
  }
}

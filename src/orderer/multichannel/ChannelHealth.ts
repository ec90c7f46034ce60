/**
 * What is wrong with one channel now. While anything is, its Deliver requests end, its health check fails and new
 * messages are refused; the other channels go on.
 * Source: design.md section 3 (channels are scopes); issue 5 parts 7 and 12 (disk full, ended loops).
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"

export class ChannelHealth {
  private readonly faults = new Map<string, string>()
  private signal = Deferred.unsafeMake<void>(FiberId.none)

  /** The first fault still there, for people; undefined when all is well. */
  get reason(): string | undefined {
    for (const reason of this.faults.values()) return reason
    return undefined
  }

  /** The first fault of the others than `part`. */
  reasonBeside(part: string): string | undefined {
    for (const [failed, reason] of this.faults) if (failed !== part) return reason
    return undefined
  }

  /** The fault of one part, if it has one. */
  faultOf(part: string): string | undefined {
    return this.faults.get(part)
  }

  /** Done from the first fault on; after the last has gone, another one stands here. */
  errored(): Deferred.Deferred<void> {
    return this.signal
  }

  /** A part (ledger, journal, consensus) fails. True when it did not before. */
  fail(part: string, reason: string): boolean {
    const isNew = !this.faults.has(part)
    this.faults.set(part, reason)
    Deferred.unsafeDone(this.signal, Effect.void)
    return isNew
  }

  /** The part works again. True when it failed before. */
  recover(part: string): boolean {
    const failed = this.faults.delete(part)
    if (failed && this.faults.size === 0) this.signal = Deferred.unsafeMake<void>(FiberId.none)
    return failed
  }
}

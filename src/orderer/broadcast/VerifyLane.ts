/**
 * The node's way to the thread pool for envelope signatures. The pool has one queue for everything, the journal's synced
 * writes included: a bound on what is handed over keeps those from waiting behind thousands of signatures.
 */
import type { Identity } from "../../msp/index.js"

interface Waiting {
  readonly identity: Identity
  readonly data: Uint8Array
  readonly signature: Uint8Array
  readonly done: (good: boolean) => void
}

/** Signatures in the pool at a time: enough to keep its four threads busy. */
const defaultLimit = 8

export class VerifyLane {
  private running = 0
  private waiting: Array<Waiting> = []
  private next = 0

  /** `defect` is told of what a `done` throws: nobody stands above a promise's callback. */
  constructor(
    private readonly defect: (error: unknown) => void,
    private readonly limit: number = defaultLimit
  ) {}

  /** Calls `done` once, later; in the order of calls as far as the pool keeps it. */
  verify(identity: Identity, data: Uint8Array, signature: Uint8Array, done: (good: boolean) => void): void {
    this.waiting.push({ identity, data, signature, done })
    this.fill()
  }

  private fill(): void {
    while (this.running < this.limit) {
      const item = this.waiting[this.next]
      if (item === undefined) break
      this.next += 1
      this.running += 1
      const { data, done, identity, signature } = item
      identity.verifyAsync(data, signature).then(
        (good) => this.finish(done, good),
        () => this.finish(done, false)
      )
    }
    if (this.next === this.waiting.length) {
      this.waiting = []
      this.next = 0
    } else if (this.next >= 1024) {
      this.waiting = this.waiting.slice(this.next)
      this.next = 0
    }
  }

  private finish(done: (good: boolean) => void, good: boolean): void {
    this.running -= 1
    this.fill() // before the answer: the pool should not wait for it
    try {
      done(good)
    } catch (error) {
      this.defect(error)
    }
  }
}

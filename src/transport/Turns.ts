/** Begun calls that the line still holds, at most: under load it may never be empty. */
const forgotten = 512

/**
 * Calls that begin in one turn of the loop. One alone makes every step of every call a packet and a wake-up of its own,
 * which costs all sides more than it gains; all together leave the other sides without work in between.
 */
const together = 4

/**
 * Calls that came in one packet begin one after the other, a few in each turn of the event loop, instead of all at once.
 * Between them the loop sends what is ready and reads what has come, so that chaincodes and callers work while the
 * others are still being taken up; begun together, they would all wait for each other at every step.
 */
export class Turns {
  private waiting: Array<() => void> = []
  private next = 0
  private taken = false

  /**
   * Begins at once if nobody has begun in this turn of the loop; otherwise later, in the order of arrival. `begin` may
   * not throw: there is nobody above it.
   */
  take(begin: () => void): void {
    if (this.taken) {
      this.waiting.push(begin)
      return
    }
    this.taken = true
    setImmediate(this.turn)
    begin()
  }

  private readonly turn = (): void => {
    if (this.waiting.length === 0) {
      this.taken = false
      return
    }
    setImmediate(this.turn)
    const end = Math.min(this.next + together, this.waiting.length)
    const begun = this.waiting.slice(this.next, end)
    this.next = end
    if (end === this.waiting.length || end >= forgotten) {
      this.waiting = this.waiting.slice(end)
      this.next = 0
    }
    for (const begin of begun) begin()
  }
}

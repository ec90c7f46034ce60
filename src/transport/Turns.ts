/** Begun calls that the line still holds, at most: under load it may never be empty. */
const forgotten = 512

/**
 * Calls that came in one packet begin one after the other, one in each turn of the event loop, instead of all at once.
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
    const begin = this.waiting[this.next]
    if (begin === undefined) {
      this.taken = false
      return
    }
    this.next += 1
    if (this.next === this.waiting.length || this.next === forgotten) {
      this.waiting = this.waiting.slice(this.next)
      this.next = 0
    }
    setImmediate(this.turn)
    begin()
  }
}

/**
 * One counting gate for the calls of several servers: a call waits for a slot until its context ends, a stream keeps its
 * slot for its whole life. Plain callbacks: it stands in front of every call.
 * Source: peer-endorse-validate.md 2.3 (2,500 slots shared by unary calls, streams and the admin listener).
 */

/** Gives a slot back, or leaves the queue when it was not granted yet. Safe to call twice. */
export type Release = () => void

export interface Throttle {
  /** Calls `granted` at once or when a slot comes free, in the order of arrival. */
  readonly acquire: (granted: () => void) => Release
  /** Slots in use. */
  readonly inUse: number
  /** Calls that wait. */
  readonly waiting: number
}

/** A gate of `size` slots, at least one. */
export const makeThrottle = (size: number): Throttle => {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`throttle size must be at least 1, got ${size}`)
  let inUse = 0
  // Insertion order is the queue's order, and leaving from the middle is cheap.
  const queue = new Set<() => void>()
  const release = (): void => {
    inUse -= 1
    for (const next of queue) {
      queue.delete(next)
      next()
      return
    }
  }
  return {
    get inUse() {
      return inUse
    },
    get waiting() {
      return queue.size
    },
    acquire: (granted) => {
      let state: "waiting" | "held" | "done" = "waiting"
      let leave: () => unknown = () => undefined
      const enter = (): void => {
        inUse += 1
        state = "held"
      }
      if (inUse < size) {
        enter()
        granted()
      } else {
        const turn = (): void => {
          enter()
          // Not in the releasing call's stack: a queue of calls that end at once would grow it without end.
          queueMicrotask(() => {
            if (state === "held") granted()
          })
        }
        queue.add(turn)
        leave = () => queue.delete(turn)
      }
      return () => {
        if (state === "held") {
          state = "done"
          release()
        } else if (state === "waiting") {
          state = "done"
          leave()
        }
      }
    }
  }
}

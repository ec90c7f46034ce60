/**
 * Readers that wait for a block: a callback each, called once when the height has passed. Costs a closure per reader and
 * nothing while nothing happens.
 */
import * as Effect from "effect/Effect"
import type { BlockIterator } from "./BlockStore.js"
import type { ReadError } from "./errors.js"

export class Waiters {
  private waiting = new Set<() => void>()

  /** Calls back once, at the next `wake`; the result takes the wish back. */
  add(callback: () => void): () => void {
    const entry = () => callback() // the same callback may wait twice
    this.waiting.add(entry)
    return () => {
      this.waiting.delete(entry)
    }
  }

  wake(): void {
    const waiting = this.waiting
    this.waiting = new Set()
    for (const callback of waiting) callback()
  }

  get size(): number {
    return this.waiting.size
  }
}

/** An iterator over a store with a height, a reader and waiters. */
export const makeIterator = (
  from: bigint,
  store: {
    readonly height: () => bigint
    readonly get: (number: bigint) => Effect.Effect<Uint8Array, ReadError>
    readonly waiters: Waiters
  }
): BlockIterator => {
  let next = from
  let closed = false
  let wakeClosed: (() => void) | undefined
  const arrival = Effect.async<void>((resume) => {
    if (closed || store.height() > next) {
      resume(Effect.void)
      return
    }
    const forget = store.waiters.add(() => {
      wakeClosed = undefined
      resume(Effect.void)
    })
    wakeClosed = () => {
      forget()
      resume(Effect.void)
    }
    return Effect.sync(() => {
      forget()
      wakeClosed = undefined
    })
  })
  const step: Effect.Effect<Uint8Array | undefined, ReadError> = Effect.suspend(() => {
    if (closed) return Effect.succeed(undefined)
    if (store.height() > next) {
      return Effect.map(store.get(next), (block) => {
        next += 1n
        return block
      })
    }
    return Effect.flatMap(arrival, () => step)
  })
  return {
    next: step,
    close: Effect.sync(() => {
      closed = true
      wakeClosed?.()
      wakeClosed = undefined
    })
  }
}

/**
 * Keeps simulations and the writing of a block to CouchDB apart: a rich query must see the state that the simulation's
 * snapshot has, and CouchDB has but one. Simulations share; a block shuts them out, and those that come while it waits
 * wait behind it, as the reference's lock has it. Not there with the built-in database: snapshots suffice.
 * Source: ledger-privatedata.md rule 24; lockbasedtxmgr/lockbased_txmgr.go (commitRWLock).
 */
import * as Effect from "effect/Effect"

interface Waiting {
  readonly exclusive: boolean
  readonly enter: () => void
}

export class StateGate {
  private inside = 0
  private closed = false
  private readonly waiting: Array<Waiting> = []

  /** Waits for its turn; `leave` ends it. */
  readonly enter: Effect.Effect<void> = this.turn(false)

  leave(): void {
    this.inside -= 1
    this.admit()
  }

  /** Runs with nobody else inside. */
  exclusive<A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      this.turn(true),
      () => work,
      () =>
        Effect.sync(() => {
          this.closed = false
          this.admit()
        })
    )
  }

  private turn(exclusive: boolean): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      let inside = false
      const waiting: Waiting = {
        exclusive,
        enter: () => {
          inside = true
          if (exclusive) this.closed = true
          else this.inside += 1
          resume(Effect.void)
        }
      }
      this.waiting.push(waiting)
      this.admit()
      return Effect.sync(() => {
        if (inside) {
          if (exclusive) this.closed = false
          else this.inside -= 1
        } else this.waiting.splice(this.waiting.indexOf(waiting), 1)
        this.admit()
      })
    })
  }

  private admit(): void {
    for (;;) {
      const [next] = this.waiting
      if (next === undefined || this.closed || (next.exclusive && this.inside > 0)) return
      this.waiting.shift()
      next.enter()
    }
  }
}

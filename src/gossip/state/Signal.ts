/** Wakes everybody who waits, each time anew. One per place to wait at; holds no value. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"

export class Signal {
  private current = Deferred.unsafeMake<void>(FiberId.none)

  notify(): void {
    const woken = this.current
    this.current = Deferred.unsafeMake<void>(FiberId.none)
    Deferred.unsafeDone(woken, Effect.void)
  }

  /** Waits until `holds`, looked at now and at each notification. */
  until(holds: () => boolean): Effect.Effect<void> {
    return Effect.suspend(() =>
      holds() ? Effect.void : Effect.flatMap(Deferred.await(this.current), () => this.until(holds))
    )
  }
}

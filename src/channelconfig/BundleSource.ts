/** The bundle in force on a channel, replaced as a whole (identity-policy-config rule 65a; bundlesource.go). */
import type { Bundle } from "./Bundle.js"

/** Called with each bundle that comes into force, in the order of subscription; must not throw. */
export type BundleActor = (bundle: Bundle) => void

/** One channel's holder; reading it gives a stable bundle. */
export class BundleSource {
  private bundle: Bundle
  private readonly actors: Array<BundleActor> = []

  /** The first bundle reaches the actors too. */
  constructor(bundle: Bundle, ...actors: ReadonlyArray<BundleActor>) {
    this.bundle = bundle
    for (const actor of actors) this.subscribe(actor)
  }

  /** The bundle in force: take it once where two facts must agree. */
  current(): Bundle {
    return this.bundle
  }

  /** Puts the next bundle in force, then tells the actors one after the other. */
  update(bundle: Bundle): void {
    this.bundle = bundle
    for (const actor of [...this.actors]) actor(bundle)
  }

  /** Calls the actor now with the bundle in force, and with each later one. Out: ends the subscription. */
  subscribe(actor: BundleActor): () => void {
    this.actors.push(actor)
    actor(this.bundle)
    return () => {
      const at = this.actors.indexOf(actor)
      if (at >= 0) this.actors.splice(at, 1)
    }
  }
}

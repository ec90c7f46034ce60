/**
 * Who hears messages and news of connections. A listener that fails is logged and harms neither the stream nor the others.
 * Source: gossip-discovery.md 3.2 rule 10.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { SyncLog } from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import { inOrder } from "../effects.js"
import type { ReceivedMessage } from "../messages.js"

interface Subscription {
  readonly accepts: (message: ReceivedMessage) => boolean
  readonly handle: (message: ReceivedMessage) => void | Effect.Effect<void>
}

/** Listeners of one kind of news. */
export class Listeners<A> {
  private readonly members = new Set<(news: A) => void>()
  constructor(private readonly log: SyncLog) {}

  /** The result ends it. */
  readonly add = (listener: (news: A) => void): (() => void) => {
    this.members.add(listener)
    return () => void this.members.delete(listener)
  }

  tell(news: A): void {
    for (const listener of this.members) {
      try {
        listener(news)
      } catch (error) {
        this.log.error("a listener failed", { error: textOf(error) })
      }
    }
  }
}

export class Subscribers {
  private readonly members = new Set<Subscription>()
  constructor(private readonly log: SyncLog) {}

  /** The result ends it. */
  readonly add = (accepts: Subscription["accepts"], handle: Subscription["handle"]): (() => void) => {
    const subscription = { accepts, handle }
    this.members.add(subscription)
    return () => void this.members.delete(subscription)
  }

  /** Hands a message to all who want it; what comes back holds back the messages behind it. */
  dispatch(message: ReceivedMessage): Effect.Effect<void> | undefined {
    const waits: Array<Effect.Effect<void>> = []
    for (const { accepts, handle } of this.members) {
      try {
        if (!accepts(message)) continue
        const wait = handle(message)
        if (Effect.isEffect(wait)) waits.push(this.guarded(wait))
      } catch (error) {
        this.log.error("a subscriber failed", { error: textOf(error) })
      }
    }
    return inOrder(waits)
  }

  private guarded(wait: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.catchAllCause(wait, (cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.failCause(cause)
        : Effect.sync(() => this.log.error("a subscriber failed", { error: Cause.pretty(cause) }))
    )
  }
}

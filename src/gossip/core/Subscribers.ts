/** Who gets the messages that were checked. An Effect that a subscriber gives back holds back the stream. */
import type * as Effect from "effect/Effect"
import type { SyncLog } from "../../runtime/Log.js"
import { inOrder } from "../effects.js"
import type { SignedGossipMessage } from "../messages.js"

interface Subscriber {
  readonly accepts: (message: SignedGossipMessage) => boolean
  readonly handle: (message: SignedGossipMessage) => void | Effect.Effect<void>
}

export class Subscribers {
  private readonly all = new Set<Subscriber>()

  constructor(private readonly log: SyncLog) {}

  add(accepts: Subscriber["accepts"], handle: Subscriber["handle"]): () => void {
    const subscriber: Subscriber = { accepts, handle }
    this.all.add(subscriber)
    return () => {
      this.all.delete(subscriber)
    }
  }

  /** A subscriber that throws is told to the log and harms no other. */
  deliver(message: SignedGossipMessage): Effect.Effect<void> | undefined {
    const waits: Array<Effect.Effect<void>> = []
    for (const { accepts, handle } of this.all) {
      try {
        if (!accepts(message)) continue
        const wait = handle(message)
        if (wait !== undefined) waits.push(wait)
      } catch (error) {
        this.log.error(`A subscriber failed: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return inOrder(waits)
  }
}

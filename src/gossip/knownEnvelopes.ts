/**
 * Envelopes that are held already, found by their signature: answers about everybody hold mostly what is known, and that
 * need not be decoded and judged again.
 */
import { equalBytes } from "../wire/bytes.js"
import type { gossip } from "../wire/index.js"
import { idKey } from "./ids.js"

export class KnownEnvelopes {
  private readonly bySignature = new Map<string, gossip.Envelope>()

  get size(): number {
    return this.bySignature.size
  }

  /** Whether the very same message is held. */
  has({ payload, signature }: gossip.Envelope): boolean {
    const held = this.bySignature.get(idKey(signature))
    return held !== undefined && equalBytes(held.payload, payload)
  }

  add(envelope: gossip.Envelope): void {
    this.bySignature.set(idKey(envelope.signature), envelope)
  }

  /** Nothing happens where another message has taken the place. */
  remove(envelope: gossip.Envelope): void {
    const key = idKey(envelope.signature)
    if (this.bySignature.get(key) === envelope) this.bySignature.delete(key)
  }
}

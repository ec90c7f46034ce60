/**
 * The latest StateInfo of each member of a channel.
 * Source: gossip-discovery.md 3.6.1, 3.6.4 (gossip/gossip/channel/channel.go stateInfoCache).
 */
import type { gossip } from "../../wire/index.js"
import { idKey } from "../ids.js"
import { KnownEnvelopes } from "../knownEnvelopes.js"
import { MessageStore } from "../messageStore.js"
import type { SignedGossipMessage } from "../messages.js"
import { detached } from "../signing.js"
import { latestStateInfo } from "../supersede.js"
import type { Timers } from "../Timers.js"

export class StateInfoCache {
  private readonly store: MessageStore
  private readonly known = new KnownEnvelopes()

  constructor(timers: Timers) {
    const onRemoved = ({ envelope }: SignedGossipMessage) => this.known.remove(envelope)
    this.store = new MessageStore({ rule: latestStateInfo, timers, onRemoved })
  }

  get size(): number {
    return this.store.size
  }

  /** Whether the message is news: asked before its signature is verified. */
  isNews(message: SignedGossipMessage): boolean {
    return this.store.accepts(message)
  }

  /** Whether the very same message is here: asked before it is even decoded. */
  holds(envelope: gossip.Envelope): boolean {
    return this.known.has(envelope)
  }

  /** Keeps a verified message as its own copy, which is the result; undefined: no news. */
  add(message: SignedGossipMessage): SignedGossipMessage | undefined {
    if (!this.store.accepts(message)) return undefined
    const kept = detached(message)
    if (!this.store.add(kept)) return undefined
    this.known.add(kept.envelope)
    return kept
  }

  get(pkiId: Uint8Array): SignedGossipMessage | undefined {
    return this.store.get(idKey(pkiId))
  }

  all(): Array<SignedGossipMessage> {
    return this.store.messages()
  }

  /** Drops the StateInfo of every peer for which `unwanted` holds. */
  purge(unwanted: (pkiId: Uint8Array) => boolean): void {
    this.store.purge(({ message }) => message.stateInfo !== undefined && unwanted(message.stateInfo.pkiId))
  }

  stop(): void {
    this.store.stop()
  }
}

/**
 * Alive messages as membership reads them.
 * Source: gossip-discovery.md 3.4.1, 4.
 */
import type { gossip } from "../../wire/index.js"
import { idKey } from "../ids.js"
import type { SignedGossipMessage } from "../messages.js"
import { detached, internalEndpointOf } from "../signing.js"

/** An alive message that has all it needs. */
export interface AliveView {
  readonly source: SignedGossipMessage
  readonly key: string
  readonly pkiId: Uint8Array
  /** External endpoint; may be empty. */
  readonly endpoint: string
  /** From the secret envelope; empty where none came along or it cannot be read. */
  readonly internalEndpoint: string
  readonly metadata: Uint8Array
  readonly time: gossip.PeerTime
}

/** undefined: no alive message, or one without member, PKI-ID or time. */
export const aliveView = (source: SignedGossipMessage): AliveView | undefined => {
  const { aliveMsg } = source.message
  const { membership, timestamp } = aliveMsg ?? {}
  if (membership === undefined || timestamp === undefined || membership.pkiId.length === 0) return undefined
  return {
    source,
    key: idKey(membership.pkiId),
    pkiId: membership.pkiId,
    endpoint: membership.endpoint,
    // read when asked for: most copies of a message are old, and nobody asks
    get internalEndpoint() {
      return internalEndpointOf(source.envelope)
    },
    metadata: membership.metadata,
    time: timestamp
  }
}

/** The same over memory of its own, to be kept. */
export const detachedView = (view: AliveView): AliveView => aliveView(detached(view.source)) ?? view

/**
 * Connections to other peers: one a PKI-ID, authenticated both ways. The protocol code above sees this interface only;
 * gRPC is behind it in a peer, an in-process network in the simulation.
 * Source: gossip-discovery.md 3.2.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { gossip } from "../wire/index.js"
import type { CommFailed } from "./errors.js"
import type { ReceivedMessage, RemotePeer, SendResult, SignedGossipMessage } from "./messages.js"

export interface CommShape {
  readonly pkiId: Uint8Array
  /** Queues for each peer and returns at once; what cannot be delivered is dropped and the peer presumed dead (rule 8). */
  readonly send: (message: SignedGossipMessage, peers: ReadonlyArray<RemotePeer>) => void
  /** A fresh nonce in the message, sent to all; succeeds when `minimum` have acknowledged or all have answered (rule 9). */
  readonly sendWithAck: (
    message: gossip.GossipMessage,
    options: { readonly timeoutMs: number; readonly minimum: number },
    peers: ReadonlyArray<RemotePeer>
  ) => Effect.Effect<ReadonlyArray<SendResult>>
  /** Dials and pings. */
  readonly probe: (peer: RemotePeer) => Effect.Effect<void, CommFailed>
  /** A connection of its own for one handshake (rule 12); gives the remote's serialized identity. */
  readonly handshake: (peer: RemotePeer) => Effect.Effect<Uint8Array, CommFailed>
  /**
   * Every message that `accepts` lets pass, in order of arrival on its stream. An Effect given back holds back that
   * stream until it ends (rule 10). The result ends the subscription.
   */
  readonly subscribe: (
    accepts: (message: ReceivedMessage) => boolean,
    handle: (message: ReceivedMessage) => void | Effect.Effect<void>
  ) => () => void
  /** PKI-IDs whose stream broke or could not be dialled. */
  readonly onPresumedDead: (handle: (pkiId: Uint8Array) => void) => () => void
  /** A peer came back with another identity at the same place: the old PKI-ID is over (rule 5). */
  readonly onIdentitySwitch: (handle: (oldPkiId: Uint8Array) => void) => () => void
  readonly closeConnection: (pkiId: Uint8Array) => void
}

export class Comm extends Context.Tag("gossip/Comm")<Comm, CommShape>() {}

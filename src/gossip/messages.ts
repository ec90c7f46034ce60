/**
 * Gossip messages as they travel: the bytes that came beside their decoded form, and who sent them.
 * Source: gossip-discovery.md 3.2, 3.3, 4; trap 4 (signatures cover received bytes: raw payloads are kept).
 */
import type { gossip } from "../wire/index.js"

/** A message with its envelope. What is stored or forwarded is `envelope`, never a re-encoding of `message`. */
export interface SignedGossipMessage {
  readonly envelope: gossip.Envelope
  readonly message: gossip.GossipMessage
}

/** The remote end of a stream, as its handshake proved it. */
export interface ConnectionInfo {
  readonly pkiId: Uint8Array
  /** Serialized identity. */
  readonly identity: Uint8Array
  /** Remote address as the transport saw it. */
  readonly endpoint: string
  /** The handshake's raw payload and its signature: evidence for channel and collection policies. */
  readonly auth: { readonly signedData: Uint8Array; readonly signature: Uint8Array }
}

/** A message that arrived on a stream. */
export interface ReceivedMessage extends SignedGossipMessage {
  readonly connection: ConnectionInfo
  /** Answers on the stream that the message came on, unsigned. */
  readonly respond: (message: gossip.GossipMessage) => void
  /** Acknowledges the outer nonce; a text is a refusal. */
  readonly ack: (error?: string) => void
}

/** Whom to send to: a dial address and the identity expected there. */
export interface RemotePeer {
  readonly endpoint: string
  readonly pkiId: Uint8Array
}

/** One answer of an acknowledged send. */
export interface SendResult {
  readonly peer: RemotePeer
  /** Empty: success. */
  readonly error: string
}

/** A member of the network as this peer knows it. */
export interface NetworkMember {
  /** External endpoint; empty: not visible to other organisations. */
  readonly endpoint: string
  /** Own organisation's dial address; empty where not known. */
  readonly internalEndpoint: string
  readonly metadata: Uint8Array
  readonly pkiId: Uint8Array
  /** Channel view only: height, chaincodes, whether it left. */
  readonly properties?: gossip.Properties
  /** The signed alive message (network view) or StateInfo (channel view), as received. */
  readonly envelope?: gossip.Envelope
}

/** Where to dial a member: rule 3.4.14. */
export const preferredEndpoint = ({ endpoint, internalEndpoint }: NetworkMember): string =>
  internalEndpoint === "" ? endpoint : internalEndpoint

/** An identity that this peer has validated. */
export interface PeerIdentity {
  readonly pkiId: Uint8Array
  /** Serialized identity. */
  readonly identity: Uint8Array
  /** MSP ID. */
  readonly org: string
}

/** What a peer shows to prove that it may have a channel's data: its StateInfo, or its handshake. */
export interface PeerSignature {
  readonly identity: Uint8Array
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/**
 * The gossip core: who is there, what they have, and how messages reach them. State transfer, election, private data and
 * service discovery are built on this interface.
 * Source: gossip-discovery.md 3.3 to 3.7; gossip/gossip/gossip.go.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { gossip } from "../wire/index.js"
import type { SendFailed } from "./errors.js"
import type {
  NetworkMember,
  PeerIdentity,
  PeerSignature,
  ReceivedMessage,
  RemotePeer,
  SendResult,
  SignedGossipMessage
} from "./messages.js"

/** What a channel's configuration says about its members (rule 3.6.1). */
export interface JoinChannel {
  readonly channelId: string
  /** Config sequence. */
  readonly sequence: bigint
  /** MSP IDs of the application organisations. */
  readonly orgs: ReadonlyArray<string>
  readonly anchorPeers: ReadonlyMap<string, ReadonlyArray<{ readonly host: string; readonly port: number }>>
}

export interface SendCriteria {
  readonly timeoutMs: number
  readonly minAck: number
  readonly maxPeers: number
  readonly channelId: string
  readonly eligible: (member: NetworkMember) => boolean
}

export interface GossipShape {
  readonly pkiId: Uint8Array
  /** Own serialized identity. */
  readonly identity: Uint8Array
  /** Own MSP ID. */
  readonly org: string

  /** This peer as others see it, with an (unsigned) alive envelope. */
  readonly self: () => NetworkMember
  /** Own StateInfo of a channel that was joined. */
  readonly selfChannelInfo: (channelId: string) => SignedGossipMessage | undefined
  /** Alive members, this peer excluded. */
  readonly peers: () => ReadonlyArray<NetworkMember>
  /** Rule 3.6.6: alive, identity known, StateInfo present, not left; `properties` and the StateInfo envelope are set. */
  readonly peersOfChannel: (channelId: string) => ReadonlyArray<NetworkMember>
  readonly hasChannel: (channelId: string) => boolean
  /** Every identity known, this peer's included. */
  readonly identities: () => ReadonlyArray<PeerIdentity>
  readonly identityOf: (pkiId: Uint8Array) => PeerIdentity | undefined

  /** Signs where its kind is signed (3.5.3), keeps where its kind is kept, and pushes by rule 3.5. */
  readonly gossip: (message: gossip.GossipMessage) => void
  /** Unsigned, to exactly these peers. */
  readonly send: (message: gossip.GossipMessage, peers: ReadonlyArray<RemotePeer>) => void
  readonly sendWithAck: (
    message: gossip.GossipMessage,
    options: { readonly timeoutMs: number; readonly minimum: number },
    peers: ReadonlyArray<RemotePeer>
  ) => Effect.Effect<ReadonlyArray<SendResult>>
  /** Random eligible peers of a channel; texts of section 5 when too few are known or acknowledge. */
  readonly sendByCriteria: (message: gossip.GossipMessage, criteria: SendCriteria) => Effect.Effect<void, SendFailed>
  /** A predicate on members: their StateInfo as evidence (PeerSignature) passes `allowed`. */
  readonly peerFilter: (
    channelId: string,
    allowed: (evidence: PeerSignature) => boolean
  ) => ((member: NetworkMember) => boolean) | undefined

  /** Messages that the core has checked and deduplicated (data, leadership). */
  readonly subscribe: (
    accepts: (message: SignedGossipMessage) => boolean,
    handle: (message: SignedGossipMessage) => void | Effect.Effect<void>
  ) => () => void
  /** The raw stream: state requests and responses, private data (no tag check has been made). */
  readonly subscribeRaw: (
    accepts: (message: ReceivedMessage) => boolean,
    handle: (message: ReceivedMessage) => void | Effect.Effect<void>
  ) => () => void

  readonly joinChannel: (join: JoinChannel) => void
  readonly leaveChannel: (channelId: string) => void
  readonly updateLedgerHeight: (channelId: string, height: bigint) => void
  readonly updateChaincodes: (channelId: string, chaincodes: ReadonlyArray<gossip.Chaincode>) => void
  /** Validates again the identities for which `suspect` holds; the invalid ones are dropped (rule 3.1.7). */
  readonly suspectPeers: (suspect: (identity: Uint8Array) => boolean) => void
}

export class Gossip extends Context.Tag("gossip/Gossip")<Gossip, GossipShape>() {}

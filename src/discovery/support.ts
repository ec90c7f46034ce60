/** What discovery asks of the peer around it; `src/peer` answers. Source: gossip-discovery.md 3.12; discovery/support. */
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type { NetworkMember, PeerIdentity } from "../gossip/index.js"
import type { SignedData } from "../policy/index.js"
import type { common, gossip } from "../wire/index.js"

interface Refused {
  readonly message: string
}

/** What a channel has instantiated under a name (the lifecycle cache). */
export interface ChaincodeMetadata {
  readonly name: string
  readonly version: string
  /** `common.SignaturePolicyEnvelope` as stored. */
  readonly policy: Uint8Array
  /** `common.CollectionConfigPackage` as stored, when asked for. */
  readonly collections: Uint8Array | undefined
}

/** Gossip's view. */
export interface MembershipSupport {
  readonly self: () => NetworkMember
  readonly selfChannelInfo: (
    channelId: string
  ) => { readonly envelope: gossip.Envelope; readonly message: gossip.GossipMessage } | undefined
  readonly peers: () => ReadonlyArray<NetworkMember>
  readonly peersOfChannel: (channelId: string) => ReadonlyArray<NetworkMember>
  readonly identities: () => ReadonlyArray<PeerIdentity>
}

export interface DiscoverySupport extends MembershipSupport {
  /** Channel queries: the channel's writers; without a channel: the local MSP's admins, or its members (rule 2b). */
  readonly eligible: (channelId: string, data: SignedData) => Either.Either<void, Refused>
  /** Config sequence; 0 without a channel. */
  readonly sequence: (channelId: string) => bigint
  readonly satisfiesPrincipal: (
    channelId: string,
    identity: Uint8Array,
    principal: common.MSPPrincipal
  ) => Either.Either<void, Refused>
  /** Undefined: not there. */
  readonly metadata: (
    channelId: string,
    chaincode: string,
    withCollections: boolean
  ) => Effect.Effect<ChaincodeMetadata | undefined>
  /** The configuration in force; undefined: no such channel. */
  readonly config: (channelId: string) => common.Config | undefined
}

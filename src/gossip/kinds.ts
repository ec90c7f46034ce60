/**
 * What a message is, which kinds are signed, and which tag each kind may carry. Pure.
 * Source: gossip-discovery.md 3.3 rule 2, 3.5 rule 3, 4 (protos/gossip/extensions.go).
 */
import * as Either from "effect/Either"
import { gossip } from "../wire/index.js"
import type { Init } from "../wire/types.js"
import type { Refused } from "./Security.js"

/** The members of a message's `content`, in the order of their field numbers. */
export const contentKinds = [
  "aliveMsg",
  "memReq",
  "memRes",
  "dataMsg",
  "hello",
  "dataDig",
  "dataReq",
  "dataUpdate",
  "empty",
  "conn",
  "stateInfo",
  "stateSnapshot",
  "stateInfoPullReq",
  "stateRequest",
  "stateResponse",
  "leadershipMsg",
  "peerIdentity",
  "ack",
  "privateReq",
  "privateRes",
  "privateData"
] as const satisfies ReadonlyArray<keyof gossip.GossipMessage>

export type ContentKind = (typeof contentKinds)[number]

/** Which content a message has; undefined: none that this version knows. */
export const contentOf = (message: Init<gossip.GossipMessage>): ContentKind | undefined =>
  contentKinds.find((kind) => message[kind] !== undefined)

const signedKinds: ReadonlySet<ContentKind> = new Set([
  "conn",
  "aliveMsg",
  "stateInfo",
  "leadershipMsg",
  "peerIdentity"
] as const)

/** Whether messages of this kind travel with a signature (3.5 rule 3). */
export const isSignedKind = (kind: ContentKind | undefined): boolean => kind !== undefined && signedKinds.has(kind)

/** The pull protocol that a message belongs to (`gossip.PullMsgType`); UNDEFINED where it is no pull message. */
export const pullTypeOf = ({ hello, dataDig, dataReq, dataUpdate }: gossip.GossipMessage): number =>
  (hello ?? dataDig ?? dataReq ?? dataUpdate)?.msgType ?? gossip.PullMsgType.UNDEFINED

const { UNDEFINED, EMPTY, ORG_ONLY, CHAN_ONLY, CHAN_AND_ORG, CHAN_OR_ORG } = gossip.GossipMessage_Tag

/** Routed inside its channel only. */
export const isChannelRestricted = ({ tag }: gossip.GossipMessage): boolean =>
  tag === CHAN_AND_ORG || tag === CHAN_ONLY || tag === CHAN_OR_ORG

/** Routed inside the organisation only. */
export const isOrgRestricted = ({ tag }: gossip.GossipMessage): boolean => tag === CHAN_AND_ORG || tag === ORG_ONLY

/** The one tag that a kind may carry; undefined: no tag makes it legal. Pull messages: see {@link pullTag}. */
const tagOfKind: Readonly<Partial<Record<ContentKind, number>>> = {
  dataMsg: CHAN_AND_ORG,
  aliveMsg: EMPTY,
  memReq: EMPTY,
  memRes: EMPTY,
  peerIdentity: ORG_ONLY,
  stateInfo: CHAN_OR_ORG,
  stateInfoPullReq: CHAN_OR_ORG,
  stateSnapshot: CHAN_OR_ORG,
  stateRequest: CHAN_OR_ORG,
  stateResponse: CHAN_OR_ORG,
  leadershipMsg: CHAN_AND_ORG
}

const pullTag = (type: number): number | undefined =>
  type === gossip.PullMsgType.BLOCK_MSG ? CHAN_AND_ORG : type === gossip.PullMsgType.IDENTITY_MSG ? EMPTY : undefined

const pullKinds: ReadonlySet<ContentKind> = new Set(["hello", "dataDig", "dataReq", "dataUpdate"] as const)

const illegal = (message: string): Either.Either<never, Refused> => Either.left({ message })

/** Whether the tag fits the content (3.3 rule 2); the core drops a message whose tag does not. */
export const checkTag = (message: gossip.GossipMessage): Either.Either<void, Refused> => {
  const { tag } = message
  if (tag === UNDEFINED) return illegal("Undefined tag")
  const kind = contentOf(message)
  if (kind === undefined) return illegal("Unknown message type")
  let wanted = tagOfKind[kind]
  if (pullKinds.has(kind)) {
    const type = pullTypeOf(message)
    wanted = pullTag(type)
    if (wanted === undefined) {
      return illegal(`Invalid PullMsgType: ${gossip.PullMsgTypeInfo.nameOf(type) ?? ""}`)
    }
  }
  if (wanted === undefined) return illegal("Unknown message type")
  if (tag === wanted) return Either.void
  return illegal(`Tag should be ${gossip.GossipMessage_TagInfo.nameOf(wanted) ?? wanted}`)
}

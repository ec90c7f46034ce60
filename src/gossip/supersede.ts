/**
 * Which of two messages makes the other worthless.
 * Source: gossip-discovery.md 3.4.3, 3.5.4; protos/gossip/extensions.go NewGossipMessageComparator.
 */
import { equalBytes } from "../wire/bytes.js"
import type { gossip } from "../wire/index.js"
import { idKey } from "./ids.js"
import type { SignedGossipMessage } from "./messages.js"

/** What holding `that` means for `this`: it is refused, it replaces `that`, or they have nothing to do with each other. */
export type Verdict = "refused" | "replaces" | "unrelated"

/** Higher incarnation wins; in the same one the higher sequence; the same message is old (3.4.3). */
export const newer = (a: gossip.PeerTime, b: gossip.PeerTime): boolean =>
  a.incNum === b.incNum ? a.seqNum > b.seqNum : a.incNum > b.incNum

interface Timed {
  readonly pkiId: Uint8Array
  readonly time: gossip.PeerTime
}

const timed = (pkiId: Uint8Array | undefined, time: gossip.PeerTime | undefined): Timed | undefined =>
  pkiId === undefined || pkiId.length === 0 || time === undefined ? undefined : { pkiId, time }

const aliveTime = ({ message: { aliveMsg } }: SignedGossipMessage) =>
  timed(aliveMsg?.membership?.pkiId, aliveMsg?.timestamp)
const stateInfoTime = ({ message: { stateInfo } }: SignedGossipMessage) => timed(stateInfo?.pkiId, stateInfo?.timestamp)
const leadershipTime = ({ message: { leadershipMsg } }: SignedGossipMessage) =>
  timed(leadershipMsg?.pkiId, leadershipMsg?.timestamp)

/** Block number of a data message. */
export const blockNumber = ({ message }: SignedGossipMessage): bigint | undefined => message.dataMsg?.payload?.seqNum

const byTime = (a: Timed, b: Timed): Verdict =>
  !equalBytes(a.pkiId, b.pkiId) ? "unrelated" : newer(a.time, b.time) ? "replaces" : "refused"

/** The reference's comparison of any two messages; `window` is peer.gossip.maxBlockCountToStore. */
export const compareMessages = (next: SignedGossipMessage, held: SignedGossipMessage, window: number): Verdict => {
  for (const time of [aliveTime, stateInfoTime, leadershipTime]) {
    const a = time(next)
    const b = time(held)
    if (a !== undefined && b !== undefined) return byTime(a, b)
  }
  const identity = next.message.peerIdentity
  if (identity !== undefined && held.message.peerIdentity !== undefined)
    return equalBytes(identity.pkiId, held.message.peerIdentity.pkiId) ? "refused" : "unrelated"
  const a = blockNumber(next)
  const b = blockNumber(held)
  if (a === undefined || b === undefined) return "unrelated"
  if (a === b) return "refused"
  if (a > b) return a - b > BigInt(window) ? "replaces" : "unrelated"
  return b - a > BigInt(window) ? "refused" : "unrelated"
}

/**
 * The same rules for a store of one kind of message, by key: a message concerns only the one held under its key, and
 * where the kind has numbers, those that lie further behind than the window.
 */
export interface Superseding {
  /** undefined: the message is not of this kind or lacks what it needs, and is never stored. */
  readonly key: (message: SignedGossipMessage) => string | undefined
  /** Of two messages with one key. */
  readonly replaces: (next: SignedGossipMessage, held: SignedGossipMessage) => boolean
  readonly window?: { readonly number: (message: SignedGossipMessage) => bigint; readonly width: bigint }
}

/** Nothing is made for the comparison: it is made for every copy of every message. */
const latest = (
  time: (message: gossip.GossipMessage) => gossip.PeerTime | undefined,
  pkiIdOf: (message: gossip.GossipMessage) => Uint8Array | undefined
): Superseding => ({
  key: ({ message }) => {
    const pkiId = pkiIdOf(message)
    return pkiId === undefined || pkiId.length === 0 || time(message) === undefined ? undefined : idKey(pkiId)
  },
  replaces: (next, held) => {
    const a = time(next.message)
    const b = time(held.message)
    return a !== undefined && b !== undefined && newer(a, b)
  }
})

export const latestAlive: Superseding = latest(
  ({ aliveMsg }) => aliveMsg?.timestamp,
  ({ aliveMsg }) => aliveMsg?.membership?.pkiId
)
export const latestStateInfo: Superseding = latest(
  ({ stateInfo }) => stateInfo?.timestamp,
  ({ stateInfo }) => stateInfo?.pkiId
)
export const latestLeadership: Superseding = latest(
  ({ leadershipMsg }) => leadershipMsg?.timestamp,
  ({ leadershipMsg }) => leadershipMsg?.pkiId
)

/** Blocks: each number once, and none that lies more than `width` behind the highest. */
export const blockWindow = (width: number): Superseding => ({
  key: (message) => blockNumber(message)?.toString(),
  replaces: () => false,
  window: { number: (message) => blockNumber(message) ?? 0n, width: BigInt(width) }
})

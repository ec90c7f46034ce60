/**
 * To whom a burst of messages goes. Pure but for the dice.
 * Source: gossip-discovery.md 3.5.1, 3.5.2 (gossip/gossip/gossip_impl.go gossipBatch).
 */
import { equalBytes, toText } from "../../wire/bytes.js"
import { isOrgRestricted } from "../kinds.js"
import type { NetworkMember, SignedGossipMessage } from "../messages.js"
import type { Random } from "../random.js"
import { pick } from "../random.js"
import { withoutSecret } from "../signing.js"

/** A message to pass on. */
export interface Outgoing {
  readonly message: SignedGossipMessage
  /** Whom it came from; undefined: made here. It never goes back there. */
  readonly from?: Uint8Array | undefined
}

/** What routing needs to know of a channel. */
export interface ChannelMembers {
  /** Its organisation is in the channel. */
  readonly isMember: (pkiId: Uint8Array) => boolean
  /** Of the own organisation, in the channel, identity and StateInfo known. */
  readonly isOwnOrgPeer: (pkiId: Uint8Array) => boolean
}

/** A member with the key of its PKI-ID (`idKey`): asked for often. */
export type RoutedMember = NetworkMember & { readonly key: string }

export interface RoutingView {
  readonly selfOrg: string
  /** Alive members. */
  readonly members: ReadonlyArray<RoutedMember>
  /** MSP ID by key; undefined: unknown. */
  readonly orgOfKey: (key: string) => string | undefined
  /** MSP ID of a PKI-ID; undefined: unknown. */
  readonly orgOf: (pkiId: Uint8Array) => string | undefined
  /** Whether a known peer, this one included, shows an endpoint to other organisations. */
  readonly hasExternalEndpoint: (pkiId: Uint8Array) => boolean
  readonly channel: (name: string) => ChannelMembers | undefined
  /** By MAC. */
  readonly channelOfStateInfo: (message: SignedGossipMessage) => ChannelMembers | undefined
  /** peer.gossip.propagatePeerNum. */
  readonly propagatePeerNum: number
}

export type Send = (message: SignedGossipMessage, peers: ReadonlyArray<NetworkMember>) => void

const notBack = ({ from }: Outgoing, member: NetworkMember): boolean =>
  from === undefined || !equalBytes(from, member.pkiId)

/** Messages of one channel, in order, by name. */
const byChannel = (batch: ReadonlyArray<Outgoing>): ReadonlyMap<string, ReadonlyArray<Outgoing>> => {
  const groups = new Map<string, Array<Outgoing>>()
  for (const outgoing of batch) {
    const name = toText(outgoing.message.message.channel)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [outgoing])
    else group.push(outgoing)
  }
  return groups
}

/** Sends each message of a burst; those with the same way go to the same peers. */
export const route = (batch: ReadonlyArray<Outgoing>, view: RoutingView, random: Random, send: Send): void => {
  const { members, selfOrg, orgOf, orgOfKey, propagatePeerNum } = view
  const ownOrg = ({ key }: RoutedMember): boolean => orgOfKey(key) === selfOrg

  const sendAll = (group: ReadonlyArray<Outgoing>, peers: ReadonlyArray<NetworkMember>): void => {
    for (const outgoing of group) {
      const targets = peers.filter((peer) => notBack(outgoing, peer))
      if (targets.length > 0) send(outgoing.message, targets)
    }
  }
  const inChannels = (group: ReadonlyArray<Outgoing>, count: number): void => {
    for (const [name, messages] of byChannel(group)) {
      const channel = view.channel(name)
      if (channel === undefined) continue
      sendAll(
        messages,
        pick(random, count, members, ({ pkiId }) => channel.isOwnOrgPeer(pkiId))
      )
    }
  }

  const blocks: Array<Outgoing> = []
  const leadership: Array<Outgoing> = []
  const orgOnly: Array<Outgoing> = []
  for (const outgoing of batch) {
    const { message } = outgoing.message
    if (message.dataMsg !== undefined) blocks.push(outgoing)
    else if (message.leadershipMsg !== undefined) leadership.push(outgoing)
    else if (message.stateInfo !== undefined) routeStateInfo(outgoing, message.stateInfo.pkiId, view, random, send)
    else if (message.aliveMsg !== undefined) {
      const { endpoint = "", pkiId = new Uint8Array(0) } = message.aliveMsg.membership ?? {}
      if (endpoint === "" && orgOf(pkiId) === selfOrg) orgOnly.push(outgoing)
      else routeAlive(outgoing, pkiId, view, random, send)
    } else if (isOrgRestricted(message)) orgOnly.push(outgoing)
  }
  inChannels(blocks, propagatePeerNum)
  inChannels(leadership, members.length)
  if (orgOnly.length > 0) sendAll(orgOnly, pick(random, propagatePeerNum, members, ownOrg))
}

const routeStateInfo = (
  outgoing: Outgoing,
  subject: Uint8Array,
  view: RoutingView,
  random: Random,
  send: Send
): void => {
  const channel = view.channelOfStateInfo(outgoing.message)
  const abroad = channel !== undefined && view.hasExternalEndpoint(subject)
  const peers = pick(
    random,
    view.propagatePeerNum,
    view.members,
    (member) =>
      notBack(outgoing, member) &&
      (abroad ? channel.isMember(member.pkiId) : view.orgOfKey(member.key) === view.selfOrg)
  )
  if (peers.length > 0) send(outgoing.message, peers)
}

/**
 * Of the own organisation: to anyone. Of another: to the own and to the subject's, but not to a peer without external
 * endpoint. Secrets stay in the own organisation.
 */
const routeAlive = (outgoing: Outgoing, subject: Uint8Array, view: RoutingView, random: Random, send: Send): void => {
  const { selfOrg, orgOf, orgOfKey, members, propagatePeerNum } = view
  const subjectsOrg = orgOf(subject)
  if (subjectsOrg === undefined) return
  const foreign = subjectsOrg !== selfOrg
  const peers = pick(random, propagatePeerNum, members, (member) => {
    if (!notBack(outgoing, member)) return false
    if (!foreign) return true
    const org = orgOfKey(member.key)
    return org === selfOrg || org === subjectsOrg
  })
  const own: Array<NetworkMember> = []
  const others: Array<NetworkMember> = []
  for (const peer of peers) {
    if (foreign && peer.endpoint === "") continue
    if (orgOfKey(peer.key) === selfOrg) own.push(peer)
    else others.push(peer)
  }
  if (own.length > 0) send(outgoing.message, own)
  if (others.length > 0) send(withoutSecret(outgoing.message), others)
}

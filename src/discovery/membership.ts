/**
 * Who is there, as discovery shows it. Source: gossip-discovery.md 3.12 rule 5; discovery/support/gossip/support.go,
 * discovery/service.go.
 */
import type { NetworkMember } from "../gossip/index.js"
import { toHex } from "../wire/bytes.js"
import { discovery, gossip } from "../wire/index.js"
import type { MembershipSupport } from "./support.js"

export const idOf = (pkiId: Uint8Array): string => toHex(pkiId)

export const byId = (members: ReadonlyArray<NetworkMember>): ReadonlyMap<string, NetworkMember> =>
  new Map(members.map((member) => [idOf(member.pkiId), member]))

/** An envelope without its secret: internal endpoints are nobody else's business. */
const shown = ({ payload, signature }: gossip.Envelope): gossip.Envelope =>
  gossip.Envelope.create({ payload, signature })

/** Alive members and this peer, those with an external endpoint. */
export const alivePeers = ({ peers, self }: MembershipSupport): ReadonlyArray<NetworkMember> =>
  [...peers(), self()]
    .filter(({ endpoint }) => endpoint !== "")
    .map((member) => (member.envelope === undefined ? member : { ...member, envelope: shown(member.envelope) }))

/** Peers of a channel and this peer; empty when the channel is unknown. */
export const channelPeers = (support: MembershipSupport, channelId: string): ReadonlyArray<NetworkMember> => {
  const own = support.selfChannelInfo(channelId)
  const stateInfo = own?.message.stateInfo
  if (own === undefined || stateInfo === undefined) return []
  const { endpoint, internalEndpoint, metadata } = support.self()
  return [
    ...support.peersOfChannel(channelId),
    {
      endpoint,
      internalEndpoint,
      metadata,
      pkiId: stateInfo.pkiId,
      envelope: own.envelope,
      ...(stateInfo.properties === undefined ? {} : { properties: stateInfo.properties })
    }
  ]
}

/** By the organisation of every identity known: one without a peer that can be shown has an empty list. */
export const membersByOrg = (
  support: MembershipSupport,
  inChannel: ReadonlyMap<string, NetworkMember> | undefined
): ReadonlyMap<string, discovery.Peers> => {
  const alive = byId(alivePeers(support))
  const orgs = new Map<string, Array<discovery.Peer>>()
  for (const { identity, org, pkiId } of support.identities()) {
    const peers = orgs.get(org) ?? []
    orgs.set(org, peers)
    const id = idOf(pkiId)
    const member = alive.get(id)
    if (member === undefined) continue
    const channelMember = inChannel?.get(id)
    if (inChannel !== undefined && channelMember === undefined) continue
    peers.push(discovery.Peer.create({ identity, membershipInfo: member.envelope, stateInfo: channelMember?.envelope }))
  }
  return new Map([...orgs].map(([org, peers]) => [org, discovery.Peers.create({ peers })]))
}

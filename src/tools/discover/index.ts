/**
 * Answers of service discovery as Go's `discover` program prints them. Pure; `src/network` asks and prints.
 * Source: discovery/cmd of the reference.
 */
import * as Either from "effect/Either"
import { toText } from "../../wire/bytes.js"
import { discovery, gossip, msp } from "../../wire/index.js"
import { type Json, messageJson, show } from "./goJson.js"

const opened = (envelope: gossip.Envelope | undefined): gossip.GossipMessage | undefined =>
  envelope === undefined
    ? undefined
    : Either.getOrUndefined(Either.try(() => gossip.GossipMessage.decode(envelope.payload)))

const identityOf = ({ identity }: discovery.Peer): msp.SerializedIdentity =>
  Either.getOrElse(
    Either.try(() => msp.SerializedIdentity.decode(identity)),
    () => msp.SerializedIdentity.create()
  )

const endpointOf = ({ membershipInfo }: discovery.Peer): string =>
  opened(membershipInfo)?.aliveMsg?.membership?.endpoint ?? ""

const propertiesOf = ({ stateInfo }: discovery.Peer): gossip.Properties | undefined =>
  opened(stateInfo)?.stateInfo?.properties

const listed = (parts: ReadonlyArray<Json>): Json => (parts.length === 0 ? null : parts)

const members = (
  { peersByOrg }: discovery.PeerMembershipResult,
  shown: (peer: discovery.Peer, mspId: string) => ReadonlyMap<string, Json>
): string => show(listed([...peersByOrg].flatMap(([mspId, { peers }]) => peers.map((peer) => shown(peer, mspId)))))

/** `discover peers` without a channel. */
export const showLocalPeers = (result: discovery.PeerMembershipResult): string =>
  members(
    result,
    (peer, mspId) =>
      new Map([
        ["MSPID", mspId],
        ["Endpoint", endpointOf(peer)],
        ["Identity", toText(identityOf(peer).idBytes)]
      ])
  )

/** `discover peers --channel`. */
export const showChannelPeers = (result: discovery.PeerMembershipResult): string =>
  members(result, (peer, mspId) => {
    const properties = propertiesOf(peer)
    return new Map<string, Json>([
      ["MSPID", mspId],
      ["LedgerHeight", properties?.ledgerHeight ?? 0n],
      ["Endpoint", endpointOf(peer)],
      ["Identity", toText(identityOf(peer).idBytes)],
      ["Chaincodes", listed((properties?.chaincodes ?? []).map(({ name }) => name))]
    ])
  })

/** `discover config`. */
export const showConfig = (result: discovery.ConfigResult): string => show(messageJson(discovery.ConfigResult, result))

/** `discover endorsers`. */
export const showEndorsers = ({ content }: discovery.ChaincodeQueryResult): string => {
  const endorser = (peer: discovery.Peer): Json => {
    const { idBytes, mspid } = identityOf(peer)
    return new Map<string, Json>([
      ["MSPID", mspid],
      ["LedgerHeight", propertiesOf(peer)?.ledgerHeight ?? 0n],
      ["Endpoint", endpointOf(peer)],
      ["Identity", toText(idBytes)]
    ])
  }
  return show(
    listed(
      content.map(
        ({ chaincode, endorsersByGroups, layouts }) =>
          new Map<string, Json>([
            ["Chaincode", chaincode],
            [
              "EndorsersByGroups",
              new Map(
                [...endorsersByGroups]
                  .sort(([a], [b]) => (a < b ? -1 : 1))
                  .flatMap(([group, { peers }]) => (peers.length === 0 ? [] : [[group, peers.map(endorser)] as const]))
              )
            ],
            ["Layouts", listed(layouts.map((layout) => messageJson(discovery.Layout, layout)))]
          ])
      )
    )
  )
}

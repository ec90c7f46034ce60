/**
 * Anchor peers: which endpoints they are, and connecting to them.
 * Source: gossip-discovery.md 3.4.9 (gossip/gossip/gossip_impl.go learnAnchorPeers).
 */
import type { SyncLog } from "../../runtime/Log.js"
import type { JoinChannel } from "../Gossip.js"

export interface AnchorPorts {
  readonly log: SyncLog
  readonly selfOrg: string
  /** Own endpoints: external, internal. */
  readonly endpoint: string
  readonly internalEndpoint: string
  readonly connect: (endpoint: string, org: string, channelId: string) => void
}

/** An address as Go joins it: IPv6 in brackets. */
const joined = (host: string, port: number): string => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)

export class Anchors {
  private readonly byChannel = new Map<string, ReadonlySet<string>>()

  constructor(private readonly ports: AnchorPorts) {}

  isAnchor(endpoint: string): boolean {
    if (endpoint === "") return false
    for (const endpoints of this.byChannel.values()) if (endpoints.has(endpoint)) return true
    return false
  }

  /** Replaces the channel's anchors and connects to them. */
  learn({ channelId, orgs, anchorPeers }: JoinChannel): void {
    const { log, selfOrg, endpoint: own, internalEndpoint, connect } = this.ports
    const endpoints = new Set<string>()
    for (const peers of anchorPeers.values()) for (const { host, port } of peers) endpoints.add(joined(host, port))
    this.byChannel.set(channelId, endpoints)
    for (const org of orgs) {
      const peers = anchorPeers.get(org) ?? []
      if (peers.length === 0) {
        log.info(`No configured anchor peers of ${org} for channel ${channelId} to learn about`)
        continue
      }
      const shown = peers.map(({ host, port }) => `{${host} ${port}}`).join(" ")
      log.info(`Learning about the configured anchor peers of ${org} for channel ${channelId}: [${shown}]`)
      for (const { host, port } of peers) {
        if (host === "") {
          log.warning(
            `Got empty hostname for channel ${channelId}, skipping connecting to anchor peer {${host} ${port}}`
          )
          continue
        }
        if (port === 0) {
          log.warning(
            `Got invalid port (0) for channel ${channelId}, skipping connecting to anchor peer {${host} ${port}}`
          )
          continue
        }
        const endpoint = joined(host, port)
        if (endpoint === own || endpoint === internalEndpoint) {
          log.info(`Anchor peer for channel ${channelId} with same endpoint, skipping connecting to myself`)
        } else if (org !== selfOrg && own === "") {
          log.info(`Anchor peer ${host}:${port} isn't in our org(${org}) and we have no external endpoint, skipping`)
        } else connect(endpoint, org, channelId)
      }
    }
  }
}

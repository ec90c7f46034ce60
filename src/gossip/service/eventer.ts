/**
 * What a channel's configuration means for gossip: who belongs, and whom to connect to. Only changes of organisations,
 * MSP ids and anchor peers count, not the sequence (trap 24).
 * Source: gossip-discovery.md 3.11 rules 1 and 2; gossip/service/eventer.go, gossip_service.go (updateAnchors).
 */
import type { Bundle } from "../../channelconfig/index.js"
import type { JoinChannel } from "../Gossip.js"

/** What a configuration has the channel do. */
export type ConfigEvent =
  | { readonly _tag: "Unchanged" }
  | { readonly _tag: "Join"; readonly join: JoinChannel }
  /** The own organisation is not among the channel's; the text is the reference's. */
  | { readonly _tag: "Outside"; readonly text: string }

/** Organisations with their anchors, as text that is equal where they are. */
const fingerprint = (bundle: Bundle): string =>
  JSON.stringify(
    [...(bundle.application?.orgs ?? [])]
      .map(([name, { anchorPeers, mspId }]) => [name, mspId, anchorPeers])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  )

/** One channel's; remembers the last configuration. */
export class ConfigEventer {
  private last: string | undefined

  /** In: the own organisation's MSP id. */
  constructor(private readonly org: string) {}

  next(bundle: Bundle): ConfigEvent {
    const now = fingerprint(bundle)
    if (now === this.last) return { _tag: "Unchanged" }
    this.last = now
    const orgs = [...(bundle.application?.orgs.values() ?? [])]
    const ids = orgs.map(({ mspId }) => mspId)
    if (!ids.includes(this.org))
      return {
        _tag: "Outside",
        text: `Tried joining channel ${bundle.channelId} but our org( ${this.org} ), isn't among the orgs of the channel: [${ids.join(" ")}] , aborting.`
      }
    return {
      _tag: "Join",
      join: {
        channelId: bundle.channelId,
        sequence: bundle.sequence,
        orgs: ids,
        anchorPeers: new Map(orgs.map(({ anchorPeers, mspId }) => [mspId, anchorPeers]))
      }
    }
  }
}

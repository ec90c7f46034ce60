/**
 * The channels that were joined, by name and by MAC.
 * Source: gossip-discovery.md 3.3.4, 3.6.2 (gossip/gossip/chanstate.go).
 */
import { equalBytes } from "../../wire/bytes.js"
import type { Channel } from "../channel/Channel.js"
import { channelMac } from "../channel/mac.js"
import { idKey } from "../ids.js"

/** Most MACs remembered; each is found again by hashing. */
const maxRemembered = 50_000

export class ChannelTable {
  private readonly channels = new Map<string, Channel>()
  /** A MAC names one peer and one channel: found once, it need not be searched again. */
  private readonly found = new Map<string, { readonly pkiId: Uint8Array; readonly channel: Channel }>()

  get(channelId: string): Channel | undefined {
    return this.channels.get(channelId)
  }

  add(channel: Channel): void {
    this.channels.set(channel.channelId, channel)
  }

  all(): IterableIterator<Channel> {
    return this.channels.values()
  }

  /** The channel whose name and this PKI-ID give this MAC. */
  byMac(mac: Uint8Array, pkiId: Uint8Array): Channel | undefined {
    if (mac.length !== 32 || pkiId.length === 0) return undefined
    const key = idKey(mac)
    const known = this.found.get(key)
    if (known !== undefined) return equalBytes(known.pkiId, pkiId) ? known.channel : undefined
    for (const channel of this.channels.values()) {
      if (!equalBytes(channelMac(pkiId, channel.channelId), mac)) continue
      if (this.found.size >= maxRemembered) this.found.clear()
      this.found.set(key, { pkiId: pkiId.slice(), channel })
      return channel
    }
    return undefined
  }
}

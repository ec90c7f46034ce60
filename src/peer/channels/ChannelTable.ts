/**
 * The channels of this peer by id: what everyone reads who is asked about a channel. Filled by `PeerChannels`; empty at
 * the start, so that access checks and services can be made before any channel is open.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Bundle, BundleSource } from "../../channelconfig/index.js"
import type { CommitPipeline, CommitStopped } from "../../commit/index.js"
import type { PeerLedgerShape } from "../../ledger/index.js"
import type { TransientStoreShape } from "../../ledger/transient/index.js"
import { compareUtf8 } from "../../wire/protoutil.js"

/** One channel that this peer has joined. */
export interface PeerChannel {
  readonly id: string
  readonly bundles: BundleSource
  readonly ledger: PeerLedgerShape
  readonly pipeline: CommitPipeline
  readonly transient: TransientStoreShape
  /** Why the channel commits no more; undefined while all is well. */
  readonly stopped: () => CommitStopped | undefined
  /** The orderer that blocks come from at present. */
  readonly orderer: () => string | undefined
  /** Whether this peer takes the channel's blocks from the orderers at present, for its organisation. */
  readonly leads: () => boolean
}

export interface ChannelTableShape {
  readonly get: (channelId: string) => PeerChannel | undefined
  /** The configuration in force. */
  readonly bundleOf: (channelId: string) => Bundle | undefined
  /** Ids in byte order. */
  readonly list: () => ReadonlyArray<string>
  readonly add: (channel: PeerChannel) => void
  readonly remove: (channelId: string) => void
}

export class ChannelTable extends Context.Tag("peer/channels/ChannelTable")<ChannelTable, ChannelTableShape>() {
  static readonly layer: Layer.Layer<ChannelTable> = Layer.sync(ChannelTable, () => {
    const channels = new Map<string, PeerChannel>()
    return {
      get: (channelId) => channels.get(channelId),
      bundleOf: (channelId) => channels.get(channelId)?.bundles.current(),
      list: () => [...channels.keys()].sort(compareUtf8),
      add: (channel) => void channels.set(channel.id, channel),
      remove: (channelId) => void channels.delete(channelId)
    }
  })
}

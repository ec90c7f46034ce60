/**
 * Blocks, pulled by number from peers of the own organisation.
 * Source: gossip-discovery.md 3.7.4 (gossip/gossip/channel/channel.go createBlockPuller, HandleMessage).
 */

import type { SyncLog } from "../../runtime/Log.js"
import { utf8 } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import type { ConnectionInfo, NetworkMember, RemotePeer, SignedGossipMessage } from "../messages.js"
import type { Random } from "../random.js"
import type { PullSettings } from "../settings.js"
import type { Timers } from "../Timers.js"
import { PullEngine } from "./PullEngine.js"

export interface BlockPullPorts {
  readonly timers: Timers
  readonly random: Random
  readonly log: SyncLog
  readonly channelId: string
  /** Own-org peers of the channel; none after it was left. */
  readonly members: () => ReadonlyArray<NetworkMember>
  readonly send: (message: SignedGossipMessage, peers: ReadonlyArray<RemotePeer>) => void
  /** Own ledger height: lower blocks are of no use. */
  readonly height: () => bigint
  readonly mayPull: (asker: ConnectionInfo) => boolean
}

/** The number of a digest: decimal, no sign, no padding, at most 2^64 - 1; undefined: no number. */
export const numberOfDigest = (digest: string): bigint | undefined => {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(digest)) return undefined
  const number = BigInt(digest)
  return number < 1n << 64n ? number : undefined
}

export const blockPull = (settings: PullSettings, ports: BlockPullPorts): PullEngine =>
  new PullEngine(settings, {
    timers: ports.timers,
    random: ports.random,
    log: ports.log,
    members: ports.members,
    send: ports.send,
    msgType: gossip.PullMsgType.BLOCK_MSG,
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    channel: utf8(ports.channelId),
    egress: (asker) => {
      const may = ports.mayPull(asker)
      return () => may
    },
    ingress: (digest) => {
      const number = numberOfDigest(digest)
      return number !== undefined && number >= ports.height()
    }
  })

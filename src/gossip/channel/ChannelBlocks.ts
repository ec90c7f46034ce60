/**
 * A channel's blocks in memory: which were seen, which are offered to be pulled, and the judging of those that come.
 * Nothing is kept, passed on or handed up that was not verified.
 * Source: gossip-discovery.md 3.6.7, 3.7.4 (gossip/gossip/channel/channel.go).
 */
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { equalBytes, utf8 } from "../../wire/bytes.js"
import type { gossip } from "../../wire/index.js"
import { inOrder } from "../effects.js"
import { MessageStore } from "../messageStore.js"
import type { ConnectionInfo, NetworkMember, ReceivedMessage, RemotePeer, SignedGossipMessage } from "../messages.js"
import { blockPull } from "../pull/blockPull.js"
import type { PullEngine } from "../pull/PullEngine.js"
import type { Random } from "../random.js"
import type { SecurityShape } from "../Security.js"
import type { ChannelSettings, PullSettings } from "../settings.js"
import { detached, openEnvelope } from "../signing.js"
import { blockNumber, blockWindow } from "../supersede.js"
import type { Timers } from "../Timers.js"

export interface ChannelBlocksPorts {
  readonly channelId: string
  readonly timers: Timers
  readonly random: Random
  readonly log: SyncLog
  readonly pullLog: SyncLog
  readonly security: Pick<SecurityShape, "verifyBlock">
  /** Own ledger height. */
  readonly height: () => bigint
  /** Own-org peers of the channel, to pull from. */
  readonly members: () => ReadonlyArray<NetworkMember>
  readonly mayPull: (pkiId: Uint8Array) => boolean
  readonly send: (message: SignedGossipMessage, peers: ReadonlyArray<RemotePeer>) => void
  readonly forward: (message: SignedGossipMessage, from: Uint8Array) => void
  readonly deliver: (message: SignedGossipMessage) => Effect.Effect<void> | undefined
}

export class ChannelBlocks {
  private readonly seen: MessageStore
  private readonly puller: PullEngine
  private readonly name: Uint8Array

  constructor(
    settings: { readonly channel: ChannelSettings; readonly pull: PullSettings },
    private readonly ports: ChannelBlocksPorts
  ) {
    const { timers, pullLog, mayPull } = ports
    this.name = utf8(ports.channelId)
    this.puller = blockPull(settings.pull, { ...ports, log: pullLog, mayPull: ({ pkiId }) => mayPull(pkiId) })
    const forget = (message: SignedGossipMessage) => this.puller.remove(String(blockNumber(message)))
    this.seen = new MessageStore({
      rule: blockWindow(settings.channel.maxBlockCountToStore),
      timers,
      ttlMs: settings.channel.blockMessageTtlMs,
      onRemoved: forget,
      onExpired: forget
    })
  }

  get sizes() {
    return { blocks: this.seen.held, pulled: this.puller.size, ...this.puller.pending }
  }

  stop(): void {
    this.puller.stop()
    this.seen.stop()
  }

  /** A block of this peer's own (from the orderer): kept to be pulled. */
  addOwn(message: SignedGossipMessage): void {
    this.keep(detached(message))
  }

  /** A block that was pushed: not refused by the store, then verified, kept, passed on and handed up (3.6.7). */
  handlePush(received: ReceivedMessage): Effect.Effect<void> | undefined {
    const { log, forward, deliver } = this.ports
    const { pkiId, endpoint } = received.connection
    if (blockNumber(received) === undefined) {
      log.warning(`Payload is empty, got it from ${endpoint}`)
      return undefined
    }
    if (!this.seen.accepts(received) || !this.verify(received, endpoint)) return undefined
    const kept = detached(received)
    if (!this.keep(kept)) return undefined
    forward(kept, pkiId)
    return deliver(kept)
  }

  /** A pull message of a peer that may pull. */
  handlePull(received: ReceivedMessage): Effect.Effect<void> | undefined {
    const { dataUpdate } = received.message
    if (dataUpdate !== undefined) return this.handleUpdate(dataUpdate, received.connection)
    this.puller.handle(received)
    return undefined
  }

  /** One bad item discards the whole update (3.7.4): what comes from there is not to be trusted. */
  private handleUpdate(update: gossip.DataUpdate, { endpoint }: ConnectionInfo): Effect.Effect<void> | undefined {
    const { log, deliver, channelId } = this.ports
    const good: Array<SignedGossipMessage> = []
    const numbers = new Set<bigint>()
    for (const envelope of update.data) {
      const opened = openEnvelope(envelope)
      if (Either.isLeft(opened)) {
        log.warning(`Data update contains an invalid message: ${opened.left.message}`)
        return undefined
      }
      const item = opened.right
      if (!equalBytes(item.message.channel, this.name)) {
        log.warning(`DataUpdate message contains item of another channel, but should be ${channelId}`)
        return undefined
      }
      const number = blockNumber(item)
      if (number !== undefined && (numbers.has(number) || !this.seen.accepts(item))) continue
      if (!this.verify(item, endpoint) || number === undefined) return undefined
      numbers.add(number)
      good.push(detached(item))
    }
    const waits: Array<Effect.Effect<void>> = []
    for (const item of good) {
      if (!this.keep(item)) continue
      const wait = deliver(item)
      if (wait !== undefined) waits.push(wait)
    }
    return inOrder(waits)
  }

  private keep(message: SignedGossipMessage): boolean {
    const number = blockNumber(message)
    if (number === undefined || !this.seen.add(message)) return false
    this.puller.add(number.toString(), message)
    return true
  }

  private verify({ message }: SignedGossipMessage, endpoint: string): boolean {
    const { log, security, channelId } = this.ports
    const payload = message.dataMsg?.payload
    if (payload === undefined) {
      log.warning(`Received from ${endpoint} a DataUpdate message that contains a non-block GossipMessage`)
      return false
    }
    const verified = security.verifyBlock(channelId, payload.seqNum, payload.data)
    if (Either.isRight(verified)) return true
    log.warning(`Received fabricated block from ${endpoint} in DataUpdate: ${verified.left.message}`)
    return false
  }
}

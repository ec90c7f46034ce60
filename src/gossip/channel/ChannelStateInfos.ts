/**
 * The StateInfo of a channel's members: what is admitted, what is passed on, what a snapshot tells whom.
 * Source: gossip-discovery.md 3.6.4, 3.6.5 (gossip/gossip/channel/channel.go).
 */
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { equalBytes, toHex } from "../../wire/bytes.js"
import type { gossip } from "../../wire/index.js"
import type { ConnectionInfo, NetworkMember, PeerIdentity, ReceivedMessage, SignedGossipMessage } from "../messages.js"
import type { SecurityShape } from "../Security.js"
import { openEnvelope } from "../signing.js"
import type { Timers } from "../Timers.js"
import { channelMac } from "./mac.js"
import { StateInfoCache } from "./StateInfoCache.js"

export interface ChannelStateInfosPorts {
  readonly channelId: string
  readonly pkiId: Uint8Array
  readonly selfOrg: string
  readonly timers: Timers
  readonly log: SyncLog
  readonly security: Pick<SecurityShape, "verifyByChannel">
  readonly lookup: (pkiId: Uint8Array) => NetworkMember | undefined
  readonly identityOf: (pkiId: Uint8Array) => PeerIdentity | undefined
  readonly hasOrg: (org: string) => boolean
  readonly verify: (
    message: SignedGossipMessage,
    pkiId: Uint8Array
  ) => Either.Either<void, { readonly message: string }>
  readonly forward: (message: SignedGossipMessage, from: Uint8Array) => void
}

/** Entries of a snapshot that may fail before the rest is left unread. */
const maxFaults = 16

export class ChannelStateInfos {
  private readonly cache: StateInfoCache

  constructor(private readonly ports: ChannelStateInfosPorts) {
    this.cache = new StateInfoCache(ports.timers)
  }

  get size(): number {
    return this.cache.size
  }

  get(pkiId: Uint8Array): SignedGossipMessage | undefined {
    return this.cache.get(pkiId)
  }

  /** This peer's own. */
  addOwn(message: SignedGossipMessage): void {
    this.cache.add(message)
  }

  /** Drops those of members that are forgotten. */
  sweep(): void {
    this.cache.purge((subject) => this.ports.lookup(subject) === undefined)
  }

  /** Drops those of organisations that are not in the channel any more. */
  dropStrangers(): void {
    const { pkiId, identityOf, hasOrg } = this.ports
    this.cache.purge((subject) => {
      const org = identityOf(subject)?.org
      return !equalBytes(subject, pkiId) && (org === undefined || !hasOrg(org))
    })
  }

  stop(): void {
    this.cache.stop()
  }

  /** Pushed by a peer of the channel: passed on when it is news and holds. */
  handlePush(received: ReceivedMessage, { pkiId }: gossip.StateInfo): void {
    // most copies are old: those are not verified
    if (!this.cache.isNews(received) || !this.admits(received, pkiId)) return
    const kept = this.cache.add(received)
    if (kept !== undefined) this.ports.forward(kept, received.connection.pkiId)
  }

  /** Kept, not passed on. What is not accepted is passed over, the rest is still read (trap 11), but not without end. */
  handleSnapshot(snapshot: gossip.StateInfoSnapshot, { endpoint, pkiId: sender }: ConnectionInfo): void {
    const { channelId, log, lookup, pkiId, identityOf } = this.ports
    let faults = 0
    const fault = (text: string): void => {
      faults += 1
      log.warning(`Channel ${channelId} : ${text}, sent from ${endpoint} (${toHex(sender)})`)
    }
    for (const envelope of snapshot.elements) {
      if (faults >= maxFaults) return
      if (this.cache.holds(envelope)) continue
      const opened = openEnvelope(envelope)
      if (Either.isLeft(opened)) {
        fault(`StateInfo snapshot contains an invalid message: ${opened.left.message}`)
        continue
      }
      const { stateInfo } = opened.right.message
      if (stateInfo === undefined) {
        fault("Element of StateInfoSnapshot isn't a StateInfoMessage")
        continue
      }
      const subject = stateInfo.pkiId
      if (equalBytes(subject, pkiId) || lookup(subject) === undefined) continue
      if (!this.cache.isNews(opened.right) || identityOf(subject) === undefined) continue
      if (!equalBytes(stateInfo.channelMAC, channelMac(subject, channelId))) {
        fault("StateInfo message has an invalid MAC")
        continue
      }
      if (this.admits(opened.right, subject)) this.cache.add(opened.right)
      else faults += 1
    }
  }

  /**
   * All to the own organisation. To another: its own members and ours with an external endpoint, for it may not have
   * the identity of a third's (trap 11).
   */
  snapshotFor(askersOrg: string): ReadonlyArray<gossip.Envelope> {
    const { selfOrg, identityOf, lookup } = this.ports
    if (askersOrg === selfOrg) return this.cache.all().map(({ envelope }) => envelope)
    const elements: Array<gossip.Envelope> = []
    for (const { envelope, message } of this.cache.all()) {
      const subject = message.stateInfo?.pkiId
      if (subject === undefined) continue
      const org = identityOf(subject)?.org
      const shown = () => (lookup(subject)?.endpoint ?? "") !== ""
      if (org === askersOrg || (org === selfOrg && shown())) elements.push(envelope)
    }
    return elements
  }

  /** Signature and the channel's readers. Of this peer nobody else knows better what it has. */
  private admits(message: SignedGossipMessage, subject: Uint8Array): boolean {
    const { channelId, log, pkiId, identityOf, hasOrg, verify, security } = this.ports
    if (equalBytes(subject, pkiId)) return false
    const known = identityOf(subject)
    if (known === undefined) {
      log.debug(`Identity for peer ${toHex(subject)} doesn't exist`)
      return false
    }
    if (!hasOrg(known.org)) {
      log.warning(`peer ${toHex(subject)}'s organization(${known.org}) isn't in the channel ${channelId}`)
      return false
    }
    const signature = verify(message, subject)
    const { payload, signature: bytes } = message.envelope
    const verified = Either.isLeft(signature)
      ? signature
      : security.verifyByChannel(channelId, known.identity, bytes, payload)
    if (Either.isRight(verified)) return true
    log.warning(`Peer ${toHex(subject)} isn't eligible for channel ${channelId} : ${verified.left.message}`)
    return false
  }
}

/**
 * One channel's gossip: who is on it and what they have, its blocks in memory, its leadership messages.
 * Source: gossip-discovery.md 3.6, 3.7.4 (gossip/gossip/channel/channel.go).
 */

import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { equalBytes, toHex, toText, utf8 } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import { inOrder } from "../effects.js"
import type { JoinChannel } from "../Gossip.js"
import { pullTypeOf } from "../kinds.js"
import { MessageStore } from "../messageStore.js"
import type {
  ConnectionInfo,
  NetworkMember,
  PeerIdentity,
  PeerSignature,
  ReceivedMessage,
  RemotePeer,
  SignedGossipMessage
} from "../messages.js"
import { preferredEndpoint } from "../messages.js"
import { blockPull } from "../pull/blockPull.js"
import type { PullEngine } from "../pull/PullEngine.js"
import type { Random } from "../random.js"
import { pick } from "../random.js"
import type { SecurityShape } from "../Security.js"
import type { GossipSettings } from "../settings.js"
import { detached, openEnvelope, unsigned } from "../signing.js"
import { blockNumber, blockWindow, latestLeadership } from "../supersede.js"
import type { Timers } from "../Timers.js"
import { channelMac } from "./mac.js"
import { OwnState } from "./ownState.js"
import { StateInfoCache } from "./StateInfoCache.js"
import { viewChange } from "./tracker.js"

export interface ChannelPorts {
  readonly pkiId: Uint8Array
  readonly selfOrg: string
  readonly timers: Timers
  readonly random: Random
  readonly log: SyncLog
  readonly pullLog: SyncLog
  readonly security: Pick<SecurityShape, "verifyByChannel" | "verifyBlock" | "sign">
  /** Alive members. */
  readonly members: () => ReadonlyArray<NetworkMember>
  readonly lookup: (pkiId: Uint8Array) => NetworkMember | undefined
  readonly identityOf: (pkiId: Uint8Array) => PeerIdentity | undefined
  /** Whether the signatures of a message hold for the identity known of this PKI-ID. */
  readonly verify: (
    message: SignedGossipMessage,
    pkiId: Uint8Array
  ) => Either.Either<void, { readonly message: string }>
  readonly gossip: (message: SignedGossipMessage) => void
  readonly forward: (message: SignedGossipMessage, from: Uint8Array) => void
  readonly send: (message: SignedGossipMessage, peers: ReadonlyArray<RemotePeer>) => void
  /** To the subscribers of checked messages; an Effect holds back the stream. */
  readonly deliver: (message: SignedGossipMessage) => Effect.Effect<void> | undefined
  readonly peersKnown: (count: number) => void
}

/** Entries of a snapshot that may fail before the rest is left unread. */
const maxFaults = 16

const { CHAN_OR_ORG } = gossip.GossipMessage_Tag

export class Channel {
  private readonly stateInfos: StateInfoCache
  private readonly blocks: MessageStore
  private readonly leadership: MessageStore
  private readonly puller: PullEngine
  private readonly own: OwnState
  private readonly cancels: ReadonlyArray<() => void>
  private readonly name: Uint8Array
  private orgs: ReadonlySet<string> = new Set()
  private sequence: bigint | undefined
  private unpublished = false
  private left = false
  private seen: ReadonlyArray<NetworkMember> = []

  constructor(
    readonly channelId: string,
    private readonly settings: GossipSettings,
    private readonly ports: ChannelPorts
  ) {
    const { timers, random, pullLog, pkiId, security } = ports
    const { channel, pull } = settings
    this.name = utf8(channelId)
    this.stateInfos = new StateInfoCache(timers)
    this.own = new OwnState({ pkiId, channelId, nanos: timers.nanos, sign: security.sign })
    const forget = (message: SignedGossipMessage) => this.puller.remove(String(blockNumber(message)))
    this.blocks = new MessageStore({
      rule: blockWindow(channel.maxBlockCountToStore),
      timers,
      ttlMs: channel.blockMessageTtlMs,
      onRemoved: forget,
      onExpired: forget
    })
    this.leadership = new MessageStore({
      rule: latestLeadership,
      timers,
      ttlMs: settings.election.leadershipMessageTtlMs
    })
    this.puller = blockPull(pull, {
      timers,
      random,
      log: pullLog,
      channelId,
      send: ports.send,
      members: () => (this.left ? [] : ports.members().filter((member) => this.isOwnOrgPeer(member.pkiId))),
      height: () => this.own.ledgerHeight,
      mayPull: ({ pkiId: asker }) => this.isOwnOrgPeer(asker)
    })
    this.cancels = [
      timers.every(channel.publishStateInfoIntervalMs, () => this.publishIfChanged()),
      timers.every(channel.requestStateInfoIntervalMs, () => this.requestStateInfo()),
      timers.every(channel.stateInfoSweepIntervalMs, () => this.sweep()),
      timers.every(settings.membership.membershipTrackerIntervalMs, () => this.track())
    ]
  }

  // ---- Who is on it ------------------------------------------------------------------------------------------------

  /** Sets the organisations; an older configuration or one without any is ignored (3.6.1). */
  configure({ sequence, orgs }: Pick<JoinChannel, "sequence" | "orgs">): boolean {
    const { log, pkiId } = this.ports
    if (orgs.length === 0) {
      log.warning("Received join channel message with empty set of members")
      return false
    }
    if (this.sequence !== undefined && this.sequence > sequence) {
      log.warning(`Already have a more updated JoinChannel message(${this.sequence}) than ${sequence}`)
      return false
    }
    this.sequence = sequence
    this.orgs = new Set(orgs)
    this.stateInfos.purge((subject) => !equalBytes(subject, pkiId) && !this.isMember(subject))
    return true
  }

  hasOrg(org: string): boolean {
    return this.orgs.has(org)
  }

  /** Its organisation is in the channel. */
  isMember(pkiId: Uint8Array): boolean {
    const org = this.ports.identityOf(pkiId)?.org
    return org !== undefined && this.orgs.has(org)
  }

  /** Identity and StateInfo are known: it may have blocks. */
  isEligible(pkiId: Uint8Array): boolean {
    return this.stateInfos.get(pkiId) !== undefined && this.ports.identityOf(pkiId) !== undefined
  }

  /** Of the own organisation, in the channel, StateInfo known: block push and pull stay among these (trap 17). */
  isOwnOrgPeer(pkiId: Uint8Array): boolean {
    const { selfOrg, identityOf } = this.ports
    return identityOf(pkiId)?.org === selfOrg && this.orgs.has(selfOrg) && this.isEligible(pkiId)
  }

  /** Rule 3.6.6. */
  peers(): Array<NetworkMember> {
    if (this.left) return []
    const found: Array<NetworkMember> = []
    for (const member of this.ports.members()) {
      if (!this.isEligible(member.pkiId)) continue
      const info = this.stateInfos.get(member.pkiId)
      const properties = info?.message.stateInfo?.properties
      if (info === undefined || properties?.leftChannel === true) continue
      const { endpoint, internalEndpoint, metadata, pkiId } = member
      found.push({
        endpoint,
        internalEndpoint,
        metadata,
        pkiId,
        envelope: info.envelope,
        ...(properties === undefined ? {} : { properties })
      })
    }
    return found
  }

  peerFilter(allowed: (evidence: PeerSignature) => boolean): (member: NetworkMember) => boolean {
    return ({ pkiId }) => {
      const identity = this.ports.identityOf(pkiId)?.identity
      const info = this.stateInfos.get(pkiId)
      if (identity === undefined || info === undefined) return false
      return allowed({ identity, message: info.envelope.payload, signature: info.envelope.signature })
    }
  }

  /** Sizes of all that is kept, for tests and diagnostics. */
  get sizes() {
    return {
      stateInfos: this.stateInfos.size,
      blocks: this.blocks.held,
      leadership: this.leadership.held,
      pulled: this.puller.size,
      ...this.puller.pending
    }
  }

  // ---- Own state ---------------------------------------------------------------------------------------------------

  /** Own StateInfo, signed. */
  self(): SignedGossipMessage {
    return this.own.message()
  }

  updateLedgerHeight(height: bigint): void {
    this.own.change({ ledgerHeight: height })
    this.unpublished = true
  }

  updateChaincodes(chaincodes: ReadonlyArray<gossip.Chaincode>): void {
    this.own.change({ chaincodes })
    this.unpublished = true
    this.publish()
  }

  leave(): void {
    this.left = true
    this.own.change({ leftChannel: true })
    this.unpublished = true
  }

  stop(): void {
    for (const cancel of this.cancels) cancel()
    this.puller.stop()
    this.leadership.stop()
    this.stateInfos.stop()
    this.blocks.stop()
  }

  private publishIfChanged(): void {
    if (!this.unpublished) return
    if (this.ports.members().length === 0) {
      this.ports.log.debug("Empty membership, no one to publish state info to")
      return
    }
    this.publish()
    this.unpublished = false
  }

  private publish(): void {
    const message = this.own.message()
    this.stateInfos.add(message)
    this.ports.gossip(message)
  }

  private requestStateInfo(): void {
    const { random, members, pkiId, send } = this.ports
    const peers = pick(random, this.settings.pull.pullPeerNum, members(), (member) => this.isMember(member.pkiId))
    if (peers.length === 0) return
    const request = unsigned({
      tag: CHAN_OR_ORG,
      stateInfoPullReq: { channelMAC: channelMac(pkiId, this.channelId) }
    })
    send(
      request,
      peers.map((member) => ({ endpoint: preferredEndpoint(member), pkiId: member.pkiId }))
    )
  }

  private sweep(): void {
    this.stateInfos.purge((subject) => this.ports.lookup(subject) === undefined)
  }

  private track(): void {
    const now = this.peers()
    this.ports.peersKnown(now.length)
    const line = viewChange(this.seen, now)
    this.seen = now
    if (line !== undefined) this.ports.log.info(line)
  }

  // ---- Messages in -------------------------------------------------------------------------------------------------

  /** A block of this peer's own (from the orderer): kept to be pulled. */
  addBlock(message: SignedGossipMessage): void {
    const number = blockNumber(message)
    if (number === undefined) return
    const kept = detached(message)
    if (this.blocks.add(kept)) this.puller.add(number.toString(), kept)
  }

  /** A message that was routed here by MAC or channel name, its tag legal. */
  handle(received: ReceivedMessage): Effect.Effect<void> | undefined {
    const { message, connection } = received
    const { log, identityOf } = this.ports
    const routedByMac = message.stateInfo !== undefined || message.stateInfoPullReq !== undefined
    if (!routedByMac && !equalBytes(message.channel, this.name)) {
      log.warning(`Message contains wrong channel(${toText(message.channel)}), expected ${this.channelId}`)
      return undefined
    }
    const org = identityOf(connection.pkiId)?.org
    if (org === undefined) {
      log.debug(`Couldn't find org identity of peer ${connection.endpoint}`)
      return undefined
    }
    if (!this.orgs.has(org)) {
      log.warning(
        `Point to point message came from ${connection.endpoint}, org(${org}) but it's not eligible for the channel ${this.channelId}`
      )
      return undefined
    }
    if (message.stateInfoPullReq !== undefined) received.respond(this.snapshot(org))
    else if (message.stateSnapshot !== undefined) this.handleSnapshot(message.stateSnapshot, connection)
    else if (message.stateInfo !== undefined) this.handleStateInfo(received, message.stateInfo)
    else if (message.dataMsg !== undefined) return this.handleBlock(received)
    else if (message.leadershipMsg !== undefined) return this.handleLeadership(received, message.leadershipMsg, org)
    else if (pullTypeOf(message) === gossip.PullMsgType.BLOCK_MSG) return this.handlePull(received, org)
    return undefined
  }

  private handleStateInfo(received: ReceivedMessage, { pkiId }: gossip.StateInfo): void {
    // twice to three times as many copies come as messages: what is old is not verified
    if (!this.stateInfos.isNews(received)) return
    if (!this.admits(received, pkiId)) return
    const kept = this.stateInfos.add(received)
    if (kept !== undefined) this.ports.forward(kept, received.connection.pkiId)
  }

  /** Signature and the channel's readers; the own one needs neither. */
  private admits(message: SignedGossipMessage, subject: Uint8Array): boolean {
    const { log, pkiId, identityOf, verify, security } = this.ports
    if (equalBytes(subject, pkiId)) return false // nobody else knows better what this peer has
    const known = identityOf(subject)
    if (known === undefined) {
      log.debug(`Identity for peer ${toHex(subject)} doesn't exist`)
      return false
    }
    if (!this.orgs.has(known.org)) {
      log.warning(`peer ${toHex(subject)}'s organization(${known.org}) isn't in the channel ${this.channelId}`)
      return false
    }
    const signature = verify(message, subject)
    const { payload, signature: bytes } = message.envelope
    const verified = Either.isLeft(signature)
      ? signature
      : security.verifyByChannel(this.channelId, known.identity, bytes, payload)
    if (Either.isRight(verified)) return true
    log.warning(`Peer ${toHex(subject)} isn't eligible for channel ${this.channelId} : ${verified.left.message}`)
    return false
  }

  private handleSnapshot(snapshot: gossip.StateInfoSnapshot, { endpoint, pkiId: sender }: ConnectionInfo): void {
    const { log, lookup, pkiId } = this.ports
    let faults = 0
    const fault = (text: string): void => {
      faults += 1
      log.warning(`Channel ${this.channelId} : ${text}, sent from ${endpoint} (${toHex(sender)})`)
    }
    for (const envelope of snapshot.elements) {
      if (faults >= maxFaults) return
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
      // what is not accepted is passed over, the rest is still read (trap 11)
      if (equalBytes(subject, pkiId) || lookup(subject) === undefined) continue
      if (!this.stateInfos.isNews(opened.right) || this.ports.identityOf(subject) === undefined) continue
      if (!equalBytes(stateInfo.channelMAC, channelMac(subject, this.channelId))) {
        fault("StateInfo message has an invalid MAC")
        continue
      }
      if (this.admits(opened.right, subject)) this.stateInfos.add(opened.right)
      else faults += 1
    }
  }

  /**
   * All to the own organisation. To another: its own members and ours with an external endpoint, for it may not have
   * the identity of a third's (trap 11).
   */
  private snapshot(askersOrg: string): gossip.GossipMessage {
    const { selfOrg, identityOf, lookup } = this.ports
    const elements: Array<gossip.Envelope> = []
    for (const { envelope, message } of this.stateInfos.all()) {
      const subject = message.stateInfo?.pkiId
      if (subject === undefined) continue
      const org = identityOf(subject)?.org
      const told =
        askersOrg === selfOrg || org === askersOrg || (org === selfOrg && (lookup(subject)?.endpoint ?? "") !== "")
      if (told) elements.push(envelope)
    }
    return gossip.GossipMessage.create({ channel: this.name, tag: CHAN_OR_ORG, stateSnapshot: { elements } })
  }

  /** Not refused by the store, then verified, then kept, passed on and handed up: a bad block never takes a place. */
  private handleBlock(received: ReceivedMessage): Effect.Effect<void> | undefined {
    const { log, forward, deliver } = this.ports
    const { pkiId, endpoint } = received.connection
    const number = blockNumber(received)
    if (number === undefined) {
      log.warning(`Payload is empty, got it from ${endpoint}`)
      return undefined
    }
    if (!this.blocks.accepts(received) || !this.verifyBlock(received, endpoint)) return undefined
    const kept = detached(received)
    if (!this.blocks.add(kept)) return undefined
    this.puller.add(number.toString(), kept)
    forward(kept, pkiId)
    return deliver(kept)
  }

  private verifyBlock({ message }: SignedGossipMessage, endpoint: string): boolean {
    const { log, security } = this.ports
    const payload = message.dataMsg?.payload
    if (payload === undefined) {
      log.warning(`Received from ${endpoint} a DataUpdate message that contains a non-block GossipMessage`)
      return false
    }
    const verified = security.verifyBlock(this.channelId, payload.seqNum, payload.data)
    if (Either.isRight(verified)) return true
    log.warning(`Received fabricated block from ${endpoint} in DataUpdate: ${verified.left.message}`)
    return false
  }

  private handleLeadership(
    received: ReceivedMessage,
    { pkiId }: gossip.LeadershipMessage,
    sendersOrg: string
  ): Effect.Effect<void> | undefined {
    const { log, selfOrg, identityOf, verify, deliver } = this.ports
    if (pkiId.length === 0) {
      log.warning("Failed validating LeaderElection message: Empty PKI-ID")
      return undefined
    }
    if (sendersOrg !== selfOrg) {
      log.warning(
        `Received leadership message from ${received.connection.endpoint} that belongs to a foreign organization ${sendersOrg}`
      )
      return undefined
    }
    const creatorsOrg = identityOf(pkiId)?.org
    if (creatorsOrg !== selfOrg) {
      log.warning(`Received leadership message created by a foreign organization ${creatorsOrg ?? ""}`)
      return undefined
    }
    if (!this.leadership.accepts(received)) return undefined
    const verified = verify(received, pkiId)
    if (Either.isLeft(verified)) {
      log.warning(`Failed validating LeaderElection message: ${verified.left.message}`)
      return undefined
    }
    const kept = detached(received)
    return this.leadership.add(kept) ? deliver(kept) : undefined
  }

  private handlePull(received: ReceivedMessage, org: string): Effect.Effect<void> | undefined {
    const { log, selfOrg } = this.ports
    const { connection, message } = received
    if (this.left) {
      log.info(`Received Pull message from ${connection.endpoint} but left the channel ${this.channelId}`)
      return undefined
    }
    if (this.stateInfos.get(connection.pkiId) === undefined) {
      log.debug(`Don't have StateInfo message of peer ${connection.endpoint}`)
      return undefined
    }
    if (org !== selfOrg) {
      log.warning(`${connection.endpoint} isn't eligible for pulling blocks of ${this.channelId}`)
      return undefined
    }
    if (message.dataUpdate === undefined) {
      this.puller.handle(received)
      return undefined
    }
    return this.handleBlockUpdate(message.dataUpdate, connection)
  }

  /** One bad item discards the whole update (3.7.4): what comes from there is not to be trusted. */
  private handleBlockUpdate(update: gossip.DataUpdate, { endpoint }: ConnectionInfo): Effect.Effect<void> | undefined {
    const { log, deliver } = this.ports
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
        log.warning(`DataUpdate message contains item of another channel, but should be ${this.channelId}`)
        return undefined
      }
      const number = blockNumber(item)
      if (number !== undefined && (numbers.has(number) || !this.blocks.accepts(item))) continue
      if (!this.verifyBlock(item, endpoint)) return undefined
      if (number === undefined) continue
      numbers.add(number)
      good.push(detached(item))
    }
    const waits: Array<Effect.Effect<void>> = []
    for (const item of good) {
      if (!this.blocks.add(item)) continue
      this.puller.add(String(blockNumber(item)), item)
      const wait = deliver(item)
      if (wait !== undefined) waits.push(wait)
    }
    return inOrder(waits)
  }
}

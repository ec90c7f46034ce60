/**
 * One channel's gossip: who is on it and what they have, its blocks in memory, its leadership messages.
 * Source: gossip-discovery.md 3.6, 3.7.4 (gossip/gossip/channel/channel.go).
 */

import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { equalBytes, toText, utf8 } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import type { JoinChannel } from "../Gossip.js"
import { pullTypeOf } from "../kinds.js"
import { MessageStore } from "../messageStore.js"
import type {
  NetworkMember,
  PeerIdentity,
  PeerSignature,
  ReceivedMessage,
  RemotePeer,
  SignedGossipMessage
} from "../messages.js"
import { preferredEndpoint } from "../messages.js"
import type { Random } from "../random.js"
import { pick } from "../random.js"
import type { SecurityShape } from "../Security.js"
import type { GossipSettings } from "../settings.js"
import { detached, unsigned } from "../signing.js"
import { latestLeadership } from "../supersede.js"
import type { Timers } from "../Timers.js"
import { ChannelBlocks } from "./ChannelBlocks.js"
import { ChannelStateInfos } from "./ChannelStateInfos.js"
import { channelMac } from "./mac.js"
import { OwnState } from "./ownState.js"
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

const { CHAN_OR_ORG } = gossip.GossipMessage_Tag

export class Channel {
  private readonly stateInfos: ChannelStateInfos
  private readonly blocks: ChannelBlocks
  private readonly leadership: MessageStore
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
    const { timers, pkiId, security } = ports
    const { channel } = settings
    this.name = utf8(channelId)
    this.stateInfos = new ChannelStateInfos({ ...ports, channelId, hasOrg: (org) => this.orgs.has(org) })
    this.own = new OwnState({ pkiId, channelId, nanos: timers.nanos, sign: security.sign })
    this.blocks = new ChannelBlocks(settings, {
      ...ports,
      channelId,
      height: () => this.own.ledgerHeight,
      members: () => (this.left ? [] : ports.members().filter((member) => this.isOwnOrgPeer(member.pkiId))),
      mayPull: (asker) => this.isOwnOrgPeer(asker)
    })
    this.leadership = new MessageStore({
      rule: latestLeadership,
      timers,
      ttlMs: settings.election.leadershipMessageTtlMs
    })
    this.cancels = [
      timers.every(channel.publishStateInfoIntervalMs, () => this.publishIfChanged()),
      timers.every(channel.requestStateInfoIntervalMs, () => this.requestStateInfo()),
      timers.every(channel.stateInfoSweepIntervalMs, () => this.stateInfos.sweep()),
      timers.every(settings.membership.membershipTrackerIntervalMs, () => this.track())
    ]
  }

  // ---- Who is on it ------------------------------------------------------------------------------------------------

  /** Sets the organisations; an older configuration or one without any is ignored (3.6.1). */
  configure({ sequence, orgs }: Pick<JoinChannel, "sequence" | "orgs">): boolean {
    const { log } = this.ports
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
    this.stateInfos.dropStrangers()
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
      const info = this.stateInfos.get(member.pkiId)
      if (info === undefined || this.ports.identityOf(member.pkiId) === undefined) continue
      const properties = info.message.stateInfo?.properties
      if (properties?.leftChannel === true) continue
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
      leadership: this.leadership.held,
      ...this.blocks.sizes
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
    this.stateInfos.addOwn(message)
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
    this.blocks.addOwn(message)
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
    if (message.stateInfoPullReq !== undefined) this.answerPullRequest(received, org)
    else if (message.stateSnapshot !== undefined) this.stateInfos.handleSnapshot(message.stateSnapshot, connection)
    else if (message.stateInfo !== undefined) this.stateInfos.handlePush(received, message.stateInfo)
    else if (message.dataMsg !== undefined) return this.blocks.handlePush(received)
    else if (message.leadershipMsg !== undefined) return this.handleLeadership(received, message.leadershipMsg, org)
    else if (pullTypeOf(message) === gossip.PullMsgType.BLOCK_MSG) return this.handlePull(received, org)
    return undefined
  }

  private answerPullRequest(received: ReceivedMessage, askersOrg: string): void {
    const stateSnapshot = { elements: this.stateInfos.snapshotFor(askersOrg) }
    received.respond(gossip.GossipMessage.create({ channel: this.name, tag: CHAN_OR_ORG, stateSnapshot }))
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
    const { connection } = received
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
    return this.blocks.handlePull(received)
  }
}

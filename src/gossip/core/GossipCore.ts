/**
 * The gossip core: takes messages in, routes them to membership, channels and pulls, and passes them on.
 * Source: gossip-discovery.md 3.3 to 3.7 (gossip/gossip/gossip_impl.go). Runs alike in a peer and in a simulation:
 * time, dice, connections and identities come from outside.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { equalBytes, toText } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import type { CommShape } from "../Comm.js"
import { Channel } from "../channel/Channel.js"
import type { SendFailed } from "../errors.js"
import type { GossipShape, JoinChannel, SendCriteria } from "../Gossip.js"
import type { IdentityMapper } from "../identity/index.js"
import { checkTag, isChannelRestricted, pullTypeOf } from "../kinds.js"
import { disclosureTo } from "../membership/disclosure.js"
import { Membership } from "../membership/Membership.js"
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
import { IdentityPull } from "../pull/identityPull.js"
import type { Random } from "../random.js"
import type { SecurityShape } from "../Security.js"
import type { GossipSettings } from "../settings.js"
import { detached, sealed, unsigned } from "../signing.js"
import { latestStateInfo } from "../supersede.js"
import type { Timers } from "../Timers.js"
import { sealAlive, validateAlive, verifyKnown } from "./aliveMessages.js"
import { Anchors } from "./anchors.js"
import { ChannelTable } from "./ChannelTable.js"
import { anchorPeer, bootstrapPeer, probing } from "./connecting.js"
import { sendByCriteria } from "./criteria.js"
import { Emitter } from "./Emitter.js"
import { type Outgoing, type RoutingView, route } from "./recipients.js"
import { Subscribers } from "./Subscribers.js"

export interface GossipLogs {
  readonly gossip: SyncLog
  readonly discovery: SyncLog
  readonly channel: SyncLog
  readonly pull: SyncLog
}

export interface CoreOptions {
  readonly settings: GossipSettings
  readonly comm: CommShape
  readonly security: SecurityShape
  readonly identities: IdentityMapper
  readonly timers: Timers
  readonly random: Random
  readonly logs: GossipLogs
  /** Own MSP ID. */
  readonly org: string
  /** Runs an Effect on its own, for as long as the core lives. */
  readonly fork: (task: Effect.Effect<void>) => void
  /** Metric gossip_membership_total_peers_known. */
  readonly peersKnown: (channelId: string, count: number) => void
}

export class GossipCore implements GossipShape {
  readonly pkiId: Uint8Array
  readonly identity: Uint8Array
  readonly org: string
  private readonly membership: Membership
  private readonly identityPull: IdentityPull
  private readonly emitter: Emitter<Outgoing>
  private readonly channels = new ChannelTable()
  private readonly anchors: Anchors
  /** StateInfo of channels that this peer is not on: relayed once. */
  private readonly relayed: MessageStore
  private readonly subscribers: Subscribers
  private readonly releases: ReadonlyArray<() => void>
  private readonly view: Omit<RoutingView, "members">
  private stopped = false

  constructor(private readonly options: CoreOptions) {
    const { settings, comm, security, identities, timers, random, logs, org } = options
    this.pkiId = comm.pkiId
    this.identity = security.identity
    this.org = org
    const publishCertUntil = timers.monotonic() + settings.membership.publishCertPeriodMs
    const alive = { security, identities, log: logs.gossip, publishing: () => timers.monotonic() < publishCertUntil }
    const connecting = { comm, security, log: logs.gossip, org, fork: options.fork }
    this.subscribers = new Subscribers(logs.gossip)
    this.relayed = new MessageStore({ rule: latestStateInfo, timers, ttlMs: settings.channel.relayTtlMs })
    this.emitter = new Emitter(settings.push, timers, (burst) => this.push(burst))
    const orgOf = (pkiId: Uint8Array): string | undefined => identities.get(pkiId)?.org
    const orgOfKey = (key: string): string | undefined => identities.byKey(key)?.org
    const endpoints = { endpoint: settings.externalEndpoint, internalEndpoint: settings.internalEndpoint }
    this.membership = new Membership(endpoints, settings.membership, {
      pkiId: this.pkiId,
      timers,
      random,
      log: logs.discovery,
      sealAlive: sealAlive(alive),
      validate: (message) => validateAlive(alive, message),
      disclosure: (remote) => disclosureTo(org, orgOfKey, remote),
      gossip: (message) => this.emitter.add({ message }),
      forward: (message, from) => this.emitter.add({ message, from }),
      send: (message, peer) => comm.send(message, [peer]),
      probe: probing(connecting),
      closeConnection: comm.closeConnection,
      isAnchor: (endpoint) => this.anchors.isAnchor(endpoint)
    })
    const hasExternalEndpoint = (pkiId: Uint8Array) => (this.membership.lookup(pkiId)?.endpoint ?? "") !== ""
    this.anchors = new Anchors({
      log: logs.gossip,
      selfOrg: org,
      ...endpoints,
      connect: (endpoint, anchorsOrg, channelId) =>
        this.membership.connect(endpoint, anchorPeer(connecting, { endpoint, anchorsOrg, channelId }))
    })
    this.identityPull = new IdentityPull(settings.pull, {
      timers,
      random,
      log: logs.pull,
      pkiId: this.pkiId,
      selfOrg: org,
      security,
      members: () => this.membership.alive(),
      send: comm.send,
      orgOf,
      hasExternalEndpoint,
      put: (pkiId, identity) => identities.put(pkiId, identity)
    })
    this.view = {
      selfOrg: org,
      orgOf,
      orgOfKey,
      hasExternalEndpoint,
      channel: (name) => this.channels.get(name),
      channelOfStateInfo: ({ message: { stateInfo } }) =>
        stateInfo === undefined ? undefined : this.channels.byMac(stateInfo.channelMAC, stateInfo.pkiId),
      propagatePeerNum: settings.push.propagatePeerNum
    }
    this.releases = [
      comm.subscribe(takenIn, (received) => this.handle(received)),
      comm.onPresumedDead((pkiId) => this.membership.presumeDead(pkiId)),
      comm.onIdentitySwitch((old) => this.membership.purge(old)),
      identities.onRemoved(({ pkiId }) => {
        this.identityPull.remove(pkiId)
        comm.closeConnection(pkiId)
      }),
      timers.every(settings.pull.pullIntervalMs, () => this.membership.sync(settings.pull.pullPeerNum))
    ]
    if (settings.externalEndpoint === "") {
      logs.gossip.warning("External endpoint is empty, peer will not be accessible outside of its organization")
    }
    for (const endpoint of settings.membership.bootstrapPeers) {
      this.membership.connect(endpoint, bootstrapPeer(connecting, endpoint))
    }
    logs.gossip.info(`Gossip instance ${settings.internalEndpoint} started`)
  }

  /** Ends all timers and subscriptions; what was under way is dropped. */
  stop(): void {
    if (this.stopped) return
    this.stopped = true
    this.options.logs.gossip.info("Stopping gossip")
    for (const release of this.releases) release()
    for (const channel of this.channels.all()) channel.stop()
    this.emitter.stop()
    this.identityPull.stop()
    this.membership.stop()
    this.relayed.stop()
  }

  // ---- GossipShape -------------------------------------------------------------------------------------------------

  readonly self = (): NetworkMember => this.membership.self()

  readonly selfChannelInfo = (channelId: string): SignedGossipMessage | undefined =>
    this.channels.get(channelId)?.self()

  readonly peers = (): ReadonlyArray<NetworkMember> => this.membership.alive()

  readonly peersOfChannel = (channelId: string): ReadonlyArray<NetworkMember> =>
    this.channels.get(channelId)?.peers() ?? []

  readonly hasChannel = (channelId: string): boolean => this.channels.get(channelId) !== undefined

  readonly identities = (): ReadonlyArray<PeerIdentity> => this.options.identities.all()

  readonly identityOf = (pkiId: Uint8Array): PeerIdentity | undefined => this.options.identities.get(pkiId)

  readonly gossip = (message: gossip.GossipMessage): void => {
    const { logs, security } = this.options
    const legal = checkTag(message)
    if (Either.isLeft(legal)) {
      logs.gossip.error(`Message is not gossiped: ${legal.left.message}`)
      return
    }
    const out = sealed(message, security.sign)
    if (isChannelRestricted(message)) {
      const name = toText(message.channel)
      const channel = this.channels.get(name)
      if (channel === undefined) {
        logs.gossip.warning(`Failed obtaining gossipChannel of ${name} aborting`)
        return
      }
      if (message.dataMsg !== undefined) channel.addBlock(out)
    }
    this.emitter.add({ message: out })
  }

  readonly send = (message: gossip.GossipMessage, peers: ReadonlyArray<RemotePeer>): void =>
    this.options.comm.send(unsigned(message), peers)

  readonly sendWithAck: GossipShape["sendWithAck"] = (message, options, peers) =>
    this.options.comm.sendWithAck(message, options, peers)

  readonly sendByCriteria = (message: gossip.GossipMessage, criteria: SendCriteria): Effect.Effect<void, SendFailed> =>
    Effect.suspend(() => {
      const { comm, random, logs } = this.options
      const { channelId } = criteria
      return sendByCriteria(message, criteria, {
        peers: channelId === "" ? this.membership.alive() : this.channels.get(channelId)?.peers(),
        random,
        log: logs.gossip,
        sendWithAck: comm.sendWithAck
      })
    })

  readonly peerFilter = (
    channelId: string,
    allowed: (evidence: PeerSignature) => boolean
  ): ((member: NetworkMember) => boolean) | undefined => this.channels.get(channelId)?.peerFilter(allowed)

  readonly subscribe: GossipShape["subscribe"] = (accepts, handle) => this.subscribers.add(accepts, handle)

  readonly subscribeRaw: GossipShape["subscribeRaw"] = (accepts, handle) => this.options.comm.subscribe(accepts, handle)

  readonly joinChannel = (join: JoinChannel): void => {
    if (this.stopped) return
    const { logs } = this.options
    let channel = this.channels.get(join.channelId)
    if (channel === undefined) {
      channel = this.newChannel(join.channelId)
      this.channels.add(channel)
    }
    channel.configure(join)
    logs.gossip.info(`Joining gossip network of channel ${join.channelId} with ${join.orgs.length} organizations`)
    this.anchors.learn(join)
  }

  readonly leaveChannel = (channelId: string): void => {
    const channel = this.channels.get(channelId)
    if (channel === undefined) {
      this.options.logs.gossip.debug(`No such channel ${channelId}`)
      return
    }
    channel.leave()
  }

  readonly updateLedgerHeight = (channelId: string, height: bigint): void => {
    const channel = this.channels.get(channelId)
    if (channel === undefined) {
      this.options.logs.gossip.warning(`No such channel ${channelId}`)
      return
    }
    channel.updateLedgerHeight(height)
  }

  readonly updateChaincodes = (channelId: string, chaincodes: ReadonlyArray<gossip.Chaincode>): void => {
    const channel = this.channels.get(channelId)
    if (channel === undefined) {
      this.options.logs.gossip.warning(`No such channel ${channelId}`)
      return
    }
    channel.updateChaincodes(chaincodes)
  }

  readonly suspectPeers = (suspect: (identity: Uint8Array) => boolean): void => this.options.identities.suspect(suspect)

  /** Sizes of all that is kept, for tests and diagnostics. */
  get sizes() {
    return {
      ...this.membership.sizes,
      relayed: this.relayed.held,
      waiting: this.emitter.size,
      identityItems: this.identityPull.size,
      identityPull: this.identityPull.pending,
      channels: [...this.channels.all()].map(({ sizes }) => sizes)
    }
  }

  // ---- Messages in (3.3) -------------------------------------------------------------------------------------------

  private handle(received: ReceivedMessage): Effect.Effect<void> | undefined {
    if (this.stopped) return undefined
    const { message, connection } = received
    const { logs } = this.options
    const legal = checkTag(message)
    if (Either.isLeft(legal)) {
      logs.gossip.warning(`Message of ${connection.endpoint} isn't valid: its tag isn't legal: ${legal.left.message}`)
      return undefined
    }
    if (isChannelRestricted(message)) {
      const channel = this.channelOf(received)
      if (channel !== undefined) return channel.handle(received)
      this.relay(received)
      return undefined
    }
    if (pullTypeOf(message) === gossip.PullMsgType.IDENTITY_MSG) this.identityPull.handle(received)
    else this.membership.handle(received)
    return undefined
  }

  private channelOf({ message, connection }: ReceivedMessage): Channel | undefined {
    const { stateInfo, stateInfoPullReq, channel } = message
    if (stateInfo !== undefined) return this.channels.byMac(stateInfo.channelMAC, stateInfo.pkiId)
    if (stateInfoPullReq !== undefined) return this.channels.byMac(stateInfoPullReq.channelMAC, connection.pkiId)
    return this.channels.get(toText(channel))
  }

  /** StateInfo of a channel that this peer is not on, from its own organisation: once to others of it (3.3.4). */
  private relay(received: ReceivedMessage): void {
    const { identities, logs, org } = this.options
    const { stateInfo } = received.message
    const { pkiId, endpoint } = received.connection
    if (stateInfo === undefined || identities.get(pkiId)?.org !== org) {
      logs.gossip.debug(`No such channel ${toText(received.message.channel)}, discarding message of ${endpoint}`)
      return
    }
    if (equalBytes(stateInfo.pkiId, this.pkiId) || !this.relayed.accepts(received)) return
    const verified = verifyKnown(this.options, received, stateInfo.pkiId)
    if (Either.isLeft(verified)) {
      logs.gossip.warning(`StateInfo message of ${endpoint} is found invalid: ${verified.left.message}`)
      return
    }
    const message = detached(received)
    if (this.relayed.add(message)) this.emitter.add({ message, from: pkiId })
  }

  // ---- Messages out ------------------------------------------------------------------------------------------------

  private push(burst: ReadonlyArray<Outgoing>): void {
    const { comm, random } = this.options
    route(burst, { ...this.view, members: this.membership.alive() }, random, (message, peers) =>
      comm.send(
        message,
        peers.map((member) => ({ endpoint: preferredEndpoint(member), pkiId: member.pkiId }))
      )
    )
  }

  private newChannel(channelId: string): Channel {
    const { settings, comm, security, identities, timers, random, logs, org, peersKnown } = this.options
    return new Channel(channelId, settings, {
      pkiId: this.pkiId,
      selfOrg: org,
      timers,
      random,
      log: logs.channel,
      pullLog: logs.pull,
      security,
      members: () => this.membership.alive(),
      lookup: (pkiId) => this.membership.lookup(pkiId),
      identityOf: (pkiId) => identities.get(pkiId),
      verify: (message, pkiId) => verifyKnown(this.options, message, pkiId),
      gossip: (message) => this.emitter.add({ message }),
      forward: (message, from) => this.emitter.add({ message, from }),
      send: comm.send,
      deliver: (message) => this.subscribers.deliver(message),
      peersKnown: (count) => peersKnown(channelId, count)
    })
  }
}

/** Private data and the handshake have their own readers, acknowledgements too (3.3.1). */
const takenIn = ({ message }: ReceivedMessage): boolean =>
  message.conn === undefined &&
  message.empty === undefined &&
  message.ack === undefined &&
  message.privateReq === undefined &&
  message.privateRes === undefined &&
  message.privateData === undefined

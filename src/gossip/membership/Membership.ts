/**
 * Membership of the network: heartbeats out, alive messages in, who is alive and who is dead, and questions and answers
 * about it.
 * Source: gossip-discovery.md 3.4 (gossip/discovery/discovery_impl.go); log lines are the reference's.
 */
import type { SyncLog } from "../../runtime/Log.js"
import { equalBytes, toHex } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import type { Init } from "../../wire/types.js"
import { idKey } from "../ids.js"
import { MessageStore } from "../messageStore.js"
import type { NetworkMember, ReceivedMessage, RemotePeer, SignedGossipMessage } from "../messages.js"
import { preferredEndpoint } from "../messages.js"
import type { Random } from "../random.js"
import { pick } from "../random.js"
import type { MembershipSettings } from "../settings.js"
import { openEnvelope, unsigned, withoutSecret } from "../signing.js"
import { latestAlive } from "../supersede.js"
import type { Timers } from "../Timers.js"
import { type AliveView, aliveView, detachedView } from "./alive.js"
import { Connector, type Identified, type Identify } from "./connect.js"
import type { Disclosure } from "./disclosure.js"
import { type Member, MemberTable } from "./MemberTable.js"

/** Where this peer is to be found. */
export interface OwnEndpoints {
  /** External; empty: invisible to other organisations. */
  readonly endpoint: string
  readonly internalEndpoint: string
}

export interface MembershipPorts {
  readonly pkiId: Uint8Array
  readonly timers: Timers
  readonly random: Random
  readonly log: SyncLog
  /** Signs; includes the identity while it is published, and the secret envelope where an endpoint is given (3.4.1). */
  readonly sealAlive: (message: Init<gossip.AliveMessage>, internalEndpoint: string) => SignedGossipMessage
  /** Whether identity and signatures hold (3.4.4). */
  readonly validate: (message: SignedGossipMessage) => boolean
  readonly disclosure: (remote: { readonly pkiId: Uint8Array; readonly endpoint: string }) => Disclosure
  readonly gossip: (message: SignedGossipMessage) => void
  /** To others than the one whom it came from. */
  readonly forward: (message: SignedGossipMessage, from: Uint8Array) => void
  readonly send: (message: SignedGossipMessage, peer: RemotePeer) => void
  readonly probe: (peer: RemotePeer, done: (alive: boolean) => void) => void
  readonly closeConnection: (pkiId: Uint8Array) => void
  readonly isAnchor: (endpoint: string) => boolean
}

/** Entries of a membership response that may fail before the rest is left unread. */
const maxFaults = 16

const { EMPTY } = gossip.GossipMessage_Tag

const portOf = (endpoint: string): string => endpoint.slice(endpoint.lastIndexOf(":") + 1)

export class Membership {
  private readonly table = new MemberTable()
  private readonly store: MessageStore
  private readonly connector: Connector
  private readonly incarnation: bigint
  private readonly own: ReadonlySet<string>
  private readonly ownKey: string
  private readonly probing = new Set<string>()
  private readonly cancels: ReadonlyArray<() => void>
  private sequence = 0n
  private lastHeartbeat: SignedGossipMessage | undefined
  private stopped = false

  constructor(
    private readonly endpoints: OwnEndpoints,
    private readonly settings: MembershipSettings,
    private readonly ports: MembershipPorts
  ) {
    const { timers } = ports
    const { internalEndpoint, endpoint } = endpoints
    this.incarnation = timers.nanos()
    this.ownKey = idKey(ports.pkiId)
    const port = portOf(internalEndpoint)
    this.own = new Set([`127.0.0.1:${port}`, `localhost:${port}`, internalEndpoint, endpoint])
    this.store = new MessageStore({
      rule: latestAlive,
      timers,
      ttlMs: settings.aliveMessageTtlMs,
      onExpired: (message) => this.expired(message)
    })
    this.connector = new Connector({
      timers,
      reconnectMs: settings.reconnectIntervalMs,
      maxAttempts: settings.maxConnectionAttempts,
      warn: (text) => ports.log.warning(text),
      nonce: ports.random.nonce,
      request: (nonce, peer) => this.request(nonce, peer.ownOrg, peer),
      send: ports.send
    })
    this.cancels = [
      timers.every(settings.aliveTimeIntervalMs, () => this.heartbeat()),
      timers.every(settings.aliveExpirationCheckIntervalMs, () => this.checkAlive()),
      timers.every(settings.reconnectIntervalMs, () => this.reconnect())
    ]
  }

  // ---- What is known -----------------------------------------------------------------------------------------------

  /** Alive members, this peer excluded. */
  alive(): ReadonlyArray<Member> {
    return this.table.alive()
  }

  dead(): ReadonlyArray<Member> {
    return this.table.deadMembers()
  }

  /** This peer or a member known, alive or dead. */
  lookup(pkiId: Uint8Array): NetworkMember | undefined {
    return equalBytes(pkiId, this.ports.pkiId) ? this.selfMember() : this.table.get(idKey(pkiId))
  }

  /** This peer as others see it, with an alive envelope that is not signed. */
  self(): NetworkMember {
    const { envelope } = unsigned({ tag: EMPTY, aliveMsg: this.aliveMessage() })
    return { ...this.selfMember(), internalEndpoint: "", envelope }
  }

  /** Sizes of all that is kept, for tests and diagnostics. */
  get sizes(): { readonly alive: number; readonly dead: number; readonly messages: number } {
    return { alive: this.table.aliveCount, dead: this.table.deadMembers().length, messages: this.store.held }
  }

  // ---- Own initiative ----------------------------------------------------------------------------------------------

  /** Tries an endpoint until a member answers; own endpoints are skipped (3.4.8). */
  connect(endpoint: string, identify: Identify): void {
    if (this.own.has(endpoint)) {
      this.ports.log.debug("Skipping connecting to myself")
      return
    }
    this.connector.connect(endpoint, identify)
  }

  /** Asks some alive members what they know (3.4.10). */
  sync(peers: number): void {
    for (const member of pick(this.ports.random, peers, this.table.alive())) {
      this.ports.send(this.request(0n, true, member), { endpoint: preferredEndpoint(member), pkiId: member.pkiId })
    }
  }

  /** Comm lost it or could not dial it. */
  presumeDead(pkiId: Uint8Array): void {
    this.bury([idKey(pkiId)])
  }

  /** Another identity answers in its place (3.2.5). */
  purge(pkiId: Uint8Array): void {
    this.ports.log.info(`Purging ${toHex(pkiId)} from membership`)
    this.table.forget(idKey(pkiId))
  }

  stop(): void {
    this.stopped = true
    for (const cancel of this.cancels) cancel()
    this.store.stop()
    this.connector.stop()
  }

  // ---- Messages in -------------------------------------------------------------------------------------------------

  /** Alive messages, membership requests and responses; anything else is left alone. */
  handle(received: ReceivedMessage): void {
    if (this.stopped) return
    const { aliveMsg, memReq, memRes, nonce } = received.message
    if (memReq !== undefined) this.handleRequest(memReq, nonce, received)
    else if (aliveMsg !== undefined) this.handleAlive(received)
    else if (memRes !== undefined) this.handleResponse(memRes, nonce)
  }

  private handleAlive(received: ReceivedMessage): void {
    const view = aliveView(received)
    if (view === undefined) {
      this.ports.log.warning("Invalid alive message: it lacks member, PKI-ID or time")
      return
    }
    if (this.isOwn(view)) return
    if (!this.store.accepts(view.source, view.key) || !this.ports.validate(view.source)) return
    const kept = detachedView(view)
    this.store.add(kept.source, kept.key)
    this.apply(kept)
    this.ports.forward(kept.source, received.connection.pkiId)
  }

  private handleRequest(request: gossip.MembershipRequest, nonce: bigint, { connection }: ReceivedMessage): void {
    const opened = openEnvelope(request.selfInformation)
    if (opened._tag === "Left") {
      this.ports.log.warning(`Got membership request with invalid selfInfo: ${opened.left.message}`)
      return
    }
    const view = aliveView(opened.right)
    if (view === undefined) {
      this.ports.log.warning("Got membership request with selfInfo that isn't an AliveMessage")
      return
    }
    if (!equalBytes(view.pkiId, connection.pkiId)) {
      this.ports.log.warning("Got membership request with selfInfo that doesn't match the handshake")
      return
    }
    if (!this.ports.validate(view.source)) return
    if (this.store.accepts(view.source, view.key) && this.table.isNews(view)) this.apply(detachedView(view))
    this.respond(view, nonce)
  }

  private respond(asker: AliveView, nonce: bigint): void {
    const { log, disclosure, send, closeConnection } = this.ports
    const policy = disclosure(asker)
    this.lastHeartbeat ??= this.signedAlive(true)
    const self = this.lastHeartbeat
    if (!policy.discloses({ key: this.ownKey, endpoint: this.endpoints.endpoint })) {
      log.warning(
        `Got a membership request from a peer that shouldn't have sent one: ${asker.endpoint}, closing connection to the peer as a result.`
      )
      closeConnection(asker.pkiId)
      return
    }
    const told = (members: ReadonlyArray<Member>) =>
      members.filter(policy.discloses).map(({ envelope }) => policy.envelope(envelope))
    const memRes = {
      alive: [...told(this.table.alive()), policy.envelope(self.envelope)],
      dead: told(this.table.deadMembers())
    }
    const internalEndpoint = asker.internalEndpoint
    send(unsigned({ tag: EMPTY, nonce, memRes }), {
      pkiId: asker.pkiId,
      endpoint: internalEndpoint === "" ? asker.endpoint : internalEndpoint
    })
  }

  private handleResponse(response: gossip.MembershipResponse, nonce: bigint): void {
    this.connector.answered(nonce)
    let faults = 0
    /** The views worth a look, one by one: what cannot be read is passed over (trap 11), but not without end. */
    const each = (envelopes: ReadonlyArray<gossip.Envelope>, take: (view: AliveView) => void): void => {
      for (const envelope of envelopes) {
        if (faults >= maxFaults) {
          this.ports.log.warning("Membership response has too many invalid entries")
          return
        }
        if (this.table.holds(envelope)) continue
        const opened = openEnvelope(envelope)
        const view = opened._tag === "Right" ? aliveView(opened.right) : undefined
        if (view === undefined) {
          faults += 1
          this.ports.log.warning("Membership response contains an invalid message")
          continue
        }
        if (this.isOwn(view) || !this.store.accepts(view.source, view.key)) continue
        take(view)
      }
    }
    each(response.alive, (view) => {
      if (!this.table.isNews(view)) return
      if (this.ports.validate(view.source)) this.apply(detachedView(view))
      else faults += 1
    })
    each(response.dead, (view) => {
      if (this.table.get(view.key) !== undefined) return
      if (this.ports.validate(view.source)) this.table.learnDead(detachedView(view), this.ports.timers.monotonic())
      else faults += 1
    })
  }

  private apply(view: AliveView): void {
    const { log, timers } = this.ports
    const applied = this.table.apply(view, timers.monotonic())
    if (applied === "learned") log.debug(`Learned about a new alive member: ${view.endpoint}`)
    else if (applied === "resurrected") log.debug(`${view.endpoint} is alive again`)
  }

  private isOwn(view: AliveView): boolean {
    const { log, pkiId } = this.ports
    if (!equalBytes(view.pkiId, pkiId)) return false
    const { endpoint, internalEndpoint } = this.endpoints
    const other = view.internalEndpoint !== "" && view.internalEndpoint !== internalEndpoint
    // verified before it is told: anybody could write such a message
    if ((other || view.endpoint !== endpoint) && this.ports.validate(view.source)) {
      log.error(
        `Bad configuration detected: Received AliveMessage from a peer with the same PKI-ID as myself: Endpoint: ${view.endpoint}, InternalEndpoint: ${view.internalEndpoint}`
      )
    }
    return true
  }

  // ---- Own messages ------------------------------------------------------------------------------------------------

  private selfMember(): NetworkMember {
    const { endpoint, internalEndpoint } = this.endpoints
    return { endpoint, internalEndpoint, pkiId: this.ports.pkiId, metadata: new Uint8Array(0) }
  }

  private aliveMessage(): Init<gossip.AliveMessage> {
    this.sequence += 1n
    return {
      membership: { endpoint: this.endpoints.endpoint, pkiId: this.ports.pkiId },
      timestamp: { incNum: this.incarnation, seqNum: this.sequence }
    }
  }

  private signedAlive(secret: boolean): SignedGossipMessage {
    return this.ports.sealAlive(this.aliveMessage(), secret ? this.endpoints.internalEndpoint : "")
  }

  private request(nonce: bigint, secret: boolean, to: Identified | Member): SignedGossipMessage {
    const endpoint = "endpoint" in to ? to.endpoint : ""
    const { envelope } = this.ports.disclosure({ pkiId: to.pkiId, endpoint })
    const own = this.signedAlive(secret)
    return unsigned({
      tag: EMPTY,
      nonce,
      memReq: { selfInformation: secret ? envelope(own.envelope) : withoutSecret(own).envelope }
    })
  }

  // ---- Timers ------------------------------------------------------------------------------------------------------

  private heartbeat(): void {
    if (this.table.aliveCount === 0) {
      this.ports.log.debug("Empty membership, no one to send a heartbeat to")
      return
    }
    this.lastHeartbeat = this.signedAlive(true)
    this.ports.gossip(this.lastHeartbeat)
  }

  private checkAlive(): void {
    const now = this.ports.timers.monotonic()
    const silent = this.table.silent(now, this.settings.aliveExpirationTimeoutMs)
    for (const { pkiId, lastSeen } of silent) {
      this.ports.log.warning(`Haven't heard from ${toHex(pkiId)} for ${now - lastSeen}ms`)
    }
    this.bury(silent.map(({ key }) => key))
  }

  private bury(keys: ReadonlyArray<string>): void {
    for (const key of keys) {
      const member = this.table.bury(key)
      if (member === undefined) continue
      this.ports.log.warning(
        `Closing connection to Endpoint: ${member.endpoint}, InternalEndpoint: ${member.internalEndpoint}, PKI-ID: ${toHex(member.pkiId)}`
      )
      this.ports.closeConnection(member.pkiId)
    }
  }

  private reconnect(): void {
    for (const member of this.table.deadMembers()) {
      if (this.probing.has(member.key)) continue
      this.probing.add(member.key)
      const peer: RemotePeer = { endpoint: preferredEndpoint(member), pkiId: member.pkiId }
      this.ports.probe(peer, (alive) => {
        this.probing.delete(member.key)
        if (!alive || this.stopped) return this.ports.log.debug(`${peer.endpoint} is still dead`)
        this.ports.log.debug(`${peer.endpoint} is responding, sending membership request`)
        this.ports.send(this.request(0n, true, member), peer)
      })
    }
  }

  /** The reference's two lines (3.4.7). */
  private expired(message: SignedGossipMessage): void {
    const view = aliveView(message)
    if (view === undefined) return
    const { log, isAnchor } = this.ports
    const { endpoint } = view
    const known = this.table.get(view.key)?.internalEndpoint ?? ""
    const internal = view.internalEndpoint === "" ? known : view.internalEndpoint
    const stays = [endpoint, internal].some((place) => this.settings.bootstrapPeers.includes(place) || isAnchor(place))
    if (stays) {
      log.debug(`Do not remove bootstrap or anchor peer endpoint ${endpoint} from membership`)
      return
    }
    log.info(`Removing member: Endpoint: ${endpoint}, InternalEndpoint: ${internal}, PKIID: ${toHex(view.pkiId)}`)
    this.table.forget(view.key)
  }
}

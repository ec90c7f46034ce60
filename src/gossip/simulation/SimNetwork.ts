/**
 * Connections in one process, on a simulated clock: delay, loss and partition by seed. Messages travel as the values
 * they are (bytes and all), for they are never changed; `bytes` sends them through their encoding instead.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { gossip } from "../../wire/index.js"
import type { CommShape } from "../Comm.js"
import { CommFailed } from "../errors.js"
import type { IdentityMapper } from "../identity/index.js"
import { idKey } from "../ids.js"
import { contentOf } from "../kinds.js"
import type { ConnectionInfo, ReceivedMessage, RemotePeer, SendResult, SignedGossipMessage } from "../messages.js"
import type { Random } from "../random.js"
import { ackMessage, envelopeBytes, openMessage, unsigned } from "../signing.js"
import type { SimClock } from "./SimClock.js"
import { simSign } from "./simSecurity.js"

export interface SimNetworkOptions {
  readonly clock: SimClock
  readonly random: Random
  /** Milliseconds that a message takes, from and to. */
  readonly delayMs?: readonly [number, number]
  /** Of a thousand messages, how many are lost. */
  readonly lossPerMille?: number
  /** Encode and decode each message. */
  readonly bytes?: boolean
}

interface Subscriber {
  readonly accepts: (message: ReceivedMessage) => boolean
  readonly handle: (message: ReceivedMessage) => void | Effect.Effect<void>
}

/** Time after which a dial is given up, milliseconds. */
const dialTimeoutMs = 3000

/** One node's end. */
export class SimPeer implements CommShape {
  readonly pkiId: Uint8Array
  readonly key: string
  /** Messages sent, by kind. */
  readonly sent = new Map<string, number>()
  received = 0
  up = true
  /** Which part of a partitioned network it is in. */
  part = 0
  readonly linked = new Set<string>()
  /** When the last message to a peer arrives: streams keep their order. */
  readonly lanes = new Map<string, number>()
  readonly subscribers = new Set<Subscriber>()
  readonly dead = new Set<(pkiId: Uint8Array) => void>()
  readonly switched = new Set<(pkiId: Uint8Array) => void>()
  readonly awaited = new Map<string, (error: string) => void>()
  readonly info: ConnectionInfo

  constructor(
    private readonly network: SimNetwork,
    readonly endpoint: string,
    readonly identity: Uint8Array,
    readonly identities: IdentityMapper
  ) {
    this.pkiId = identities.pkiId
    this.key = idKey(this.pkiId)
    const signedData = Buffer.from("handshake")
    const signature = simSign(identity, signedData)
    this.info = { pkiId: this.pkiId, identity, endpoint, auth: { signedData, signature } }
  }

  readonly send = (message: SignedGossipMessage, peers: ReadonlyArray<RemotePeer>): void => {
    for (const peer of peers) this.network.transmit(this, peer, message)
  }

  readonly sendWithAck: CommShape["sendWithAck"] = (message, { timeoutMs, minimum }, peers) =>
    Effect.async<ReadonlyArray<SendResult>>((resume) => {
      if (peers.length === 0) return resume(Effect.succeed([]))
      const nonce = this.network.options.random.nonce()
      const results: Array<SendResult> = []
      let done = false
      const end = (): void => {
        if (done) return
        done = true
        resume(Effect.succeed([...results]))
      }
      for (const peer of peers) {
        const key = `${nonce}/${idKey(peer.pkiId)}`
        const settle = (error: string): void => {
          if (!this.awaited.delete(key)) return
          results.push({ peer, error })
          const good = results.filter((result) => result.error === "").length
          if (results.length === peers.length || (minimum > 0 && good === minimum)) end()
        }
        this.awaited.set(key, settle)
        this.network.options.clock.after(timeoutMs, () => settle("timed out"))
      }
      this.send(unsigned({ ...message, nonce }), peers)
    })

  readonly probe = (peer: RemotePeer): Effect.Effect<void, CommFailed> =>
    Effect.asVoid(this.network.dial(this, peer.endpoint))

  readonly handshake = (peer: RemotePeer): Effect.Effect<Uint8Array, CommFailed> =>
    Effect.flatMap(this.network.dial(this, peer.endpoint), (remote) =>
      this.network.link(this, remote)
        ? Effect.succeed(remote.identity)
        : Effect.fail(new CommFailed({ endpoint: peer.endpoint, reason: "authentication failure" }))
    )

  readonly subscribe: CommShape["subscribe"] = (accepts, handle) => {
    const subscriber: Subscriber = { accepts, handle }
    this.subscribers.add(subscriber)
    return () => void this.subscribers.delete(subscriber)
  }

  readonly onPresumedDead: CommShape["onPresumedDead"] = (handle) => {
    this.dead.add(handle)
    return () => void this.dead.delete(handle)
  }

  readonly onIdentitySwitch: CommShape["onIdentitySwitch"] = (handle) => {
    this.switched.add(handle)
    return () => void this.switched.delete(handle)
  }

  readonly closeConnection = (pkiId: Uint8Array): void => {
    this.network.unlink(this, idKey(pkiId))
  }
}

export class SimNetwork {
  private readonly byEndpoint = new Map<string, SimPeer>()
  private readonly byKey = new Map<string, SimPeer>()
  private readonly delayFrom: number
  private readonly delayRange: number
  /** Messages sent, lost ones included. */
  messages = 0

  constructor(readonly options: SimNetworkOptions) {
    const [from, to] = options.delayMs ?? [1, 10]
    this.delayFrom = from
    this.delayRange = to - from + 1
  }

  /** A node at an endpoint; it replaces whatever was there. */
  attach(endpoint: string, identity: Uint8Array, identities: IdentityMapper): SimPeer {
    const peer = new SimPeer(this, endpoint, identity, identities)
    this.byEndpoint.set(endpoint, peer)
    this.byKey.set(peer.key, peer)
    return peer
  }

  /** Takes a node off: nothing reaches it any more. */
  detach(peer: SimPeer): void {
    peer.up = false
    peer.linked.clear()
    if (this.byEndpoint.get(peer.endpoint) === peer) this.byEndpoint.delete(peer.endpoint)
    if (this.byKey.get(peer.key) === peer) this.byKey.delete(peer.key)
  }

  dial(from: SimPeer, endpoint: string): Effect.Effect<SimPeer, CommFailed> {
    return Effect.async((resume) => {
      const remote = this.byEndpoint.get(endpoint)
      const reachable = remote !== undefined && this.connected(from, remote)
      // an open port answers at once, a closed one refuses at once, a cut line lets the dialler wait
      const wait = reachable || remote === undefined ? this.delay() * 4 : dialTimeoutMs
      this.options.clock.after(wait, () => {
        if (reachable && this.connected(from, remote)) resume(Effect.succeed(remote))
        else resume(Effect.fail(new CommFailed({ endpoint, reason: `cannot reach ${endpoint}` })))
      })
    })
  }

  /** Both learn the other's identity, as by a handshake. */
  link(a: SimPeer, b: SimPeer): boolean {
    if (a.linked.has(b.key) && b.linked.has(a.key)) return true
    if (Either.isLeft(a.identities.put(b.pkiId, b.identity))) return false
    if (Either.isLeft(b.identities.put(a.pkiId, a.identity))) return false
    a.linked.add(b.key)
    b.linked.add(a.key)
    return true
  }

  unlink(peer: SimPeer, key: string): void {
    peer.linked.delete(key)
    this.byKey.get(key)?.linked.delete(peer.key)
  }

  transmit(from: SimPeer, to: RemotePeer, message: SignedGossipMessage): void {
    const { clock, random, lossPerMille = 0 } = this.options
    if (!from.up) return
    this.messages += 1
    const kind = contentOf(message.message) ?? "none"
    from.sent.set(kind, (from.sent.get(kind) ?? 0) + 1)
    const expected = idKey(to.pkiId)
    const remote = this.byKey.get(expected) ?? this.byEndpoint.get(to.endpoint)
    if (remote === undefined || !this.connected(from, remote) || !this.link(from, remote)) {
      clock.after(remote === undefined ? 1 : dialTimeoutMs, () => {
        if (from.up && (remote === undefined || !this.connected(from, remote)))
          for (const dead of from.dead) dead(to.pkiId)
      })
      return
    }
    if (expected !== "" && remote.key !== expected) for (const told of from.switched) told(to.pkiId)
    if (lossPerMille > 0 && random.below(1000) < lossPerMille) return
    const arrival = Math.max(clock.time + this.delay(), from.lanes.get(remote.key) ?? 0)
    from.lanes.set(remote.key, arrival)
    clock.after(arrival - clock.time, () => this.arrive(from, remote, message))
  }

  /** Puts a message before a node as if `from` had sent it: for hostile senders. */
  arrive(from: SimPeer, to: SimPeer, sent: SignedGossipMessage): void {
    if (!this.connected(from, to)) return
    const opened = this.options.bytes === true ? openMessage(envelopeBytes(sent.envelope)) : Either.right(sent)
    if (Either.isLeft(opened)) return
    const { envelope, message } = opened.right
    to.received += 1
    if (message.ack !== undefined) {
      to.awaited.get(`${message.nonce}/${from.key}`)?.(message.ack.error)
      return
    }
    const back: RemotePeer = { endpoint: from.endpoint, pkiId: from.pkiId }
    const received: ReceivedMessage = {
      envelope,
      message,
      connection: from.info,
      respond: (answer: gossip.GossipMessage) => this.transmit(to, back, unsigned(answer)),
      ack: (error) => this.transmit(to, back, ackMessage(message.nonce, error))
    }
    for (const { accepts, handle } of to.subscribers) {
      if (!accepts(received)) continue
      const wait = handle(received)
      if (wait !== undefined) this.options.clock.fork(wait)
    }
  }

  private connected(a: SimPeer, b: SimPeer): boolean {
    return a.up && b.up && a.part === b.part
  }

  private delay(): number {
    return this.delayFrom + this.options.random.below(this.delayRange)
  }
}

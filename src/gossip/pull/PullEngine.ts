/**
 * Pulling what one lacks: hello, digest, request, update, each paired by a nonce. One engine for each kind of item.
 * Source: gossip-discovery.md 3.7.1, 3.7.2 (gossip/gossip/algo/pull.go, gossip/gossip/pull/pullstore.go). Bounds are ours.
 */
import type { SyncLog } from "../../runtime/Log.js"
import { equalBytes } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import type { Init } from "../../wire/types.js"
import { idKey } from "../ids.js"
import type { ConnectionInfo, NetworkMember, ReceivedMessage, RemotePeer, SignedGossipMessage } from "../messages.js"
import { preferredEndpoint } from "../messages.js"
import type { Random } from "../random.js"
import { pick } from "../random.js"
import type { PullSettings } from "../settings.js"
import { unsigned } from "../signing.js"
import type { Timers } from "../Timers.js"

export interface PullPorts {
  readonly timers: Timers
  readonly random: Random
  readonly log: SyncLog
  /** Kind, tag and channel that each of this engine's messages carries. */
  readonly msgType: number
  readonly tag: number
  readonly channel: Uint8Array
  /** Whom to ask. */
  readonly members: () => ReadonlyArray<NetworkMember>
  readonly send: (message: SignedGossipMessage, peers: ReadonlyArray<RemotePeer>) => void
  /** Which items this asker may know of and have. */
  readonly egress: (asker: ConnectionInfo) => (item: string) => boolean
  /** Whether an offered item is of use. */
  readonly ingress: (item: string) => boolean
}

/** Most hellos remembered. */
export const maxNonces = 1000
/** Most items read of a digest or a request, and wanted in a round. */
export const maxDigests = 10_000
/** Longest digest of an item, bytes. */
export const maxDigestLength = 64
/** Bytes after which an update is full: what is left over is pulled in the next round. */
export const maxUpdateBytes = 48 * 1024 * 1024

interface Item {
  readonly digest: Uint8Array
  readonly message: SignedGossipMessage
}

interface Asked {
  readonly peer: RemotePeer
}

/** Items are named by the characters of their digest's bytes. */
export class PullEngine {
  private readonly items = new Map<string, Item>()
  /** Hellos that came: nonce -> until when, and from whom; oldest first. */
  private readonly hellos = new Map<bigint, { readonly until: number; readonly from: string }>()
  private asked = new Map<bigint, Asked>()
  /** Item -> nonces of those who offered it. */
  private offers = new Map<string, Array<bigint>>()
  private phase: "idle" | "digests" | "responses" = "idle"
  private readonly stopTicking: () => void
  private cancelPhase: (() => void) | undefined

  constructor(
    private readonly settings: PullSettings,
    private readonly ports: PullPorts
  ) {
    this.stopTicking = ports.timers.every(settings.pullIntervalMs, () => this.startRound())
  }

  get size(): number {
    return this.items.size
  }

  /** What is kept beside the items, for tests. */
  get pending(): { readonly hellos: number; readonly offers: number; readonly asked: number } {
    return { hellos: this.hellos.size, offers: this.offers.size, asked: this.asked.size }
  }

  has(item: string): boolean {
    return this.items.has(item)
  }

  /** Kept, offered and served from now on: `message` must be its own copy. */
  add(item: string, message: SignedGossipMessage): void {
    this.items.set(item, { digest: Buffer.from(item, "latin1"), message })
  }

  remove(item: string): void {
    this.items.delete(item)
  }

  stop(): void {
    this.stopTicking()
    this.cancelPhase?.()
    this.phase = "idle"
    this.items.clear()
    this.hellos.clear()
    this.endRound()
  }

  /** Hellos, digests and requests. Updates are judged by the engine's owner, who adds what is good. */
  handle(received: ReceivedMessage): void {
    const { hello, dataDig, dataReq } = received.message
    if (hello !== undefined) this.onHello(hello, received)
    else if (dataDig !== undefined) this.onDigest(dataDig, received.connection)
    else if (dataReq !== undefined) this.onRequest(dataReq, received)
  }

  // ---- Asking ------------------------------------------------------------------------------------------------------

  private message(content: Init<gossip.GossipMessage>): Init<gossip.GossipMessage> {
    return { channel: this.ports.channel, tag: this.ports.tag, ...content }
  }

  private startRound(): void {
    if (this.phase !== "idle") return
    const { random, timers, msgType, members, send } = this.ports
    const peers = pick(random, this.settings.pullPeerNum, members())
    if (peers.length === 0) return
    this.phase = "digests"
    for (const member of peers) {
      const peer: RemotePeer = { endpoint: preferredEndpoint(member), pkiId: member.pkiId }
      const nonce = random.nonce()
      this.asked.set(nonce, { peer })
      send(unsigned(this.message({ hello: { nonce, msgType } })), [peer])
    }
    this.cancelPhase = timers.after(this.settings.digestWaitTimeMs, () => this.requestItems())
  }

  private onDigest(digest: gossip.DataDigest, from: ConnectionInfo): void {
    const asked = this.asked.get(digest.nonce)
    if (this.phase !== "digests" || asked === undefined || !equalBytes(asked.peer.pkiId, from.pkiId)) return
    let read = 0
    for (const bytes of digest.digests) {
      read += 1
      if (read > maxDigests) {
        this.ports.log.warning(`Digest of ${from.endpoint} is too long, the rest is ignored`)
        return
      }
      if (bytes.length === 0 || bytes.length > maxDigestLength) continue
      const item = idKey(bytes)
      if (this.items.has(item) || !this.ports.ingress(item)) continue
      const owners = this.offers.get(item)
      if (owners === undefined) {
        if (this.offers.size >= maxDigests) return
        this.offers.set(item, [digest.nonce])
      } else if (!owners.includes(digest.nonce)) owners.push(digest.nonce)
    }
  }

  private requestItems(): void {
    const wanted = new Map<bigint, Array<Uint8Array>>()
    for (const [item, owners] of this.offers) {
      const nonce = owners[this.ports.random.below(owners.length)]
      if (nonce === undefined || this.items.has(item)) continue
      const list = wanted.get(nonce)
      const digest = Buffer.from(item, "latin1")
      if (list === undefined) wanted.set(nonce, [digest])
      else list.push(digest)
    }
    for (const [nonce, digests] of wanted) {
      const peer = this.asked.get(nonce)?.peer
      if (peer === undefined) continue
      const dataReq = { nonce, digests, msgType: this.ports.msgType }
      this.ports.send(unsigned(this.message({ dataReq })), [peer])
    }
    this.phase = "responses"
    this.cancelPhase = this.ports.timers.after(this.settings.responseWaitTimeMs, () => this.endRound())
  }

  private endRound(): void {
    this.phase = "idle"
    this.asked = new Map()
    this.offers = new Map()
  }

  // ---- Answering ---------------------------------------------------------------------------------------------------

  private onHello({ nonce }: gossip.GossipHello, received: ReceivedMessage): void {
    const now = this.ports.timers.monotonic()
    for (const [old, { until }] of this.hellos) {
      if (until > now && this.hellos.size < maxNonces) break
      this.hellos.delete(old)
    }
    this.hellos.delete(nonce)
    this.hellos.set(nonce, { until: now + this.settings.requestWaitTimeMs, from: idKey(received.connection.pkiId) })
    const may = this.ports.egress(received.connection)
    const digests: Array<Uint8Array> = []
    for (const [item, { digest }] of this.items) if (may(item)) digests.push(digest)
    if (digests.length === 0) return
    received.respond(filled(this.message({ dataDig: { nonce, digests, msgType: this.ports.msgType } })))
  }

  private onRequest(request: gossip.DataRequest, received: ReceivedMessage): void {
    const hello = this.hellos.get(request.nonce)
    const { pkiId } = received.connection
    if (hello === undefined || hello.until < this.ports.timers.monotonic() || hello.from !== idKey(pkiId)) return
    const may = this.ports.egress(received.connection)
    const sent = new Set<string>()
    const data: Array<gossip.Envelope> = []
    let bytes = 0
    for (const digest of request.digests.slice(0, maxDigests)) {
      if (digest.length > maxDigestLength) continue
      const item = idKey(digest)
      const message = this.items.get(item)?.message
      if (message === undefined || sent.has(item) || !may(item)) continue
      bytes += message.envelope.payload.length
      if (data.length > 0 && bytes > maxUpdateBytes) break
      sent.add(item)
      data.push(message.envelope)
    }
    if (data.length === 0) return
    received.respond(filled(this.message({ dataUpdate: { nonce: request.nonce, data, msgType: this.ports.msgType } })))
  }
}

const filled = (message: Init<gossip.GossipMessage>): gossip.GossipMessage => gossip.GossipMessage.create(message)

/**
 * Connecting to bootstrap and anchor peers: a handshake that tells who is there, then a membership request until it is
 * answered. Both tried as often as configured.
 * Source: gossip-discovery.md 3.4.8, 3.4.9 (gossip/discovery/discovery_impl.go Connect, sendUntilAcked).
 */
import type * as Either from "effect/Either"
import type { RemotePeer, SignedGossipMessage } from "../messages.js"
import type { Timers } from "../Timers.js"

/** Who answered at an endpoint. */
export interface Identified {
  readonly pkiId: Uint8Array
  readonly ownOrg: boolean
}

/** Tells once who is there, or why not. */
export type Identify = (done: (result: Either.Either<Identified, string>) => void) => void

export interface ConnectorPorts {
  readonly timers: Timers
  readonly reconnectMs: number
  readonly maxAttempts: number
  readonly warn: (text: string) => void
  readonly nonce: () => bigint
  /** A membership request for this peer. */
  readonly request: (nonce: bigint, peer: Identified) => SignedGossipMessage
  readonly send: (message: SignedGossipMessage, peer: RemotePeer) => void
}

/** How long a membership response is waited for, milliseconds. */
export const responseWaitMs = 5000

export class Connector {
  /** By endpoint: one attempt goes on at a time. */
  private readonly under = new Map<string, () => void>()
  private readonly answers = new Map<bigint, () => void>()
  private stopped = false

  constructor(private readonly ports: ConnectorPorts) {}

  /** Starts unless an attempt for this endpoint goes on already. */
  connect(endpoint: string, identify: Identify): void {
    if (this.stopped || this.under.has(endpoint)) return
    this.identify(endpoint, identify, 1)
  }

  /** A response with this nonce came. */
  answered(nonce: bigint): void {
    if (nonce !== 0n) this.answers.get(nonce)?.()
  }

  stop(): void {
    this.stopped = true
    for (const cancel of this.under.values()) cancel()
    this.under.clear()
    this.answers.clear()
  }

  private identify(endpoint: string, identify: Identify, attempt: number): void {
    this.under.set(endpoint, () => {})
    let told = false
    identify((result) => {
      if (told || this.stopped) return
      told = true
      if (result._tag === "Right") return this.ask(endpoint, result.right)
      this.ports.warn(`Could not connect to Endpoint: ${endpoint}, InternalEndpoint: ${endpoint} : ${result.left}`)
      this.again(endpoint, attempt, () => this.identify(endpoint, identify, attempt + 1))
    })
  }

  private again(endpoint: string, attempt: number, task: () => void): void {
    if (attempt >= this.ports.maxAttempts) {
      this.under.delete(endpoint)
      return
    }
    this.under.set(endpoint, this.ports.timers.after(this.ports.reconnectMs, task))
  }

  private ask(endpoint: string, peer: Identified): void {
    const nonce = this.ports.nonce()
    const message = this.ports.request(nonce, peer)
    const send = (attempt: number): void => {
      const cancel = this.ports.timers.after(responseWaitMs, () => {
        this.answers.delete(nonce)
        this.again(endpoint, attempt, () => send(attempt + 1))
      })
      this.under.set(endpoint, cancel)
      this.answers.set(nonce, () => {
        cancel()
        this.answers.delete(nonce)
        this.under.delete(endpoint)
      })
      this.ports.send(message, { endpoint, pkiId: peer.pkiId })
    }
    send(1)
  }
}

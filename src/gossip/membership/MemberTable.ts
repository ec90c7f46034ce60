/**
 * Who is alive and who is dead, by the alive messages that came: the rules only, without timers and sending.
 * Source: gossip-discovery.md 3.4.5 to 3.4.7 (gossip/discovery/discovery_impl.go).
 */
import type { gossip } from "../../wire/index.js"
import { KnownEnvelopes } from "../knownEnvelopes.js"
import type { NetworkMember } from "../messages.js"
import { newer } from "../supersede.js"
import type { AliveView } from "./alive.js"

/** A member known, alive or dead. Never changed: news replace it. */
export interface Member extends NetworkMember {
  readonly key: string
  readonly time: gossip.PeerTime
  /** Monotonic milliseconds. */
  readonly lastSeen: number
  /** The latest alive message, as it came. */
  readonly envelope: gossip.Envelope
}

/** What an alive message changed. */
export type Applied = "learned" | "refreshed" | "resurrected" | "ignored"

/** The envelope with the secret last seen, where it came without: payload and signature stay, the secret has its own. */
const withKnownSecret = (envelope: gossip.Envelope, known: Member | undefined): gossip.Envelope =>
  envelope.secretEnvelope !== undefined || known?.envelope.secretEnvelope === undefined
    ? envelope
    : { ...envelope, secretEnvelope: known.envelope.secretEnvelope }

/**
 * Without a secret envelope the known internal endpoint stays, and goes on being told to the own organisation: Go peers
 * strip it in passing (trap 9), and who never learns it cannot dial a member that shows no external endpoint.
 */
const member = (view: AliveView, known: Member | undefined, now: number): Member => ({
  key: view.key,
  pkiId: view.pkiId,
  endpoint: view.endpoint,
  internalEndpoint: view.internalEndpoint === "" ? (known?.internalEndpoint ?? "") : view.internalEndpoint,
  metadata: view.metadata,
  time: view.time,
  lastSeen: now,
  envelope: withKnownSecret(view.source.envelope, known)
})

/** Keeps the views that it takes, bytes and all: they must be over memory of their own (`detachedView`). */
export class MemberTable {
  private readonly living = new Map<string, Member>()
  private readonly dead = new Map<string, Member>()
  private readonly known = new KnownEnvelopes()
  /** Alive members and where each stands: heartbeats come all the time, and are put in its place. */
  private list: Array<Member> | undefined
  private readonly places = new Map<string, number>()

  /** Alive members: the same array until one comes or goes, each as it was last heard of. */
  alive(): ReadonlyArray<Member> {
    if (this.list === undefined) {
      this.list = [...this.living.values()]
      this.places.clear()
      for (const [place, { key }] of this.list.entries()) this.places.set(key, place)
    }
    return this.list
  }

  deadMembers(): ReadonlyArray<Member> {
    return [...this.dead.values()]
  }

  get aliveCount(): number {
    return this.living.size
  }

  isAlive(key: string): boolean {
    return this.living.has(key)
  }

  /** Alive or dead. */
  get(key: string): Member | undefined {
    return this.living.get(key) ?? this.dead.get(key)
  }

  /** Whether a member's latest message is this very one: asked before it is even decoded. */
  holds(envelope: gossip.Envelope): boolean {
    return this.known.has(envelope)
  }

  /** Whether a message would change anything: asked before its signature is verified. */
  isNews(view: AliveView): boolean {
    const known = this.get(view.key)
    return known === undefined || newer(view.time, known.time)
  }

  apply(view: AliveView, now: number): Applied {
    const alive = this.living.get(view.key)
    const dead = this.dead.get(view.key)
    const known = alive ?? dead
    // equal is not newer, for the dead either, or membership flaps (trap 23)
    if (known !== undefined && !newer(view.time, known.time)) return "ignored"
    this.dead.delete(view.key)
    if (known !== undefined) this.known.remove(known.envelope)
    const made = this.made(view, known, now)
    this.living.set(view.key, made)
    const place = alive === undefined ? undefined : this.places.get(view.key)
    if (this.list !== undefined && place !== undefined) this.list[place] = made
    else this.list = undefined
    return alive !== undefined ? "refreshed" : dead !== undefined ? "resurrected" : "learned"
  }

  /** A member that others call dead: noted only where it is not known at all. */
  learnDead(view: AliveView, now: number): boolean {
    if (this.get(view.key) !== undefined) return false
    this.dead.set(view.key, this.made(view, undefined, now))
    return true
  }

  /** Alive members not refreshed for longer than `timeoutMs`. */
  silent(now: number, timeoutMs: number): ReadonlyArray<Member> {
    return this.alive().filter(({ lastSeen }) => now - lastSeen > timeoutMs)
  }

  /** From alive to dead; undefined: it was not alive. */
  bury(key: string): Member | undefined {
    const found = this.living.get(key)
    if (found === undefined) return undefined
    this.living.delete(key)
    this.dead.set(key, found)
    this.list = undefined
    return found
  }

  /** As if never heard of. */
  forget(key: string): void {
    const found = this.get(key)
    if (found !== undefined) this.known.remove(found.envelope)
    this.living.delete(key)
    this.dead.delete(key)
    this.list = undefined
  }

  private made(view: AliveView, known: Member | undefined, now: number): Member {
    const made = member(view, known, now)
    this.known.add(made.envelope)
    return made
  }
}

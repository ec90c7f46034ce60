/**
 * Which peer of an organisation takes a channel's blocks from the orderers: the one with the lowest PKI-ID among those
 * that see each other. Plain timers and no Effect, so that simulations run it under a clock of their own.
 * Source: gossip-discovery.md 3.9 rules 1 to 6; gossip/election/election.go.
 */
import { compareBytes } from "../../wire/protoutil.js"
import type { ElectionSettings } from "../settings.js"
import type { Timers } from "../Timers.js"

/** Milliseconds. */
export type ElectionTimes = Pick<
  ElectionSettings,
  "startupGracePeriodMs" | "membershipSampleIntervalMs" | "leaderAliveThresholdMs" | "leaderElectionDurationMs"
>

/** What the election asks of gossip. */
export interface ElectionAdapter {
  /** Own PKI-ID. */
  readonly id: Uint8Array
  /** PKI-IDs of the other peers of the organisation on the channel. */
  readonly peers: () => ReadonlyArray<Uint8Array>
  /** Sends a declaration, or a proposal. */
  readonly send: (declaration: boolean) => void
  /** The metric. */
  readonly report: (leader: boolean) => void
}

/** Steps of the algorithm as they happen, for logs and simulations. */
export type ElectionEvent = "leading" | "renounced" | "leader exists" | "yielding"

const hexOf = (id: Uint8Array): string => Buffer.from(id).toString("hex")

export class LeaderElection {
  private leading = false
  private leaderExists = false
  private yielding = false
  private stopped = false
  /** PKI-IDs (hex) that proposed themselves since the last silence. */
  private readonly proposals = new Set<string>()
  private readonly id: string
  /** Ends the wait in progress; absent where declarations do not end it. */
  private interrupt: (() => void) | undefined
  private cancelWait: (() => void) | undefined
  private cancelYield: (() => void) | undefined

  /** In: told of each change of leadership, in order; must not throw. */
  constructor(
    private readonly adapter: ElectionAdapter,
    private readonly timers: Timers,
    private readonly settings: ElectionTimes,
    private readonly changed: (leader: boolean) => void,
    private readonly event: (event: ElectionEvent) => void = () => {}
  ) {
    this.id = hexOf(adapter.id)
  }

  get isLeader(): boolean {
    return this.leading
  }

  /** Waits for the membership to settle, then takes part until `stop`. */
  start(): void {
    this.stabilise(this.timers.now() + this.settings.startupGracePeriodMs, this.adapter.peers().length)
  }

  /** A leadership message of a peer; those from peers out of view are ignored (rule 2). */
  receive(sender: Uint8Array, declaration: boolean): void {
    if (this.stopped || !this.adapter.peers().some((peer) => compareBytes(peer, sender) === 0)) return
    if (!declaration) {
      this.proposals.add(hexOf(sender))
      return
    }
    this.leaderExists = true
    if (this.leading && compareBytes(sender, this.adapter.id) < 0) this.renounce()
    this.interrupt?.()
  }

  /** Stops leading and abstains for six thresholds, or until there is another leader (rule 6). */
  yield(): void {
    if (!this.leading || this.yielding) return
    this.yielding = true
    this.event("yielding")
    this.renounce()
    this.leaderExists = false
    this.cancelYield = this.timers.after(this.settings.leaderAliveThresholdMs * 6, () => {
      this.yielding = false
    })
  }

  /** Ends all of it; a leader's followers find out by its silence. */
  stop(): void {
    this.stopped = true
    this.cancelWait?.()
    this.cancelYield?.()
  }

  // ---- The algorithm -----------------------------------------------------------------------------------------------

  private stabilise(until: number, size: number): void {
    this.wait(this.settings.membershipSampleIntervalMs, false, () => {
      const now = this.adapter.peers().length
      if (now === size || this.timers.now() > until || this.leaderExists) this.turn()
      else this.stabilise(until, now)
    })
  }

  private turn(): void {
    if (this.leaderExists || this.yielding) this.steady()
    else {
      this.adapter.send(false)
      this.wait(this.settings.leaderElectionDurationMs, true, () => {
        this.elect()
        this.steady()
      })
    }
  }

  private elect(): void {
    if (this.leaderExists) {
      this.event("leader exists")
      return
    }
    if (this.yielding) return
    // hex of equal length and case has the order of the bytes (trap 25)
    for (const proposal of this.proposals) if (proposal < this.id) return
    this.leading = true
    this.leaderExists = true
    this.event("leading")
    this.changed(true)
  }

  private steady(): void {
    if (this.leaderExists && this.yielding) {
      this.yielding = false
      this.cancelYield?.()
    }
    if (this.leading) {
      this.adapter.send(true)
      this.adapter.report(true)
      this.wait(this.settings.leaderAliveThresholdMs / 2, true, () => this.turn())
    } else {
      this.proposals.clear()
      this.leaderExists = false
      this.adapter.report(false)
      this.wait(this.settings.leaderAliveThresholdMs, false, () => this.turn())
    }
  }

  private renounce(): void {
    this.leading = false
    this.event("renounced")
    this.changed(false)
  }

  /** Goes on after `ms`, or at once when a declaration comes and that ends the wait; never within the caller's turn. */
  private wait(ms: number, interruptible: boolean, next: () => void): void {
    const go = () => {
      this.interrupt = undefined
      this.cancelWait = undefined
      if (!this.stopped) next()
    }
    this.cancelWait = this.timers.after(ms, go)
    this.interrupt = interruptible
      ? () => {
          this.interrupt = undefined
          this.cancelWait?.()
          this.cancelWait = this.timers.after(0, go)
        }
      : undefined
  }
}

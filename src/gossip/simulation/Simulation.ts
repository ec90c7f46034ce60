/**
 * A network of gossip cores in one process, on simulated time.
 */

import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { utf8 } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import { GossipCore } from "../core/GossipCore.js"
import { type ChannelElection, electionOf } from "../election/index.js"
import { IdentityMapper } from "../identity/index.js"
import { seededRandom } from "../random.js"
import type { GossipSettings } from "../settings.js"
import { SimClock, SimTimers } from "./SimClock.js"
import { SimNetwork, type SimNetworkOptions, type SimPeer } from "./SimNetwork.js"
import { referenceSettings } from "./settings.js"
import { SimAuthority, simBlock, simIdentity, simSecurity } from "./simSecurity.js"

export interface SimOptions extends Pick<SimNetworkOptions, "delayMs" | "lossPerMille" | "bytes"> {
  readonly seed: number
  /** Peers of each organisation, by MSP ID. */
  readonly orgs: Readonly<Record<string, number>>
  /** Bootstrap peers of each peer: the first ones of its organisation; 1 when absent. */
  readonly bootstraps?: number
  /** External endpoints are shown; true when absent. */
  readonly external?: (org: string, index: number) => boolean
  readonly settings?: (settings: GossipSettings) => GossipSettings
  readonly log?: (node: string, level: string, text: string) => void
  /** Starts peers this far apart, milliseconds. */
  readonly startEveryMs?: number
}

export interface SimNode {
  readonly name: string
  readonly org: string
  readonly endpoint: string
  readonly timers: SimTimers
  readonly comm: SimPeer
  readonly identities: IdentityMapper
  readonly core: GossipCore
  /** Metric gossip_membership_total_peers_known, by channel. */
  readonly known: Map<string, number>
  /** Channels whose election it takes part in: whether it leads. */
  readonly leads: Map<string, boolean>
  readonly elections: Array<ChannelElection>
}

export class Simulation {
  readonly clock = new SimClock()
  readonly authority = new SimAuthority()
  readonly network: SimNetwork
  readonly nodes: Array<SimNode> = []
  private made = 0

  constructor(readonly options: SimOptions) {
    const { seed, delayMs, lossPerMille, bytes } = options
    this.network = new SimNetwork({
      clock: this.clock,
      random: seededRandom(seed),
      ...(delayMs === undefined ? {} : { delayMs }),
      ...(lossPerMille === undefined ? {} : { lossPerMille }),
      ...(bytes === undefined ? {} : { bytes })
    })
    for (const org of Object.keys(options.orgs)) this.authority.orgs.add(org)
  }

  /** Starts every peer. */
  start(): void {
    for (const [org, count] of Object.entries(this.options.orgs)) {
      for (let i = 0; i < count; i++) {
        this.startNode(org, i)
        this.clock.advance(this.options.startEveryMs ?? 7)
      }
    }
  }

  /** Starts one peer, or the same again after `stopNode`. */
  startNode(org: string, index: number): SimNode {
    const { seed, bootstraps = 1, external = () => true, settings = (same) => same, log } = this.options
    const name = `peer${index}.${org}`
    const endpoint = `${name}:7051`
    const timers = new SimTimers(this.clock)
    const identity = simIdentity(org, name)
    const security = simSecurity(this.authority, identity)
    const identities = Either.getOrThrow(IdentityMapper.make({ timers, security }))
    const comm = this.network.attach(endpoint, identity, identities)
    const boot = Array.from({ length: bootstraps }, (_, i) => `peer${i}.${org}:7051`)
    const known = new Map<string, number>()
    this.made += 1
    const logger = simLog(name, log)
    const core = new GossipCore({
      settings: settings(referenceSettings(endpoint, external(org, index) ? endpoint : "", boot)),
      comm,
      security,
      identities,
      timers,
      random: seededRandom(seed * 7919 + this.made),
      logs: { gossip: logger, discovery: logger, channel: logger, pull: logger },
      org,
      fork: this.clock.fork,
      peersKnown: (channelId, count) => known.set(channelId, count)
    })
    const node: SimNode = {
      name,
      org,
      endpoint,
      timers,
      comm,
      identities,
      core,
      known,
      leads: new Map(),
      elections: []
    }
    this.nodes.push(node)
    return node
  }

  /** As if killed. */
  stopNode(node: SimNode): void {
    for (const { stop } of node.elections) stop()
    node.core.stop()
    node.identities.stop()
    this.network.detach(node.comm)
    this.nodes.splice(this.nodes.indexOf(node), 1)
  }

  stop(): void {
    for (const node of [...this.nodes]) this.stopNode(node)
  }

  /** Every node joins; the first peer of each organisation is its anchor. */
  join(channelId: string, orgs: ReadonlyArray<string> = Object.keys(this.options.orgs), sequence = 1n): void {
    this.authority.channelOrgs.set(channelId, new Set(orgs))
    const anchorPeers = new Map(orgs.map((org) => [org, [{ host: `peer0.${org}`, port: 7051 }]]))
    for (const { core, org } of this.nodes) {
      if (orgs.includes(org)) core.joinChannel({ channelId, sequence, orgs, anchorPeers })
    }
  }

  /** Every node takes part in the election of a channel that it joined. */
  elect(channelId: string, nodes: ReadonlyArray<SimNode> = this.nodes): void {
    for (const { core, timers, leads, elections } of nodes) {
      const { election } = referenceSettings("", "", [])
      const report = (leader: boolean) => void leads.set(channelId, leader)
      elections.push(electionOf({ gossip: core, timers, channelId, settings: election, report, changed: () => {} }))
    }
  }

  /** Names of those who lead, by organisation. */
  leaders(channelId: string): Map<string, Array<string>> {
    const found = new Map<string, Array<string>>()
    for (const { org, name, leads } of this.nodes) {
      const list = found.get(org) ?? []
      found.set(org, list)
      if (leads.get(channelId) === true) list.push(name)
    }
    return found
  }

  /** Every node sees every other. */
  get whole(): boolean {
    return this.nodes.every(({ core }) => core.peers().length === this.nodes.length - 1)
  }

  /** Splits the network: each node is put where `partOf` says. */
  partition(partOf: (node: SimNode) => number): void {
    for (const node of this.nodes) node.comm.part = partOf(node)
  }

  heal(): void {
    this.partition(() => 0)
  }

  /** Messages sent so far, by kind. */
  counts(): Map<string, number> {
    const all = new Map<string, number>()
    for (const { comm } of this.nodes) for (const [kind, n] of comm.sent) all.set(kind, (all.get(kind) ?? 0) + n)
    return all
  }
}

/** A block as the leader pushes it. */
export const blockMessage = (channelId: string, number: bigint, size?: number): gossip.GossipMessage =>
  gossip.GossipMessage.create({
    channel: utf8(channelId),
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    dataMsg: { payload: { seqNum: number, data: simBlock(channelId, number, size) } }
  })

const simLog = (name: string, log: SimOptions["log"]): SyncLog => {
  const at = (level: string) => (text: string) => log?.(name, level, text)
  return {
    enabled: () => log !== undefined,
    debug: at("debug"),
    info: at("info"),
    warning: at("warning"),
    error: at("error")
  }
}

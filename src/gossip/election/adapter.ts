/**
 * The election of one channel over gossip: own organisation's peers, leadership messages both ways, the metric.
 * Source: gossip-discovery.md 3.9, 4; gossip/election/adapter.go.
 */
import type { MetricsShape } from "../../runtime/Metrics.js"
import { gossip } from "../../wire/index.js"
import { utf8 } from "../../wire/protoutil.js"
import type { GossipShape } from "../Gossip.js"
import type { Timers } from "../Timers.js"
import { type ElectionAdapter, type ElectionEvent, type ElectionTimes, LeaderElection } from "./LeaderElection.js"

/** The gauge `gossip_leader_election_leader`; one handle per node. */
export const leaderMetric = (metrics: MetricsShape): ((channel: string, leader: boolean) => void) => {
  const gauge = metrics.gauge({
    namespace: "gossip",
    subsystem: "leader_election",
    name: "leader",
    help: "Peer is leader (1) or follower (0)",
    labelNames: ["channel"]
  })
  return (channel, leader) => gauge.with({ channel }).set(leader ? 1 : 0)
}

export interface ChannelElection {
  readonly election: LeaderElection
  /** Ends the election and its subscription. */
  readonly stop: () => void
}

export interface ElectionOptions {
  readonly gossip: GossipShape
  readonly timers: Timers
  readonly channelId: string
  readonly settings: ElectionTimes
  readonly report: (leader: boolean) => void
  readonly changed: (leader: boolean) => void
  readonly event?: (event: ElectionEvent) => void
}

/** Started at once. */
export const electionOf = (options: ElectionOptions): ChannelElection => {
  const { channelId, gossip: core, timers } = options
  const channel = utf8(channelId)
  const incNum = timers.nanos()
  let seqNum = 0n
  const adapter: ElectionAdapter = {
    id: core.pkiId,
    peers: () =>
      core
        .peersOfChannel(channelId)
        .filter(({ pkiId }) => core.identityOf(pkiId)?.org === core.org)
        .map(({ pkiId }) => pkiId),
    send: (isDeclaration) => {
      seqNum += 1n
      core.gossip(
        gossip.GossipMessage.create({
          channel,
          tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
          leadershipMsg: gossip.LeadershipMessage.create({
            pkiId: core.pkiId,
            isDeclaration,
            timestamp: gossip.PeerTime.create({ incNum, seqNum })
          })
        })
      )
    },
    report: options.report
  }
  const election = new LeaderElection(adapter, timers, options.settings, options.changed, options.event)
  const unsubscribe = core.subscribe(
    ({ message }) =>
      message.leadershipMsg !== undefined &&
      message.tag === gossip.GossipMessage_Tag.CHAN_AND_ORG &&
      Buffer.compare(message.channel, channel) === 0,
    ({ message: { leadershipMsg } }) => {
      if (leadershipMsg !== undefined) election.receive(leadershipMsg.pkiId, leadershipMsg.isDeclaration)
    }
  )
  election.start()
  return {
    election,
    stop: () => {
      unsubscribe()
      election.stop()
    }
  }
}

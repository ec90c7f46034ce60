/**
 * `peer.gossip.*` as one typed value, times in milliseconds. The zero-means-default rule and the defaults of code are
 * those of the schema (src/config/core/gossip.ts); here are only the values that follow from others. Pure.
 * Source: gossip-discovery.md 2; gossip/integration/integration.go, gossip/service/gossip_service.go.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { type CoreConfig, splitAddress } from "../config/index.js"

/** The configuration names something that gossip cannot run with; the node must not start. */
export class GossipMisconfigured extends Data.TaggedError("GossipMisconfigured")<{
  readonly key: string
  readonly reason: string
}> {
  override get message(): string {
    return this.reason
  }
}

export interface CommSettings {
  readonly dialTimeoutMs: number
  /** Wait for the remote's handshake message. */
  readonly connTimeoutMs: number
  /** Messages that may wait, per connection. */
  readonly recvBuffSize: number
  readonly sendBuffSize: number
  /** Fixed: limit of a Ping. */
  readonly pingTimeoutMs: number
  /** Fixed: limit of a probe handshake's stream. */
  readonly probeHandshakeTimeoutMs: number
}

export interface MembershipSettings {
  /** Endpoints of own-org peers dialled at the start. */
  readonly bootstrapPeers: ReadonlyArray<string>
  readonly aliveTimeIntervalMs: number
  /** Alive to dead. */
  readonly aliveExpirationTimeoutMs: number
  /** Derived: a tenth of it. */
  readonly aliveExpirationCheckIntervalMs: number
  readonly reconnectIntervalMs: number
  readonly maxConnectionAttempts: number
  readonly msgExpirationFactor: number
  /** Derived: how long an alive message, and so a silent member, is remembered. */
  readonly aliveMessageTtlMs: number
  readonly membershipTrackerIntervalMs: number
  /** From the start, own alive messages carry the certificate. */
  readonly publishCertPeriodMs: number
}

export interface PushSettings {
  readonly maxPropagationBurstLatencyMs: number
  readonly maxPropagationBurstSize: number
  /** Times each message is pushed. */
  readonly propagateIterations: number
  /** Peers per push. */
  readonly propagatePeerNum: number
}

export interface PullSettings {
  readonly pullIntervalMs: number
  readonly pullPeerNum: number
  readonly digestWaitTimeMs: number
  readonly requestWaitTimeMs: number
  readonly responseWaitTimeMs: number
}

export interface ChannelSettings {
  /** Width of the block store in memory. */
  readonly maxBlockCountToStore: number
  readonly requestStateInfoIntervalMs: number
  readonly publishStateInfoIntervalMs: number
  /** Derived: how long a block message is remembered. */
  readonly blockMessageTtlMs: number
  /** Derived: how often StateInfo of departed members is swept. */
  readonly stateInfoSweepIntervalMs: number
  /** Derived: how long relayed StateInfo of unknown channels is remembered. */
  readonly relayTtlMs: number
}

export interface ElectionSettings {
  readonly useLeaderElection: boolean
  readonly orgLeader: boolean
  readonly startupGracePeriodMs: number
  readonly membershipSampleIntervalMs: number
  readonly leaderAliveThresholdMs: number
  readonly leaderElectionDurationMs: number
  /** Derived: how long a leadership message is remembered. */
  readonly leadershipMessageTtlMs: number
}

export interface StateSettings {
  readonly enabled: boolean
  readonly checkIntervalMs: number
  readonly responseTimeoutMs: number
  readonly batchSize: number
  readonly blockBufferSize: number
  readonly maxRetries: number
  /** State requests, and responses, that may wait. */
  readonly channelSize: number
  /** The delivery client may drop blocks when the buffer is full. */
  readonly nonBlockingCommitMode: boolean
}

export interface PrivateDataSettings {
  /** Total time of pulling before a commit; 0: not even one attempt. */
  readonly pullRetryThresholdMs: number
  readonly transientStoreMaxBlockRetention: number
  /** Wait for each peer's acknowledgement; 0 makes every push fail. */
  readonly pushAckTimeoutMs: number
  readonly btlPullMargin: number
  readonly reconcileBatchSize: number
  readonly reconcileSleepIntervalMs: number
  readonly reconciliationEnabled: boolean
  readonly skipPullingInvalidTransactionsDuringCommit: boolean
}

/** All of `peer.gossip`. */
export interface GossipSettings {
  /** Own dial address inside the organisation: `peer.gossip.endpoint`, or the peer's address. */
  readonly internalEndpoint: string
  /** Address shown to other organisations; empty: this peer is invisible to them. */
  readonly externalEndpoint: string
  readonly comm: CommSettings
  readonly membership: MembershipSettings
  readonly push: PushSettings
  readonly pull: PullSettings
  readonly channel: ChannelSettings
  readonly election: ElectionSettings
  readonly state: StateSettings
  readonly privateData: PrivateDataSettings
}

const ms = Duration.toMillis

/** What the reference takes for a negative margin. */
const defaultBtlPullMargin = 10

/**
 * Gossip's settings from the configuration; `address` is the address that the peer tells others (`peer.address`, or
 * what was detected). Fails for an own endpoint that is not exactly `host:port`.
 */
export const gossipSettings = (
  gossip: CoreConfig["peer"]["gossip"],
  address: string
): Either.Either<GossipSettings, GossipMisconfigured> => {
  const internalEndpoint = gossip.endpoint === "" ? address : gossip.endpoint
  const split = splitAddress(internalEndpoint)
  const fault = Either.isLeft(split)
    ? split.left
    : internalEndpoint.endsWith(":")
      ? `address ${internalEndpoint}: missing port in address`
      : undefined
  if (fault !== undefined) {
    return Either.left(
      new GossipMisconfigured({
        key: gossip.endpoint === "" ? "peer.address" : "peer.gossip.endpoint",
        reason: `misconfigured endpoint ${internalEndpoint}: ${fault}`
      })
    )
  }
  const { election, pvtData, state } = gossip
  const aliveTimeIntervalMs = ms(gossip.aliveTimeInterval)
  const aliveExpirationTimeoutMs = ms(gossip.aliveExpirationTimeout) || 5 * aliveTimeIntervalMs
  const pullIntervalMs = ms(gossip.pullInterval)
  const publishStateInfoIntervalMs = ms(gossip.publishStateInfoInterval)
  const leaderAliveThresholdMs = ms(election.leaderAliveThreshold)
  return Either.right({
    internalEndpoint,
    externalEndpoint: gossip.externalEndpoint,
    comm: {
      dialTimeoutMs: ms(gossip.dialTimeout),
      connTimeoutMs: ms(gossip.connTimeout),
      recvBuffSize: gossip.recvBuffSize,
      sendBuffSize: gossip.sendBuffSize,
      pingTimeoutMs: 2000,
      probeHandshakeTimeoutMs: 10_000
    },
    membership: {
      bootstrapPeers: gossip.bootstrap,
      aliveTimeIntervalMs,
      aliveExpirationTimeoutMs,
      aliveExpirationCheckIntervalMs: aliveExpirationTimeoutMs / 10,
      reconnectIntervalMs: ms(gossip.reconnectInterval) || aliveExpirationTimeoutMs,
      maxConnectionAttempts: gossip.maxConnectionAttempts,
      msgExpirationFactor: gossip.msgExpirationFactor,
      aliveMessageTtlMs: gossip.msgExpirationFactor * aliveExpirationTimeoutMs,
      membershipTrackerIntervalMs: ms(gossip.membershipTrackerInterval),
      publishCertPeriodMs: ms(gossip.publishCertPeriod)
    },
    push: {
      maxPropagationBurstLatencyMs: ms(gossip.maxPropagationBurstLatency),
      maxPropagationBurstSize: gossip.maxPropagationBurstSize,
      propagateIterations: gossip.propagateIterations,
      propagatePeerNum: gossip.propagatePeerNum
    },
    pull: {
      pullIntervalMs,
      pullPeerNum: gossip.pullPeerNum,
      digestWaitTimeMs: ms(gossip.digestWaitTime),
      requestWaitTimeMs: ms(gossip.requestWaitTime),
      responseWaitTimeMs: ms(gossip.responseWaitTime)
    },
    channel: {
      maxBlockCountToStore: gossip.maxBlockCountToStore,
      requestStateInfoIntervalMs: ms(gossip.requestStateInfoInterval),
      publishStateInfoIntervalMs,
      blockMessageTtlMs: 100 * pullIntervalMs,
      stateInfoSweepIntervalMs: 5 * pullIntervalMs,
      relayTtlMs: 100 * publishStateInfoIntervalMs
    },
    election: {
      useLeaderElection: gossip.useLeaderElection,
      orgLeader: gossip.orgLeader,
      startupGracePeriodMs: ms(election.startupGracePeriod),
      membershipSampleIntervalMs: ms(election.membershipSampleInterval),
      leaderAliveThresholdMs,
      leaderElectionDurationMs: ms(election.leaderElectionDuration),
      leadershipMessageTtlMs: 10 * leaderAliveThresholdMs
    },
    state: {
      enabled: state.enabled,
      checkIntervalMs: ms(state.checkInterval),
      responseTimeoutMs: ms(state.responseTimeout),
      batchSize: state.batchSize,
      blockBufferSize: state.blockBufferSize,
      maxRetries: state.maxRetries,
      channelSize: state.channelSize,
      nonBlockingCommitMode: gossip.nonBlockingCommitMode
    },
    privateData: {
      pullRetryThresholdMs: ms(pvtData.pullRetryThreshold),
      transientStoreMaxBlockRetention: pvtData.transientstoreMaxBlockRetention,
      pushAckTimeoutMs: ms(pvtData.pushAckTimeout),
      btlPullMargin: pvtData.btlPullMargin < 0 ? defaultBtlPullMargin : pvtData.btlPullMargin,
      reconcileBatchSize: pvtData.reconcileBatchSize,
      reconcileSleepIntervalMs: ms(pvtData.reconcileSleepInterval),
      reconciliationEnabled: pvtData.reconciliationEnabled,
      skipPullingInvalidTransactionsDuringCommit: pvtData.skipPullingInvalidTransactionsDuringCommit
    }
  })
}

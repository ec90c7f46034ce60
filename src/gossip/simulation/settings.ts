/** The reference's parameters (sampleconfig/core.yaml), for simulations and tests. */
import type { GossipSettings } from "../settings.js"

export const referenceSettings = (
  internalEndpoint: string,
  externalEndpoint: string,
  bootstrapPeers: ReadonlyArray<string>
): GossipSettings => ({
  internalEndpoint,
  externalEndpoint,
  comm: {
    dialTimeoutMs: 3000,
    connTimeoutMs: 2000,
    recvBuffSize: 20,
    sendBuffSize: 200,
    pingTimeoutMs: 2000,
    probeHandshakeTimeoutMs: 10_000
  },
  membership: {
    bootstrapPeers,
    aliveTimeIntervalMs: 5000,
    aliveExpirationTimeoutMs: 25_000,
    aliveExpirationCheckIntervalMs: 2500,
    reconnectIntervalMs: 25_000,
    maxConnectionAttempts: 120,
    msgExpirationFactor: 20,
    aliveMessageTtlMs: 500_000,
    membershipTrackerIntervalMs: 5000,
    publishCertPeriodMs: 10_000
  },
  push: {
    maxPropagationBurstLatencyMs: 10,
    maxPropagationBurstSize: 10,
    propagateIterations: 1,
    propagatePeerNum: 3
  },
  pull: {
    pullIntervalMs: 4000,
    pullPeerNum: 3,
    digestWaitTimeMs: 1000,
    requestWaitTimeMs: 1500,
    responseWaitTimeMs: 2000
  },
  channel: {
    maxBlockCountToStore: 100,
    requestStateInfoIntervalMs: 4000,
    publishStateInfoIntervalMs: 4000,
    blockMessageTtlMs: 400_000,
    stateInfoSweepIntervalMs: 20_000,
    relayTtlMs: 400_000
  },
  election: {
    useLeaderElection: true,
    orgLeader: false,
    startupGracePeriodMs: 15_000,
    membershipSampleIntervalMs: 1000,
    leaderAliveThresholdMs: 10_000,
    leaderElectionDurationMs: 5000,
    leadershipMessageTtlMs: 100_000
  },
  state: {
    enabled: true,
    checkIntervalMs: 10_000,
    responseTimeoutMs: 3000,
    batchSize: 10,
    blockBufferSize: 100,
    maxRetries: 3,
    channelSize: 100,
    nonBlockingCommitMode: false
  },
  privateData: {
    pullRetryThresholdMs: 60_000,
    transientStoreMaxBlockRetention: 1000,
    pushAckTimeoutMs: 3000,
    btlPullMargin: 10,
    reconcileBatchSize: 10,
    reconcileSleepIntervalMs: 60_000,
    reconciliationEnabled: true,
    skipPullingInvalidTransactionsDuringCommit: false
  }
})

/** `peer.gossip` of core.yaml. Source: peer-endorse-validate.md 2.2; gossip-discovery.md. */
import { bool, count, duration, int, text, words } from "../fields.js"
import { section } from "../schema.js"

const set = { zeroIsUnset: true } as const

const election = section("election", "Leader election among the peers of the own organization.", {
  startupGracePeriod: duration(
    "startupGracePeriod",
    "How long a starting peer waits for others before it runs for leader.",
    {
      ...set,
      fallback: "15s",
      sample: "15s"
    }
  ),
  membershipSampleInterval: duration(
    "membershipSampleInterval",
    "How often the membership is looked at until it is stable.",
    {
      ...set,
      fallback: "1s",
      sample: "1s"
    }
  ),
  leaderAliveThreshold: duration("leaderAliveThreshold", "Silence of the leader after which a new one is elected.", {
    ...set,
    fallback: "10s",
    sample: "10s"
  }),
  leaderElectionDuration: duration("leaderElectionDuration", "How long a candidate waits for better ones.", {
    ...set,
    fallback: "5s",
    sample: "5s"
  })
})

const pvtData = section("pvtData", "Distribution and recovery of private data.", {
  pullRetryThreshold: duration(
    "pullRetryThreshold",
    "Longest time spent at commit on fetching private data that is missing.",
    {
      fallback: "0s",
      sample: "60s"
    }
  ),
  transientstoreMaxBlockRetention: count(
    "transientstoreMaxBlockRetention",
    "Blocks after which private data of transactions that were never committed is dropped.",
    { ...set, fallback: "1000", sample: "1000" }
  ),
  pushAckTimeout: duration(
    "pushAckTimeout",
    "Wait for each peer's receipt when private data is pushed at endorsement.",
    {
      fallback: "0s",
      sample: "3s"
    }
  ),
  btlPullMargin: int(
    "btlPullMargin",
    "Data that expires within this many blocks is not asked of others; negative: 10.",
    {
      fallback: "10",
      sample: "10"
    }
  ),
  reconcileBatchSize: count(
    "reconcileBatchSize",
    "Missing private data sets asked for in one round of reconciliation.",
    {
      ...set,
      fallback: "10",
      sample: "10"
    }
  ),
  reconcileSleepInterval: duration("reconcileSleepInterval", "Pause between two rounds of reconciliation.", {
    ...set,
    fallback: "1m",
    sample: "1m"
  }),
  reconciliationEnabled: bool(
    "reconciliationEnabled",
    "Fetch missing private data of committed blocks in the background.",
    {
      fallback: "false",
      sample: "true"
    }
  ),
  skipPullingInvalidTransactionsDuringCommit: bool(
    "skipPullingInvalidTransactionsDuringCommit",
    "Leave private data of invalid transactions to the reconciliation.",
    { fallback: "false", sample: "false" }
  )
})

const state = section("state", "State transfer: fetching missing blocks from other peers.", {
  enabled: bool("enabled", "Ask other peers for missing blocks.", { fallback: "true", sample: "true" }),
  checkInterval: duration("checkInterval", "How often the own height is compared with that of others.", {
    fallback: "10s",
    sample: "10s"
  }),
  responseTimeout: duration("responseTimeout", "Wait for an answer to a state request.", {
    fallback: "3s",
    sample: "3s"
  }),
  batchSize: count("batchSize", "Blocks asked for in one state request.", { fallback: "10", sample: "10" }),
  blockBufferSize: count("blockBufferSize", "Blocks that may wait in the buffer for those before them.", {
    fallback: "100",
    sample: "100"
  }),
  channelSize: count("channelSize", "State messages that may wait.", { fallback: "100" }),
  maxRetries: count("maxRetries", "Tries of one state request.", { fallback: "3", sample: "3" })
})

export const gossip = section("gossip", "Gossip: finding peers, spreading blocks and private data.", {
  bootstrap: words("bootstrap", "Peers of the own organization to contact at the start.", { sample: "127.0.0.1:7051" }),
  useLeaderElection: bool(
    "useLeaderElection",
    "Elect the peer that takes blocks from the orderers; not together with `orgLeader`.",
    {
      fallback: "false",
      sample: "true"
    }
  ),
  orgLeader: bool("orgLeader", "This peer always takes blocks from the orderers.", {
    fallback: "false",
    sample: "false"
  }),
  membershipTrackerInterval: duration("membershipTrackerInterval", "How often changes of the membership are logged.", {
    ...set,
    fallback: "5s",
    sample: "5s"
  }),
  endpoint: text("endpoint", "Address told to peers of the own organization; empty: `peer.address`.", { sample: "" }),
  externalEndpoint: text(
    "externalEndpoint",
    "Address told to other organizations; empty: this peer is not known to them.",
    {
      sample: ""
    }
  ),
  maxBlockCountToStore: count("maxBlockCountToStore", "Block messages kept in memory.", {
    ...set,
    fallback: "100",
    sample: "100"
  }),
  maxPropagationBurstLatency: duration(
    "maxPropagationBurstLatency",
    "Longest wait before collected messages are sent on.",
    {
      ...set,
      fallback: "10ms",
      sample: "10ms"
    }
  ),
  maxPropagationBurstSize: count("maxPropagationBurstSize", "Collected messages at which they are sent on at once.", {
    ...set,
    fallback: "10",
    sample: "10"
  }),
  propagateIterations: count("propagateIterations", "How often a message is pushed.", {
    ...set,
    fallback: "1",
    sample: "1"
  }),
  propagatePeerNum: count("propagatePeerNum", "Peers that a message is pushed to.", {
    ...set,
    fallback: "3",
    sample: "3"
  }),
  pullInterval: duration("pullInterval", "Pause between two rounds of asking others for messages.", {
    ...set,
    fallback: "4s",
    sample: "4s"
  }),
  pullPeerNum: count("pullPeerNum", "Peers asked in one round.", { ...set, fallback: "3", sample: "3" }),
  requestStateInfoInterval: duration(
    "requestStateInfoInterval",
    "How often heights and chaincodes are asked of others.",
    {
      ...set,
      fallback: "4s",
      sample: "4s"
    }
  ),
  publishStateInfoInterval: duration(
    "publishStateInfoInterval",
    "How often the own height and chaincodes are published.",
    {
      ...set,
      fallback: "4s",
      sample: "4s"
    }
  ),
  stateInfoRetentionInterval: text("stateInfoRetentionInterval", "Known from old files.", { sample: "", unused: true }),
  publishCertPeriod: duration(
    "publishCertPeriod",
    "Time from the start in which alive messages carry the certificate.",
    {
      ...set,
      fallback: "10s",
      sample: "10s"
    }
  ),
  skipBlockVerification: bool("skipBlockVerification", "Known from old files.", {
    fallback: "false",
    sample: "false",
    unused: true
  }),
  dialTimeout: duration("dialTimeout", "Limit for connecting to a peer.", { ...set, fallback: "3s", sample: "3s" }),
  connTimeout: duration("connTimeout", "Limit for the handshake of a gossip connection.", {
    ...set,
    fallback: "2s",
    sample: "2s"
  }),
  recvBuffSize: count("recvBuffSize", "Received messages that may wait, per connection.", {
    ...set,
    fallback: "20",
    sample: "20"
  }),
  sendBuffSize: count("sendBuffSize", "Messages that may wait to be sent, per connection.", {
    ...set,
    fallback: "20",
    sample: "200"
  }),
  digestWaitTime: duration("digestWaitTime", "Wait for digests in a round of asking.", {
    ...set,
    fallback: "1s",
    sample: "1s"
  }),
  requestWaitTime: duration("requestWaitTime", "How long a digest told may be asked for.", {
    ...set,
    fallback: "1500ms",
    sample: "1500ms"
  }),
  responseWaitTime: duration("responseWaitTime", "Wait for messages asked for.", {
    ...set,
    fallback: "2s",
    sample: "2s"
  }),
  aliveTimeInterval: duration("aliveTimeInterval", "Pause between two signs of life.", {
    ...set,
    fallback: "5s",
    sample: "5s"
  }),
  aliveExpirationTimeout: duration(
    "aliveExpirationTimeout",
    "Silence after which a peer counts as dead; unset: five intervals.",
    {
      ...set,
      fallback: "0s",
      sample: "25s"
    }
  ),
  reconnectInterval: duration(
    "reconnectInterval",
    "Pause between tries to reach dead peers; unset: the expiration timeout.",
    {
      ...set,
      fallback: "0s",
      sample: "25s"
    }
  ),
  maxConnectionAttempts: count("maxConnectionAttempts", "Tries to reach a bootstrap peer.", {
    ...set,
    fallback: "120",
    sample: "120"
  }),
  msgExpirationFactor: count("msgExpirationFactor", "Alive messages are kept for this many expiration timeouts.", {
    ...set,
    fallback: "20",
    sample: "20"
  }),
  nonBlockingCommitMode: bool(
    "nonBlockingCommitMode",
    "Drop blocks instead of waiting when the buffer before the commit is full.",
    {
      fallback: "false"
    }
  ),
  election,
  pvtData,
  state
})

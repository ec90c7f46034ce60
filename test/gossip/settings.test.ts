import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { decodeCore } from "../../src/config/index.js"
import { gossipSettings } from "../../src/gossip/index.js"

const shipped = readFileSync(new URL("../../config/core.yaml", import.meta.url), "utf8")

const configOf = (text: string, env: Record<string, string> = {}) =>
  Either.getOrThrowWith(
    decodeCore(join("/nowhere", "core.yaml"), text, { env, cwd: "/nowhere", overrides: {} }),
    (fault) => new Error(fault.message)
  ).peer.gossip
const settings = (text: string, env: Record<string, string> = {}, address = "peer0:7051") =>
  Either.getOrThrowWith(gossipSettings(configOf(text, env), address), (fault) => new Error(fault.message))

describe("gossip's settings", () => {
  it("are the reference's, from the shipped file", () => {
    expect(settings(shipped)).toEqual({
      internalEndpoint: "peer0:7051",
      externalEndpoint: "",
      comm: {
        dialTimeoutMs: 3000,
        connTimeoutMs: 2000,
        recvBuffSize: 20,
        sendBuffSize: 200,
        pingTimeoutMs: 2000,
        probeHandshakeTimeoutMs: 10_000
      },
      membership: {
        bootstrapPeers: ["127.0.0.1:7051"],
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
  })

  it("fall back to the defaults of code where the file has nothing", () => {
    const { comm, election, membership, privateData, state } = settings("")
    expect(comm.sendBuffSize).toBe(20)
    expect(membership).toMatchObject({
      bootstrapPeers: [],
      aliveExpirationTimeoutMs: 25_000,
      reconnectIntervalMs: 25_000
    })
    expect(election).toMatchObject({ useLeaderElection: false, orgLeader: false })
    expect(privateData).toMatchObject({
      pullRetryThresholdMs: 0,
      pushAckTimeoutMs: 0,
      btlPullMargin: 10,
      reconciliationEnabled: false,
      transientStoreMaxBlockRetention: 1000
    })
    expect(state).toMatchObject({ enabled: true, channelSize: 100, batchSize: 10 })
  })

  it("take zero for unset, but where the reference honours it", () => {
    const zeros = settings(`
peer:
  gossip:
    recvBuffSize: 0
    connTimeout: 0s
    aliveTimeInterval: 2s
    aliveExpirationTimeout: 0s
    reconnectInterval: 0
    election: { leaderAliveThreshold: 0s }
    pvtData: { btlPullMargin: 0, reconcileBatchSize: 0, reconcileSleepInterval: 0s, transientstoreMaxBlockRetention: 0 }
    state: { enabled: false, checkInterval: 0s, batchSize: 0, maxRetries: 0, channelSize: 0 }
`)
    expect(zeros.comm).toMatchObject({ recvBuffSize: 20, connTimeoutMs: 2000 })
    expect(zeros.membership).toMatchObject({
      aliveExpirationTimeoutMs: 10_000,
      aliveExpirationCheckIntervalMs: 1000,
      reconnectIntervalMs: 10_000,
      aliveMessageTtlMs: 200_000
    })
    expect(zeros.election.leaderAliveThresholdMs).toBe(10_000)
    expect(zeros.privateData).toMatchObject({
      btlPullMargin: 0,
      reconcileBatchSize: 10,
      reconcileSleepIntervalMs: 60_000,
      transientStoreMaxBlockRetention: 1000
    })
    expect(zeros.state).toMatchObject({
      enabled: false,
      checkIntervalMs: 0,
      batchSize: 0,
      maxRetries: 0,
      channelSize: 0
    })
    expect(settings("peer: { gossip: { pvtData: { btlPullMargin: -3 } } }").privateData.btlPullMargin).toBe(10)
  })

  it("come from the environment as well, the bootstrap list split on white space", () => {
    const from = settings(shipped, {
      CORE_PEER_GOSSIP_BOOTSTRAP: "a:1 b:2\tc:3",
      CORE_PEER_GOSSIP_EXTERNALENDPOINT: "ext:7051",
      CORE_PEER_GOSSIP_STATE_CHANNELSIZE: "7"
    })
    expect(from.membership.bootstrapPeers).toEqual(["a:1", "b:2", "c:3"])
    expect(from.externalEndpoint).toBe("ext:7051")
    expect(from.state.channelSize).toBe(7)
  })

  it("need an own endpoint that is exactly host:port", () => {
    expect(settings("peer: { gossip: { endpoint: 'in:7051' } }").internalEndpoint).toBe("in:7051")
    for (const endpoint of ["in", "in:7051:1", "in:", "in:65536", "in:x"]) {
      const refused = gossipSettings(configOf(`peer: { gossip: { endpoint: "${endpoint}" } }`), "peer0:7051")
      expect(Either.isLeft(refused) && refused.left).toMatchObject({
        _tag: "GossipMisconfigured",
        key: "peer.gossip.endpoint"
      })
      expect(Either.isLeft(refused) && refused.left.message).toMatch(/^misconfigured endpoint in/)
    }
    expect(Either.isLeft(gossipSettings(configOf(""), "peer0"))).toBe(true)
  })
})

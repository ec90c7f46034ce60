/**
 * Gossip's core: blocks through one hop and ten, what a member costs at rest, what members and channels hold. Run:
 * npm run bench -- gossip. One JSON line per case. Time stands still between the tasks
 * (simulated clock), so the figures are CPU alone; messages are encoded and decoded at every hop, signatures are the
 * simulation's (add 47 us for each ECDSA verification of a peer).
 */

import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { CommShape } from "../src/gossip/Comm.js"
import { channelMac } from "../src/gossip/channel/mac.js"
import { GossipCore } from "../src/gossip/core/index.js"
import { IdentityMapper } from "../src/gossip/identity/index.js"
import type { ReceivedMessage, SignedGossipMessage } from "../src/gossip/messages.js"
import { seededRandom } from "../src/gossip/random.js"
import { envelopeBytes, openMessage, sealed } from "../src/gossip/signing.js"
import { SimClock, SimTimers } from "../src/gossip/simulation/SimClock.js"
import { blockMessage, Simulation } from "../src/gossip/simulation/Simulation.js"
import { referenceSettings } from "../src/gossip/simulation/settings.js"
import { SimAuthority, simIdentity, simSecurity, simSign } from "../src/gossip/simulation/simSecurity.js"
import { gossip } from "../src/wire/index.js"

// what is held is measured after a collection
// node: --expose-gc

/** One measured case. */
export interface Row {
  readonly name: string
  readonly unit: string
  readonly value: number
}

const silent = { enabled: () => false, debug: () => {}, info: () => {}, warning: () => {}, error: () => {} }
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
const heap = (): number => {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
}

/** A core whose messages go where the benchmark says. */
const standAlone = (authority: SimAuthority, clock: SimClock, index: number) => {
  const identity = simIdentity("Org1", `p${index}`)
  const timers = new SimTimers(clock)
  const security = simSecurity(authority, identity)
  const identities = Either.getOrThrow(IdentityMapper.make({ timers, security }))
  const takers: Array<(message: ReceivedMessage) => void> = []
  let next: ((bytes: Uint8Array) => void) | undefined
  const comm: CommShape = {
    pkiId: identities.pkiId,
    send: ({ message, envelope }) => {
      if (message.dataMsg !== undefined) next?.(envelopeBytes(envelope))
    },
    sendWithAck: () => Effect.succeed([]),
    probe: () => Effect.void,
    handshake: () => Effect.succeed(identity),
    subscribe: (accepts, handle) => {
      takers.push((message) => {
        if (accepts(message)) handle(message)
      })
      return () => {}
    },
    onPresumedDead: () => () => {},
    onIdentitySwitch: () => () => {},
    closeConnection: () => {}
  }
  const core = new GossipCore({
    settings: referenceSettings(`p${index}:1`, `p${index}:1`, []),
    comm,
    security,
    identities,
    timers,
    random: seededRandom(index + 1),
    logs: { gossip: silent, discovery: silent, channel: silent, pull: silent },
    org: "Org1",
    fork: clock.fork,
    peersKnown: () => {}
  })
  const take = (message: SignedGossipMessage, pkiId: Uint8Array, from: Uint8Array): void => {
    const connection = {
      pkiId,
      identity: from,
      endpoint: "x",
      auth: { signedData: from, signature: from }
    }
    for (const taker of takers) taker({ ...message, connection, respond: () => {}, ack: () => {} })
  }
  const sendTo = (to: (bytes: Uint8Array) => void): void => {
    next = to
  }
  return { core, identity, identities, pkiId: identities.pkiId, take, sendTo }
}
type StandAlone = ReturnType<typeof standAlone>

/** Makes `node` know another peer of its organisation, as its messages would. */
const introduce = (node: StandAlone, identity: Uint8Array, pkiId: Uint8Array, channels: ReadonlyArray<string>) => {
  const sign = (message: Uint8Array) => simSign(identity, message)
  const timestamp = { incNum: 1n, seqNum: 1n }
  const membership = { endpoint: "peer.example.com:7051", pkiId }
  const alive = sealed({ tag: gossip.GossipMessage_Tag.EMPTY, aliveMsg: { membership, timestamp, identity } }, sign)
  const copy = (message: SignedGossipMessage) => Either.getOrThrow(openMessage(envelopeBytes(message.envelope)))
  node.take(copy(alive), pkiId, identity)
  for (const channel of channels) {
    const stateInfo = { pkiId, timestamp, channelMAC: channelMac(pkiId, channel), properties: { ledgerHeight: 5n } }
    node.take(copy(sealed({ tag: gossip.GossipMessage_Tag.CHAN_OR_ORG, stateInfo }, sign)), pkiId, identity)
  }
}

const authorityOf = (...channels: ReadonlyArray<string>): SimAuthority => {
  const authority = new SimAuthority()
  authority.orgs.add("Org1")
  for (const channel of channels) authority.channelOrgs.set(channel, new Set(["Org1"]))
  return authority
}
const join = (core: GossipCore, channelId: string): void =>
  core.joinChannel({ channelId, sequence: 1n, orgs: ["Org1"], anchorPeers: new Map() })

/** Blocks of 100 KB along a line of peers; each verifies, keeps, hands up and passes on. */
const hops = (count: number, blocks: number): Row => {
  const authority = authorityOf("ch")
  const clock = new SimClock()
  const line = Array.from({ length: count + 1 }, (_, i) => standAlone(authority, clock, i))
  let arrived = 0
  for (const [i, node] of line.entries()) {
    join(node.core, "ch")
    const after = line[i + 1]
    if (after === undefined) {
      node.core.subscribe(
        () => true,
        () => {
          arrived += 1
        }
      )
      continue
    }
    introduce(node, after.identity, after.pkiId, ["ch"])
    introduce(after, node.identity, node.pkiId, ["ch"])
    node.sendTo((bytes) => after.take(Either.getOrThrow(openMessage(bytes)), node.pkiId, node.identity))
  }
  const first = line[0]
  if (first === undefined) throw new Error("no peer")
  const messages = Array.from({ length: blocks }, (_, i) => blockMessage("ch", BigInt(i + 1), 100_000))
  const start = cpuMs()
  for (const [i, message] of messages.entries()) {
    first.core.gossip(message)
    // a burst is full at ten; what is left over waits for its latency
    if (i % 10 === 9) clock.advance(10 * (count + 1))
  }
  const spent = cpuMs() - start
  if (arrived !== blocks) throw new Error(`${arrived} of ${blocks} blocks arrived`)
  for (const { core, identities } of line) {
    core.stop()
    identities.stop()
  }
  return {
    name: `100 KB blocks through ${count} hop${count === 1 ? "" : "s"}`,
    unit: "per CPU second",
    value: Math.round((blocks * 1000) / spent)
  }
}

/** A network at rest: CPU of a member a minute, with all that simulating it costs. */
const rest = (peers: number, channels: number): Row => {
  const simulation = new Simulation({ seed: 1, orgs: { Org1: peers }, bootstraps: 2, bytes: true })
  simulation.start()
  const names = Array.from({ length: channels }, (_, i) => `ch${i}`)
  for (const name of names) simulation.join(name)
  for (const { core } of simulation.nodes) for (const name of names) core.updateLedgerHeight(name, 5n)
  simulation.clock.advance(60_000)
  if (!simulation.whole) throw new Error("the network is not whole")
  const start = cpuMs()
  simulation.clock.advance(30_000)
  const spent = (cpuMs() - start) * 2
  simulation.stop()
  return {
    name: `CPU of a member a minute at rest, ${peers} members, ${channels} channel${channels === 1 ? "" : "s"}`,
    unit: "ms",
    value: Math.round((spent / peers) * 10) / 10
  }
}

/** What one peer keeps of another, and of a channel. */
const memory = (): ReadonlyArray<Row> => {
  const members = 500
  const channels = 100
  const names = Array.from({ length: channels }, (_, i) => `ch${i}`)
  const node = standAlone(authorityOf("one", ...names), new SimClock(), 0)
  join(node.core, "one")
  const empty = heap()
  for (const name of names) join(node.core, name)
  const joined = heap()
  for (let i = 1; i <= members; i++) {
    const identity = simIdentity("Org1", `p${i}`.padEnd(800, "x")) // as long as a certificate
    const pkiId = simSecurity(authorityOf(), identity).pkiIdOf(identity)
    if (pkiId !== undefined) introduce(node, identity, pkiId, ["one"])
  }
  const known = heap()
  if (node.core.peersOfChannel("one").length !== members) throw new Error("members are missing")
  node.core.stop()
  node.identities.stop()
  return [
    { name: "memory of a channel", unit: "KB", value: Math.round((joined - empty) / channels / 102.4) / 10 },
    {
      name: "memory of a member on one channel",
      unit: "KB",
      value: Math.round((known - joined) / members / 102.4) / 10
    }
  ]
}

/** Measures every case; takes some seconds. */
export const run = (): ReadonlyArray<Row> => {
  const held = memory() // before there is garbage
  hops(10, 100) // warm
  return [...held, hops(1, 2000), hops(10, 500), rest(20, 1), rest(50, 1), rest(4, 100)]
}

for (const row of run()) console.log(JSON.stringify(row))

/**
 * Gossip without a network: cores in one process that know each other and hand messages over, encoded and decoded as on
 * the wire. What lies above the core is tested on it.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import {
  type GossipShape,
  type NetworkMember,
  type PeerSignature,
  type ReceivedMessage,
  type SecurityShape,
  SendFailed,
  type SignedGossipMessage,
  type Timers
} from "../../src/gossip/index.js"
import { gossip } from "../../src/wire/index.js"
import { equalBytes, utf8 } from "../../src/wire/protoutil.js"

export const signedOf = (message: gossip.GossipMessage): SignedGossipMessage => {
  const payload = gossip.GossipMessage.encode(message)
  return { envelope: gossip.Envelope.create({ payload }), message: gossip.GossipMessage.decode(payload) }
}

interface Subscription<M> {
  readonly accepts: (message: M) => boolean
  readonly handle: (message: M) => void | Effect.Effect<void>
}

const add = <A>(list: Array<A>, item: A): (() => void) => {
  list.push(item)
  return () => void list.splice(list.indexOf(item), 1)
}

const deliver = <M>(list: ReadonlyArray<Subscription<M>>, message: M): void => {
  for (const { accepts, handle } of [...list]) {
    if (!accepts(message)) continue
    const effect = handle(message)
    if (effect !== undefined) Effect.runFork(effect)
  }
}

export class FakeNetwork {
  readonly nodes: Array<FakeNode> = []
  /** Messages that are lost. */
  lost: (from: FakeNode, to: FakeNode, message: gossip.GossipMessage) => boolean = () => false
  node(name: string, org: string): FakeNode {
    const node = new FakeNode(this, name, org)
    this.nodes.push(node)
    return node
  }
}

export class FakeNode {
  readonly subscriptions: Array<Subscription<SignedGossipMessage>> = []
  readonly raw: Array<Subscription<ReceivedMessage>> = []
  readonly pkiId: Uint8Array
  readonly identity: Uint8Array
  /** All that it sent or gossiped. */
  readonly sent: Array<gossip.GossipMessage> = []
  readonly chaincodes: Array<ReadonlyArray<gossip.Chaincode>> = []
  readonly acks: Array<string> = []
  readonly gossip: GossipShape
  height = 1n
  online = true

  constructor(
    readonly network: FakeNetwork,
    readonly name: string,
    readonly org: string
  ) {
    this.pkiId = utf8(name)
    this.identity = utf8(`identity of ${name}`)
    this.gossip = this.shape()
  }

  private others(): ReadonlyArray<FakeNode> {
    return this.online ? this.network.nodes.filter((node) => node !== this && node.online) : []
  }

  private member({ height, identity, name, pkiId }: FakeNode): NetworkMember {
    return {
      endpoint: name,
      internalEndpoint: name,
      metadata: new Uint8Array(0),
      pkiId,
      properties: gossip.Properties.create({ ledgerHeight: height }),
      envelope: gossip.Envelope.create({ payload: identity, signature: utf8("signature") })
    }
  }

  private hand(to: FakeNode, message: gossip.GossipMessage): void {
    if (this.network.lost(this, to, message)) return
    const connection = {
      pkiId: this.pkiId,
      identity: this.identity,
      endpoint: this.name,
      auth: { signedData: this.identity, signature: utf8("signature") }
    }
    queueMicrotask(() =>
      deliver(to.raw, {
        ...signedOf(message),
        connection,
        respond: (answer) => to.hand(this, answer),
        ack: (error = "") => void this.acks.push(error)
      })
    )
  }

  private to(pkiId: Uint8Array): FakeNode | undefined {
    return this.others().find((node) => equalBytes(node.pkiId, pkiId))
  }

  private shape(): GossipShape {
    return {
      pkiId: this.pkiId,
      identity: this.identity,
      org: this.org,
      self: () => this.member(this),
      selfChannelInfo: () => undefined,
      peers: () => this.others().map((node) => this.member(node)),
      peersOfChannel: () => this.others().map((node) => this.member(node)),
      hasChannel: () => true,
      identities: () => this.network.nodes.map(({ identity, org, pkiId }) => ({ identity, org, pkiId })),
      identityOf: (pkiId: Uint8Array) => {
        const found = this.network.nodes.find((node) => equalBytes(node.pkiId, pkiId))
        return found === undefined ? undefined : { identity: found.identity, org: found.org, pkiId }
      },
      gossip: (message: gossip.GossipMessage) => {
        this.sent.push(message)
        for (const node of this.others())
          if (node.org === this.org && !this.network.lost(this, node, message))
            queueMicrotask(() => deliver(node.subscriptions, signedOf(message)))
      },
      send: (message: gossip.GossipMessage, peers: ReadonlyArray<{ readonly pkiId: Uint8Array }>) => {
        this.sent.push(message)
        for (const { pkiId } of peers) {
          const node = this.to(pkiId)
          if (node !== undefined) this.hand(node, message)
        }
      },
      sendWithAck: () => Effect.succeed([]),
      sendByCriteria: (message: gossip.GossipMessage, { eligible, minAck }) =>
        Effect.suspend(() => {
          this.sent.push(message)
          const node = this.others().find((one) => eligible(this.member(one)))
          if (node === undefined || this.network.lost(this, node, message))
            return minAck === 0 ? Effect.void : Effect.fail(new SendFailed({ reason: '{"failures":{"timed out":1}}' }))
          this.hand(node, message)
          return Effect.void
        }),
      peerFilter: (_: string, allowed: (evidence: PeerSignature) => boolean) => (member: NetworkMember) => {
        const found = this.network.nodes.find((node) => equalBytes(node.pkiId, member.pkiId))
        return (
          found !== undefined &&
          allowed({ identity: found.identity, message: found.identity, signature: utf8("signature") })
        )
      },
      subscribe: (accepts, handle) => add(this.subscriptions, { accepts, handle }),
      subscribeRaw: (accepts, handle) => add(this.raw, { accepts, handle }),
      joinChannel: () => {},
      leaveChannel: () => {},
      updateLedgerHeight: (_: string, height: bigint) => {
        this.height = height
      },
      updateChaincodes: (_: string, chaincodes: ReadonlyArray<gossip.Chaincode>) => {
        this.chaincodes.push(chaincodes)
      },
      suspectPeers: () => {}
    }
  }
}

/** Lets everything pass but blocks whose bytes a test has declared bad. */
export const lenient = (bad: (block: Uint8Array) => string | undefined = () => undefined): SecurityShape => ({
  identity: utf8("self"),
  pkiIdOf: (identity) => identity,
  orgOf: () => "Org1MSP",
  validateIdentity: () => Either.right(undefined),
  expiresAt: () => undefined,
  sign: (message) => message,
  verify: () => Either.right(undefined),
  verifyByChannel: () => Either.right(undefined),
  verifyBlock: (_, __, block) => {
    const message = bad(block)
    return message === undefined ? Either.right(undefined) : Either.left({ message })
  }
})

/** Time that moves by hand. */
export class FakeTime {
  now = 0
  private readonly tasks: Array<{ at: number; run: () => void; off: boolean }> = []

  readonly timers: Timers = {
    now: () => this.now,
    monotonic: () => this.now,
    nanos: () => BigInt(this.now) * 1_000_000n,
    after: (ms, run) => {
      const task = { at: this.now + ms, run, off: false }
      this.tasks.push(task)
      return () => {
        task.off = true
      }
    },
    every: () => () => {}
  }

  advance(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const due = this.tasks.filter(({ at, off }) => !off && at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      due.off = true
      this.now = Math.max(this.now, due.at)
      due.run()
    }
    this.now = end
  }
}

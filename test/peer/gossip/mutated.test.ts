/**
 * State transfer and private data from a member that means harm: mutated messages of every kind on a real stream to a
 * whole peer, asked for and not. Nothing of them is committed or passed on, nothing grows, the peer goes on. The seed makes
 * a run repeatable (MUTATION_SEED); FABRIC_EFFECT_LONG sends all ten thousand.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as fc from "fast-check"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import { envelopeBytes, unsigned } from "../../../src/gossip/index.js"
import type { ClientStream } from "../../../src/transport/index.js"
import { utf8 } from "../../../src/wire/bytes.js"
import { common, gossip, rwset } from "../../../src/wire/index.js"
import type { Init } from "../../../src/wire/types.js"
import { type HostileMember, hostileMember, openedOf } from "./hostileMember.js"
import { GossipNetwork, until } from "./support.js"

const long = process.env.FABRIC_EFFECT_LONG !== undefined
vi.setConfig({ testTimeout: long ? 1_800_000 : 180_000, hookTimeout: 180_000 })

const total = long ? 10_000 : 300
const batch = 20
const seed = Number(process.env.MUTATION_SEED ?? 20261121)

const [target, absent, other] = ["peer0.org1.example.com", "peer1.org1.example.com", "peer0.org2.example.com"]
const CHANNEL = "mychannel"
const channel = utf8(CHANNEL)
const { CHAN_ONLY, CHAN_OR_ORG } = gossip.GossipMessage_Tag
const everyone = "OR('Org1MSP.member', 'Org2MSP.member')"
const collections = [{ name: "both", policy: everyone, requiredPeerCount: 0, maxPeerCount: 2 }]

let network: GossipNetwork
let member: HostileMember

// ---- Good messages -------------------------------------------------------------------------------------------------

const ledger = () => {
  const found = network.peer(target).channel()?.ledger
  if (found === undefined) throw new Error("no ledger")
  return found
}

/** A block under the next number, its data that of the last one: all of it but the orderer's signature. */
const nextBlock = (last: Uint8Array, number: bigint): Uint8Array => {
  const block = common.Block.decode(last)
  return common.Block.encode({ ...block, header: { ...common.BlockHeader.create(block.header), number } })
}

const pvtRwset = rwset.TxPvtReadWriteSet.encode({
  nsPvtRwset: [{ namespace: "vault", collectionPvtRwset: [{ collectionName: "both", rwset: utf8("made up") }] }]
})

const kinds = ["stateRequest", "stateResponse", "privateReq", "privateRes", "privateData"] as const
type Kind = (typeof kinds)[number]

/** As an honest member would send it, but for what nobody honest has. */
const good = (kind: Kind, last: Uint8Array, height: bigint, nonce: bigint): Init<gossip.GossipMessage> => {
  const direct = { channel, nonce, tag: kind.startsWith("state") ? CHAN_OR_ORG : CHAN_ONLY }
  const digest = { txId: "tx", namespace: "vault", collection: "both", blockSeq: height - 1n, seqInBlock: 0n }
  switch (kind) {
    case "stateRequest":
      return { ...direct, stateRequest: { startSeqNum: 1n, endSeqNum: height } }
    case "stateResponse": {
      const privateData = [gossip.PvtDataPayload.encode({ txSeqInBlock: 0n, payload: pvtRwset })]
      const payloads = [0n, 1n].map((i) => ({
        seqNum: height + i,
        data: nextBlock(last, height + i),
        privateData
      }))
      return { ...direct, stateResponse: { payloads } }
    }
    case "privateReq":
      return { ...direct, privateReq: { digests: [digest, { ...digest, txId: "" }] } }
    case "privateRes":
      return { ...direct, privateRes: { elements: [{ digest, payload: [pvtRwset] }] } }
    case "privateData": {
      const config = [{ staticCollectionConfig: { name: "both", maximumPeerCount: 2 } }]
      const payload = {
        collectionName: "both",
        namespace: "vault",
        txId: "tx",
        privateRwset: pvtRwset,
        privateSimHeight: height,
        collectionConfigs: { config }
      }
      return { ...direct, privateData: { payload } }
    }
  }
}

// ---- Mutations -----------------------------------------------------------------------------------------------------

/** Bytes that protobuf readers trip over: huge varints, long lengths, groups, ends, what is not UTF-8. */
const nasty = fc.constantFrom(
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x0a, 0xff, 0xff, 0xff, 0xff, 0x07],
  [0x0b],
  [0x0c],
  [0x00],
  [0xc3, 0x28]
)
const place = fc.nat({ max: 0xffff })
const change = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant("set" as const), at: place, byte: fc.nat({ max: 255 }) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("flip" as const), at: place, bit: fc.nat({ max: 7 }) }) },
  fc.record({ what: fc.constant("cut" as const), at: place }),
  fc.record({ what: fc.constant("drop" as const), at: place, length: fc.nat({ max: 16 }) }),
  fc.record({ what: fc.constant("double" as const), at: place, length: fc.nat({ max: 64 }) }),
  fc.record({ what: fc.constant("put" as const), at: place, bytes: nasty })
)
type Change = typeof change extends fc.Arbitrary<infer A> ? A : never

const changed = (bytes: Uint8Array, one: Change): Uint8Array => {
  const out = Buffer.from(bytes)
  const at = out.length === 0 ? 0 : one.at % out.length
  const around = (middle: Uint8Array, rest = at) => Buffer.concat([out.subarray(0, at), middle, out.subarray(rest)])
  switch (one.what) {
    case "set":
      if (out.length > 0) out[at] = one.byte
      return out
    case "flip":
      if (out.length > 0) out[at] = (out[at] ?? 0) ^ (1 << one.bit)
      return out
    case "cut":
      return out.subarray(0, at)
    case "drop":
      return around(Buffer.alloc(0), at + one.length)
    case "double":
      return around(out.subarray(at, at + one.length))
    case "put":
      return around(Buffer.from(one.bytes))
  }
}

/** Changes in the message, or in the envelope around it: the latter mostly end the stream. */
const mutation = fc.record({
  kind: fc.constantFrom(...kinds),
  outside: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  nonce: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
  changes: fc.array(change, { minLength: 1, maxLength: 3 })
})
type Mutation = typeof mutation extends fc.Arbitrary<infer A> ? A : never

const mutated = ({ changes, kind, outside }: Mutation, last: Uint8Array, height: bigint, nonce: bigint): Uint8Array => {
  const { envelope } = unsigned(good(kind, last, height, nonce))
  if (outside) return changes.reduce<Uint8Array>(changed, envelopeBytes(envelope))
  return envelopeBytes({ ...envelope, payload: changes.reduce<Uint8Array>(changed, envelope.payload) })
}

// ---- The hostile side ----------------------------------------------------------------------------------------------

/** Opens streams as the peer ends them; counts what it sent. */
class Attacker {
  sent = 0
  answered = 0
  streams = 0
  private current: { readonly stream: ClientStream; readonly scope: Scope.CloseableScope } | undefined

  private async open(height: bigint): Promise<ClientStream> {
    if (this.current !== undefined) return this.current.stream
    const scope = await Effect.runPromise(Scope.make())
    const stream = await Effect.runPromise(Scope.extend(member.stream, scope))
    this.current = { stream, scope }
    this.streams += 1
    // it claims blocks that nobody has: the peer asks it for them
    for (const { envelope } of member.presence(height + 1000n)) await this.send(stream, envelopeBytes(envelope))
    return stream
  }

  private async send(stream: ClientStream, bytes: Uint8Array): Promise<boolean> {
    return Exit.isSuccess(await Effect.runPromiseExit(stream.send(bytes)))
  }

  async close(): Promise<void> {
    const { current } = this
    this.current = undefined
    if (current !== undefined) await Effect.runPromise(Scope.close(current.scope, Exit.void))
  }

  /** Sends a batch, then asks for a block: its answer says that all before it has been looked at, or the stream is over. */
  async attack(mutations: ReadonlyArray<Mutation>, last: Uint8Array, height: bigint): Promise<void> {
    const left = [...mutations]
    while (left.length > 0) {
      const stream = await this.open(height)
      let whole = true
      for (let one = left.shift(); one !== undefined && whole; one = whole ? left.shift() : undefined) {
        whole = await this.send(stream, mutated(one, last, height, one.nonce))
        this.sent += 1
      }
      const mark = 1n << 63n
      const ask = unsigned({ channel, tag: CHAN_OR_ORG, nonce: mark, stateRequest: { startSeqNum: 0n, endSeqNum: 0n } })
      if (whole) whole = await this.send(stream, envelopeBytes(ask.envelope))
      while (whole) {
        const came = await Effect.runPromise(Effect.either(stream.next))
        if (Either.isLeft(came) || came.right === undefined) whole = false
        else {
          const message = openedOf(came.right)
          if (message?.stateResponse !== undefined && message.nonce === mark) break
          // what the peer asks for it gets, spoilt, under the nonce that it waits for
          const spoilt = mutations[this.answered % mutations.length]
          const wanted = message?.stateRequest !== undefined ? "stateResponse" : message?.privateReq && "privateRes"
          if (wanted === undefined || spoilt === undefined || message === undefined) continue
          this.answered += 1
          whole = await this.send(stream, mutated({ ...spoilt, kind: wanted }, last, height, message.nonce))
        }
      }
      if (!whole) await this.close()
    }
  }
}

// ---- The peers -----------------------------------------------------------------------------------------------------

beforeAll(async () => {
  network = await GossipNetwork.make({
    orgs: [{ name: "Org1", peers: 2 }, { name: "Org2" }],
    maxMessageCount: 1,
    environment: { CORE_PEER_GOSSIP_STATE_CHECKINTERVAL: "20ms", CORE_PEER_GOSSIP_STATE_RESPONSETIMEOUT: "200ms" }
  })
  const client = await network.client({ Org1: 1, Org2: 1 })
  for (const host of [target, other]) await network.start(host)
  await Effect.runPromise(client.createChannel)
  await Effect.runPromise(client.join)
  await Effect.runPromise(client.setAnchors)
  await network.deploy({ name: "vault", collections }, client)
  member = await Effect.runPromise(hostileMember(network, absent, target))
})
afterAll(() => network?.close())

const metric = async (host: string, name: string): Promise<number> =>
  Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(await network.peer(host).exposition())?.[1])

it(`${total} mutated messages of state transfer and private data`, async () => {
  await until("both to see each other", () =>
    [target, other].every((host) => network.peer(host).gossip.peersOfChannel(CHANNEL).length === 1)
  )
  const height = network.height(target)
  const last = await Effect.runPromise(ledger().get(height - 1n))
  const attacker = new Attacker()
  const memory = process.memoryUsage().heapUsed
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: batch, maxLength: batch }), async (mutations) => {
      await attacker.attack(mutations, last, height)
      expect(network.height(target)).toBe(height)
      expect(await metric(target, "gossip_payload_buffer_size")).toBe(0)
    }),
    { seed, numRuns: Math.ceil(total / batch), endOnFailure: true }
  )
  expect(attacker.sent).toBeGreaterThanOrEqual(total)
  // it was believed to be ahead, and asked
  expect(attacker.answered).toBeGreaterThan(0)
  expect(attacker.streams).toBeGreaterThan(1)
  await attacker.close()
  // nothing was passed on
  expect(network.height(other)).toBe(height)
  expect(network.holds(other, "made up")).toBe(false)
  expect(await Effect.runPromise(ledger().get(height - 1n))).toEqual(last)
  // what it holds of a thousand messages and of ten thousand is the same
  if (long) expect(process.memoryUsage().heapUsed - memory).toBeLessThan(200 * 1024 * 1024)

  // the honest are served as before: a private value of Org2's peer reaches the one that was attacked
  const client = await network.client({ Org2: 1 })
  const { code } = await Effect.runPromise(
    client.submit({
      chaincode: "vault",
      args: ["putPrivate", "both", "k"],
      transient: new Map([["value", utf8("honest")]]),
      endorsers: ["Org2"]
    })
  )
  expect(code).toBe("VALID")
  await until("its block", () => network.height(target) === height + 1n)
  await until("its value", () => network.holds(target, "honest"))
})

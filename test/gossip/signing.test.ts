import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  ackMessage,
  type ContentKind,
  checkTag,
  connMessage,
  contentKinds,
  contentOf,
  detached,
  envelopeBytes,
  internalEndpointOf,
  isSigned,
  isSignedKind,
  maxFields,
  maxSecretSize,
  maxSignatureSize,
  maxSmallPayload,
  openEnvelope,
  openMessage,
  type SignedGossipMessage,
  sealed,
  signed,
  unsigned,
  type Verify,
  verifyMessage,
  withoutSecret,
  withSecret
} from "../../src/gossip/index.js"
import { compareBytes, concatBytes, equalBytes, sha256, utf8 } from "../../src/wire/bytes.js"
import { gossip } from "../../src/wire/index.js"

const { UNDEFINED, EMPTY, ORG_ONLY, CHAN_AND_ORG, CHAN_OR_ORG } = gossip.GossipMessage_Tag
const { BLOCK_MSG, IDENTITY_MSG } = gossip.PullMsgType

const alice = utf8("alice")
/** A signature that only this identity makes. */
const signAs = (identity: Uint8Array) => (payload: Uint8Array) => sha256(identity, payload)
const verify: Verify = (identity, signature, message) =>
  equalBytes(signature, sha256(identity, message)) ? Either.void : Either.left({ message: "wrong signature" })

const alive = (over: { endpoint?: string; seqNum?: bigint } = {}) =>
  sealed(
    {
      tag: EMPTY,
      aliveMsg: {
        membership: { endpoint: over.endpoint ?? "peer:7051", pkiId: sha256(alice) },
        timestamp: { incNum: 18446744073709551615n, seqNum: over.seqNum ?? 9007199254740993n },
        identity: alice
      }
    },
    signAs(alice)
  )

const opened = (bytes: Uint8Array): SignedGossipMessage => Either.getOrThrowWith(openMessage(bytes), (e) => e.message)
const refusal = <A>(either: Either.Either<A, { message: string }>): string => {
  if (Either.isRight(either)) throw new Error("was accepted")
  return either.left.message
}

describe("signing by kind", () => {
  it("signs the five kinds that are signed and leaves the others with an empty signature", () => {
    const contents: Partial<Record<ContentKind, object>> = {}
    for (const kind of contentKinds) contents[kind] = { [kind]: {} }
    const names = contentKinds.filter((kind) => {
      const made = sealed({ tag: EMPTY, nonce: 1n, ...contents[kind] }, signAs(alice))
      expect(contentOf(made.message)).toBe(kind)
      expect(isSigned(made.envelope)).toBe(isSignedKind(kind))
      return isSigned(made.envelope)
    })
    expect([...names].sort()).toEqual(["aliveMsg", "conn", "leadershipMsg", "peerIdentity", "stateInfo"])
    expect(unsigned(alive().message).envelope.signature).toHaveLength(0)
    expect(isSigned(signed({ nonce: 3n, ack: {} }, signAs(alice)).envelope)).toBe(true)
  })

  it("keeps 64-bit numbers exact over the wire, and the payload as it came", () => {
    const sent = alive()
    const got = opened(envelopeBytes(sent.envelope))
    expect(got.message.aliveMsg?.timestamp).toMatchObject({ incNum: 18446744073709551615n, seqNum: 9007199254740993n })
    expect(compareBytes(got.envelope.payload, sent.envelope.payload)).toBe(0)
    expect(Either.isRight(verifyMessage(got, alice, verify))).toBe(true)
  })

  it("does not encode a received envelope again: unknown fields and odd encodings still verify", () => {
    // The tag comes before the nonce, and a field that no version knows follows.
    const payload = concatBytes(Uint8Array.of(24, 1, 8, 5), Uint8Array.of(0xfa, 0x07, 1, 9), Uint8Array.of(106, 0))
    const bytes = gossip.Envelope.encode({ payload, signature: sha256(alice, payload) })
    const got = opened(bytes)
    expect(contentOf(got.message)).toBe("empty")
    expect(Either.isRight(verifyMessage(got, alice, verify))).toBe(true)
    expect(compareBytes(envelopeBytes(got.envelope), bytes)).toBe(0)
    expect(compareBytes(envelopeBytes(detached(got).envelope), bytes)).toBe(0)
  })

  it("verifies the secret envelope as well, over its own payload", () => {
    const secret = withSecret(alive(), "10.0.0.1:7051", signAs(alice))
    expect(Either.isRight(verifyMessage(secret, alice, verify))).toBe(true)
    const got = opened(envelopeBytes(secret.envelope))
    expect(internalEndpointOf(got.envelope)).toBe("10.0.0.1:7051")
    const forged = withSecret(alive(), "10.6.6.6:7051", signAs(utf8("mallory")))
    expect(refusal(verifyMessage(forged, alice, verify))).toBe("wrong signature")
    const bare = withoutSecret(got)
    expect(internalEndpointOf(bare.envelope)).toBe("")
    expect(internalEndpointOf(got.envelope)).toBe("10.0.0.1:7051")
    expect(compareBytes(bare.envelope.payload, got.envelope.payload)).toBe(0)
    expect(withoutSecret(bare)).toBe(bare)
  })

  it("tells what is missing with the reference's texts", () => {
    const { envelope } = alive()
    const of = (changes: Partial<gossip.Envelope>): string =>
      refusal(verifyMessage({ envelope: gossip.Envelope.create({ ...envelope, ...changes }) }, alice, verify))
    expect(refusal(verifyMessage({ envelope: undefined }, alice, verify))).toBe("Missing envelope")
    expect(of({ payload: new Uint8Array() })).toBe("Empty payload")
    expect(of({ signature: new Uint8Array() })).toBe("Empty signature")
    expect(of({ signature: Uint8Array.of(1) })).toBe("wrong signature")
    const part = { payload: utf8("x"), signature: utf8("y") }
    expect(of({ secretEnvelope: { ...part, payload: new Uint8Array() } })).toBe("Empty payload")
    expect(of({ secretEnvelope: { ...part, signature: new Uint8Array() } })).toBe("Empty signature")
  })

  it("makes the handshake's message and acknowledgements as the format table says", () => {
    const conn = connMessage({ pkiId: sha256(alice), identity: alice, tlsCertHash: new Uint8Array() }, signAs(alice))
    expect(conn.message).toMatchObject({ tag: EMPTY, nonce: 0n, channel: new Uint8Array() })
    expect(isSigned(conn.envelope)).toBe(true)
    const ack = opened(envelopeBytes(ackMessage(2n ** 64n - 1n).envelope))
    expect(ack.message).toMatchObject({ tag: UNDEFINED, nonce: 2n ** 64n - 1n, ack: { error: "" } })
    expect(ackMessage(1n, "no").message.ack?.error).toBe("no")
  })
})

describe("tags", () => {
  const legal: ReadonlyArray<readonly [Parameters<typeof unsigned>[0], number]> = [
    [{ dataMsg: {} }, CHAN_AND_ORG],
    [{ aliveMsg: {} }, EMPTY],
    [{ memReq: {} }, EMPTY],
    [{ memRes: {} }, EMPTY],
    [{ peerIdentity: {} }, ORG_ONLY],
    [{ hello: { msgType: BLOCK_MSG } }, CHAN_AND_ORG],
    [{ dataDig: { msgType: BLOCK_MSG } }, CHAN_AND_ORG],
    [{ dataReq: { msgType: IDENTITY_MSG } }, EMPTY],
    [{ dataUpdate: { msgType: IDENTITY_MSG } }, EMPTY],
    [{ stateInfo: {} }, CHAN_OR_ORG],
    [{ stateInfoPullReq: {} }, CHAN_OR_ORG],
    [{ stateSnapshot: {} }, CHAN_OR_ORG],
    [{ stateRequest: {} }, CHAN_OR_ORG],
    [{ stateResponse: {} }, CHAN_OR_ORG],
    [{ leadershipMsg: {} }, CHAN_AND_ORG]
  ]

  it("takes exactly one tag for each kind", () => {
    for (const [content, wanted] of legal) {
      const passing = [-1, 0, 1, 2, 3, 4, 5, 6].filter((tag) =>
        Either.isRight(checkTag(gossip.GossipMessage.create({ ...content, tag })))
      )
      expect(passing, JSON.stringify(content)).toEqual([wanted])
    }
  })

  it("takes none for the other contents and for pull messages of no protocol", () => {
    const others: ReadonlyArray<Parameters<typeof unsigned>[0]> = [
      {},
      { empty: {} },
      { conn: {} },
      { ack: {} },
      { privateReq: {} },
      { privateRes: {} },
      { privateData: {} },
      { hello: {} },
      { dataDig: { msgType: 7 } }
    ]
    for (const content of others) {
      for (const tag of [0, 1, 2, 3, 4, 5, 6]) {
        expect(Either.isLeft(checkTag(gossip.GossipMessage.create({ ...content, tag })))).toBe(true)
      }
    }
    expect(refusal(checkTag(gossip.GossipMessage.create({ dataMsg: {}, tag: EMPTY })))).toBe(
      "Tag should be CHAN_AND_ORG"
    )
    expect(refusal(checkTag(gossip.GossipMessage.create({ dataMsg: {} })))).toBe("Undefined tag")
    expect(refusal(checkTag(gossip.GossipMessage.create({ hello: {}, tag: EMPTY })))).toBe(
      "Invalid PullMsgType: UNDEFINED"
    )
  })
})

describe("opening", () => {
  it("refuses what is not a message, and never throws", () => {
    expect(refusal(openEnvelope(undefined))).toBe("nil envelope")
    expect(refusal(openMessage(Uint8Array.of(10, 200)))).toMatch(/^Failed unmarshaling Envelope: /)
    const bad = gossip.Envelope.encode({ payload: Uint8Array.of(42, 99) })
    expect(refusal(openMessage(bad))).toMatch(/^Failed unmarshaling GossipMessage from envelope: /)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        openMessage(bytes)
        openEnvelope(gossip.Envelope.create({ payload: bytes }))
        internalEndpointOf(gossip.Envelope.create({ secretEnvelope: { payload: bytes } }))
      })
    )
  })

  it("survives every mutation of real messages", () => {
    const bytes = envelopeBytes(withSecret(alive(), "a:1", signAs(alice)).envelope)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, value, cut) => {
        const mutated = Uint8Array.from(bytes)
        mutated[at] = value
        const got = openMessage(mutated.subarray(0, cut))
        if (Either.isRight(got)) verifyMessage(got.right, alice, verify)
      }),
      { numRuns: 2000 }
    )
  })

  it("bounds signatures, secrets, small kinds, counts and nesting", () => {
    const big = (size: number) => new Uint8Array(size)
    const of = (envelope: Parameters<typeof gossip.Envelope.encode>[0]) => openMessage(gossip.Envelope.encode(envelope))
    expect(refusal(of({ signature: big(maxSignatureSize + 1) }))).toMatch(/too large/)
    expect(refusal(of({ secretEnvelope: { payload: big(maxSecretSize + 1) } }))).toMatch(/too large/)
    expect(refusal(of({ secretEnvelope: { signature: big(maxSignatureSize + 1) } }))).toMatch(/too large/)
    const conn = gossip.GossipMessage.encode({ conn: { identity: big(maxSmallPayload) } })
    expect(refusal(of({ payload: conn }))).toMatch(/conn of \d+ bytes is too large/)
    const block = gossip.GossipMessage.encode({ dataMsg: { payload: { seqNum: 1n, data: big(4 * maxSmallPayload) } } })
    expect(Either.isRight(of({ payload: block }))).toBe(true)
    // Two bytes each on the wire, an object each when decoded.
    const elements = Uint8Array.from({ length: 2 * (maxFields + 1) }, (_, i) => (i % 2 === 0 ? 10 : 0))
    const header = Buffer.from([0x82, 0x01]) // state_snapshot, field 16
    const length = Buffer.from([
      (elements.length & 0x7f) | 0x80,
      ((elements.length >> 7) & 0x7f) | 0x80,
      elements.length >> 14
    ])
    expect(refusal(of({ payload: concatBytes(header, length, elements) }))).toMatch(/more than 250000 fields/)
    const few = Uint8Array.of(0x82, 0x01, 4, 10, 0, 10, 0)
    expect(Either.getOrThrow(of({ payload: few })).message.stateSnapshot?.elements).toHaveLength(2)
  })

  it("detaches a message from the one it came in", () => {
    const inner = alive()
    const outer = unsigned({ tag: EMPTY, memRes: { alive: [inner.envelope, alive({ seqNum: 2n }).envelope] } })
    const got = opened(envelopeBytes(outer.envelope)).message.memRes?.alive[0]
    const view = Either.getOrThrow(openEnvelope(got))
    const copy = detached(view)
    expect(copy.envelope.payload.buffer).not.toBe(view.envelope.payload.buffer)
    expect(compareBytes(copy.envelope.payload, inner.envelope.payload)).toBe(0)
    expect(copy.message.aliveMsg?.membership?.endpoint).toBe("peer:7051")
    expect(Either.isRight(verifyMessage(copy, alice, verify))).toBe(true)
  })
})

it("knows every content of the format", () => {
  const inFormat = gossip.GossipMessage.fields
    .filter(({ oneof }) => oneof === "content")
    .map(({ property }) => property)
  expect([...contentKinds]).toEqual(inFormat)
  expect(CHAN_OR_ORG).toBe(5)
})

import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Outgoing, type RoutedMember, type RoutingView, route } from "../../../src/gossip/core/recipients.js"
import { idKey } from "../../../src/gossip/ids.js"
import type { SignedGossipMessage } from "../../../src/gossip/index.js"
import { seededRandom } from "../../../src/gossip/random.js"
import { sealed } from "../../../src/gossip/signing.js"
import { alive, block, CHAN_AND_ORG, CHAN_OR_ORG, person } from "../support.js"

interface Peer {
  readonly org: string | undefined
  readonly external: boolean
  readonly eligible: boolean
}
const peers = fc.array(
  fc.record({
    org: fc.constantFrom("Own", "Own", "Other", "Third", undefined),
    external: fc.boolean(),
    eligible: fc.boolean()
  }),
  { minLength: 1, maxLength: 12 }
)
const channelOrgs: ReadonlyArray<string | undefined> = ["Own", "Other"]

/** A network as one peer sees it, and what `route` sends in it. */
const network = (all: ReadonlyArray<Peer>) => {
  const people = all.map((peer, i) => ({ ...peer, ...{ who: person(peer.org ?? "nobody", `p${i}`) } }))
  const byKey = new Map(people.map((one) => [idKey(one.who.pkiId), one]))
  const find = (pkiId: Uint8Array) => byKey.get(idKey(pkiId))
  const orgOf = (pkiId: Uint8Array) => find(pkiId)?.org
  const members: ReadonlyArray<RoutedMember> = people.map(({ who, external }, i) => ({
    endpoint: external ? `p${i}:1` : "",
    internalEndpoint: "",
    metadata: new Uint8Array(0),
    pkiId: who.pkiId,
    key: idKey(who.pkiId)
  }))
  const channel = {
    isMember: (pkiId: Uint8Array) => channelOrgs.includes(orgOf(pkiId)) && orgOf(pkiId) !== undefined,
    isOwnOrgPeer: (pkiId: Uint8Array) => orgOf(pkiId) === "Own" && find(pkiId)?.eligible === true
  }
  const view: RoutingView = {
    selfOrg: "Own",
    members,
    orgOf,
    orgOfKey: (key) => byKey.get(key)?.org,
    hasExternalEndpoint: (pkiId) => find(pkiId)?.external === true,
    channel: (name) => (name === "ch" ? channel : undefined),
    channelOfStateInfo: ({ message }) => (message.stateInfo?.channelMAC.length === 0 ? undefined : channel),
    propagatePeerNum: 3
  }
  const routed = (batch: ReadonlyArray<Outgoing>, seed: number) => {
    const sent: Array<{ readonly message: SignedGossipMessage; readonly to: ReadonlyArray<(typeof people)[number]> }> =
      []
    route(batch, view, seededRandom(seed), (message, to) => {
      sent.push({ message, to: to.flatMap(({ pkiId }) => find(pkiId) ?? []) })
    })
    return sent
  }
  return { people, routed }
}

const cases = fc.tuple(peers, fc.nat(), fc.nat(), fc.boolean())

describe("to whom messages go (3.5.2)", () => {
  it("never back to where they came from, never twice to one, never to more than configured", () => {
    fc.assert(
      fc.property(cases, ([all, seed, at, external]) => {
        const { people, routed } = network(all)
        const origin = people[at % people.length]
        if (origin === undefined) return
        const from = origin.who.pkiId
        const subject = alive(origin.who, { seq: 1n, endpoint: external ? "x:1" : "" })
        const stateInfo = sealed({ tag: CHAN_OR_ORG, stateInfo: { pkiId: from, channelMAC: from } }, origin.who.sign)
        const batch = [subject, stateInfo, block(1n)].map((message) => ({ message, from }))
        const counts = new Map<Uint8Array, number>()
        for (const { message, to } of routed(batch, seed)) {
          expect(to.includes(origin)).toBe(false)
          expect(new Set(to).size).toBe(to.length)
          const key = message.envelope.payload
          counts.set(key, (counts.get(key) ?? 0) + to.length)
        }
        for (const count of counts.values()) expect(count).toBeLessThanOrEqual(3)
      })
    )
  })

  it("blocks: to eligible peers of the own organisation only, as many as there are up to three", () => {
    fc.assert(
      fc.property(cases, ([all, seed]) => {
        const { people, routed } = network(all)
        const sent = routed([{ message: block(1n) }, { message: block(2n) }], seed)
        const able = people.filter(({ org, eligible }) => org === "Own" && eligible)
        const wanted = Math.min(3, able.length)
        expect(sent.map(({ to }) => to.length)).toEqual(wanted === 0 ? [] : [wanted, wanted])
        for (const { to } of sent) for (const one of to) expect(able).toContain(one)
        // one burst of a channel takes one way
        expect(sent[0]?.to).toEqual(sent[1]?.to)
        expect(routed([{ message: block(1n, new Uint8Array(0), "unknown") }], seed)).toEqual([])
      })
    )
  })

  it("leadership: to every eligible peer of the own organisation", () => {
    fc.assert(
      fc.property(cases, ([all, seed]) => {
        const { people, routed } = network(all)
        const me = person("Own", "me")
        const message = sealed(
          { tag: CHAN_AND_ORG, channel: Buffer.from("ch"), leadershipMsg: { pkiId: me.pkiId } },
          me.sign
        )
        const able = people.filter(({ org, eligible }) => org === "Own" && eligible)
        const [sent] = routed([{ message }], seed)
        expect(new Set(sent?.to)).toEqual(new Set(able))
      })
    )
  })

  it("StateInfo: in the channel where the subject shows an endpoint and the channel is known, else at home", () => {
    fc.assert(
      fc.property(cases, ([all, seed, at, known]) => {
        const { people, routed } = network(all)
        const subject = people[at % people.length]
        if (subject === undefined) return
        const channelMAC = known ? Buffer.alloc(32) : new Uint8Array(0)
        const message = sealed(
          { tag: CHAN_OR_ORG, stateInfo: { pkiId: subject.who.pkiId, channelMAC } },
          subject.who.sign
        )
        const abroad = known && subject.external
        for (const { to } of routed([{ message }], seed)) {
          for (const { org } of to) expect(abroad ? ["Own", "Other"] : ["Own"]).toContain(org)
        }
      })
    )
  })

  it("alive: each organisation's as far as it may go, secrets at home only", () => {
    fc.assert(
      fc.property(cases, ([all, seed, at]) => {
        const { people, routed } = network(all)
        const subject = people[at % people.length]
        if (subject === undefined) return
        const endpoint = subject.external ? "x:1" : ""
        const message = alive(subject.who, { seq: 1n, endpoint, internal: "inside:1" })
        const sent = routed([{ message }], seed)
        if (subject.org === undefined) expect(sent).toEqual([])
        for (const { message: out, to } of sent) {
          expect(out.envelope.payload).toBe(message.envelope.payload)
          expect(out.envelope.signature).toBe(message.envelope.signature)
          for (const one of to) {
            expect(out.envelope.secretEnvelope !== undefined).toBe(one.org === "Own")
            if (subject.org === "Own") {
              if (!subject.external) expect(one.org).toBe("Own")
            } else {
              expect(["Own", subject.org]).toContain(one.org)
              expect(one.external).toBe(true)
            }
          }
        }
        // what was given stays as it was, for those that are served later (unlike in Go, trap 9)
        expect(message.envelope.secretEnvelope).toBeDefined()
      })
    )
  })
})

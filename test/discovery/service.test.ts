/** Requests and their answers on a made-up membership (gossip-discovery.md 3.12, section 5, checks 22 to 25). */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect } from "vitest"
import { interestText } from "../../src/discovery/compactText.js"
import { type DiscoverySupport, makeDiscoveryService } from "../../src/discovery/index.js"
import type { NetworkMember, PeerIdentity } from "../../src/gossip/index.js"
import { parsePolicy } from "../../src/policy/index.js"
import { toText, utf8 } from "../../src/wire/bytes.js"
import { common, discovery, gossip } from "../../src/wire/index.js"

const policyOf = (text: string): Uint8Array =>
  common.SignaturePolicyEnvelope.encode(Either.getOrThrow(parsePolicy(text)))

interface Peer {
  readonly name: string
  readonly org: string
  readonly external?: boolean
  readonly chaincodes?: ReadonlyArray<string>
  readonly inChannel?: boolean
}

const envelope = (what: string, name: string) =>
  gossip.Envelope.create({
    payload: utf8(`${what} of ${name}`),
    signature: utf8("signed"),
    secretEnvelope: { payload: utf8("secret") }
  })

const memberOf = ({ external = true, name }: Peer): NetworkMember => ({
  endpoint: external ? `${name}:7051` : "",
  internalEndpoint: `${name}.internal:7051`,
  metadata: new Uint8Array(),
  pkiId: utf8(name),
  envelope: envelope("alive", name)
})

const inChannel = (peer: Peer): NetworkMember => ({
  ...memberOf(peer),
  envelope: envelope("state", peer.name),
  properties: gossip.Properties.create({
    ledgerHeight: 5n,
    chaincodes: (peer.chaincodes ?? []).map((text) => {
      const [name = "", version = ""] = text.split(":")
      return { name, version }
    })
  })
})

/** Identities are `ORG/name`; a principal is satisfied by its organisation's identities. */
const identityOf = ({ name, org }: Peer): PeerIdentity => ({ pkiId: utf8(name), identity: utf8(`${org}/${name}`), org })

interface World {
  readonly peers: ReadonlyArray<Peer>
  readonly policies?: Readonly<Record<string, string>>
  readonly collections?: Readonly<Record<string, string>>
}

const SELF: Peer = { name: "p0", org: "A", chaincodes: ["mycc:1.0", "other:1.0"] }

const collectionsOf = (collections: Readonly<Record<string, string>>): Uint8Array =>
  common.CollectionConfigPackage.encode({
    config: Object.entries(collections).map(([name, text]) => ({
      staticCollectionConfig: {
        name,
        memberOrgsPolicy: { signaturePolicy: Either.getOrThrow(parsePolicy(text)) }
      }
    }))
  })

const service = (world: World, denied: ReadonlyArray<string> = []) => {
  const asked: Array<string> = []
  let sequence = 1n
  const support: DiscoverySupport = {
    self: () => memberOf(SELF),
    selfChannelInfo: (channelId) => {
      if (channelId !== "mychannel") return undefined
      const { envelope, properties } = inChannel(SELF)
      return {
        envelope: envelope ?? gossip.Envelope.create({}),
        message: gossip.GossipMessage.create({ stateInfo: { pkiId: utf8(SELF.name), properties } })
      }
    },
    peers: () => world.peers.map(memberOf),
    peersOfChannel: () => world.peers.filter((peer) => peer.inChannel !== false).map(inChannel),
    identities: () => [SELF, ...world.peers].map(identityOf),
    eligible: (channelId, { identity }) => {
      asked.push(`${channelId}/${toText(identity)}`)
      return denied.includes(toText(identity)) ? Either.left({ message: "no" }) : Either.right(undefined)
    },
    sequence: (channelId) => (channelId === "" ? 0n : sequence),
    satisfiesPrincipal: (_, identity, principal) =>
      toText(identity).startsWith(`${common.MSPRole.decode(principal.principal).mspIdentifier}/`)
        ? Either.right(undefined)
        : Either.left({ message: "another organisation" }),
    metadata: (_, chaincode, withCollections) => {
      const policy = world.policies?.[chaincode]
      return Effect.succeed(
        policy === undefined
          ? undefined
          : {
              name: chaincode,
              version: "1.0",
              policy: policyOf(policy),
              collections: withCollections ? collectionsOf(world.collections ?? {}) : undefined
            }
      )
    },
    config: () => undefined
  }
  const { discover } = makeDiscoveryService(support, { enabled: true, maxSize: 4, retentionRatio: 0.5 })
  const ask = (queries: ReadonlyArray<Parameters<typeof discovery.Query.create>[0]>, who = "A/user") =>
    Effect.map(
      discover(
        discovery.SignedRequest.create({
          payload: discovery.Request.encode({
            authentication: { clientIdentity: utf8(who) },
            queries: queries.map((query) => discovery.Query.create(query))
          }),
          signature: utf8("signature")
        })
      ),
      (bytes) => discovery.Response.decode(bytes).results
    )
  const change = () => {
    sequence += 1n
  }
  return { ask, asked, discover, change }
}

const interest = (...calls: ReadonlyArray<string>) => ({
  chaincodes: calls.map((call) => {
    const [name = "", ...collectionNames] = call.split("+")
    return { name, collectionNames }
  })
})
const cc = (...calls: ReadonlyArray<string>) => ({ channel: "mychannel", ccQuery: { interests: [interest(...calls)] } })
const errorOf = (result: discovery.QueryResult | undefined) => result?.error?.content

const runsIt = { chaincodes: ["mycc:1.0", "other:1.0"] }
const abc: World = {
  peers: [
    { name: "p1", org: "A", ...runsIt },
    { name: "p2", org: "B", ...runsIt },
    { name: "p3", org: "B", ...runsIt },
    { name: "p4", org: "C", ...runsIt },
    { name: "hidden", org: "C", external: false, ...runsIt },
    { name: "old", org: "C", chaincodes: ["mycc:0.9"] },
    { name: "away", org: "B", inChannel: false, ...runsIt }
  ],
  policies: {
    mycc: "OutOf(2, 'A.member', 'B.member', 'C.member')",
    other: "OR('B.member', 'C.member')",
    strict: "AND('A.member', 'D.member')"
  },
  collections: { both: "OR('A.member', 'B.member')", onlyB: "OR('B.member')" }
}

/** Layouts as text, groups replaced by the organisations of their peers. */
const layoutsOf = (result: discovery.QueryResult | undefined) => {
  const [descriptor] = result?.ccQueryRes?.content ?? []
  const orgOf = (group: string) =>
    (descriptor?.endorsersByGroups.get(group)?.peers ?? [])
      .map(({ identity }) => toText(identity))
      .sort()
      .join("|")
  return descriptor?.layouts.map(({ quantitiesByGroup }) =>
    [...quantitiesByGroup].map(([group, n]) => `${n} of ${orgOf(group)}`).sort()
  )
}

describe("endorsers", () => {
  it.effect("are peers that run the version, are alive, and can be reached from outside", () =>
    Effect.gen(function* () {
      const [result] = yield* service(abc).ask([cc("mycc")])
      expect(layoutsOf(result)).toEqual([
        ["1 of A/p0|A/p1", "1 of B/p2|B/p3"],
        ["1 of A/p0|A/p1", "1 of C/p4"],
        ["1 of B/p2|B/p3", "1 of C/p4"]
      ])
      const [descriptor] = result?.ccQueryRes?.content ?? []
      expect(descriptor?.chaincode).toBe("mycc")
      for (const { peers } of descriptor?.endorsersByGroups.values() ?? [])
        for (const { membershipInfo, stateInfo } of peers) {
          expect(toText(stateInfo?.payload ?? new Uint8Array())).toMatch(/^state of /)
          expect(toText(membershipInfo?.payload ?? new Uint8Array())).toMatch(/^alive of /)
          expect(membershipInfo?.secretEnvelope).toBeUndefined()
        }
    })
  )

  it.effect("of chaincodes that call each other satisfy both policies", () =>
    Effect.gen(function* () {
      const [result] = yield* service(abc).ask([cc("mycc", "other")])
      const layouts = layoutsOf(result)
      expect(layouts).toContainEqual(["1 of A/p0|A/p1", "1 of B/p2|B/p3"])
      expect(layouts).toContainEqual(["1 of A/p0|A/p1", "1 of C/p4"])
      expect(layouts).toContainEqual(["1 of B/p2|B/p3", "1 of C/p4"])
    })
  )

  it.effect("may have the collections that are named", () =>
    Effect.gen(function* () {
      const { ask } = service(abc)
      const [both, onlyB, unknown] = yield* ask([cc("mycc+both"), cc("mycc+both+onlyB"), cc("mycc+none")])
      expect(layoutsOf(both)).toEqual([["1 of A/p0|A/p1", "1 of B/p2|B/p3"]])
      expect(errorOf(onlyB)).toBe(
        'failed constructing descriptor for chaincodes:<name:"mycc" collection_names:"both" collection_names:"onlyB" > '
      )
      expect(errorOf(unknown)).toBe(
        'failed constructing descriptor for chaincodes:<name:"mycc" collection_names:"none" > '
      )
    })
  )

  it.effect("fail behind one text, whatever the cause", () =>
    Effect.gen(function* () {
      const results = yield* service(abc).ask([cc("absent"), cc("strict"), cc("mycc", "absent")])
      expect(results.map(errorOf)).toEqual([
        'failed constructing descriptor for chaincodes:<name:"absent" > ',
        'failed constructing descriptor for chaincodes:<name:"strict" > ',
        'failed constructing descriptor for chaincodes:<name:"mycc" > chaincodes:<name:"absent" > '
      ])
    })
  )
})

describe("members", () => {
  const names = (result: discovery.QueryResult | undefined) =>
    Object.fromEntries(
      [...(result?.members?.peersByOrg ?? [])].map(([org, { peers }]) => [
        org,
        peers.map(({ identity }) => toText(identity)).sort()
      ])
    )

  it.effect("of the network, of a channel, of a chaincode; organisations without a peer stay", () =>
    Effect.gen(function* () {
      const [local, channel, filtered, missing] = yield* service(abc).ask([
        { localPeers: {} },
        { channel: "mychannel", peerQuery: {} },
        { channel: "mychannel", peerQuery: { filter: interest("mycc+onlyB") } },
        { channel: "mychannel", peerQuery: { filter: interest("absent") } }
      ])
      expect(names(local)).toEqual({ A: ["A/p0", "A/p1"], B: ["B/away", "B/p2", "B/p3"], C: ["C/old", "C/p4"] })
      expect(names(channel)).toEqual({ A: ["A/p0", "A/p1"], B: ["B/p2", "B/p3"], C: ["C/old", "C/p4"] })
      expect(names(filtered)).toEqual({ A: [], B: ["B/p2", "B/p3"], C: [] })
      expect(errorOf(missing)).toBe("No metadata was found for chaincode absent in channel mychannel")
    })
  )
})

describe("refusals", () => {
  it.effect("are results in their places", () =>
    Effect.gen(function* () {
      const { ask } = service(abc, ["B/stranger"])
      const results = yield* ask([
        { channel: "elsewhere", configQuery: {} },
        { channel: "mychannel", localPeers: {} },
        { configQuery: {} },
        { channel: "mychannel" },
        { channel: "mychannel", ccQuery: {} },
        { channel: "mychannel", ccQuery: { interests: [{}] } },
        cc(""),
        { channel: "mychannel", configQuery: {} },
        cc("mycc")
      ])
      expect(results.map(errorOf)).toEqual([
        "access denied",
        "unknown or missing request type",
        "unknown or missing request type",
        "unknown or missing request type",
        "chaincode query must have at least one chaincode interest",
        "chaincode interest must contain at least one chaincode",
        "chaincode name in interest cannot be empty",
        "failed fetching config for channel mychannel",
        undefined
      ])
      expect((yield* ask([cc("mycc"), { localPeers: {} }], "B/stranger")).map(errorOf)).toEqual([
        "access denied",
        "access denied"
      ])
    })
  )

  it.effect("of requests without a caller are errors of the call", () =>
    Effect.gen(function* () {
      const { discover } = service(abc)
      const refused = (payload: Uint8Array) =>
        Effect.map(Effect.flip(discover(discovery.SignedRequest.create({ payload }))), ({ message }) => message)
      expect(yield* refused(utf8("garbage"))).toMatch(/^failed parsing request: /)
      expect(yield* refused(new Uint8Array())).toBe("access denied, no authentication info in request")
      expect(yield* refused(discovery.Request.encode({ authentication: {} }))).toBe(
        "access denied, client identity wasn't supplied"
      )
    })
  )

  it.effect("and permissions are remembered until the configuration changes, so many at most", () =>
    Effect.gen(function* () {
      const { ask, asked, change } = service(abc, ["B/stranger"])
      const query = { channel: "mychannel", peerQuery: {} }
      yield* ask([query, query, query])
      yield* ask([query], "B/stranger")
      yield* ask([query], "B/stranger")
      expect(asked).toHaveLength(2)
      change()
      yield* ask([query])
      expect(asked).toHaveLength(3)
      for (const who of ["1", "2", "3", "4", "5", "6"]) yield* ask([query], `A/${who}`)
      yield* ask([query], "A/6")
      expect(asked).toHaveLength(9)
      yield* ask([query], "A/1")
      expect(asked).toHaveLength(10)
    })
  )
})

describe("an interest's text", () => {
  it("is Go's compact form, strange names escaped", () => {
    const text = interestText(discovery.ChaincodeInterest.create(interest('a"b\n', "ü+c")))
    expect(text).toBe('chaincodes:<name:"a\\"b\\n" > chaincodes:<name:"\\303\\274" collection_names:"c" > ')
  })
})

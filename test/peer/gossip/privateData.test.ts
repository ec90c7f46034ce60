/** Private data among peers of two organisations: exactly those who may have a value come to have it, and lose it. */
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import type { Gateway } from "../../../src/network/gateway/Gateway.js"
import { gossip } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { GossipNetwork, until } from "./support.js"

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const [a, b, late, other] = [
  "peer0.org1.example.com",
  "peer1.org1.example.com",
  "peer2.org1.example.com",
  "peer0.org2.example.com"
]
const everyone = "OR('Org1MSP.member', 'Org2MSP.member')"
const collections = [
  { name: "both", policy: everyone, requiredPeerCount: 1, maxPeerCount: 2 },
  { name: "one", policy: "OR('Org1MSP.member')", requiredPeerCount: 1, maxPeerCount: 1, memberOnlyRead: true },
  { name: "pulled", policy: everyone, requiredPeerCount: 0, maxPeerCount: 0 },
  { name: "brief", policy: everyone, requiredPeerCount: 0, maxPeerCount: 2, blockToLive: 2 },
  { name: "many", policy: everyone, requiredPeerCount: 5, maxPeerCount: 5 }
]

let network: GossipNetwork
let client: Gateway

/** Endorsed by `a` alone, so that others have the value only from gossip. */
const put = async (collection: string, key: string, value: string): Promise<bigint> => {
  const { block, code } = await Effect.runPromise(
    client.submit({
      chaincode: "vault",
      args: ["putPrivate", collection, key],
      transient: new Map([["value", utf8(value)]]),
      endorsers: ["Org1"]
    })
  )
  expect(code).toBe("VALID")
  return block
}
let counter = 0
const putPublic = async (): Promise<void> => {
  counter += 1
  await Effect.runPromise(
    client.submit({ chaincode: "vault", args: ["put", `key${counter}`, "value"], endorsers: ["Org1"] })
  )
}

const ledgerOf = (host: string) => {
  const ledger = network.peer(host).channel()?.ledger
  if (ledger === undefined) throw new Error(`${host} has no ledger`)
  return ledger
}
/** What the peer's state has; undefined where it has nothing, or not the newest. */
const value = (host: string, collection: string, key: string): Promise<string | undefined> =>
  Effect.runPromise(
    Effect.acquireUseRelease(
      ledgerOf(host).newQueryExecutor,
      (executor) =>
        Effect.sync(() => {
          try {
            const bytes = executor.getPrivateData("vault", collection, key)
            return bytes === undefined ? undefined : Buffer.from(bytes).toString()
          } catch {
            return undefined
          }
        }),
      (executor) => Effect.sync(() => executor.done())
    )
  )
const missing = async (host: string, collection: string) =>
  (await Effect.runPromise(ledgerOf(host).missingPvtData(100))).filter((one) => one.collection === collection)
const level = (hosts: ReadonlyArray<string>) =>
  until(`the same height on ${hosts.join(", ")}`, () =>
    hosts.every((host) => network.height(host) === network.height(a))
  )
const sees = (host: string, count: number) =>
  until(`${count} others on ${host}`, () => network.peer(host).gossip.peersOfChannel("mychannel").length === count)

beforeAll(async () => {
  network = await GossipNetwork.make({
    orgs: [{ name: "Org1", peers: 3 }, { name: "Org2" }],
    maxMessageCount: 1,
    // Org2's peer never asks at commit: what was not pushed to it comes by reconciliation
    environments: { [other]: { CORE_PEER_GOSSIP_PVTDATA_PULLRETRYTHRESHOLD: "0s" } }
  })
  client = await network.client({ Org1: 2, Org2: 1 })
  for (const host of [a, b, other]) await network.start(host)
  await Effect.runPromise(client.createChannel)
  await Effect.runPromise(client.join)
  await Effect.runPromise(client.setAnchors)
  await network.deploy({ name: "vault", collections }, client)
  for (const host of [a, b, other]) await sees(host, 2)
})
afterAll(() => network?.close())

describe("private data", () => {
  it("reaches exactly the peers that may have it", async () => {
    await put("both", "k1", "secret-of-both-1")
    await put("one", "k1", "secret-of-one-1")
    await level([a, b, other])
    for (const host of [a, b, other]) expect(await value(host, "both", "k1")).toBe("secret-of-both-1")
    for (const host of [a, b]) expect(await value(host, "one", "k1")).toBe("secret-of-one-1")
    expect(await value(other, "one", "k1")).toBeUndefined()
    for (const host of [a, b, other]) expect(network.holds(host, "secret-of-both-1")).toBe(true)
    for (const host of [a, b]) expect(network.holds(host, "secret-of-one-1")).toBe(true)
    expect(network.holds(other, "secret-of-one-1")).toBe(false)
  })

  it("is read by members alone where the collection says so", async () => {
    const read = (identity: string) =>
      Effect.runPromise(
        Effect.either(
          client.evaluate({ chaincode: "vault", args: ["getPrivate", "one", "k1"], identity, endorsers: ["Org1"] })
        )
      )
    expect(Buffer.from(await Effect.runPromise(await read("admin"))).toString()).toBe("secret-of-one-1")
    expect(await read("admin@org2")).toMatchObject({
      left: { reason: expect.stringContaining("tx creator does not have read access permission on privatedata") }
    })
  })

  it("is not endorsed when too few members can be reached; the text is the reference's", async () => {
    const refused = await Effect.runPromise(
      Effect.flip(
        client.submit({
          chaincode: "vault",
          args: ["putPrivate", "many", "k"],
          transient: new Map([["value", utf8("secret-of-many")]]),
          endorsers: ["Org1"]
        })
      )
    )
    expect(refused.reason).toMatch(
      /failed to distribute private collection, txID [0-9a-f]{64}, channel %smychannel: could not build private data dissemination plan for chaincode vault and collection many: required to disseminate to at least 5 peers, but know of only 2 eligible peers/
    )
    expect(refused.cause).toMatchObject({ status: 500 })
    for (const host of [a, b, other]) expect(network.holds(host, "secret-of-many")).toBe(false)
  })

  it("that is not pushed is pulled at commit, or reconciled where that is switched off", async () => {
    await put("pulled", "k1", "secret-to-be-pulled")
    await level([a, b, other])
    // in state with its block: it was pulled before the commit
    expect(await value(b, "pulled", "k1")).toBe("secret-to-be-pulled")
    await until("the reconciled value", async () => (await value(other, "pulled", "k1")) === "secret-to-be-pulled")
    expect(await missing(other, "pulled")).toEqual([])
    await until("the log of it", () =>
      network.peer(other).lines.some((line) => line.includes("Reconciliation cycle finished successfully"))
    )
  })

  it("is not given to those who may not have it, whoever asks", async () => {
    const asker = network.peer(other).gossip
    const target = asker.peersOfChannel("mychannel").find(({ pkiId }) => {
      return Buffer.compare(pkiId, network.peer(a).gossip.pkiId) === 0
    })
    if (target === undefined) throw new Error("not seen")
    const top = network.height(a)
    const digests = Array.from({ length: Number(top) + 2 }, (_, block) =>
      ["one", "both"].map((collection) =>
        gossip.PvtDataDigest.create({ namespace: "vault", collection, blockSeq: BigInt(block), seqInBlock: 0n })
      )
    ).flat()
    const elements = await new Promise<ReadonlyArray<gossip.PvtDataElement>>((resolve) => {
      asker.subscribeRaw(
        ({ message }) => message.nonce === 4711n && message.privateRes !== undefined,
        ({ message }) => resolve(message.privateRes?.elements ?? [])
      )
      asker.send(
        gossip.GossipMessage.create({
          nonce: 4711n,
          channel: utf8("mychannel"),
          tag: gossip.GossipMessage_Tag.CHAN_ONLY,
          privateReq: { digests }
        }),
        [{ endpoint: target.endpoint, pkiId: target.pkiId }]
      )
    })
    expect(elements.map(({ digest }) => digest?.collection)).toEqual(["both"])
  })

  it("reaches a member that was away, once it is back; nobody else", async () => {
    await network.stop(b)
    await sees(other, 1)
    await sees(a, 1)
    await put("both", "k2", "secret-while-away")
    await put("pulled", "k2", "pulled-while-away")
    const refused = await Effect.runPromise(
      Effect.flip(
        client.submit({
          chaincode: "vault",
          args: ["putPrivate", "one", "k2"],
          transient: new Map([["value", utf8("secret-of-nobody")]]),
          endorsers: ["Org1"]
        })
      )
    )
    expect(refused.reason).toContain("failed to distribute private collection, txID ")
    await network.start(b)
    await until("the value", async () => {
      return network.height(b) === network.height(a) && (await value(b, "both", "k2")) === "secret-while-away"
    })
    await until("the other value", async () => (await value(b, "pulled", "k2")) === "pulled-while-away")
    expect(await missing(b, "both")).toEqual([])

    await sees(a, 2)
    await network.stop(other)
    await put("one", "k3", "secret-of-one-3")
    await network.start(other)
    await level([a, b, other])
    expect(await value(b, "one", "k3")).toBe("secret-of-one-3")
    expect(network.holds(other, "secret-of-one-3")).toBe(false)
  })

  it("ends after its blocks to live, on every peer", async () => {
    for (const host of [a, b, other]) await sees(host, 2)
    const block = await put("brief", "k1", "short-lived")
    await level([a, b, other])
    for (const host of [a, b, other]) expect(await value(host, "brief", "k1")).toBe("short-lived")
    for (let i = 0; i < 3; i += 1) await putPublic()
    await level([a, b, other])
    for (const host of [a, b, other]) {
      expect(await value(host, "brief", "k1")).toBeUndefined()
      expect((await Effect.runPromise(ledgerOf(host).pvtDataByNumber(block))).size).toBe(0)
    }
  })

  it("of old blocks reaches a peer that joins late; what has ended is not asked for", async () => {
    await network.start(late)
    const everybody = await network.client({ Org1: 3, Org2: 1 })
    expect(await Effect.runPromise(everybody.join)).toEqual([late])
    await level([a, late])
    await until("old values", async () => {
      const values = [
        await value(late, "one", "k1"),
        await value(late, "both", "k2"),
        await value(late, "pulled", "k1")
      ]
      return values.join() === "secret-of-one-1,secret-while-away,secret-to-be-pulled"
    })
    expect(await value(late, "brief", "k1")).toBeUndefined()
    expect(await missing(late, "brief")).toEqual([])
    expect(network.holds(late, "short-lived")).toBe(false)
  })

  it("written before an organisation belonged to its collection comes to it by reconciliation", async () => {
    const widened = collections.map((one) => (one.name === "one" ? { ...one, policy: everyone } : one))
    expect(network.holds(other, "secret-of-one-1")).toBe(false)
    await network.deploy({ name: "vault", version: "2.0", collections: widened }, client)
    await level([a, b, other])
    await until("the old values", async () => {
      return (
        [await value(other, "one", "k1"), await value(other, "one", "k3")].join() === "secret-of-one-1,secret-of-one-3"
      )
    })
    expect(await missing(other, "one")).toEqual([])
  })
})

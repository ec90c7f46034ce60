/** Blocks among peers of two organisations: who fetches them, how the others get them. */
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { dataMessage } from "../../../src/gossip/state/index.js"
import type { Gateway } from "../../../src/network/gateway/Gateway.js"
import { common } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { GossipNetwork, until } from "./support.js"

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const AWAY = process.env.FABRIC_EFFECT_LONG === "1" ? 500 : 60

const [a, b, late, other] = [
  "peer0.org1.example.com",
  "peer1.org1.example.com",
  "peer2.org1.example.com",
  "peer0.org2.example.com"
]

let network: GossipNetwork
/** Knows everybody but the late peer; what it commits, Org2's peer has committed. */
let client: Gateway
let counter = 0

const submit = async (count = 1): Promise<void> => {
  for (let left = count; left > 0; ) {
    const some = Math.min(left, 20)
    await Promise.all(
      Array.from({ length: some }, async () => {
        counter += 1
        const { code } = await Effect.runPromise(
          client.submit({ chaincode: "vault", args: ["put", `key${counter}`, "value"], endorsers: ["Org2"] })
        )
        expect(code).toBe("VALID")
      })
    )
    left -= some
  }
}
const all = [a, b, other]
const leaders = () => [a, b].filter((host) => network.leads(host))
const level = (hosts: ReadonlyArray<string>) =>
  until(`the same height on ${hosts.join(", ")}`, () => {
    const top = network.height(other)
    return hosts.every((host) => network.height(host) === top)
  })

beforeAll(async () => {
  network = await GossipNetwork.make({ orgs: [{ name: "Org2" }, { name: "Org1", peers: 3 }], maxMessageCount: 1 })
  client = await network.client({ Org2: 1, Org1: 2 })
  for (const host of all) await network.start(host)
  await Effect.runPromise(client.createChannel)
  await Effect.runPromise(client.join)
  await Effect.runPromise(client.setAnchors)
  await network.deploy({ name: "vault" }, client)
})
afterAll(() => network?.close())

describe("peers of two organisations", () => {
  it("have one leader each; the others get its blocks by gossip", async () => {
    await until("one leader in Org1", () => leaders().length === 1 && network.leads(other))
    await submit(3)
    await level(all)
    const [leader] = leaders()
    const follower = leader === a ? b : a
    expect(network.peer(follower).channel()?.orderer()).toBeUndefined()
    expect(
      network
        .peer(leader ?? "")
        .channel()
        ?.orderer()
    ).toBeDefined()
    const metric = async (host: string) =>
      /^gossip_leader_election_leader\{channel="mychannel"\} (\d)$/m.exec(await network.peer(host).exposition())?.[1]
    await until("the metric", async () => (await metric(leader ?? "")) === "1" && (await metric(follower)) === "0")
    const blocks = await Promise.all(
      all.map((host) => {
        const ledger = network.peer(host).channel()?.ledger
        return ledger === undefined ? undefined : Effect.runPromise(ledger.get(ledger.height() - 1n))
      })
    )
    const hashes = blocks.map((block) => common.Block.decode(block ?? utf8("")).header)
    expect(hashes[0]).toEqual(hashes[1])
    expect(hashes[0]).toEqual(hashes[2])
  })

  it("see each other, across organisations, with heights and chaincodes", async () => {
    const seen = (host: string) =>
      network
        .peer(host)
        .gossip.peersOfChannel("mychannel")
        .filter(({ properties }) => properties?.ledgerHeight === network.height(other))
    await until("everybody's height everywhere", () => all.every((host) => seen(host).length === 2))
    await until("the chaincode of the others", () =>
      all.every((host) =>
        seen(host).every(({ properties }) => properties?.chaincodes.some(({ name }) => name === "vault"))
      )
    )
  })

  it("neither commit nor pass on blocks that somebody made up", async () => {
    const liar = network.peer(a)
    const ledger = liar.channel()?.ledger
    if (ledger === undefined) throw new Error("no ledger")
    const number = ledger.height()
    const last = common.Block.decode(await Effect.runPromise(ledger.get(number - 1n)))
    const forge = (change: Partial<common.Block>) => common.Block.encode(common.Block.create({ ...last, ...change }))
    const header = common.BlockHeader.create({
      ...last.header,
      number,
      previousHash: last.header?.dataHash ?? utf8("")
    })
    const forged = [
      forge({ header }),
      forge({ header, data: common.BlockData.create({ data: [utf8("anything")] }) }),
      forge({}), // an old block under the next number
      utf8("no block at all")
    ]
    const targets = liar.gossip.peersOfChannel("mychannel")
    expect(targets.length).toBe(2)
    for (const bytes of forged)
      liar.gossip.send(
        dataMessage(utf8("mychannel"), number, bytes),
        targets.map(({ endpoint, internalEndpoint, pkiId }) => ({
          pkiId,
          endpoint: internalEndpoint === "" ? endpoint : internalEndpoint
        }))
      )
    await submit(2)
    await level(all)
    const stored = await Effect.runPromise(ledger.get(number))
    expect(forged.some((bytes) => Buffer.compare(bytes, stored) === 0)).toBe(false)
    expect(network.height(other)).toBe(number + 2n)
  })

  it("elect another leader when theirs is gone", async () => {
    const [leader = ""] = leaders()
    await network.stop(leader)
    const rest = [a, b].find((host) => host !== leader) ?? ""
    await until("the other one leads", () => network.leads(rest))
    await submit(2)
    await level([rest, other])

    // what it misses is fetched by ranges once it is back
    await submit(AWAY)
    await network.start(leader)
    await level([leader, rest, other])
    expect(network.peer(leader).lines.some((line) => /State transfer, with peer .* requesting blocks/.test(line))).toBe(
      true
    )
    await until("one leader again", () => leaders().length === 1)
    await submit(1)
    await level(all)
  })

  it("give a peer that joins late everything", async () => {
    await network.start(late)
    const everybody = await network.client({ Org2: 1, Org1: 3 })
    expect(await Effect.runPromise(everybody.join)).toEqual([late])
    await level([...all, late])
    // it may have led until it saw the others
    await until("one leader among three", () => [a, b, late].filter((host) => network.leads(host)).length === 1)
    await submit(3)
    await level([...all, late])
  })
})

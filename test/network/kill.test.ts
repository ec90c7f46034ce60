/** Kill -9 in the middle of 200 submits: the chain is the same on both nodes afterwards, and what was committed is there. */
import { randomInt } from "node:crypto"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { type DeliverRequest, ordererBlocks, peerBlocks } from "../../src/client/index.js"
import { makeConnections } from "../../src/network/gateway/connections.js"
import { type Gateway, makeGateway } from "../../src/network/gateway/Gateway.js"
import * as layout from "../../src/network/layout.js"
import { readState } from "../../src/network/state.js"
import type { Channel } from "../../src/transport/index.js"
import { common } from "../../src/wire/index.js"
import { blockHeaderHash, toHex, toText } from "../../src/wire/protoutil.js"
import { programHome, run } from "./program.js"
import { temporaryFolder } from "./support.js"

const long = process.env.FABRIC_EFFECT_LONG !== undefined
vi.setConfig({ testTimeout: 240_000, hookTimeout: 180_000 })

const SUBMITS = 200
const IN_FLIGHT = 25
const CHAINCODE = "asset-transfer"

/** A commit takes some 100 ms; what the killed node knew alone (ordered, not delivered) comes after its restart only. */
const COMMITTED_WITHIN = "15 seconds"

const at = temporaryFolder()
const dir = at("killed")
const home = programHome()
const network = async (...args: ReadonlyArray<string>): Promise<string> => {
  const { code, stderr, stdout } = await run(join(home(), "network.mjs"), [...args, "--dir", dir], at("."))
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`)
  return stdout
}

const stateNow = async () => {
  const state = await Effect.runPromise(readState(dir))
  if (state === undefined) throw new Error("no network")
  return state
}

// ---- The client ----------------------------------------------------------------------------------------------------

const withGateway = async <A>(use: (gateway: Gateway) => Effect.Effect<A, unknown>): Promise<A> => {
  const state = await stateNow()
  return Effect.runPromise(
    Effect.scoped(Effect.flatMap(makeGateway({ ...state, dir, chaincodes: [] }, state.ports), use))
  )
}

/** Creates the assets; gives those whose commit was seen. `seen` runs after each of them. */
const create = (ids: ReadonlyArray<string>, seen: (count: number) => void) =>
  withGateway((gateway) => {
    const committed: Array<string> = []
    const one = (id: string) =>
      Effect.gen(function* () {
        const args = ["CreateAsset", id, "blue", "1", "Ann", "1"]
        const answer = yield* gateway
          .submit({ chaincode: CHAINCODE, args })
          .pipe(Effect.timeout(COMMITTED_WITHIN), Effect.either)
        if (Either.isLeft(answer) || answer.right.code !== "VALID") return
        committed.push(id)
        seen(committed.length)
      })
    return Effect.as(Effect.forEach(ids, one, { concurrency: IN_FLIGHT, discard: true }), committed)
  })

const assets = (): Promise<ReadonlySet<string>> =>
  withGateway((gateway) =>
    Effect.map(gateway.evaluate({ chaincode: CHAINCODE, args: ["GetAllAssets"] }), (payload) => {
      const all: ReadonlyArray<{ readonly id: string }> = JSON.parse(toText(payload))
      return new Set(all.map(({ id }) => id))
    })
  )

// ---- The chains ----------------------------------------------------------------------------------------------------

interface Link {
  readonly number: bigint
  readonly hash: string
  readonly previous: string
  readonly data: string
}

/** All blocks that a node has now, as header hash and data. */
const chainOf = (node: Channel, from: typeof ordererBlocks, request: Omit<DeliverRequest, "seek">) =>
  Effect.scoped(
    Effect.gen(function* () {
      const source = yield* from(node, { ...request, seek: { start: "oldest", stop: "newest" } })
      const links: Array<Link> = []
      for (let bytes = yield* source.next; bytes !== undefined; bytes = yield* source.next) {
        const { data, header } = common.Block.decode(bytes)
        if (header === undefined) throw new Error("a block without header")
        links.push({
          number: header.number,
          hash: toHex(blockHeaderHash(header)),
          previous: toHex(header.previousHash),
          data: Buffer.concat(data?.data ?? []).toString("base64")
        })
      }
      return links
    })
  )

const chains = async () => {
  const state = await stateNow()
  const spec = { ...state, dir, chaincodes: [] }
  return Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const connections = yield* makeConnections(() => ({ spec, ports: state.ports }))
        const request = { channelId: spec.channel, signer: yield* connections.admin() }
        return {
          orderer: yield* chainOf(yield* connections.orderer, ordererBlocks, request),
          peer: yield* chainOf(yield* connections.firstPeer(), peerBlocks, request)
        }
      })
    )
  )
}

const kill = (pids: Readonly<Record<string, number>>, names: ReadonlyArray<string>): void => {
  for (const name of names) {
    const pid = pids[name]
    if (pid === undefined) throw new Error(`${name} does not run`)
    process.kill(pid, "SIGKILL")
  }
}

const PEER = "peer0.org1.example.com"
const scenarios: ReadonlyArray<readonly [what: string, nodes: ReadonlyArray<string>]> = [
  ["peer and orderer", [PEER, layout.ORDERER_HOST]],
  ["the peer", [PEER]],
  ["the orderer", [layout.ORDERER_HOST]]
]
const rounds = Array.from({ length: long ? 10 : 1 }, (_, round) => round)

describe("kill -9", () => {
  beforeAll(() => network("up", "--detach", "--free-ports", "--batch-timeout", "50"))
  afterAll(() => network("down"))

  it.each(rounds.flatMap((round) => scenarios.map(([what, nodes]) => ({ what, nodes, round }))))(
    "of $what in the middle of the submits, round $round",
    async ({ nodes, round, what }) => {
      const { pids } = await stateNow()
      const ids = Array.from({ length: SUBMITS }, (_, i) => `${what}-${round}-${i}`)
      const moment = randomInt(10, 120)
      const committed = await create(ids, (count) => {
        if (count === moment) kill(pids, nodes)
      })
      expect(committed.length).toBeGreaterThanOrEqual(moment)
      expect(committed.length).toBeLessThan(SUBMITS)

      await network("down")
      await network("up", "--detach")
      const there = await assets()
      expect(committed.filter((id) => !there.has(id))).toEqual([])

      // the rest can be sent again
      const missing = ids.filter((id) => !there.has(id))
      expect(await create(missing, () => {})).toHaveLength(missing.length)
      const { orderer, peer } = await chains()
      expect(peer).toEqual(orderer)
      for (const [i, { number, previous }] of orderer.entries()) {
        expect(number).toBe(BigInt(i))
        if (i > 0) expect(previous).toBe(orderer[i - 1]?.hash)
      }
      const all = await assets()
      expect(ids.filter((id) => !all.has(id))).toEqual([])
    }
  )
})

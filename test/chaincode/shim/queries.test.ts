/** Batches, pages, limits and iterators: what a range query brings, for every size that matters. */
import { describe, expect, it } from "vitest"
import { MessageType } from "../../../src/chaincode/shim/messages.js"
import type { Answer } from "../../../src/chaincode/shim/queryResponse.js"
import { answerStateRequest, type RequestEnvironment } from "../../../src/chaincode/shim/requests.js"
import { TransactionContext } from "../../../src/chaincode/shim/TransactionContext.js"
import { protos, queryresult } from "../../../src/wire/index.js"
import { params } from "../support/FakeStream.js"
import { MemoryChannel } from "../support/MemoryChannel.js"

/** Ranges never make anyone wait. */
const atOnce = (answer: Answer): Uint8Array => {
  if (answer instanceof Uint8Array) return answer
  throw new Error("the answer takes time")
}

const setup = (keys: number, totalQueryLimit = 100_000) => {
  const channel = new MemoryChannel("ch")
  for (let i = 0; i < keys; i++) channel.put("cc", `k${String(i).padStart(4, "0")}`, String(i))
  let ids = 0
  const environment: RequestEnvironment = {
    applications: { of: () => undefined },
    totalQueryLimit,
    newId: () => `id${++ids}`
  }
  const tx = params({ simulator: channel.simulator("tx"), history: channel.history })
  const context = new TransactionContext(tx, false, () => {})
  const ask = (type: number, payload: Uint8Array) =>
    protos.QueryResponse.decode(
      atOnce(answerStateRequest(type, { namespace: "cc", channelId: "ch", payload, context, environment }))
    )
  return {
    context,
    range: (metadata?: Partial<protos.QueryMetadata>, startKey = "", endKey = "") =>
      ask(
        MessageType.getStateByRange,
        protos.GetStateByRange.encode({
          startKey,
          endKey,
          ...(metadata === undefined ? {} : { metadata: protos.QueryMetadata.encode(metadata) })
        })
      ),
    next: (id: string) => ask(MessageType.queryStateNext, protos.QueryStateNext.encode({ id })),
    close: (id: string) => ask(MessageType.queryStateClose, protos.QueryStateClose.encode({ id })),
    history: (key: string) => ask(MessageType.getHistoryForKey, protos.GetHistoryForKey.encode({ key })),
    query: (query: string) => ask(MessageType.getQueryResult, protos.GetQueryResult.encode({ query })),
    channel
  }
}

const keysOf = (response: protos.QueryResponse) =>
  response.results.map(({ resultBytes }) => queryresult.KV.decode(resultBytes).key)

/** Sizes of all batches of a query. */
const batches = ({ next, range }: ReturnType<typeof setup>): ReadonlyArray<number> => {
  const sizes: Array<number> = []
  let response = range()
  for (;;) {
    sizes.push(response.results.length)
    if (!response.hasMore) return sizes
    response = next(response.id)
  }
}

describe("range queries", () => {
  it.each([
    [0, [0]],
    [1, [1]],
    [99, [99]],
    [100, [100]],
    [101, [100, 1]],
    [200, [100, 100]],
    [201, [100, 100, 1]]
  ])("over %i keys come in batches of %j", (count, expected) => {
    expect(batches(setup(count))).toEqual(expected)
  })

  it("stop silently at the total limit", () => {
    const sizes = batches(setup(300, 150))
    expect(sizes).toEqual([100, 50])
    expect(batches(setup(300, 100))).toEqual([100])
    expect(batches(setup(300, 1))).toEqual([1])
  })

  it("bring a page in one reply, with the bookmark of the next", () => {
    const { range } = setup(200)
    const page = range({ pageSize: 150 })
    expect(page.results).toHaveLength(150)
    expect(page.hasMore).toBe(false)
    expect(protos.QueryResponseMetadata.decode(page.metadata)).toMatchObject({
      fetchedRecordsCount: 150,
      bookmark: "k0150"
    })
    const rest = range({ pageSize: 150, bookmark: "k0150" })
    expect(keysOf(rest)[0]).toBe("k0150")
    expect(rest.results).toHaveLength(50)
    expect(protos.QueryResponseMetadata.decode(rest.metadata)).toMatchObject({ fetchedRecordsCount: 50, bookmark: "" })
  })

  it("keep a page within the total limit", () => {
    const { range } = setup(50, 20)
    expect(range({ pageSize: 30 }).results).toHaveLength(20)
    expect(range({ pageSize: -1 }).results).toHaveLength(20)
    expect(range({ bookmark: "k0040" }).results).toHaveLength(10)
  })

  it("know nothing of a query that has ended or never was", () => {
    const { close, context, next, range } = setup(150)
    const { id } = range()
    expect(close(id)).toMatchObject({ id, hasMore: false, results: [] })
    expect(() => next(id)).toThrow("query iterator not found")
    expect(close("unknown")).toMatchObject({ id: "unknown" })
    const page = range({ pageSize: 5 })
    expect(() => next(page.id)).toThrow("query iterator not found")
    expect(close(page.id)).toMatchObject({ id: page.id })
    const whole = setup(10)
    const { id: over } = whole.range()
    expect(() => whole.next(over)).toThrow("query iterator not found")
    expect(context.openQueries).toBe(0)
  })

  it("have iterators of their own each", () => {
    const { context, next, range } = setup(250)
    const first = range()
    const second = range(undefined, "k0100")
    expect(context.openQueries).toBe(2)
    expect(keysOf(next(second.id))[0]).toBe("k0200")
    expect(keysOf(next(first.id))[0]).toBe("k0100")
    context.closeQueries()
    expect(context.openQueries).toBe(0)
    expect(() => next(first.id)).toThrow("query iterator not found")
  })

  it("say what the state database cannot do", () => {
    const { query } = setup(1)
    expect(() => query("{}")).toThrow("ExecuteQuery not supported for leveldb")
  })

  it("bring history through the same batches", () => {
    const { channel, history } = setup(0)
    for (let i = 0; i < 3; i++) {
      const simulator = channel.simulator(`t${i}`)
      simulator.setState("cc", "h", Buffer.from(String(i)))
      channel.commit(`t${i}`, simulator.getTxSimulationResults())
    }
    const changes = history("h").results.map(({ resultBytes }) => queryresult.KeyModification.decode(resultBytes))
    expect(changes.map(({ txId, value }) => [txId, Buffer.from(value).toString()])).toEqual([
      ["t0", "0"],
      ["t1", "1"],
      ["t2", "2"]
    ])
  })
})

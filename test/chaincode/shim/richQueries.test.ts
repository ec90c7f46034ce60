/** Rich queries on a stream's way: answers that take time, in batches and pages, and their failures. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { describe, expect, it } from "vitest"
import { MessageType } from "../../../src/chaincode/shim/messages.js"
import { answerStateRequest } from "../../../src/chaincode/shim/requests.js"
import { TransactionContext } from "../../../src/chaincode/shim/TransactionContext.js"
import { loadEmbeddedQueries } from "../../../src/ledger/index.js"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { protos, queryresult } from "../../../src/wire/index.js"
import { commitOne, genesis } from "../../ledger/peer/chain.js"
import { run, tempDir, utf8 } from "../../ledger/support.js"
import { params } from "../support/FakeStream.js"

const filled = (keys: number) =>
  Effect.gen(function* () {
    const provider = yield* makeLedgerProvider({
      root: `${yield* tempDir}/ledgersData`,
      richQueries: yield* loadEmbeddedQueries
    })
    const ledger = yield* provider.create(genesis())
    yield* commitOne(ledger, "fill", (sim) => {
      for (let i = 0; i < keys; i++) sim.setState("cc", `k${String(i).padStart(4, "0")}`, utf8(`{"n":${i}}`))
    })
    return ledger
  })

/** A transaction's requests, each waited for. */
const transaction = (ledger: PeerLedgerShape, totalQueryLimit = 100_000) =>
  Effect.gen(function* () {
    const simulator = yield* Effect.acquireRelease(ledger.newTxSimulator("tx"), (opened) =>
      Effect.sync(() => opened.done())
    )
    const context = new TransactionContext(params({ simulator }), false, () => {})
    let ids = 0
    const environment = { applications: { of: () => undefined }, totalQueryLimit, newId: () => `id${++ids}` }
    const ask = (type: number, payload: Uint8Array) =>
      Effect.suspend(() => {
        const answer = answerStateRequest(type, { namespace: "cc", channelId: "ch", payload, context, environment })
        return answer instanceof Uint8Array ? Effect.succeed(answer) : answer
      }).pipe(Effect.map((bytes) => protos.QueryResponse.decode(bytes)))
    return {
      context,
      simulator,
      query: (selector: object, metadata?: Partial<protos.QueryMetadata>) =>
        ask(
          MessageType.getQueryResult,
          protos.GetQueryResult.encode({
            query: JSON.stringify({ selector }),
            ...(metadata === undefined ? {} : { metadata: protos.QueryMetadata.encode(metadata) })
          })
        ),
      next: (id: string) => ask(MessageType.queryStateNext, protos.QueryStateNext.encode({ id }))
    }
  })

const all = { n: { $gte: 0 } }
const keysOf = ({ results }: protos.QueryResponse) =>
  results.map(({ resultBytes }) => queryresult.KV.decode(resultBytes).key)

describe("rich queries", () => {
  it.each([
    [0, [0]],
    [100, [100]],
    [101, [100, 1]],
    [201, [100, 100, 1]]
  ])("of %i results come in batches of %j", (keys, expected) =>
    run(
      Effect.gen(function* () {
        const { context, next, query } = yield* transaction(yield* filled(keys))
        let answer = yield* query(all)
        const sizes = [answer.results.length]
        while (answer.hasMore) {
          answer = yield* next(answer.id)
          sizes.push(answer.results.length)
        }
        expect(sizes).toEqual(expected)
        expect(context.openQueries).toBe(0)
      })
    )
  )

  it("end at the total limit, silently", () =>
    run(
      Effect.gen(function* () {
        const { next, query } = yield* transaction(yield* filled(160), 150)
        const first = yield* query(all)
        const second = yield* next(first.id)
        expect([first.results.length, first.hasMore, second.results.length, second.hasMore]).toEqual([
          100,
          true,
          50,
          false
        ])
      })
    ))

  it("page in one reply, with bookmarks, in transactions that only read", () =>
    run(
      Effect.gen(function* () {
        const { query, simulator } = yield* transaction(yield* filled(250))
        const first = yield* query(all, { pageSize: 150 })
        const { bookmark, fetchedRecordsCount } = protos.QueryResponseMetadata.decode(first.metadata)
        expect([first.results.length, fetchedRecordsCount, first.hasMore]).toEqual([150, 150, false])
        const second = yield* query(all, { pageSize: 150, bookmark })
        expect(keysOf(second)).toEqual(Array.from({ length: 100 }, (_, i) => `k${String(150 + i).padStart(4, "0")}`))
        expect(() => simulator.setState("cc", "k", utf8("v"))).toThrow("has already performed a paginated query")
      })
    ))

  it("that fail are closed; what comes later does not find them", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* filled(3)
        yield* commitOne(ledger, "slow", (sim) => sim.setState("cc", "slow", utf8(`{"s":"${"a".repeat(40)}!"}`)))
        const { context, next, query } = yield* transaction(ledger)
        const failure = yield* Effect.flip(query({ s: { $regex: "^(a+)+$" } }))
        expect(failure).toMatchObject({ message: expect.stringContaining("takes too long") })
        expect(context.openQueries).toBe(0)
        const gone = yield* Effect.exit(next("id1"))
        expect(Exit.isFailure(gone) && Cause.pretty(gone.cause)).toContain("query iterator not found")
      })
    ))

  it("whose transaction ends meanwhile end with it", () =>
    run(
      Effect.gen(function* () {
        const { context, query, simulator } = yield* transaction(yield* filled(2000))
        const fiber = yield* Effect.fork(Effect.exit(query({ n: { $lt: 0 } })))
        yield* Effect.yieldNow()
        context.closeQueries()
        simulator.done()
        const exit = yield* fiber
        expect(exit._tag).toBe("Failure")
      })
    ))
})

/** Rich queries over the built-in state: CouchDB's results on real LMDB. */
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { loadEmbeddedQueries } from "../../../src/ledger/mango/index.js"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { RWSetBuilder } from "../../../src/ledger/rwset/index.js"
import type { PagedIterator, StateIterator, TxSimulator } from "../../../src/ledger/simulator/index.js"
import { commitOne, deploy, genesis } from "../peer/chain.js"
import { run, tempDir, text, utf8 } from "../support.js"
import { cases, documents, others, refusals, sorted } from "./cases.js"

const open = Effect.gen(function* () {
  const root = `${yield* tempDir}/ledgersData`
  const provider = yield* makeLedgerProvider({ root, richQueries: yield* loadEmbeddedQueries })
  return yield* provider.create(genesis())
})

const fill = (ledger: PeerLedgerShape) =>
  commitOne(ledger, "fill", (sim) => {
    for (const [key, value] of documents) sim.setState("cc", key, utf8(JSON.stringify(value)))
    for (const [key, value] of others) sim.setState("cc", key, utf8(value))
    sim.setState("other", "m1", utf8('{"color":"blue"}'))
  })

const using = <A, E>(ledger: PeerLedgerShape, use: (simulator: TxSimulator) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(ledger.newTxSimulator("tx"), use, (simulator) => Effect.sync(() => simulator.done()))

/** All results, prepared by so many at a time. */
const all = (iterator: StateIterator, step = 2) =>
  Effect.gen(function* () {
    const found: Array<readonly [string, string]> = []
    for (;;) {
      yield* iterator.prepare?.(step) ?? Effect.void
      const result = iterator.next()
      if (result === undefined) return found
      found.push([result.key, text(result.value)])
    }
  })
const keysOf = (results: ReadonlyArray<readonly [string, string]>) => results.map(([key]) => key)

const queryAll = (ledger: PeerLedgerShape, query: object) =>
  using(ledger, (sim) => Effect.suspend(() => all(sim.executeQuery("cc", JSON.stringify(query)))))

describe("embedded rich queries", () => {
  it("finds what CouchDB finds", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* open
        yield* fill(ledger)
        for (const { keys, name, query } of [...cases, ...sorted])
          expect(keysOf(yield* queryAll(ledger, query)), name).toEqual(keys)
      })
    ))

  it("gives values as CouchDB does: keys sorted, HTML escaped, fields picked, attachments whole", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* open
        yield* fill(ledger)
        const value = '{ "z" : 1.50, "a" : "<&>", "big": 1e21, "nested":{"y":[1,{"b":1,"a":2}],"x":null}}'
        yield* commitOne(ledger, "t", (sim) => sim.setState("cc", "n", utf8(value)))
        const whole = yield* queryAll(ledger, { selector: { _id: "n" } })
        expect(whole).toEqual([
          ["n", '{"a":"\\u003c\\u0026\\u003e","big":1e+21,"nested":{"x":null,"y":[1,{"a":2,"b":1}]},"z":1.5}']
        ])
        const picked = yield* queryAll(ledger, { selector: { _id: "n" }, fields: ["nested.x", "z", "nothing", "_id"] })
        expect(picked).toEqual([["n", '{"nested":{"x":null},"z":1.5}']])
        expect(yield* queryAll(ledger, { selector: { _id: "x2" } })).toEqual([["x2", "[1,2]"]])
        expect(yield* queryAll(ledger, { selector: { _id: "x2" }, fields: ["a"] })).toEqual([["x2", "{}"]])
        // what the chaincode wrote is what it reads
        expect(yield* using(ledger, (sim) => Effect.sync(() => text(sim.getState("cc", "n") ?? utf8(""))))).toBe(value)
      })
    ))

  it("leaves a page by its bookmark, in the order of keys and sorted", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* open
        yield* fill(ledger)
        for (const query of [
          { selector: { size: { $exists: true } } },
          { selector: { size: { $gt: null } }, sort: [{ size: "desc" }] }
        ]) {
          const expected = keysOf(yield* queryAll(ledger, query))
          for (const size of [1, 2, 4, 6, 7]) {
            const found: Array<string> = []
            let bookmark = ""
            for (let pages = 0; pages < 10; pages++) {
              const page: { readonly keys: ReadonlyArray<string>; readonly bookmark: string } = yield* using(
                ledger,
                (sim) =>
                  Effect.gen(function* () {
                    const iterator: PagedIterator = sim.executeQueryPage("cc", JSON.stringify(query), size, bookmark)
                    yield* iterator.prepare?.(size) ?? Effect.void
                    const keys: Array<string> = []
                    for (let i = 0; i < size; i++) {
                      const result = iterator.next()
                      if (result !== undefined) keys.push(result.key)
                    }
                    return { keys, bookmark: iterator.bookmark() }
                  })
              )
              found.push(...page.keys)
              // an empty page repeats the bookmark
              if (page.keys.length === 0) expect(page.bookmark).toBe(bookmark)
              bookmark = page.bookmark
              if (page.keys.length < size) break
            }
            expect(found, `${JSON.stringify(query)} by ${size}`).toEqual(expected)
          }
        }
        const nothing = yield* using(ledger, (sim) =>
          Effect.gen(function* () {
            const iterator = sim.executeQueryPage("cc", '{"selector":{"color":"purple"}}', 3, "")
            yield* iterator.prepare?.(3) ?? Effect.void
            return [iterator.next(), iterator.bookmark()]
          })
        )
        expect(nothing).toEqual([undefined, "nil"])
      })
    ))

  it("records a read for each result and nothing else (rule 25)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* open
        yield* fill(ledger)
        const results = yield* using(ledger, (sim) =>
          Effect.gen(function* () {
            yield* all(sim.executeQuery("cc", '{"selector":{"color":"blue"}}'))
            return sim.getTxSimulationResults()
          })
        )
        const expected = new RWSetBuilder()
        for (const key of ["m1", "m3", "m5"]) expected.addRead("cc", key, { blockNum: 1n, txNum: 0n })
        expect(text(results.public)).toBe(text(expected.results().public))
      })
    ))

  it("queries private data, in transactions that only read (rule 30)", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* open
        yield* commitOne(ledger, "d", (sim) => deploy(sim, "cc", [["coll", 0n]]))
        yield* commitOne(ledger, "p", (sim) => {
          sim.setPrivateData("cc", "coll", "k1", utf8('{"a":1}'))
          sim.setPrivateData("cc", "coll", "k2", utf8('{"a":2}'))
        })
        const query = '{"selector":{"a":{"$gt":1}}}'
        const found = yield* using(ledger, (sim) => all(sim.executeQueryOnPrivateData("cc", "coll", query)))
        expect(found).toEqual([["k2", '{"a":2}']])
        yield* using(ledger, (sim) =>
          Effect.sync(() => {
            sim.executeQueryOnPrivateData("cc", "coll", query)
            expect(() => sim.setState("cc", "k", utf8("v"))).toThrow(
              "txid [tx]: Transaction has already performed queries on pvt data. Writes are not allowed"
            )
          })
        )
        yield* using(ledger, (sim) =>
          Effect.sync(() => {
            sim.setState("cc", "k", utf8("v"))
            expect(() => sim.executeQueryOnPrivateData("cc", "coll", query)).toThrow(
              "txid [tx]: Queries on pvt data is supported only in a read-only transaction"
            )
            expect(() => sim.executeQueryPage("cc", query, 1, "")).toThrow(
              "txid [tx]: Paginated queries are supported only in a read-only transaction"
            )
          })
        )
      })
    ))

  it("refuses what CouchDB refuses, in its words", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* open
        for (const [query, expected] of refusals)
          yield* using(ledger, (sim) =>
            Effect.sync(() => expect(() => sim.executeQuery("cc", query), query).toThrow(expected))
          )
      })
    ))

  it("survives hostile selectors and documents: deep, named like members of objects, endless patterns", () =>
    run(
      Effect.gen(function* () {
        const ledger = yield* open
        const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`
        yield* commitOne(ledger, "t", (sim) => {
          sim.setState("cc", "deep", utf8(deep))
          sim.setState("cc", "proto", utf8('{"__proto__":{"polluted":1},"constructor":2,"toString":"x"}'))
          sim.setState("cc", "slow", utf8(JSON.stringify({ s: `${"a".repeat(40)}!` })))
        })
        expect(keysOf(yield* queryAll(ledger, { selector: { constructor: 2 } }))).toEqual(["proto"])
        expect(keysOf(yield* queryAll(ledger, { selector: { toString: { $exists: true } } }))).toEqual(["proto"])
        expect(keysOf(yield* queryAll(ledger, JSON.parse('{"selector":{"__proto__":{"polluted":1}}}')))).toEqual([
          "proto"
        ])
        const picked = yield* queryAll(ledger, { selector: { constructor: 2 }, fields: ["__proto__", "toString"] })
        expect(picked).toEqual([["proto", '{"__proto__":{"polluted":1},"toString":"x"}']])
        expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false)
        const whole = yield* queryAll(ledger, { selector: { _id: "deep" } })
        expect(whole[0]?.[1]).toBe(deep)
        yield* using(ledger, (sim) =>
          Effect.sync(() =>
            expect(() => sim.executeQuery("cc", `{"selector":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}}`)).toThrow(
              "nested too deeply"
            )
          )
        )
        const endless = yield* Effect.flip(queryAll(ledger, { selector: { s: { $regex: "^(a+)+$" } } }))
        expect(String(endless)).toContain("takes too long")
        expect(keysOf(yield* queryAll(ledger, { selector: { s: { $regex: "!$" } } }))).toEqual(["slow"])
      })
    ))

  it("agrees with a plain filter on random documents and conditions", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ a: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }), b: fc.boolean() }), {
          maxLength: 20
        }),
        fc.integer({ min: 0, max: 4 }),
        fc.constantFrom("$lt", "$lte", "$gt", "$gte", "$eq", "$ne"),
        fc.boolean(),
        async (rows, bound, operator, negated) => {
          const holds = (a: number): boolean =>
            ({
              $lt: a < bound,
              $lte: a <= bound,
              $gt: a > bound,
              $gte: a >= bound,
              $eq: a === bound,
              $ne: a !== bound
            })[operator] ?? false
          const found = await run(
            Effect.gen(function* () {
              const ledger = yield* open
              yield* commitOne(ledger, "t", (sim) => {
                rows.forEach((row, i) => {
                  sim.setState("cc", `k${String(i).padStart(2, "0")}`, utf8(JSON.stringify(row)))
                })
              })
              const condition = { a: { [operator]: bound } }
              return keysOf(
                yield* queryAll(ledger, { selector: { ...(negated ? { $not: condition } : condition), b: true } })
              )
            })
          )
          const expected = rows.flatMap(({ a, b }, i) =>
            a !== undefined && b && holds(a) !== negated ? [`k${String(i).padStart(2, "0")}`] : []
          )
          expect(found).toEqual(expected)
        }
      ),
      { numRuns: 25 }
    ))
})

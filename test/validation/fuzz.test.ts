/**
 * Blocks of mutated transactions: always a code, never an exit, never a verdict that depends on timing. Each block is
 * judged three times: signatures verified in the thread pool, in threads of their own, and late. Small counts by default,
 * 20,000 transactions under FABRIC_EFFECT_LONG.
 */
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import {
  makeSignatureVerifier,
  makeTxValidator,
  type SignatureVerifierShape,
  ValidationHalted
} from "../../src/validation/index.js"
import { protos } from "../../src/wire/index.js"
import { channel, codesOf, commit, plugins, recorded, services, servicesWith } from "./recorded.js"

const transactions = process.env.FABRIC_EFFECT_LONG === undefined ? 200 : 20_000
const known: ReadonlySet<number> = new Set(Object.values(protos.TxValidationCode))

/** Gives every portion's answers some turns later, so that others come first. */
const late = (verifier: SignatureVerifierShape, turns: number): SignatureVerifierShape => ({
  verifyAll: async (jobs) => {
    const good = await verifier.verifyAll(jobs)
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
    return good
  }
})

describe("mutated blocks", () => {
  it("get the same code from validators that have their signatures verified here, in other threads, and late", async () => {
    const served = recorded("orderer/blocks")
    const expected = recorded("blocks")
    const first = expected[0]
    if (first === undefined) throw new Error("no recorded chain")
    // a channel in mid-life: definitions, collections and key-level policies are there
    const at = channel(first)
    const upTo = 20
    await Effect.gen(function* () {
      const validator = yield* makeTxValidator(at.support)
      for (const block of served.slice(1, upTo)) {
        const entries = block.data?.data ?? []
        const prepared = yield* validator.prepare({ number: block.header?.number ?? 0n, entries })
        commit(block, yield* validator.validate(prepared), at.state, at.ids)
      }
    }).pipe(services, plugins, Effect.runPromise)
    // what comes next must not be known by its id, or every verdict would be "duplicate"
    const fresh = { ...at.support, hasTransaction: () => false, applyConfig: () => Effect.void }
    const pool = served.slice(2).flatMap((block) => block.data?.data ?? [])

    const verdicts = (entries: ReadonlyArray<Uint8Array>, verifier: SignatureVerifierShape) =>
      Effect.gen(function* () {
        const validator = yield* makeTxValidator(fresh)
        return [...(yield* validator.validate(yield* validator.prepare({ number: 99n, entries })))]
      }).pipe(
        servicesWith(verifier),
        plugins,
        Effect.catchIf(
          (error) => error instanceof ValidationHalted,
          (error) => Effect.succeed(error.reason)
        ),
        Effect.runPromise
      )

    const mutation = fc.record({
      at: fc.nat(pool.length - 1),
      changes: fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), { maxLength: 3 }),
      cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 5 })
    })
    const blocks = fc.record({ mutations: fc.array(mutation, { minLength: 1, maxLength: 9 }), delay: fc.nat(3) })
    let sent = 0
    await Effect.gen(function* () {
      const threadPool = yield* makeSignatureVerifier(1)
      const threads = yield* makeSignatureVerifier(4)
      const property = fc.asyncProperty(blocks, async ({ delay, mutations }) => {
        const entries = mutations.map(({ at: index, changes, cut }) => {
          const entry = Uint8Array.from(pool[index] ?? [])
          for (const [where, value] of changes) entry[Math.floor(where * entry.length)] = value
          return cut === null ? entry : entry.subarray(0, Math.floor(cut * entry.length))
        })
        sent += entries.length
        const once = await verdicts(entries, threadPool)
        assert.deepEqual(await verdicts(entries, threads), once)
        assert.deepEqual(await verdicts(entries, late(threadPool, delay)), once)
        if (typeof once !== "string") for (const code of once) assert.isTrue(known.has(code), `code ${code}`)
      })
      yield* Effect.promise(() => fc.assert(property, { numRuns: Math.ceil(transactions / 2) }))
    }).pipe(Effect.scoped, Effect.runPromise)
    assert.isAtLeast(sent, transactions)
    assert.isAbove(codesOf(expected[3] ?? first).length, 0)
  }, 3_600_000)
})

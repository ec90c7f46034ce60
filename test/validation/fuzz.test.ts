/**
 * Mutated transactions: always a code, never an exit, never a verdict that depends on timing. Small counts by default,
 * 20,000 under FABRIC_EFFECT_LONG.
 */
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { makeTxValidator, ValidationHalted } from "../../src/validation/index.js"
import { protos } from "../../src/wire/index.js"
import { channel, codesOf, commit, plugins, recorded, services } from "./recorded.js"

const runs = process.env.FABRIC_EFFECT_LONG === undefined ? 150 : 20_000
const known: ReadonlySet<number> = new Set(Object.values(protos.TxValidationCode))

describe("mutated blocks", () => {
  it("get the same code from validators that see their signatures at different times", async () => {
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

    const verdicts = (entries: ReadonlyArray<Uint8Array>, together: boolean) =>
      Effect.gen(function* () {
        const validator = yield* makeTxValidator(fresh)
        if (together) return [...(yield* validator.validate(yield* validator.prepare({ number: 99n, entries })))]
        // one by one there are no conflicts inside the block, but no overlap of signatures either
        const codes: Array<number> = []
        for (const entry of entries)
          codes.push(...(yield* validator.validate(yield* validator.prepare({ number: 99n, entries: [entry] }))))
        return codes
      }).pipe(
        services,
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
    await fc.assert(
      fc.asyncProperty(mutation, async ({ at: index, changes, cut }) => {
        const entry = Uint8Array.from(pool[index] ?? [])
        for (const [where, value] of changes) entry[Math.floor(where * entry.length)] = value
        const entries = [cut === null ? entry : entry.subarray(0, Math.floor(cut * entry.length))]
        const once = await verdicts(entries, true)
        assert.deepEqual(await verdicts(entries, false), once)
        assert.deepEqual(await verdicts(entries, true), once)
        if (typeof once !== "string") for (const code of once) assert.isTrue(known.has(code), `code ${code}`)
      }),
      { numRuns: runs }
    )
    assert.isAbove(codesOf(expected[3] ?? first).length, 0)
  })
})

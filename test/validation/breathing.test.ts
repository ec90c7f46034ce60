/** Judging a long block lets others have the thread, also where every transaction has to be waited for. */
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import { makeTxValidator, ValidationPlugins } from "../../src/validation/index.js"
import { channel, commit, plugins, recorded, services } from "./recorded.js"

describe("judging a block", () => {
  it("gives the thread back between transactions whose plugin takes effects", async () => {
    const served = recorded("orderer/blocks")
    const [first] = recorded("blocks")
    if (first === undefined) throw new Error("no recorded chain")
    const at = channel(first)
    await Effect.gen(function* () {
      const validator = yield* makeTxValidator(at.support)
      for (const block of served.slice(1, 20)) {
        const prepared = yield* validator.prepare({
          number: block.header?.number ?? 0n,
          entries: block.data?.data ?? []
        })
        commit(block, yield* validator.validate(prepared), at.state, at.ids)
      }
    }).pipe(services, plugins, Effect.runPromise)

    let turns = 0
    let running = true
    const turn = () => {
      turns += 1
      if (running) setImmediate(turn)
    }
    /** Turns of the event loop when the plugin was asked. */
    const asked: Array<number> = []
    const busy = Effect.sync(() => {
      asked.push(turns)
      const until = performance.now() + 1
      while (performance.now() < until);
    })
    const transactions = served.slice(2, 20).flatMap((block) => block.data?.data ?? [])
    await Effect.gen(function* () {
      const validator = yield* makeTxValidator({
        ...at.support,
        hasTransaction: () => false,
        applyConfig: () => Effect.void
      })
      const entries = [...transactions, ...transactions, ...transactions]
      const prepared = yield* validator.prepare({ number: 99n, entries })
      setImmediate(turn)
      yield* validator.validate(prepared)
    }).pipe(
      services,
      Effect.provideService(ValidationPlugins, { byName: new Map([["vscc", () => ({ validate: () => busy })]]) }),
      Effect.runPromise
    )
    running = false
    assert.isAtLeast(asked.length, 20)
    assert.isAtLeast(new Set(asked).size, 3)
  })
})

/** The gate between simulations and a block's way to CouchDB. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { expect, it } from "vitest"
import { StateGate } from "../../../src/ledger/peer/StateGate.js"

const settle = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

it("lets simulations share, a block in alone, and those behind it wait", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const gate = new StateGate()
      const log: Array<string> = []
      const say = (what: string) => Effect.sync(() => void log.push(what))
      yield* gate.enter
      yield* gate.enter
      const block = yield* Effect.fork(gate.exclusive(Effect.zipRight(say("block"), settle)))
      yield* settle
      const later = yield* Effect.fork(Effect.zipRight(gate.enter, say("later")))
      const gone = yield* Effect.fork(Effect.zipRight(gate.enter, say("gone")))
      yield* settle
      expect(log).toEqual([])
      yield* Fiber.interrupt(gone)
      gate.leave()
      yield* settle
      expect(log).toEqual([])
      gate.leave()
      yield* Fiber.join(block)
      yield* Fiber.join(later)
      expect(log).toEqual(["block", "later"])
      gate.leave()
      // a block that fails opens the gate again
      yield* Effect.exit(gate.exclusive(Effect.fail("no")))
      yield* gate.enter
      gate.leave()
      yield* gate.exclusive(say("last"))
      expect(log.at(-1)).toBe("last")
    })
  ))

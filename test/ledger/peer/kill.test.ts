/** kill -9 while blocks commit: nothing visible is lost, and everything is as on a peer that was never killed. */

import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { runAndKill } from "../killing.js"
import { inScope, run, tempDir } from "../support.js"
import { commitNext, openEndless } from "./endless.js"
import { everything, tables } from "./tables.js"

const kills = process.env.FABRIC_EFFECT_LONG === "1" ? 50 : 2
const child = path.join(import.meta.dirname, "killed.child.ts")

describe("a peer that is killed again and again", () => {
  it(
    `${kills} times: height never falls, all tables are those of a peer never killed`,
    () =>
      run(
        Effect.gen(function* () {
          const base = yield* tempDir
          const killed = path.join(base, "killed")
          let shown = 0
          for (let i = 0; i < kills; i++) {
            const { first, last } = yield* Effect.promise(() => runAndKill(child, [killed], 4 + ((i * 7) % 20)))
            expect(first).toBeGreaterThanOrEqual(shown)
            shown = last
          }
          const survivor = yield* Effect.promise(() => inScope(openEndless(killed)))
          expect(Number(survivor.value.height())).toBeGreaterThanOrEqual(shown)
          // private data of a block that was not written yet may be there already: with the block both are level
          yield* commitNext(survivor.value)
          const height = survivor.value.height()
          expect(shown).toBeGreaterThan(kills * 2)
          yield* Effect.promise(survivor.close)
          const whole = path.join(base, "whole")
          const other = yield* Effect.promise(() => inScope(openEndless(whole)))
          while (other.value.height() < height) yield* commitNext(other.value)
          yield* Effect.promise(other.close)
          const [found, expected] = [yield* everything(killed), yield* everything(whole)]
          for (const name of tables) expect(found.get(name), `table ${name}`).toEqual(expected.get(name))
        })
      ),
    kills * 120_000
  )
})

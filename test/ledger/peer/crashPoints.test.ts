/** Every point of a commit at which a process can end (rule 61), made by hand for a run of blocks (acceptance 10). */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { openStorage } from "../../../src/ledger/peer/Storage.js"
import { inScope, run, tempDir } from "../support.js"
import { commitNext, openEndless, privateOfBlock } from "./endless.js"
import { everything, tables } from "./tables.js"

const blocks = process.env.FABRIC_EFFECT_LONG === "1" ? 60 : 8

const copy = (from: string, to: string) => {
  fs.rmSync(to, { recursive: true, force: true })
  fs.cpSync(from, to, { recursive: true, filter: (name) => path.basename(name) !== "LOCK" })
}
const channel = (root: string) => path.join(root, "channels", "ch")
const copyBlocks = (from: string, to: string) => {
  for (const name of fs.readdirSync(channel(from)))
    if (name.startsWith("blocks_")) fs.copyFileSync(path.join(channel(from), name), path.join(channel(to), name))
}
const closed = <A>(
  root: string,
  use: (ledger: Effect.Effect.Success<ReturnType<typeof openEndless>>) => Effect.Effect<A, unknown>
) =>
  Effect.promise(async () => {
    const opened = await inScope(openEndless(root))
    try {
      return await Effect.runPromise(use(opened.value))
    } finally {
      await opened.close()
    }
  })

/** Private data down, block not. */
const prepare = (root: string, number: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const storage = yield* openStorage({ channelId: "ch", folder: channel(root), maxFileSize: 20_000 })
      const { missing, pvtData } = privateOfBlock(number)
      storage.pvtData.prepare(BigInt(number), pvtData, missing)
    })
  )

describe("a process that ends while the database is behind the blocks", () => {
  it(
    "finds after its start what a peer has that was closed after each block",
    () =>
      run(
        Effect.gen(function* () {
          const base = yield* tempDir
          const [open, level, crashed] = ["open", "level", "crashed"].map((name) => path.join(base, name))
          if (open === undefined || level === undefined || crashed === undefined) return
          const ledger = yield* openEndless(open)
          yield* closed(level, () => Effect.void)
          let behind = 0
          for (let n = 1; n <= 2 * blocks; n++) {
            yield* commitNext(ledger)
            yield* closed(level, commitNext)
            const expected = yield* everything(level)
            copy(open, crashed)
            const height = (found: ReadonlyMap<string, ReadonlyArray<string>>) => found.get("blockmeta")?.[0]
            if (height(yield* everything(crashed)) !== height(expected)) behind += 1
            yield* closed(crashed, (again) => Effect.sync(() => expect(again.height()).toBe(BigInt(n + 1))))
            const found = yield* everything(crashed)
            for (const table of tables)
              expect(found.get(table), `block ${n}, table ${table}`).toEqual(expected.get(table))
          }
          expect(behind).toBeGreaterThan(blocks / 2)
        })
      ),
    600_000
  )
})

describe("a crash in the commit of a block", () => {
  it(
    "leaves all of it or nothing, and private data is never lost",
    () =>
      run(
        Effect.gen(function* () {
          const base = yield* tempDir
          const [before, after, crashed] = ["before", "after", "crashed"].map((name) => path.join(base, name))
          if (before === undefined || after === undefined || crashed === undefined) return
          yield* closed(after, () => Effect.void)
          for (let n = 1; n <= blocks; n++) {
            copy(after, before)
            yield* closed(after, commitNext)
            const expected = yield* everything(after)
            const points: ReadonlyArray<readonly [string, Effect.Effect<void, unknown>]> = [
              ["before anything", Effect.void],
              ["private data prepared", prepare(crashed, n)],
              [
                "block written",
                Effect.zipRight(
                  prepare(crashed, n),
                  Effect.sync(() => copyBlocks(after, crashed))
                )
              ],
              [
                "block half written",
                Effect.zipRight(
                  prepare(crashed, n),
                  Effect.sync(() => {
                    copyBlocks(after, crashed)
                    const files = fs
                      .readdirSync(channel(crashed))
                      .filter((name) => name.startsWith("blocks_"))
                      .sort()
                    const last = path.join(channel(crashed), files.at(-1) ?? "")
                    fs.truncateSync(last, fs.statSync(last).size - 1 - (n % 200))
                  })
                )
              ]
            ]
            for (const [name, crash] of points) {
              copy(before, crashed)
              yield* crash
              yield* closed(crashed, (ledger) =>
                Effect.suspend(() => {
                  expect(Number(ledger.height()), `${name}, block ${n}`).toBe(name === "block written" ? n + 1 : n)
                  return ledger.height() === BigInt(n) ? commitNext(ledger) : Effect.void
                })
              )
              const found = yield* everything(crashed)
              for (const table of tables)
                expect(found.get(table), `${name}, block ${n}, table ${table}`).toEqual(expected.get(table))
            }
          }
        })
      ),
    600_000
  )
})

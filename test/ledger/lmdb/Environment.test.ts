import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  Batch,
  type Environment,
  LmdbCommitFailed,
  openEnvironment,
  type Snapshot,
  type Table
} from "../../../src/ledger/lmdb/index.js"
import { inScope, run, tempDir, text, utf8 } from "../support.js"

const all = (snapshot: Snapshot, table: Table, start?: Uint8Array, end?: Uint8Array) => {
  const cursor = snapshot.range(table, start, end)
  const entries: Array<[string, string]> = []
  for (let entry = cursor.next(); entry !== undefined; entry = cursor.next())
    entries.push([Buffer.from(entry.key).toString("hex"), Buffer.from(entry.value).toString("hex")])
  return entries
}

const open = (dir: string) => openEnvironment({ path: path.join(dir, "env"), tables: ["a", "b"] })

/** What LMDB has; without a start, lmdb leaves out keys below 05. */
const storedKeys = (table: Table) => [...table.store.getKeys({ start: Uint8Array.of(0) })]

const put = (env: Environment, table: Table, ...entries: ReadonlyArray<readonly [string, string]>) => {
  const batch = new Batch()
  for (const [key, value] of entries) batch.put(table, utf8(key), utf8(value))
  env.commit(batch)
}

describe("Environment", () => {
  it("keeps a snapshot apart from later commits, in the same tick and later", () =>
    run(
      Effect.gen(function* () {
        const env = yield* open(yield* tempDir)
        const table = env.table("a")
        put(env, table, ["k", "1"])
        const first = env.snapshot()
        put(env, table, ["k", "2"])
        const second = env.snapshot()
        const read = (snapshot: Snapshot) => text(snapshot.get(table, utf8("k")) ?? utf8("absent"))
        expect([read(first), read(second)]).toEqual(["1", "2"])
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
        put(env, table, ["k", "3"])
        expect([read(first), read(second), text(env.get(table, utf8("k")) ?? utf8(""))]).toEqual(["1", "2", "3"])
        first.close()
        first.close()
        second.close()
        expect(() => first.get(table, utf8("k"))).toThrow("after its end")
      })
    ))

  it("takes empty keys and values and 100 MiB values while a snapshot is open", () =>
    run(
      Effect.gen(function* () {
        const env = yield* open(yield* tempDir)
        const table = env.table("a")
        const snapshot = env.snapshot()
        const big = new Uint8Array(100 * 1024 * 1024).fill(7)
        const batch = new Batch()
        batch.put(table, new Uint8Array(0), new Uint8Array(0))
        batch.put(table, utf8("big"), big)
        env.commit(batch)
        expect(snapshot.get(table, utf8("big"))).toBeUndefined()
        expect(env.get(table, new Uint8Array(0))?.length).toBe(0)
        expect(env.get(table, utf8("big"))?.length).toBe(big.length)
        snapshot.close()
      })
    ))

  it("reads text keys without a copy, of any length and with values of any size", () =>
    run(
      Effect.gen(function* () {
        const env = yield* open(yield* tempDir)
        const [table, other] = [env.table("a"), env.table("b")]
        const keys = [
          "",
          "a",
          "a\0b",
          "\ufffc",
          "\u{10000}",
          "\ud800",
          "k".repeat(633),
          "é".repeat(950),
          "x".repeat(5000)
        ]
        const valueOf = (i: number) => Buffer.alloc(i === 1 ? 17 * 1024 * 1024 : i === 2 ? 70_000 : i * 3, i + 1)
        const batch = new Batch()
        keys.forEach((key, i) => {
          batch.put(table, Buffer.from(key), valueOf(i))
        })
        env.commit(batch)
        const snapshot = env.snapshot()
        put(env, table, ["a", "later"])
        const copy = (bytes: Uint8Array, length: number) => Buffer.from(bytes.subarray(0, length))
        for (const turn of [0, 1])
          for (const [i, key] of keys.entries()) {
            expect(snapshot.read(table, key, copy)?.equals(valueOf(i)), `${turn} ${i}`).toBe(true)
            expect(snapshot.read(other, key, copy)).toBeUndefined()
          }
        snapshot.close()
        expect(() => snapshot.read(table, "a", copy)).toThrow("after its end")
      })
    ))

  it("rolls a failed batch back as a whole and goes on", () =>
    run(
      Effect.gen(function* () {
        const env = yield* open(yield* tempDir)
        const table = env.table("a")
        const batch = new Batch()
        batch.put(table, utf8("x"), utf8("1"))
        // a value that is no byte array: what a programming error would look like
        Object.assign(batch.values, { 1: 7 })
        batch.tables.push(table)
        batch.keys.push(utf8("y"))
        expect(() => env.commit(batch)).toThrow(LmdbCommitFailed)
        expect(env.get(table, utf8("x"))).toBeUndefined()
        put(env, table, ["z", "1"])
        expect(env.get(table, utf8("z"))).toBeDefined()
      })
    ))

  it("clears one table and keeps the other; keeps both over a restart", async () => {
    await run(
      Effect.gen(function* () {
        const dir = yield* tempDir
        const first = yield* Effect.promise(() => inScope(open(dir)))
        const env = first.value
        put(env, env.table("a"), ["k", "1"])
        put(env, env.table("b"), ["k", "2"])
        const batch = new Batch()
        batch.clear(env.table("a"))
        batch.put(env.table("a"), utf8("new"), utf8("3"))
        env.commit(batch)
        yield* Effect.promise(first.close)
        const again = yield* open(dir)
        expect(again.get(again.table("a"), utf8("k"))).toBeUndefined()
        expect(text(again.get(again.table("a"), utf8("new")) ?? utf8(""))).toBe("3")
        expect(text(again.get(again.table("b"), utf8("k")) ?? utf8(""))).toBe("2")
      })
    )
  })

  it("names the folder when it cannot be opened", () =>
    run(
      Effect.gen(function* () {
        const dir = yield* tempDir
        const file = path.join(dir, "env", "data.mdb")
        const first = yield* Effect.promise(() => inScope(open(dir)))
        put(first.value, first.value.table("a"), ["k", "v".repeat(50_000)])
        yield* Effect.promise(first.close)
        const sound = fs.readFileSync(file)
        for (const bytes of [
          Buffer.alloc(8192, 0x5a),
          sound.subarray(0, 5000),
          sound.subarray(0, 8192),
          Buffer.alloc(10)
        ]) {
          fs.writeFileSync(file, bytes)
          const error = yield* Effect.flip(open(dir))
          expect(error._tag).toBe("LmdbOpenFailed")
          expect(error.message).toContain(path.join(dir, "env"))
        }
      })
    ))
})

// ---- Batches that wait ------------------------------------------------------------------------------------------

describe("batches that are committed later", () => {
  it("are seen at once, not by earlier snapshots, and are gone with a process that ends before they are written", () =>
    run(
      Effect.gen(function* () {
        const dir = yield* tempDir
        const first = yield* Effect.promise(() => inScope(open(dir)))
        const env = first.value
        const table = env.table("a")
        const later = (key: string, value: string | undefined) => {
          const batch = new Batch()
          if (value === undefined) batch.delete(table, utf8(key))
          else batch.put(table, utf8(key), utf8(value))
          env.commitLater(batch)
        }
        const copied = (name: string) =>
          Effect.gen(function* () {
            fs.cpSync(path.join(dir, "env"), path.join(dir, name, "env"), { recursive: true })
            const copy = yield* open(path.join(dir, name))
            const snapshot = copy.snapshot()
            const found = all(snapshot, copy.table("a")).map(([, value]) => text(Buffer.from(value, "hex")))
            snapshot.close()
            return found
          })
        put(env, table, ["k", "1"], ["m", "1"])
        const before = env.snapshot()
        later("k", "2")
        later("é", "2")
        const between = env.snapshot()
        later("k", "3")
        later("m", undefined)
        const read = (key: string) => env.read(table, key, (bytes, length) => text(bytes.slice(0, length)))
        // the last is what the bytes of é are, taken for a character each
        expect([read("k"), read("m"), read("é"), read("Ã©")]).toEqual(["3", undefined, "2", undefined])
        const found = env.get(table, utf8("k"))
        found?.fill(0) // a copy of its own
        expect(text(env.get(table, utf8("k")) ?? utf8(""))).toBe("3")
        expect(all(before, table).map(([, value]) => value)).toEqual(["31", "31"])
        expect(all(between, table).map(([, value]) => value)).toEqual(["32", "31", "32"])
        expect(yield* copied("killed")).toEqual(["1", "1"])
        put(env, table, ["n", "4"])
        // with a batch that is written goes what came before it
        expect(yield* copied("level")).toEqual(["3", "4", "2"])
        expect(all(before, table).map(([, value]) => value)).toEqual(["31", "31"])
        expect(all(between, table).map(([, value]) => value)).toEqual(["32", "31", "32"])
        const open2 = between.range(table)
        between.close()
        before.close()
        expect(open2.next()).toBeUndefined()
        later("z", "5")
        yield* Effect.promise(first.close)
        expect(yield* copied("closed")).toEqual(["3", "4", "5", "2"])
      })
    ))

  it("are written when there are too many, and stay when that fails", () =>
    run(
      Effect.gen(function* () {
        const dir = yield* tempDir
        const env = yield* openEnvironment({
          path: path.join(dir, "env"),
          tables: ["a"],
          pending: { batches: 3, operations: 6, bytes: 1000 }
        })
        const table = env.table("a")
        const batch = (...keys: ReadonlyArray<string>) => {
          const made = new Batch()
          for (const key of keys) made.put(table, utf8(key), utf8("v"))
          return made
        }
        const stored = () => storedKeys(table).length
        for (const [keys, expected] of [
          [["a"], 0],
          [["b"], 0],
          [["c"], 0],
          [["d"], 4],
          [["e", "f", "g", "h"], 4],
          [["i", "j"], 4],
          [["k"], 11],
          [["l".repeat(999)], 11],
          [["m"], 13]
        ] as const) {
          env.commitLater(batch(...keys))
          expect(stored(), keys.join()).toBe(expected)
        }
        env.commitLater(batch("waits"))
        const bad = batch("n", "o", "p", "q", "r", "s", "t")
        // a value that is no byte array: what a programming error would look like
        Object.assign(bad.values, { 6: 7 })
        expect(() => env.commitLater(bad)).toThrow(LmdbCommitFailed)
        expect(env.get(table, utf8("n"))).toBeUndefined()
        expect(env.get(table, utf8("waits"))).toBeDefined()
        const clearing = new Batch()
        clearing.clear(table)
        env.commitLater(clearing)
        expect(env.get(table, utf8("waits"))).toBeUndefined()
        expect(stored()).toBe(0)
      })
    ))
})

// ---- Model: any keys, in byte order ----------------------------------------------------------------------------

const piece = fc.constantFrom(
  "",
  "a",
  "b",
  "\x00",
  "\x01",
  "\xff",
  "p".repeat(1899),
  "p".repeat(1900),
  "p".repeat(1901),
  "q".repeat(3801)
)
const anyKey = fc.array(piece, { maxLength: 4 }).map((parts) => Buffer.from(parts.join(""), "latin1"))
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: anyKey, value: fc.uint8Array({ maxLength: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ remove: anyKey }) }
)

const way = fc.constantFrom("now", "later", "later", "later")

describe("keys of any length", () => {
  it(
    "behave like a sorted map whether batches are written at once or later, to each snapshot as it was (model)",
    () =>
      run(
        Effect.gen(function* () {
          const dir = yield* tempDir
          let runs = 0
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(
                fc.array(fc.tuple(way, fc.boolean(), fc.array(operation, { maxLength: 6 })), { maxLength: 12 }),
                fc.array(fc.tuple(fc.option(anyKey), fc.option(anyKey)), { minLength: 1, maxLength: 5 }),
                fc.nat(11),
                async (batches, ranges, restart) => {
                  await new Promise(setImmediate) // thousands of runs must not keep the test's runner from its own work
                  const folder = path.join(dir, String(runs++))
                  const start = () =>
                    inScope(
                      openEnvironment({
                        path: folder,
                        tables: ["a", "b"],
                        pending: { batches: 4, operations: 12, bytes: 8000 }
                      })
                    )
                  let opened = await start()
                  let taken: Array<readonly [Snapshot, ReadonlyMap<string, string>]> = []
                  const model = new Map<string, string>()
                  const check = (snapshot: Snapshot, expected: ReadonlyMap<string, string>) => {
                    const table = opened.value.table("a")
                    for (const [from, to] of [[null, null] as const, ...ranges]) {
                      const within = [...expected]
                        .filter(([key]) => from === null || Buffer.compare(Buffer.from(key, "hex"), from) >= 0)
                        .filter(([key]) => to === null || Buffer.compare(Buffer.from(key, "hex"), to) < 0)
                        .sort(([a], [b]) => Buffer.compare(Buffer.from(a, "hex"), Buffer.from(b, "hex")))
                      expect(all(snapshot, table, from ?? undefined, to ?? undefined)).toEqual(within)
                      for (const key of [from, to]) {
                        if (key === null) continue
                        const value = expected.get(key.toString("hex"))
                        const found = snapshot.get(table, key)
                        expect(found === undefined ? undefined : Buffer.from(found).toString("hex")).toBe(value)
                        expect(snapshot.get(opened.value.table("b"), key)).toBeUndefined()
                        const newest = opened.value.get(table, key)
                        expect(newest === undefined ? undefined : Buffer.from(newest).toString("hex")).toBe(
                          model.get(key.toString("hex"))
                        )
                      }
                    }
                  }
                  for (const [i, [when, look, operations]] of batches.entries()) {
                    if (i === restart) {
                      for (const [snapshot, expected] of taken) check(snapshot, expected)
                      for (const [snapshot] of taken) snapshot.close()
                      taken = []
                      await opened.close()
                      opened = await start()
                    }
                    const batch = new Batch()
                    for (const op of operations) {
                      if ("put" in op) {
                        batch.put(opened.value.table("a"), op.put, op.value)
                        model.set(op.put.toString("hex"), Buffer.from(op.value).toString("hex"))
                      } else {
                        batch.delete(opened.value.table("a"), op.remove)
                        model.delete(op.remove.toString("hex"))
                      }
                    }
                    if (when === "now") opened.value.commit(batch)
                    else opened.value.commitLater(batch)
                    if (look) taken.push([opened.value.snapshot(), new Map(model)])
                  }
                  taken.push([opened.value.snapshot(), new Map(model)])
                  for (const [snapshot, expected] of taken) check(snapshot, expected)
                  for (const [snapshot] of taken) snapshot.close()
                  await opened.close()
                }
              ),
              { numRuns: process.env.FABRIC_EFFECT_LONG === "1" ? 2000 : 100 }
            )
          )
        })
      ),
    600_000
  )

  it("behave like a sorted map (model)", () =>
    run(
      Effect.gen(function* () {
        const env = yield* open(yield* tempDir)
        const table = env.table("a")
        fc.assert(
          fc.property(
            fc.array(fc.array(operation, { maxLength: 8 }), { maxLength: 6 }),
            fc.array(fc.tuple(fc.option(anyKey), fc.option(anyKey)), { maxLength: 6 }),
            (batches, ranges) => {
              const model = new Map<string, string>()
              const start = new Batch()
              start.clear(table)
              env.commit(start)
              for (const operations of batches) {
                const batch = new Batch()
                for (const op of operations) {
                  if ("put" in op) {
                    batch.put(table, op.put, op.value)
                    model.set(op.put.toString("hex"), Buffer.from(op.value).toString("hex"))
                  } else {
                    batch.delete(table, op.remove)
                    model.delete(op.remove.toString("hex"))
                  }
                }
                env.commit(batch)
              }
              const snapshot = env.snapshot()
              try {
                for (const [from, to] of [[null, null] as const, ...ranges]) {
                  const expected = [...model]
                    .filter(([key]) => from === null || Buffer.compare(Buffer.from(key, "hex"), from) >= 0)
                    .filter(([key]) => to === null || Buffer.compare(Buffer.from(key, "hex"), to) < 0)
                    .sort(([a], [b]) => Buffer.compare(Buffer.from(a, "hex"), Buffer.from(b, "hex")))
                  expect(all(snapshot, table, from ?? undefined, to ?? undefined)).toEqual(expected)
                }
                for (const [key, value] of model)
                  expect(Buffer.from(snapshot.get(table, Buffer.from(key, "hex")) ?? []).toString("hex")).toBe(value)
              } finally {
                snapshot.close()
              }
            }
          ),
          { numRuns: 150 }
        )
        // when all long keys are gone, no marker stays behind
        const everything = new Batch()
        everything.clear(table)
        const long = utf8("p".repeat(6000))
        everything.put(table, long, utf8("1"))
        everything.delete(table, long)
        env.commit(everything)
        const left = env.snapshot()
        expect(storedKeys(table)).toEqual([])
        left.close()
      })
    ))
})

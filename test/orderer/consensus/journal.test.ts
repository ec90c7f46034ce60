import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import fc from "fast-check"
import { openJournal } from "../../../src/orderer/consensus/solo/Journal.js"
import type { JournalEntry, JournalRecord } from "../../../src/orderer/consensus/solo/journalFormat.js"
import { decodeFrame, encodeFrame, frameSize, unconsumed } from "../../../src/orderer/consensus/solo/journalFormat.js"

const root = fs.mkdtempSync(path.join(os.tmpdir(), "journal-"))
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))
let folders = 0
const folder = () => path.join(root, String(folders++), "mychannel")
const chain = new Uint8Array(32).fill(7)
const bytes = (text: string) => new TextEncoder().encode(text)
const normal = (text: string) => ({ kind: "normal" as const, configSequence: 1n, envelope: bytes(text) })
const texts = (entries: ReadonlyArray<JournalEntry>) =>
  entries.map(({ envelope }) => new TextDecoder().decode(envelope))

const open = (at: string, height: number, fileBytes?: number) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const durable: Array<JournalEntry> = []
    const sink = (entries: ReadonlyArray<JournalEntry>) => durable.push(...entries)
    const options = { folder: at, chain, height, sink, ...(fileBytes === undefined ? {} : { fileBytes }) }
    const journal = yield* Scope.extend(openJournal(options), scope)
    return { journal, durable, close: Scope.close(scope, Exit.void) }
  })
const walFiles = (at: string) => fs.readdirSync(at).sort()

describe("journal format", () => {
  const record: fc.Arbitrary<JournalRecord> = fc.oneof(
    fc.record({
      kind: fc.constantFrom("normal" as const, "config" as const),
      sequence: fc.nat(),
      configSequence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      envelope: fc.uint8Array({ maxLength: 200 })
    }),
    fc.record({ kind: fc.constant("cut" as const), block: fc.nat(), consumed: fc.nat() })
  )
  it("reads back what it wrote, and nothing of a frame with one bit changed or cut short", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 8 }), fc.nat(), fc.nat(), (records, index, spot) => {
        const frame = Buffer.alloc(frameSize(records))
        expect(encodeFrame(index, records, frame)).toBe(frame.length)
        expect(decodeFrame(frame, 0, index)).toEqual({ records, end: frame.length })
        expect(decodeFrame(frame, 0, index + 1)).toBeUndefined()
        expect(decodeFrame(frame.subarray(0, frame.length - 1), 0, index)).toBeUndefined()
        const damaged = Buffer.from(frame)
        const at = spot % damaged.length
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (spot % 8))
        expect(decodeFrame(damaged, 0, index)).toBeUndefined()
      })
    )
  })
  it("counts as consumed what the last cut of a written block says", () => {
    const entry = (sequence: number): JournalRecord => ({ ...normal(String(sequence)), sequence })
    const records: ReadonlyArray<JournalRecord> = [
      ...[1, 2, 3, 4].map(entry),
      { kind: "cut", block: 1, consumed: 2 },
      { kind: "cut", block: 2, consumed: 4 }, // never written: the node was killed
      { kind: "cut", block: 2, consumed: 3 }
    ]
    expect(texts(unconsumed(records, 1))).toEqual(["1", "2", "3", "4"])
    expect(texts(unconsumed(records, 2))).toEqual(["3", "4"])
    expect(texts(unconsumed(records, 3))).toEqual(["4"])
  })
})

describe("journal", () => {
  it.scopedLive("hands durable entries on in order and replays what no block holds", () =>
    Effect.gen(function* () {
      const at = folder()
      const first = yield* open(at, 1)
      expect(first.journal.replay).toEqual([])
      yield* Effect.all([first.journal.append([normal("a"), normal("b")]), first.journal.append([normal("c")])], {
        concurrency: "unbounded"
      })
      yield* first.journal.append([{ ...normal("d"), kind: "config" }])
      expect(texts(first.durable)).toEqual(["a", "b", "c", "d"])
      expect(first.durable.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4])
      yield* first.journal.cut(1, 2)
      yield* first.close
      const unwritten = yield* open(at, 1)
      expect(texts(unwritten.journal.replay)).toEqual(["a", "b", "c", "d"])
      yield* unwritten.close
      const written = yield* open(at, 2)
      expect(texts(written.journal.replay)).toEqual(["c", "d"])
      expect(written.journal.replay[1]).toMatchObject({ kind: "config", configSequence: 1n, sequence: 4 })
      yield* written.journal.append([normal("e")])
      expect(written.durable[0]?.sequence).toBe(5)
      yield* written.close
    })
  )
  it.scopedLive("drops a torn tail and goes on behind it", () =>
    Effect.gen(function* () {
      const at = folder()
      const first = yield* open(at, 1)
      yield* first.journal.append([normal("a")])
      yield* first.journal.append([normal("b")])
      yield* first.close
      const [name] = walFiles(at)
      const file = path.join(at, name ?? "")
      fs.truncateSync(file, fs.statSync(file).size - 3)
      const second = yield* open(at, 1)
      expect(texts(second.journal.replay)).toEqual(["a"])
      yield* second.journal.append([normal("c")])
      yield* second.close
      const third = yield* open(at, 1)
      expect(texts(third.journal.replay)).toEqual(["a", "c"])
      yield* third.close
    })
  )
  it.scopedLive("writes into zeros, which a kill leaves behind the frames and a stop takes away", () =>
    Effect.gen(function* () {
      const at = folder()
      const { close, journal } = yield* open(at, 1)
      // small ones, and some that the zeros have no room for
      const sizes = [1, 100, 50_000, 200_000, 10, 70_000, 3]
      for (const [index, size] of sizes.entries()) yield* journal.append([normal(`${index}${"x".repeat(size)}`)])
      const killed = folder()
      fs.cpSync(at, killed, { recursive: true })
      const ends = (place: string) => fs.readFileSync(path.join(place, walFiles(place)[0] ?? "")).subarray(-1000)
      expect(ends(killed).equals(Buffer.alloc(1000))).toBe(true)
      yield* close
      expect(ends(at).toString().endsWith("6xxx")).toBe(true)
      for (const place of [killed, at]) {
        const again = yield* open(place, 1)
        expect(texts(again.journal.replay).map((text) => text.length - 1)).toEqual(sizes)
        yield* again.close
      }
    })
  )
  it.scopedLive("survives a file that was created and not yet begun", () =>
    Effect.gen(function* () {
      const at = folder()
      const first = yield* open(at, 1)
      yield* first.journal.append([normal("a")])
      yield* first.close
      fs.writeFileSync(path.join(at, "00000002.wal"), "FEso")
      const second = yield* open(at, 1)
      expect(texts(second.journal.replay)).toEqual(["a"])
      yield* second.close
    })
  )
  it.scopedLive("refuses the journal of another chain", () =>
    Effect.gen(function* () {
      const at = folder()
      const first = yield* open(at, 1)
      yield* first.journal.append([normal("a")])
      yield* first.close
      const exit = yield* Effect.exit(openJournal({ folder: at, chain: new Uint8Array(32), height: 1, sink: () => {} }))
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain("does not belong to this channel's chain")
    })
  )
  it.scopedLive("rotates files and removes those that blocks have consumed", () =>
    Effect.gen(function* () {
      const at = folder()
      const first = yield* open(at, 1, 200)
      for (let n = 1; n <= 9; n++) yield* first.journal.append([normal("x".repeat(90))])
      const before = walFiles(at)
      expect(before.length).toBeGreaterThan(3)
      yield* first.journal.cut(1, 8)
      first.journal.written(8)
      yield* first.journal.probe
      // files go in the background, after the commit that made them needless
      yield* Effect.repeat(
        Effect.sync(() => walFiles(at).length),
        { until: (left) => left < before.length, schedule: Schedule.spaced("10 millis") }
      ).pipe(Effect.timeout("10 seconds"))
      yield* first.close
      const second = yield* open(at, 2, 200)
      expect(second.journal.replay.map(({ sequence }) => sequence)).toEqual([9])
      yield* second.close
    })
  )
  it.scopedLive("fails calls when the folder cannot be written, and works again when it can", () =>
    Effect.gen(function* () {
      const at = folder()
      const { close, durable, journal } = yield* open(at, 1)
      fs.rmSync(at, { recursive: true })
      const failed = yield* Effect.exit(journal.append([normal("lost")]))
      expect(Exit.isFailure(failed)).toBe(true)
      expect(durable).toEqual([])
      fs.mkdirSync(at)
      yield* journal.append([normal("kept")])
      yield* close
      const again = yield* open(at, 1)
      expect(texts(again.journal.replay)).toEqual(["kept"])
      yield* again.close
    })
  )
})

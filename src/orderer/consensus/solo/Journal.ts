/**
 * Solo's durable record of accepted envelopes: a client is answered once its envelope is on disk here, and after a kill
 * the entries that are in no block are replayed in order. All calls that come while a write is under way share the next
 * one (group commit), so durability costs one synced write per round and not per envelope. Plain callbacks between
 * `record` and its `done`: what comes one by one pays for its write and for nothing around it.
 *
 * Files rotate; one is removed when blocks hold all of its entries. Format: journalFormat.ts; writing: JournalWriter.ts.
 */

import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import { closing } from "../../../runtime/closing.js"
import { JournalFailed, JournalForeign } from "./errors.js"
import {
  frameBytes,
  type JournalFile,
  JournalWriter,
  type JournalWriterOptions,
  type Recorded
} from "./JournalWriter.js"
import type { JournalEntry, JournalRecord } from "./journalFormat.js"
import { decodeFileHead, decodeFrame, fileHead, frameSize, unconsumed } from "./journalFormat.js"

/** An envelope to record; it gets its sequence here. */
export type JournalInput = Pick<JournalEntry, "kind" | "configSequence" | "envelope">

export interface Journal {
  /** Entries found at open that are in no block, in order. */
  readonly replay: ReadonlyArray<JournalEntry>
  /**
   * Records envelopes. `done` is called once and later: when they are on disk and have been handed to the sink, or with
   * the failure, and then none of them is recorded. Order of calls is order of sequences.
   */
  readonly record: (inputs: ReadonlyArray<JournalInput>, done: Recorded) => void
  /** `record` as an effect. An interrupted one may have been recorded. */
  readonly append: (inputs: ReadonlyArray<JournalInput>) => Effect.Effect<void, JournalFailed>
  /**
   * Records that `block` takes everything up to `consumed`; must be done before the block is written. The call starts
   * it, what it gives waits for it.
   */
  readonly cut: (block: number, consumed: number) => Effect.Effect<void, JournalFailed>
  /** The block of the latest cut is durable: what it consumed may be forgotten. */
  readonly written: (consumed: number) => void
  /** Writes an empty frame: tells whether the medium works. */
  readonly probe: Effect.Effect<void, JournalFailed>
}

export interface JournalOptions extends JournalWriterOptions {
  /** Blocks in the ledger at open. */
  readonly height: number
  /** Told of durable entries, in order, before their `append` completes. Must not throw. */
  readonly sink: (entries: ReadonlyArray<JournalEntry>) => void
}

/** One `append`, `cut` or `probe` on its way to the disk. */
interface Request {
  readonly records: ReadonlyArray<JournalRecord>
  readonly done: Recorded
}

const attempt = <A>(op: JournalFailed["op"], file: string, run: () => Promise<A>): Effect.Effect<A, JournalFailed> =>
  Effect.tryPromise({ try: run, catch: (cause) => new JournalFailed({ op, path: file, cause }) })

// ---- Open --------------------------------------------------------------------------------------------------------

interface Found {
  readonly files: ReadonlyArray<JournalFile>
  readonly records: ReadonlyArray<JournalRecord>
  readonly frames: number
}

/** Reads what is there, cuts a torn tail off the last file. */
const scan = (folder: string, chain: Uint8Array): Effect.Effect<Found, JournalFailed | JournalForeign> =>
  Effect.gen(function* () {
    yield* attempt("create", folder, () => fs.mkdir(folder, { recursive: true, mode: 0o750 }))
    const names = (yield* attempt("read", folder, () => fs.readdir(folder)))
      .filter((name) => /^\d{8}\.wal$/.test(name))
      .sort()
    const files: Array<JournalFile> = []
    const records: Array<JournalRecord> = []
    let frames: number | undefined
    for (const name of names) {
      const file = path.join(folder, name)
      const bytes = yield* attempt("read", file, () => fs.readFile(file))
      const isLast = name === names[names.length - 1]
      const head = decodeFileHead(bytes)
      // a kill between creating a file and writing its head leaves it empty; nothing was acknowledged from it
      if (head === undefined && isLast && bytes.length < fileHead + 6) {
        yield* attempt("remove", file, () => fs.unlink(file))
        continue
      }
      if (head === undefined || !Buffer.from(head).equals(chain)) return yield* new JournalForeign({ path: file })
      const found: JournalFile = { number: Number.parseInt(name, 10), path: file, lastSequence: 0 }
      files.push(found)
      let index = bytes.readUIntLE(fileHead, 6)
      let offset = fileHead + 6
      for (
        let frame = decodeFrame(bytes, offset, index);
        frame !== undefined;
        frame = decodeFrame(bytes, offset, index)
      ) {
        for (const record of frame.records) {
          records.push(record)
          if (record.kind !== "cut") found.lastSequence = record.sequence
        }
        offset = frame.end
        index += 1
      }
      if (offset < bytes.length) yield* attempt("write", file, () => fs.truncate(file, offset))
      frames = index
    }
    return { files, records, frames: frames ?? 0 }
  })

// ---- Journal -----------------------------------------------------------------------------------------------------

/** Opens the journal of one channel; closes it with the scope, after what is under way. */
export const openJournal = (
  options: JournalOptions
): Effect.Effect<Journal, JournalFailed | JournalForeign, Scope.Scope> =>
  Effect.gen(function* () {
    const found = yield* scan(options.folder, options.chain)
    const writer = new JournalWriter(options, [...found.files], found.frames)
    let sequence = found.records.reduce(
      (last, record) => Math.max(last, record.kind === "cut" ? record.consumed : record.sequence),
      0
    )
    let pending: Array<Request> = []
    /** A round is under way or about to begin. */
    let busy = false
    let rested = () => {}
    let consumed = 0
    let closed = false

    /** The requests of the next frame. */
    const take = (): ReadonlyArray<Request> => {
      let bytes = 0
      let count = 0
      for (const { records } of pending) {
        bytes += frameSize(records)
        if (count > 0 && bytes > frameBytes) break
        count += 1
      }
      const taken = pending
      pending = count === taken.length ? [] : taken.splice(count)
      return taken
    }
    const round = () => {
      const requests = take()
      const [first] = requests
      if (first === undefined) {
        busy = false
        rested()
        return
      }
      const records = requests.length === 1 ? first.records : requests.flatMap((request) => request.records)
      writer.write(records, (failure) => {
        if (failure === undefined) {
          const entries = records.filter((record): record is JournalEntry => record.kind !== "cut")
          if (entries.length > 0) options.sink(entries)
        }
        for (const { done } of requests) done(failure)
        // a file that cannot be removed now is removed later: nothing depends on it
        if (writer.isForgettable(consumed)) writer.forget(consumed).then(round, round)
        else round()
      })
    }
    const rest = () =>
      new Promise<void>((resolve) => {
        rested = resolve
        if (!busy) resolve()
      })
    const failed = () => new JournalFailed({ op: "write", path: options.folder, cause: new Error("closed") })
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        Effect.sync(() => {
          closed = true
          const left = pending
          pending = []
          for (const { done } of left) done(failed())
        }),
        closing(`journal ${options.folder}`, () => rest().then(() => writer.close()))
      )
    )

    /** Puts records into the next frame at once. */
    const submit = (records: ReadonlyArray<JournalRecord>, done: Recorded): void => {
      if (closed) {
        queueMicrotask(() => done(failed()))
        return
      }
      pending.push({ records, done })
      if (busy) return
      busy = true
      queueMicrotask(round) // what this turn of the event loop still brings shares the frame
    }
    const record: Journal["record"] = (inputs, done) =>
      submit(
        inputs.map(({ configSequence, envelope, kind }) => ({ kind, sequence: ++sequence, configSequence, envelope })),
        done
      )

    return {
      replay: unconsumed(found.records, options.height),
      record,
      append: appending(record),
      cut: (block, upTo) => {
        const done = Deferred.unsafeMake<void, JournalFailed>(FiberId.none)
        submit([{ kind: "cut", block, consumed: upTo }], (failure) => Deferred.unsafeDone(done, failure ?? Effect.void))
        return Deferred.await(done)
      },
      written: (upTo) => {
        consumed = upTo
      },
      probe: Effect.async((resume) => submit([], (failure) => resume(failure ?? Effect.void)))
    }
  })

/** `append` of a journal that has `record`. */
export const appending =
  (record: Journal["record"]): Journal["append"] =>
  (inputs) =>
    Effect.async((resume) => record(inputs, (failure) => resume(failure ?? Effect.void)))

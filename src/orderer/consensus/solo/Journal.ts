/**
 * Solo's durable record of accepted envelopes: a client is answered once its envelope is on disk here, and after a kill
 * the entries that are in no block are replayed in order. All calls that come while a write is under way share the next
 * one (group commit), so durability costs one synced write per round and not per envelope.
 *
 * Files rotate; one is removed when blocks hold all of its entries. Format: journalFormat.ts.
 */

import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import { closing } from "../../../runtime/closing.js"
import { JournalFailed, JournalForeign } from "./errors.js"
import type { JournalEntry, JournalRecord } from "./journalFormat.js"
import {
  decodeFileHead,
  decodeFrame,
  encodeFileHead,
  encodeFrame,
  fileHead,
  frameSize,
  unconsumed
} from "./journalFormat.js"

/** An envelope to record; it gets its sequence here. */
export type JournalInput = Pick<JournalEntry, "kind" | "configSequence" | "envelope">

export interface Journal {
  /** Entries found at open that are in no block, in order. */
  readonly replay: ReadonlyArray<JournalEntry>
  /**
   * Records envelopes; done when they are on disk and have been handed to the sink. Order of calls is order of
   * sequences. On failure none of them is recorded.
   */
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

export interface JournalOptions {
  /** The channel's own folder; made when absent. */
  readonly folder: string
  /** Header hash of the channel's first block, 32 bytes. */
  readonly chain: Uint8Array
  /** Blocks in the ledger at open. */
  readonly height: number
  /** Told of durable entries, in order, before their `append` completes. Must not throw. */
  readonly sink: (entries: ReadonlyArray<JournalEntry>) => void
  /** A file that has grown to this many bytes is followed by the next. */
  readonly fileBytes?: number
}

/** One `append`, `cut` or `probe` on its way to the disk. */
interface Request {
  readonly records: ReadonlyArray<JournalRecord>
  readonly done: Deferred.Deferred<void, JournalFailed>
}

interface JournalFile {
  readonly number: number
  readonly path: string
  /** Highest sequence in it; 0 while it has none. */
  lastSequence: number
}

/** Bytes of envelopes that one frame takes at most, unless a single request has more. */
const frameBytes = 4 * 1024 * 1024
const defaultFileBytes = 64 * 1024 * 1024
const fileName = (number: number) => `${String(number).padStart(8, "0")}.wal`

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

// ---- Writer ------------------------------------------------------------------------------------------------------

class Writer {
  private handle: fs.FileHandle | undefined
  private offset = 0
  /** Bytes beyond `offset` may hold part of a failed write: to be cut off before the next. */
  private torn = false
  private buffer = Buffer.allocUnsafe(256 * 1024)
  private nextNumber: number

  constructor(
    private readonly options: JournalOptions,
    private readonly files: Array<JournalFile>,
    private frame: number
  ) {
    this.nextNumber = (files[files.length - 1]?.number ?? 0) + 1
  }

  private async create(): Promise<void> {
    const file = path.join(this.options.folder, fileName(this.nextNumber))
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_DSYNC
    const handle = await fs.open(file, flags, 0o640)
    try {
      const head = Buffer.alloc(fileHead + 6)
      head.set(encodeFileHead(this.options.chain))
      head.writeUIntLE(this.frame, fileHead, 6)
      await writeAll(handle, head, 0)
      const directory = await fs.open(this.options.folder, "r")
      try {
        await directory.sync()
      } finally {
        await directory.close()
      }
      this.handle = handle
      this.offset = head.length
    } catch (error) {
      await handle.close()
      throw error
    }
    this.files.push({ number: this.nextNumber, path: file, lastSequence: 0 })
    this.nextNumber += 1
  }

  async write(records: ReadonlyArray<JournalRecord>): Promise<void> {
    if (this.handle !== undefined && this.offset >= (this.options.fileBytes ?? defaultFileBytes)) {
      const full = this.handle
      this.handle = undefined
      await full.close()
    }
    if (this.handle === undefined) await this.create()
    const { handle } = this
    if (handle === undefined) throw new Error("no file") // create throws first
    if (this.torn) {
      await handle.truncate(this.offset)
      this.torn = false
    }
    const size = frameSize(records)
    if (this.buffer.length < size) this.buffer = Buffer.allocUnsafe(size)
    const length = encodeFrame(this.frame, records, this.buffer)
    try {
      await writeAll(handle, this.buffer.subarray(0, length), this.offset)
    } catch (error) {
      this.torn = true
      throw error
    }
    if (this.buffer.length > 2 * frameBytes) this.buffer = Buffer.allocUnsafe(256 * 1024)
    this.offset += length
    this.frame += 1
    const file = this.files[this.files.length - 1]
    for (const record of records) {
      if (record.kind !== "cut" && file !== undefined) file.lastSequence = record.sequence
    }
  }

  /**
   * Removes files whose entries are all consumed, the one being written aside. The cuts in them go too: they consume
   * nothing of the files that stay.
   */
  async forget(consumed: number): Promise<void> {
    while (this.files.length > 1) {
      const [first] = this.files
      if (first === undefined || first.lastSequence > consumed) return
      await fs.unlink(first.path)
      this.files.shift()
    }
  }

  async close(): Promise<void> {
    await this.handle?.close()
    this.handle = undefined
  }
}

const writeAll = async (handle: fs.FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

// ---- Journal -----------------------------------------------------------------------------------------------------

/** Opens the journal of one channel; closes it with the scope, after what is under way. */
export const openJournal = (
  options: JournalOptions
): Effect.Effect<Journal, JournalFailed | JournalForeign, Scope.Scope> =>
  Effect.gen(function* () {
    const found = yield* scan(options.folder, options.chain)
    const writer = new Writer(options, [...found.files], found.frames)
    let sequence = found.records.reduce(
      (last, record) => Math.max(last, record.kind === "cut" ? record.consumed : record.sequence),
      0
    )
    let pending: Array<Request> = []
    let wake: (() => void) | undefined
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
      const taken = pending.slice(0, count)
      pending = pending.slice(count)
      return taken
    }
    const waitForWork = Effect.async<void>((resume) => {
      if (pending.length > 0) return resume(Effect.void)
      wake = () => resume(Effect.void)
    })
    const round = Effect.gen(function* () {
      const requests = take()
      const records = requests.flatMap((request) => request.records)
      const exit = yield* Effect.exit(attempt("write", options.folder, () => writer.write(records)))
      if (Exit.isSuccess(exit)) {
        const entries = records.filter((record): record is JournalEntry => record.kind !== "cut")
        if (entries.length > 0) options.sink(entries)
      }
      for (const { done } of requests) Deferred.unsafeDone(done, exit)
      // a file that cannot be removed now is removed later: nothing depends on it
      if (consumed > 0) yield* Effect.ignore(attempt("remove", options.folder, () => writer.forget(consumed)))
    })
    const failed = () => new JournalFailed({ op: "write", path: options.folder, cause: new Error("closed") })
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        Effect.sync(() => {
          closed = true
          for (const { done } of pending) Deferred.unsafeDone(done, Effect.fail(failed()))
          pending = []
        }),
        closing(`journal ${options.folder}`, () => writer.close())
      )
    )
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(waitForWork, Effect.uninterruptible(round))))

    /** Puts records into the next frame at once; the result waits for it. */
    const submit = (records: ReadonlyArray<JournalRecord>): Effect.Effect<void, JournalFailed> => {
      if (closed) return failed()
      const done = Deferred.unsafeMake<void, JournalFailed>(FiberId.none)
      pending.push({ records, done })
      const waiting = wake
      wake = undefined
      waiting?.()
      return Deferred.await(done)
    }

    return {
      replay: unconsumed(found.records, options.height),
      append: (inputs) =>
        Effect.suspend(() =>
          submit(
            inputs.map(({ configSequence, envelope, kind }) => ({
              kind,
              sequence: ++sequence,
              configSequence,
              envelope
            }))
          )
        ),
      cut: (block, upTo) => submit([{ kind: "cut", block, consumed: upTo }]),
      written: (upTo) => {
        consumed = upTo
      },
      probe: Effect.suspend(() => submit([]))
    }
  })

/**
 * Solo's durable record of accepted envelopes: a client is answered once its envelope is on disk here, and after a kill
 * the entries that are in no block are replayed in order. All calls that come while a write is under way share the next
 * one (group commit), so durability costs one synced write per round and not per envelope. Plain callbacks between
 * `record` and its `done`: what comes one by one pays for its write and for nothing around it.
 *
 * Files rotate; one is removed when blocks hold all of its entries. Format: journalFormat.ts.
 */

import { constants, write as writeBytes } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
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

/** Told how a call ended: nothing, or why nothing of it is recorded. Must not throw. */
export type Recorded = (failure: JournalFailed | undefined) => void

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
  readonly done: Recorded
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

  private async create(): Promise<fs.FileHandle> {
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
    return handle
  }

  /** Writes one frame. One call at a time: the next one not before `done`. */
  write(records: ReadonlyArray<JournalRecord>, done: Recorded): void {
    const { handle } = this
    if (handle !== undefined && !this.torn && !this.isFull()) this.writeFrame(handle, records, done)
    else {
      const begin = (made: fs.FileHandle) => this.writeFrame(made, records, done)
      this.prepare().then(begin, (cause) => done(this.failed(cause)))
    }
  }

  private isFull(): boolean {
    return this.offset >= (this.options.fileBytes ?? defaultFileBytes)
  }

  private failed(cause: unknown): JournalFailed {
    return new JournalFailed({ op: "write", path: this.options.folder, cause })
  }

  /** The file for the next frame: the next one after a full one, without what a failed write left. */
  private async prepare(): Promise<fs.FileHandle> {
    if (this.handle !== undefined && this.isFull()) {
      const full = this.handle
      this.handle = undefined
      await full.close()
    }
    const handle = this.handle ?? (await this.create())
    if (this.torn) {
      await handle.truncate(this.offset)
      this.torn = false
    }
    return handle
  }

  private writeFrame(handle: fs.FileHandle, records: ReadonlyArray<JournalRecord>, done: Recorded): void {
    const size = frameSize(records)
    if (this.buffer.length < size) this.buffer = Buffer.allocUnsafe(size)
    const length = encodeFrame(this.frame, records, this.buffer)
    const writeFrom = (from: number): void => {
      writeBytes(handle.fd, this.buffer, from, length - from, this.offset + from, (error, written) => {
        if (error !== null) {
          this.torn = true
          done(this.failed(error))
        } else if (from + written < length) writeFrom(from + written)
        else {
          this.wrote(records, length)
          done(undefined)
        }
      })
    }
    writeFrom(0)
  }

  private wrote(records: ReadonlyArray<JournalRecord>, length: number): void {
    if (this.buffer.length > 2 * frameBytes) this.buffer = Buffer.allocUnsafe(256 * 1024)
    this.offset += length
    this.frame += 1
    const file = this.files[this.files.length - 1]
    if (file === undefined) return
    for (const record of records) if (record.kind !== "cut") file.lastSequence = record.sequence
  }

  /** Whether `forget` has something to do. */
  isForgettable(consumed: number): boolean {
    const [first] = this.files
    return this.files.length > 1 && first !== undefined && first.lastSequence <= consumed
  }

  /**
   * Removes files whose entries are all consumed, the one being written aside. The cuts in them go too: they consume
   * nothing of the files that stay.
   */
  async forget(consumed: number): Promise<void> {
    while (this.isForgettable(consumed)) {
      const [first] = this.files
      if (first !== undefined) await fs.unlink(first.path)
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

/**
 * Files of solo's journal and their writing: frames one after the other, each synced; full files make room for the next.
 *
 * A frame goes into bytes that the file has already, as zeros written ahead: a synced write that lets a file grow has the
 * file system record the new length as well, which costs half as much again. Zeros read as no frame.
 */
import { constants, write as writeBytes } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { JournalFailed } from "./errors.js"
import type { JournalRecord } from "./journalFormat.js"
import { encodeFileHead, encodeFrame, fileHead, frameSize } from "./journalFormat.js"

/** Told how a call ended: nothing, or why nothing of it is recorded. Must not throw. */
export type Recorded = (failure: JournalFailed | undefined) => void

export interface JournalWriterOptions {
  /** The channel's own folder. */
  readonly folder: string
  /** Header hash of the channel's first block, 32 bytes. */
  readonly chain: Uint8Array
  /** A file that has grown to this many bytes is followed by the next. */
  readonly fileBytes?: number
}

export interface JournalFile {
  readonly number: number
  readonly path: string
  /** Highest sequence in it; 0 while it has none. */
  lastSequence: number
}

/** Bytes of envelopes that one frame takes at most, unless a single request has more. */
export const frameBytes = 4 * 1024 * 1024
const defaultFileBytes = 64 * 1024 * 1024
/** Zeros that are written ahead: little for a channel that takes little. */
const firstReserve = 64 * 1024
const largestReserve = 2 * 1024 * 1024
const fileName = (number: number) => `${String(number).padStart(8, "0")}.wal`

/** Writes the frames of one channel's journal, one at a time. */
export class JournalWriter {
  private handle: fs.FileHandle | undefined
  private offset = 0
  /** Length of the file: `offset` and zeros from there on. */
  private reserved = 0
  /** Bytes beyond `offset` may hold part of a failed write: to be cut off before the next. */
  private torn = false
  private buffer = Buffer.allocUnsafe(256 * 1024)
  private nextNumber: number

  constructor(
    private readonly options: JournalWriterOptions,
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
      this.reserved = head.length
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
    const size = frameSize(records)
    if (handle !== undefined && !this.torn && !this.isFull() && this.offset + size <= this.reserved)
      this.writeFrame(handle, records, size, done)
    else {
      const begin = (made: fs.FileHandle) => this.writeFrame(made, records, size, done)
      this.prepare(size).then(begin, (cause) => done(this.failed(cause)))
    }
  }

  private isFull(): boolean {
    return this.offset >= (this.options.fileBytes ?? defaultFileBytes)
  }

  private failed(cause: unknown): JournalFailed {
    return new JournalFailed({ op: "write", path: this.options.folder, cause })
  }

  /** The file for the next frame: the next one after a full one, without what a failed write left, with room for it. */
  private async prepare(size: number): Promise<fs.FileHandle> {
    if (this.handle !== undefined && this.isFull()) await this.close()
    const handle = this.handle ?? (await this.create())
    if (this.torn) {
      await handle.truncate(this.offset)
      this.reserved = this.offset
      this.torn = false
    }
    if (this.offset + size > this.reserved) await this.reserve(handle, size)
    return handle
  }

  private async reserve(handle: fs.FileHandle, size: number): Promise<void> {
    const zeros = Math.max(size, Math.min(largestReserve, Math.max(firstReserve, this.offset)))
    try {
      await writeAll(handle, Buffer.alloc(this.offset + zeros - this.reserved), this.reserved)
    } catch (error) {
      this.torn = true
      throw error
    }
    this.reserved = this.offset + zeros
  }

  private writeFrame(handle: fs.FileHandle, records: ReadonlyArray<JournalRecord>, size: number, done: Recorded): void {
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

  /** Ends the file where its frames end. */
  async close(): Promise<void> {
    const { handle } = this
    if (handle === undefined) return
    this.handle = undefined
    try {
      await handle.truncate(this.offset)
    } finally {
      await handle.close()
    }
  }
}

const writeAll = async (handle: fs.FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

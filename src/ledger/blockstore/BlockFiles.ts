/**
 * Append-only files of one channel's raw blocks. A record is `length (4 bytes) || CRC-32 of the block (4) || CRC-32 of these
 * eight bytes (4) || block`, big-endian; a file is left at `maxFileSize`. The check sums tell a torn tail (cut at open)
 * and a changed byte (refused) from a block. Plain class: promises for what waits for the disk, synchronous reads for parts of blocks.
 */
import * as fs from "node:fs"
import * as nodePath from "node:path"
import { crc32 } from "../../wire/crc32.js"
import { BlockFilesDamaged, StoreFailed } from "./errors.js"

/** Go's block files end at 64 MiB too. */
export const defaultMaxFileSize = 64 * 1024 * 1024
/** Bytes in front of a block. */
export const headerSize = 12
const openFileLimit = 32

/** Where a record lies. */
export interface Place {
  readonly file: number
  /** Of the record's header. */
  readonly offset: number
  /** Of the block, without the header. */
  readonly length: number
}

export interface ScannedRecord {
  readonly place: Place
  readonly bytes: Uint8Array
}

const headerOf = (block: Uint8Array): Buffer => {
  const header = Buffer.allocUnsafe(headerSize)
  header.writeUInt32BE(block.length, 0)
  header.writeUInt32BE(crc32(block), 4)
  header.writeUInt32BE(crc32(header.subarray(0, 8)), 8)
  return header
}

const isHeader = (header: Buffer): boolean => header.readUInt32BE(8) === crc32(header.subarray(0, 8))

const promise = <A>(call: (done: (error: Error | null, value: A) => void) => void): Promise<A> =>
  new Promise((resolve, reject) => call((error, value) => (error === null ? resolve(value) : reject(error))))

interface OpenFile {
  readonly fd: number
  /** Asynchronous reads under way: the file is not closed meanwhile. */
  busy: number
}

export class BlockFiles {
  private readonly open = new Map<number, OpenFile>()
  private closed = false
  /** Set when a failed write could not be undone: the file's end is unknown until the next start. */
  private broken: unknown

  private constructor(
    private readonly channel: string,
    private readonly dir: string,
    private readonly maxFileSize: number,
    private tailFile: number,
    private tailSize: number,
    private tailFd: number
  ) {}

  /** Opens the files of a folder, making the first one when there is none. */
  static openDir(channel: string, dir: string, maxFileSize: number): BlockFiles {
    fs.mkdirSync(dir, { recursive: true })
    const numbers = fs
      .readdirSync(dir)
      .map((name) => /^blocks_(\d{6,})$/.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map(Number)
    const last = numbers.length === 0 ? 0 : Math.max(...numbers)
    const fd = fs.openSync(nodePath.join(dir, fileName(last)), "a+")
    if (numbers.length === 0) syncFolder(dir)
    return new BlockFiles(channel, dir, maxFileSize, last, fs.fstatSync(fd).size, fd)
  }

  get end(): { readonly file: number; readonly offset: number } {
    return { file: this.tailFile, offset: this.tailSize }
  }

  pathOf(file: number): string {
    return nodePath.join(this.dir, fileName(file))
  }

  /** Writes one block and waits until it is on disk. A failed write leaves the file as it was. One call at a time. */
  async append(block: Uint8Array): Promise<Place> {
    if (this.broken !== undefined) throw this.failed("write", this.broken)
    if (block.length > 0x7fff_ffff) throw this.failed("write", new Error("a block may have 2 GiB at most"))
    if (this.tailSize > 0 && this.tailSize + headerSize + block.length > this.maxFileSize) this.nextFile()
    const place: Place = { file: this.tailFile, offset: this.tailSize, length: block.length }
    try {
      await this.writeAll(headerOf(block), block)
      await promise<void>((done) => fs.fdatasync(this.tailFd, (error) => done(error, undefined)))
    } catch (cause) {
      this.undo(place.offset)
      throw this.failed("write", cause)
    }
    this.tailSize += headerSize + block.length
    return place
  }

  /** A whole block, check sum verified. */
  async read(place: Place, block: bigint): Promise<Uint8Array> {
    const file = this.fileOf(place.file)
    const record = Buffer.allocUnsafeSlow(headerSize + place.length)
    file.busy += 1
    try {
      let filled = 0
      while (filled < record.length) {
        const read = await promise<number>((done) =>
          fs.read(file.fd, record, filled, record.length - filled, place.offset + filled, done)
        )
        if (read === 0) break
        filled += read
      }
      return this.verified(place, block, record, filled)
    } catch (cause) {
      throw cause instanceof BlockFilesDamaged ? cause : this.failed("read", cause)
    } finally {
      file.busy -= 1
    }
  }

  /** The same, blocking: for readers in plain functions. */
  readSync(place: Place, block: bigint): Uint8Array {
    const record = Buffer.allocUnsafeSlow(headerSize + place.length)
    return this.verified(place, block, record, this.readPart(place.file, record, place.offset))
  }

  /** Part of a block, blocking. The caller verifies it against the check sum kept in its index. */
  readPartSync(place: Place, offset: number, length: number): Uint8Array {
    const part = Buffer.allocUnsafeSlow(length)
    const filled = this.readPart(place.file, part, place.offset + headerSize + offset)
    return part.subarray(0, filled)
  }

  /**
   * Records from a position to the end, in order. A torn record at the very end is cut off; anything else that is no
   * record is damage. `indexed`: the index ends at `from`; then a record that no whole one follows is torn whatever it
   * looks like, because each block is on the disk before the next is written. `readOnly`: a torn record is damage too,
   * and stays.
   * @throws BlockFilesDamaged, StoreFailed
   */
  *scan(
    from: { readonly file: number; readonly offset: number },
    firstBlock: bigint,
    indexed = false,
    readOnly = false
  ): Generator<ScannedRecord> {
    let { file, offset } = from
    let block = firstBlock
    if (file > this.tailFile || (file === this.tailFile && offset > this.tailSize)) {
      throw new BlockFilesDamaged({
        channel: this.channel,
        file: this.pathOf(Math.min(file, this.tailFile)),
        block: firstBlock - 1n,
        reason: "the file ends before blocks that the index knows"
      })
    }
    while (file <= this.tailFile) {
      const size = file === this.tailFile ? this.tailSize : fs.fstatSync(this.fileOf(file).fd).size
      if (offset === size) {
        file += 1
        offset = 0
        continue
      }
      const found = this.recordAt(file, offset, size)
      if (typeof found === "string") {
        const torn = () =>
          this.isTornTail(file, offset, size) || (indexed && !this.wholeRecordBehind(file, offset + 1, size))
        if (file === this.tailFile && !readOnly && torn()) {
          this.cut(file, offset)
          return
        }
        throw new BlockFilesDamaged({ channel: this.channel, file: this.pathOf(file), block, reason: found })
      }
      yield { place: { file, offset, length: found.length }, bytes: found }
      offset += headerSize + found.length
      block += 1n
    }
  }

  /** Cuts everything from a position on (rollback, torn tail). */
  cut(file: number, offset: number): void {
    try {
      for (let later = this.tailFile; later > file; later--) {
        this.forget(later)
        if (later === this.tailFile) fs.closeSync(this.tailFd)
        fs.rmSync(this.pathOf(later))
        this.tailFile = later - 1
        this.tailFd = fs.openSync(this.pathOf(this.tailFile), "a+")
      }
      this.forget(file)
      fs.ftruncateSync(this.tailFd, offset)
      fs.fsyncSync(this.tailFd)
      syncFolder(this.dir)
      this.tailSize = offset
    } catch (cause) {
      this.broken = cause
      throw this.failed("write", cause)
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    for (const [number, file] of this.open) if (file.fd !== this.tailFd) this.forget(number)
    fs.closeSync(this.tailFd)
  }

  // ---- Private ---------------------------------------------------------------------------------------------------

  private failed(op: StoreFailed["op"], cause: unknown): StoreFailed {
    return new StoreFailed({ channel: this.channel, op, cause })
  }

  private async writeAll(header: Uint8Array, block: Uint8Array): Promise<void> {
    let parts = [header, block]
    while (parts.length > 0) {
      let written = await promise<number>((done) => fs.writev(this.tailFd, parts, null, done))
      // what a short write left over
      parts = parts.flatMap((part) => {
        const skip = Math.min(written, part.length)
        written -= skip
        return skip === part.length ? [] : [part.subarray(skip)]
      })
    }
  }

  private undo(size: number): void {
    try {
      fs.ftruncateSync(this.tailFd, size)
    } catch (cause) {
      this.broken = cause
    }
  }

  private nextFile(): void {
    try {
      const next = this.tailFile + 1
      const fd = fs.openSync(this.pathOf(next), "ax+")
      syncFolder(this.dir)
      fs.closeSync(this.tailFd)
      this.tailFile = next
      this.tailSize = 0
      this.tailFd = fd
    } catch (cause) {
      throw this.failed("write", cause)
    }
  }

  private fileOf(number: number): OpenFile {
    if (this.closed) throw this.failed("read", new Error("the store is closed"))
    const known = this.open.get(number)
    if (known !== undefined) {
      this.open.delete(number)
      this.open.set(number, known) // the map's order is the order of last use
      return known
    }
    for (const [old, file] of this.open) {
      if (this.open.size < openFileLimit) break
      if (file.busy === 0) this.forget(old)
    }
    try {
      const file: OpenFile = { fd: fs.openSync(this.pathOf(number), "r"), busy: 0 }
      this.open.set(number, file)
      return file
    } catch (cause) {
      throw this.failed("read", cause)
    }
  }

  private forget(number: number): void {
    const file = this.open.get(number)
    if (file === undefined) return
    this.open.delete(number)
    fs.closeSync(file.fd)
  }

  private readPart(file: number, target: Uint8Array, position: number): number {
    try {
      const { fd } = this.fileOf(file)
      let filled = 0
      while (filled < target.length) {
        const read = fs.readSync(fd, target, filled, target.length - filled, position + filled)
        if (read === 0) break
        filled += read
      }
      return filled
    } catch (cause) {
      throw cause instanceof StoreFailed ? cause : this.failed("read", cause)
    }
  }

  private verified(place: Place, block: bigint, record: Buffer, filled: number): Uint8Array {
    const damage =
      filled < record.length
        ? "the file ends inside the block"
        : record.readUInt32BE(0) !== place.length
          ? "its length differs from the index"
          : !isHeader(record) || record.readUInt32BE(4) !== crc32(record.subarray(headerSize))
            ? "its check sum does not fit"
            : undefined
    if (damage !== undefined)
      throw new BlockFilesDamaged({ channel: this.channel, file: this.pathOf(place.file), block, reason: damage })
    return record.subarray(headerSize)
  }

  /** The record at a position, or why there is none. */
  private recordAt(file: number, offset: number, size: number): Uint8Array | string {
    if (size - offset < headerSize) return "the file ends inside a record"
    const header = Buffer.allocUnsafe(headerSize)
    this.readPart(file, header, offset)
    if (!isHeader(header)) return "there is no record"
    const length = header.readUInt32BE(0)
    if (offset + headerSize + length > size) return "the file ends inside a block"
    const block = Buffer.allocUnsafeSlow(length)
    if (this.readPart(file, block, offset + headerSize) < length) return "the file ends inside a block"
    return header.readUInt32BE(4) === crc32(block) ? block : "its check sum does not fit"
  }

  /** A write that the power cut: nothing but zeros, as some file systems leave them, behind what there is of it. */
  private isTornTail(file: number, offset: number, size: number): boolean {
    if (size - offset < headerSize) return true
    const header = Buffer.allocUnsafe(headerSize)
    this.readPart(file, header, offset)
    // a header may have been cut as well; a block is never all zeros, so that what follows tells
    const from = offset + headerSize + (isHeader(header) ? header.readUInt32BE(0) : 0)
    const chunk = Buffer.allocUnsafe(65536)
    for (let at = from; at < size; at += chunk.length) {
      const filled = this.readPart(file, chunk, at)
      for (let i = 0; i < filled; i++) if (chunk[i] !== 0) return false
    }
    return true
  }

  /** Whether a whole record begins somewhere from a position on. */
  private wholeRecordBehind(file: number, from: number, size: number): boolean {
    const chunk = Buffer.allocUnsafe(65536)
    for (let at = from; at + headerSize <= size; at += chunk.length - headerSize + 1) {
      const filled = this.readPart(file, chunk, at)
      for (let i = 0; i + headerSize <= filled; i++)
        if (
          at + i + headerSize + chunk.readUInt32BE(i) <= size &&
          isHeader(chunk.subarray(i, i + headerSize)) &&
          typeof this.recordAt(file, at + i, size) !== "string"
        )
          return true
    }
    return false
  }
}

const fileName = (number: number): string => `blocks_${String(number).padStart(6, "0")}`

/** Makes a new or removed name durable. */
const syncFolder = (dir: string): void => {
  const fd = fs.openSync(dir, "r")
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * Reads tar archives entry by entry with the leniency of the reference's library (chaincode.md R71, T23): the same
 * entries, the same place at which a damaged archive ends. `next` is a generator so that a long scan can give the
 * thread back: it yields after each megabyte that it passed over.
 */
import type { ByteReader, ReadError } from "./byteReader.js"
import { EOF, UNEXPECTED_EOF } from "./byteReader.js"
import type { PaxRecords, SparseEntry } from "./pax.js"
import {
  FIELD_TOO_LONG,
  MAX_SPECIAL_FILE,
  mergePax,
  mustRead,
  oldGnuSparse,
  parsePax,
  paxSparse,
  validSparse
} from "./pax.js"
import type { TarFormat, TarHeader } from "./tarHeader.js"
import { BLOCK, cString, formatOf, isHeaderOnly, parseHeader, parseNumeric, TAR_HEADER, TypeFlag } from "./tarHeader.js"

const STRIDE = 1 << 20
const SKIP_BUFFER = 64 * 1024

/** A scan that pauses now and then; drive it with {@link finish} or step by step. */
export type Scan<A> = Generator<void, A, void>

/** Runs a scan to its end without pausing. */
export const finish = <A>(scan: Scan<A>): A => {
  for (;;) {
    const step = scan.next()
    if (step.done === true) return step.value
  }
}

/** The content of an entry cannot be had. */
export interface ContentFault {
  readonly error: ReadError
}

export class TarReader {
  private remaining = 0n
  private padding = 0
  private sparse: ReadonlyArray<SparseEntry> | undefined
  private entrySize = 0n
  private fault: ReadError | undefined
  private readonly scratch = new Uint8Array(SKIP_BUFFER)

  constructor(private readonly source: ByteReader) {}

  /** The next entry, or the error that ends the archive (`EOF` at its proper end). */
  *next(): Scan<TarHeader | ReadError> {
    if (this.fault !== undefined) return this.fault
    const result = yield* this.advance()
    if (typeof result === "string") this.fault = result
    return result
  }

  /** The bytes of the current entry, at most `limit` of them (the rest is left for `next` to pass over). */
  *content(limit: number): Scan<Uint8Array | ContentFault> {
    const result = this.sparse === undefined ? yield* this.dense(limit) : yield* this.expand(this.sparse, limit)
    if ("error" in result) this.fault = result.error
    return result
  }

  // ---- Entries ---------------------------------------------------------------------------------------------------

  private *advance(): Scan<TarHeader | ReadError> {
    let records: PaxRecords = new Map()
    let longName = ""
    let longLink = ""
    for (;;) {
      const skipped = yield* this.skip()
      if (skipped !== undefined) return skipped
      const read = this.readHeader()
      if (typeof read === "string") return read
      const { block, format, header } = read
      if (!this.open(header)) return TAR_HEADER
      switch (header.type) {
        case TypeFlag.xHeader:
        case TypeFlag.xGlobalHeader: {
          const bytes = yield* this.specialFile()
          if (typeof bytes === "string") return bytes
          const parsed = parsePax(bytes)
          if (parsed === undefined) return TAR_HEADER
          if (header.type === TypeFlag.xGlobalHeader) {
            mergePax(header, parsed)
            return { name: header.name, linkName: "", type: header.type, mode: 0n, size: 0n }
          }
          records = parsed
          continue
        }
        case TypeFlag.gnuLongName:
        case TypeFlag.gnuLongLink: {
          const bytes = yield* this.specialFile()
          if (typeof bytes === "string") return bytes
          if (header.type === TypeFlag.gnuLongName) longName = cString(bytes)
          else longLink = cString(bytes)
          continue
        }
      }
      if (!mergePax(header, records)) return TAR_HEADER
      if (longName !== "") header.name = longName
      if (longLink !== "") header.linkName = longLink
      if (header.type === TypeFlag.regA) {
        header.type = header.name.endsWith("/") ? TypeFlag.directory : TypeFlag.regular
      }
      if (!this.open(header)) return TAR_HEADER
      const sparse = this.sparseMap(header, block, format, records)
      if (typeof sparse === "string") return sparse
      if (sparse !== undefined) {
        if (isHeaderOnly(header.type) || !validSparse(sparse, header.size)) return TAR_HEADER
        this.sparse = sparse
      }
      this.entrySize = isHeaderOnly(header.type) ? 0n : header.size
      return header
    }
  }

  /** Sets up the data section that follows a header; false when its size is negative. */
  private open(header: TarHeader): boolean {
    const size = isHeaderOnly(header.type) ? 0n : header.size
    if (size < 0n) return false
    this.remaining = size
    this.padding = Number((BigInt(BLOCK) - (size % BigInt(BLOCK))) % BigInt(BLOCK))
    this.sparse = undefined
    return true
  }

  private sparseMap(
    header: TarHeader,
    block: Uint8Array,
    format: TarFormat,
    records: PaxRecords
  ): Array<SparseEntry> | ReadError | undefined {
    if (header.type !== TypeFlag.gnuSparse) return paxSparse(header, records, () => this.dataBlock())
    if (format !== "gnu") return TAR_HEADER
    const size = parseNumeric(block.subarray(483, 495))
    if (size === undefined) return TAR_HEADER
    header.size = size
    return oldGnuSparse(block, () => this.rawBlock())
  }

  private readHeader(): { block: Uint8Array; format: TarFormat; header: TarHeader } | ReadError {
    const block = new Uint8Array(BLOCK)
    const error = this.readFull(block)
    if (error !== undefined) return error
    if (block.every((byte) => byte === 0)) {
      const second = this.readFull(block)
      if (second !== undefined) return second
      return block.every((byte) => byte === 0) ? EOF : TAR_HEADER
    }
    const format = formatOf(block)
    if (format === undefined) return TAR_HEADER
    const header = parseHeader(block, format)
    return header === undefined ? TAR_HEADER : { block, format, header }
  }

  // ---- Bytes -----------------------------------------------------------------------------------------------------

  /** Passes over what is left of the current entry and its padding. */
  private *skip(): Scan<ReadError | undefined> {
    let sinceYield = 0
    while (this.remaining > 0n) {
      const wanted = this.remaining > BigInt(SKIP_BUFFER) ? SKIP_BUFFER : Number(this.remaining)
      const count = this.source.read(this.scratch.subarray(0, wanted))
      this.remaining -= BigInt(count)
      if (this.source.error !== undefined && this.remaining > 0n) return mustRead(this.source.error)
      sinceYield += count
      if (sinceYield < STRIDE) continue
      sinceYield = 0
      yield
    }
    const padding = this.tryReadFull(this.scratch.subarray(0, this.padding))
    this.padding = 0
    return padding
  }

  /** Fills `into`; `EOF` when nothing was there, `unexpected EOF` when something was. */
  private readFull(into: Uint8Array): ReadError | undefined {
    let filled = 0
    while (filled < into.length) {
      filled += this.source.read(into.subarray(filled))
      const error = this.source.error
      if (error !== undefined && filled < into.length) return error === EOF && filled > 0 ? UNEXPECTED_EOF : error
    }
    return undefined
  }

  /** Fills `into`; `EOF` when the end came first, another error even if it came with the last byte. */
  private tryReadFull(into: Uint8Array): ReadError | undefined {
    let filled = 0
    while (filled < into.length) {
      filled += this.source.read(into.subarray(filled))
      const error = this.source.error
      if (error === EOF && filled === into.length) return undefined
      if (error !== undefined) return error
    }
    return undefined
  }

  private rawBlock(): Uint8Array | ReadError {
    const block = new Uint8Array(BLOCK)
    const error = this.tryReadFull(block)
    return error === undefined ? block : mustRead(error)
  }

  /** A block out of the current entry's data. */
  private dataBlock(): Uint8Array | ReadError {
    if (this.remaining < BigInt(BLOCK)) return UNEXPECTED_EOF
    const block = this.rawBlock()
    if (typeof block !== "string") this.remaining -= BigInt(BLOCK)
    return block
  }

  private *specialFile(): Scan<Uint8Array | ReadError> {
    const bytes = yield* this.dense(MAX_SPECIAL_FILE + 1)
    if ("error" in bytes) return bytes.error
    return bytes.length > MAX_SPECIAL_FILE ? FIELD_TOO_LONG : bytes
  }

  private *dense(limit: number): Scan<Uint8Array | ContentFault> {
    const parts: Array<Uint8Array> = []
    let length = 0
    while (this.remaining > 0n && length < limit) {
      const room = Math.min(SKIP_BUFFER, limit - length)
      const part = new Uint8Array(this.remaining > BigInt(room) ? room : Number(this.remaining))
      const count = this.source.read(part)
      parts.push(part.subarray(0, count))
      length += count
      this.remaining -= BigInt(count)
      const error = this.source.error
      if (error !== undefined && !(error === EOF && this.remaining === 0n)) return { error: mustRead(error) }
      if (parts.length % 16 === 0) yield
    }
    return Buffer.concat(parts)
  }

  private *expand(entries: ReadonlyArray<SparseEntry>, limit: number): Scan<Uint8Array | ContentFault> {
    const bytes = new Uint8Array(this.entrySize > BigInt(limit) ? limit : Number(this.entrySize))
    for (const { offset, length } of entries) {
      if (this.remaining < length) return { error: "archive/tar: sparse file references non-existent data" }
      if (offset + length > BigInt(bytes.length)) return bytes
      const target = bytes.subarray(Number(offset), Number(offset + length))
      const error = this.tryReadFull(target)
      if (error !== undefined) return { error: mustRead(error) }
      this.remaining -= length
      yield
    }
    if (this.remaining > 0n) return { error: "archive/tar: sparse file contains unreferenced data" }
    return bytes
  }
}

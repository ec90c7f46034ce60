/**
 * gzip (RFC 1952) read as the reference reads code packages: members follow each other, a checksum fault shows after
 * the bytes it covers, trailing bytes that are no member are an error. Source: chaincode.md R66, R71, T23.
 */
import { crc32 } from "../../wire/crc32.js"
import type { ByteReader, ReadError } from "./byteReader.js"
import { EOF, SliceInput, UNEXPECTED_EOF } from "./byteReader.js"
import { Inflate } from "./inflate.js"

export const GZIP_HEADER: ReadError = "gzip: invalid header"
export const GZIP_CHECKSUM: ReadError = "gzip: invalid checksum"

const FLAG_HEADER_CRC = 2
const FLAG_EXTRA = 4
const FLAG_NAME = 8
const FLAG_COMMENT = 16
const MAX_STRING = 512

const noEof = (error: ReadError): ReadError => (error === EOF ? UNEXPECTED_EOF : error)

/** The decompressed bytes of a gzip file. Open with {@link gunzip}. */
export class GzipReader implements ByteReader {
  error: ReadError | undefined
  private fault: ReadError | undefined
  private inflate: Inflate
  private digest = 0
  private size = 0

  constructor(private readonly input: SliceInput) {
    this.inflate = new Inflate(input)
  }

  read(into: Uint8Array): number {
    if (this.fault !== undefined) {
      this.error = this.fault
      return 0
    }
    for (;;) {
      const count = this.inflate.read(into)
      this.digest = crc32(into.subarray(0, count), this.digest)
      this.size = (this.size + count) >>> 0
      if (this.inflate.error !== EOF) {
        this.fault = this.inflate.error
        this.error = this.fault
        return count
      }
      this.fault = this.endMember()
      if (this.fault !== undefined || count > 0) {
        this.error = this.fault
        return count
      }
    }
  }

  /** Checks the member's trailer and opens the next member; `EOF` when there is none. */
  private endMember(): ReadError | undefined {
    const trailer = new Uint8Array(8)
    const error = this.input.readFull(trailer)
    if (error !== undefined) return noEof(error)
    const view = new DataView(trailer.buffer)
    if (view.getUint32(0, true) !== this.digest || view.getUint32(4, true) !== this.size) return GZIP_CHECKSUM
    this.digest = 0
    this.size = 0
    const next = readHeader(this.input)
    if (next !== undefined) return next
    this.inflate = new Inflate(this.input)
    return undefined
  }
}

const readHeader = (input: SliceInput): ReadError | undefined => {
  const start = input.position
  const head = new Uint8Array(10)
  const error = input.readFull(head)
  if (error !== undefined) return error
  if (head[0] !== 0x1f || head[1] !== 0x8b || head[2] !== 8) return GZIP_HEADER
  const flags = head[3] ?? 0
  const two = new Uint8Array(2)
  if (flags & FLAG_EXTRA) {
    const lengthError = input.readFull(two)
    if (lengthError !== undefined) return noEof(lengthError)
    const extraError = input.readFull(new Uint8Array((two[0] ?? 0) | ((two[1] ?? 0) << 8)))
    if (extraError !== undefined) return noEof(extraError)
  }
  for (const flag of [FLAG_NAME, FLAG_COMMENT]) {
    if (!(flags & flag)) continue
    const stringError = skipString(input)
    if (stringError !== undefined) return stringError
  }
  if (flags & FLAG_HEADER_CRC) {
    const digest = crc32(input.bytes.subarray(start, input.position)) & 0xffff
    const crcError = input.readFull(two)
    if (crcError !== undefined) return noEof(crcError)
    if (((two[0] ?? 0) | ((two[1] ?? 0) << 8)) !== digest) return GZIP_HEADER
  }
  return undefined
}

const skipString = (input: SliceInput): ReadError | undefined => {
  for (let length = 0; length < MAX_STRING; length++) {
    const byte = input.bytes[input.position]
    if (byte === undefined) return UNEXPECTED_EOF
    input.position++
    if (byte === 0) return undefined
  }
  return GZIP_HEADER
}

/** Opens a gzip file; a string is the error of its first header (`EOF` for an empty slice). */
export const gunzip = (bytes: Uint8Array): GzipReader | ReadError => {
  const input = new SliceInput(bytes)
  return readHeader(input) ?? new GzipReader(input)
}

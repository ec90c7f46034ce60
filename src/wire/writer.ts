/**
 * A writer of protobuf's wire format. It goes from the end to the front, so that a nested message's length is known when
 * its turn comes: one pass, no sizes computed beforehand.
 */
import { compareUtf8 } from "./bytes.js"
import { WireError } from "./errors.js"
import { MAX_DEPTH, putVarint, tooDeep, varintSize } from "./reader.js"

const FIRST_SIZE = 4096
/** Larger buffers are given back after use. */
const KEPT_SIZE = 1 << 20
/** Up to here copying byte by byte beats a call of `set`. */
const SHORT = 16
const SHORT_TEXT = 64

const outOfRange = (value: number | bigint, kind: string): WireError =>
  new WireError(`proto: ${value} is out of range for ${kind}`)

export const noElement = (field: string): WireError => new WireError(`proto: repeated field ${field} has nil element`)

/**
 * The bytes from `from` on. Small ones live on the heap and large ones in memory of their own; those between come from
 * Node's pool of 8 KB slabs (a third of the time), so keeping one keeps its slab.
 */
const copyOf = (buf: Uint8Array, from: number): Uint8Array => {
  const length = buf.length - from
  if (length <= 64 || length > 2048) return buf.slice(from)
  const pooled = Buffer.allocUnsafe(length)
  pooled.set(buf.subarray(from))
  return new Uint8Array(pooled.buffer, pooled.byteOffset, length)
}

export class Writer {
  private buf = new Uint8Array(FIRST_SIZE)
  private pos = FIRST_SIZE

  /** Bytes written so far: taken before a nested message and given to {@link close} after it. */
  get written(): number {
    return this.buf.length - this.pos
  }

  /** A copy of what was written; the writer starts anew. */
  take(): Uint8Array {
    const out = copyOf(this.buf, this.pos)
    if (this.buf.length > KEPT_SIZE) this.buf = new Uint8Array(FIRST_SIZE)
    this.pos = this.buf.length
    return out
  }

  private room(size: number): void {
    if (this.pos < size) this.grow(size)
  }

  private grow(size: number): void {
    const used = this.written
    const grown = new Uint8Array(Math.max(this.buf.length * 2, used + size))
    this.pos = grown.length - used
    grown.set(this.buf.subarray(this.buf.length - used), this.pos)
    this.buf = grown
  }

  private varint(low: number, high: number): void {
    this.room(10)
    if (low < 0x80 && high === 0) {
      this.buf[--this.pos] = low
      return
    }
    const size = varintSize(low, high)
    this.pos -= size
    putVarint(this.buf, this.pos, low, high, size)
  }

  key(key: number): void {
    this.varint(key, 0)
  }

  /** Negative numbers take ten bytes, as in Go. */
  int32(value: number): void {
    if ((value | 0) !== value) throw outOfRange(value, "int32")
    this.varint(value >>> 0, value < 0 ? 0xffffffff : 0)
  }

  uint32(value: number): void {
    if (value >>> 0 !== value) throw outOfRange(value, "uint32")
    this.varint(value, 0)
  }

  bool(value: boolean): void {
    this.varint(value ? 1 : 0, 0)
  }

  uint64(value: bigint): void {
    if (BigInt.asUintN(64, value) !== value) throw outOfRange(value, "uint64")
    this.halves(value)
  }

  int64(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw outOfRange(value, "int64")
    this.halves(value < 0n ? BigInt.asUintN(64, value) : value)
  }

  private halves(value: bigint): void {
    if (value <= 0x1fffffffffffffn) {
      const number = Number(value)
      this.varint(number >>> 0, Math.floor(number / 0x100000000))
    } else this.varint(Number(value & 0xffffffffn), Number(value >> 32n))
  }

  /** Bytes as they are, e.g. unknown fields. */
  raw(bytes: Uint8Array): void {
    const length = bytes.length
    this.room(length)
    this.pos -= length
    if (length > SHORT) this.buf.set(bytes, this.pos)
    else for (let i = 0, at = this.pos; i < length; i++) this.buf[at++] = bytes[i] as number
  }

  bytes(bytes: Uint8Array): void {
    this.raw(bytes)
    this.varint(bytes.length, 0)
  }

  text(text: string): void {
    if (text.length > SHORT_TEXT || !this.ascii(text)) this.longText(text)
  }

  /** Writes the text if it is ASCII. */
  private ascii(text: string): boolean {
    const length = text.length
    this.room(length)
    const start = this.pos - length
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code >= 0x80) return false
      this.buf[start + i] = code
    }
    this.pos = start
    this.varint(length, 0)
    return true
  }

  private longText(text: string): void {
    if (/\p{Surrogate}/u.test(text)) throw new WireError("proto: invalid UTF-8 detected")
    this.bytes(Buffer.from(text, "utf8"))
  }

  /** Puts its length in front of what was written since `before`. */
  close(before: number): void {
    this.varint(this.written - before, 0)
  }

  /** The depth of a message inside one at `depth` that can hold its own kind. */
  deeper(depth: number): number {
    if (depth >= MAX_DEPTH) throw tooDeep()
    return depth + 1
  }
}

/**
 * The writer that the next encode uses. Encoding calls nobody, so one suffices; should it be taken all the same (by an
 * encode that threw, or a getter that encodes), another is made. Nothing of a message stays visible in it.
 */
let spare: Writer | undefined

export const borrowWriter = (): Writer => {
  const writer = spare ?? new Writer()
  spare = undefined
  return writer
}

/** Ends an encode: the bytes, and the writer given back. */
export const returnWriter = (writer: Writer): Uint8Array => {
  const out = writer.take()
  spare = writer
  return out
}

/** A map's entries, last one first: Go's order is random, ours is by the bytes of the keys. */
export const descendingEntries = <V>(map: ReadonlyMap<string, V>): ReadonlyArray<readonly [string, V]> =>
  map.size < 2 ? [...map] : [...map].sort((a, b) => compareUtf8(b[0], a[0]))

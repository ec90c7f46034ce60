/**
 * A reader of protobuf's wire format with the decisions of Go's library (golang/protobuf 1.3, table_unmarshal.go, which
 * Fabric 1.4 vendors). Own code because protobufjs's differs where Fabric's validation codes depend on it: it accepts
 * invalid UTF-8, drops unknown fields, replaces messages that come twice, and is slower on byte-heavy messages (its
 * views are Buffers, three times the cost of a Uint8Array).
 * Source: peer-endorse-validate.md traps 5-7.
 */
import { EMPTY } from "./bytes.js"
import { WireError } from "./errors.js"

/**
 * Messages that contain their own kind (config groups, signature policies) may be nested this deep. Go has no limit;
 * without one a hostile message would overflow JavaScript's stack: reading, filling and writing 1000 levels takes half of
 * Node's default, and callers recurse as well. Nothing that Fabric makes comes near. A signature policy's gate counts as
 * two levels.
 */
export const MAX_DEPTH = 500

export const tooDeep = (): WireError => new WireError("proto: message nested too deeply")

/** Text of the error that Go raises after a message with this field was read. */
export const invalidUtf8 = (field: string): WireError => new WireError(`proto: field "${field}" contains invalid UTF-8`)

/** Go keeps such an entry as nil and crashes on its first use. */
export const noMapValue = (field: string): WireError =>
  new WireError(`proto: map field "${field}" has an entry without value`)

const eof = (): WireError => new WireError("unexpected EOF")

const illegalTag = (key: number, goType: string): WireError =>
  new WireError(`proto: ${goType}: illegal tag 0 (wire type ${key})`)

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Up to here building a string from character codes beats the decoder (Node 20: 50 ns however long the text). */
const SHORT_TEXT = 12

export class Reader {
  /** Where reading goes on. */
  pos = 0
  /** Where the innermost open message ends. */
  end: number
  /** Set by {@link text} when the bytes were not UTF-8; the message's own code takes it back. */
  invalid = false
  /** High half of the varint read last. */
  private high = 0
  /** Halves of the key read last, when it took more than one byte. */
  private keyLow = 0
  private keyHigh = 0
  private readonly memory: ArrayBufferLike
  private readonly base: number

  constructor(private readonly buf: Uint8Array) {
    this.end = buf.length
    this.memory = buf.buffer
    this.base = buf.byteOffset
  }

  /** A varint's low 32 bits, unsigned; the others are left in `high`. At most ten bytes, as in Go. */
  private varint(): number {
    const pos = this.pos
    if (pos < this.end) {
      const first = this.buf[pos] as number
      if (first < 0x80) {
        this.pos = pos + 1
        this.high = 0
        return first
      }
    }
    return this.longVarint()
  }

  private longVarint(): number {
    const buf = this.buf
    const end = this.end
    let pos = this.pos
    let low = 0
    let high = 0
    for (let i = 0; ; i++) {
      if (pos >= end || i === 10) throw eof()
      const byte = buf[pos++] as number
      const bits = byte & 0x7f
      if (i < 4) low |= bits << (7 * i)
      else if (i === 4) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (7 * i - 32)
      if (byte < 0x80) {
        if (i === 9 && byte > 1) throw eof()
        break
      }
    }
    this.pos = pos
    this.high = high >>> 0
    return low >>> 0
  }

  /**
   * A field's key, number * 8 + wire type, when `pos < end`. Beyond 2^53 it is rounded, which matches no field;
   * {@link unknown} has the exact value.
   */
  key(): number {
    const first = this.buf[this.pos] as number
    if (first < 0x80) {
      this.pos++
      return first
    }
    this.keyLow = this.longVarint()
    this.keyHigh = this.high
    return this.keyHigh * 0x100000000 + this.keyLow
  }

  private length(): number {
    const length = this.varint()
    if (this.high !== 0 || length > this.end - this.pos) throw eof()
    return length
  }

  /** Enters a length-delimited field: `end` becomes its end; the old one is returned, to be put back. */
  open(): number {
    const length = this.length()
    const outer = this.end
    this.end = this.pos + length
    return outer
  }

  /** Go cuts longer numbers to 32 bits. */
  int32(): number {
    return this.varint() | 0
  }

  uint32(): number {
    return this.varint()
  }

  bool(): boolean {
    return this.varint() !== 0 || this.high !== 0
  }

  uint64(): bigint {
    const low = this.varint()
    const high = this.high
    if (high < 0x200000) return BigInt(high * 0x100000000 + low)
    return (BigInt(high) << 32n) | BigInt(low)
  }

  int64(): bigint {
    const value = this.uint64()
    return this.high < 0x80000000 ? value : BigInt.asIntN(64, value)
  }

  /** A view of the input. */
  bytes(): Uint8Array {
    const length = this.length()
    if (length === 0) return EMPTY
    const pos = this.pos
    this.pos = pos + length
    return new Uint8Array(this.memory, this.base + pos, length)
  }

  text(): string {
    const length = this.length()
    const pos = this.pos
    const to = pos + length
    this.pos = to
    if (length <= SHORT_TEXT) {
      const buf = this.buf
      let text = ""
      let at = pos
      for (; at < to; at++) {
        const code = buf[at] as number
        if (code >= 0x80) break
        text += String.fromCharCode(code)
      }
      if (at === to) return text
    }
    try {
      return strictUtf8.decode(new Uint8Array(this.memory, this.base + pos, length))
    } catch {
      this.invalid = true
      return ""
    }
  }

  /** Takes `invalid` back; Go reports the first such field of a message, unless a worse fault follows. */
  fault(earlier: string, field: string): string {
    this.invalid = false
    return earlier === "" ? field : earlier
  }

  /** A oneof's member with a foreign wire type: Go's reader loses its place there, so all that is left is an error. */
  misplaced(key: number): WireError {
    const wire = key & 7
    return wire === 4 || wire > 5 ? new WireError(`proto: can't skip unknown wire type ${wire}`) : eof()
  }

  /** A map with a foreign wire type. */
  noMap(key: number): WireError {
    return new WireError(`proto: bad wiretype for map field: got ${key & 7} want 2`)
  }

  /** Passes over a field of a map's entry that is neither key nor value; Go drops it, number 0 included. */
  skipEntryField(key: number): void {
    this.skip((key < 0x80 ? key : this.keyLow) & 7)
  }

  /** Passes over a field of no interest. */
  pass(key: number, goType: string): void {
    if (key < 8) throw illegalTag(key, goType)
    this.skipEntryField(key)
  }

  /**
   * Passes over a field that the message does not have, and returns it appended to those kept so far, its key in
   * shortest form as Go writes it. `goType` is the name that Go's error gives the message.
   */
  unknown(key: number, kept: Uint8Array | undefined, goType: string): Uint8Array {
    if (key < 8) throw illegalTag(key, goType)
    const low = key < 0x80 ? key : this.keyLow
    const high = key < 0x80 ? 0 : this.keyHigh
    const from = this.pos
    this.skip(low & 7)
    const size = varintSize(low, high)
    const grown = extended(kept, size + this.pos - from)
    const at = kept === undefined ? 0 : kept.length
    putVarint(grown, at, low, high, size)
    grown.set(this.buf.subarray(from, this.pos), at + size)
    return grown
  }

  private skip(wire: number): void {
    switch (wire) {
      case 0:
        this.varint()
        return
      case 1:
        this.advance(8)
        return
      case 2:
        this.advance(this.length())
        return
      case 3:
        this.skipGroup()
        return
      case 5:
        this.advance(4)
        return
      default:
        throw new WireError(`proto: can't skip unknown wire type ${wire}`)
    }
  }

  private advance(length: number): void {
    if (length > this.end - this.pos) throw eof()
    this.pos += length
  }

  /** Go pairs a group's start and end by count, not by number. */
  private skipGroup(): void {
    for (let depth = 1; depth > 0; ) {
      const wire = this.varint() & 7
      if (wire === 3) depth++
      else if (wire === 4) depth--
      else if (wire > 5) throw eof()
      else this.skip(wire)
    }
  }
}

/** Size in bytes of a 64-bit varint. */
export const varintSize = (low: number, high: number): number => {
  if (high === 0) return low < 0x80 ? 1 : low < 0x4000 ? 2 : low < 0x200000 ? 3 : low < 0x10000000 ? 4 : 5
  return high < 8 ? 5 : high < 0x400 ? 6 : high < 0x20000 ? 7 : high < 0x1000000 ? 8 : high < 0x80000000 ? 9 : 10
}

/** Writes a 64-bit varint of a known size. */
export const putVarint = (target: Uint8Array, from: number, low: number, high: number, size: number): void => {
  let at = from
  for (let i = 1; i < size; i++) {
    target[at++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  target[at] = low
}

/**
 * `kept` and `more` bytes of room behind it. The memory behind a message's unknown fields is the reader's own and grows
 * by doubling, so that many small ones cost no more than one large one.
 */
const extended = (kept: Uint8Array | undefined, more: number): Uint8Array => {
  if (kept === undefined) return new Uint8Array(more)
  const length = kept.length + more
  if (length <= kept.buffer.byteLength) return new Uint8Array(kept.buffer, 0, length)
  const grown = new Uint8Array(new ArrayBuffer(length * 2), 0, length)
  grown.set(kept)
  return grown
}

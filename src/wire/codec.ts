/**
 * What the generated codecs stand on: a reader and a writer of protobuf's wire format with the decisions of Go's
 * library (golang/protobuf 1.3): a known field with another wire type is unknown, unknown fields are kept and written
 * last, invalid UTF-8 is an error, singular messages merge, a oneof's last member wins. Own code because protobufjs's
 * decoder differs in each of these, and each of them changes a validation code.
 * Source: peer-endorse-validate.md traps 5-7.
 */

/** Bytes that are not a message. The text is the one that Go's library gives. */
export class WireError extends Error {
  readonly _tag = "WireError"
  override readonly name = "WireError"
}

/** A message as a caller may give it: every part optional, absent means the default. */
export type Init<T> = T extends Uint8Array | string | number | bigint | boolean | undefined
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? ReadonlyMap<K, Init<V>>
    : T extends ReadonlyArray<infer U>
      ? ReadonlyArray<Init<U>>
      : { readonly [K in keyof T]?: Init<T[K]> | undefined }

/** The same message while it is being read. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export type ScalarKind =
  | "double"
  | "float"
  | "int32"
  | "uint32"
  | "sint32"
  | "fixed32"
  | "sfixed32"
  | "int64"
  | "uint64"
  | "sint64"
  | "fixed64"
  | "sfixed64"
  | "bool"
  | "string"
  | "bytes"

/** One field as tools (configtxlator) and tests see it. */
export interface FieldInfo {
  /** Name in the .proto file. */
  readonly name: string
  /** Name of the property. */
  readonly property: string
  readonly number: number
  readonly kind: ScalarKind | "enum" | "message"
  readonly repeated: boolean
  /** Kind of the key when the field is a map; `kind` is then the value's. */
  readonly mapKey?: ScalarKind
  readonly oneof?: string
  readonly message?: () => MessageInfo
  readonly enum?: () => EnumInfo
}

export interface MessageInfo {
  /** Full name, e.g. `common.Envelope`. */
  readonly typeName: string
  readonly fields: ReadonlyArray<FieldInfo>
  /** Untyped access for tools that walk `fields`. */
  readonly decode: (bytes: Uint8Array) => object
}

export interface EnumInfo {
  readonly typeName: string
  readonly values: Readonly<Record<string, number>>
  /** The name of a number; the first one declared where there are aliases. */
  readonly nameOf: (value: number) => string | undefined
}

/** The codec of one message. */
export interface MessageType<T> extends MessageInfo {
  /** Reads a whole message; byte fields are views of `bytes`. Throws {@link WireError}. */
  readonly decode: (bytes: Uint8Array) => T & object
  /** Canonical bytes: fields ascending, defaults left out, maps by key bytes, unknown fields last. */
  readonly encode: (value: Init<T>) => Uint8Array
  /** Fills in the defaults. */
  readonly create: (value?: Init<T>) => T
  /** For generated code: reads fields into `message` up to `end`. */
  readonly read: (reader: Reader, end: number, message: Mutable<T>, depth: number) => void
  /** For generated code: writes the fields in front of what is there. */
  readonly write: (writer: Writer, value: Init<T>) => void
}

export const EMPTY: Uint8Array = new Uint8Array(0)

/** Messages nested deeper than this are refused: no message of Fabric comes near, hostile ones would end the process. */
const MAX_DEPTH = 200

const eof = (): WireError => new WireError("unexpected EOF")

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const fromCharCode = String.fromCharCode

// ---- Reader ------------------------------------------------------------------------------------------------------

export class Reader {
  p = 0
  /** Where the last key began: numbers beyond 2^53 are read again from there, exactly. */
  private keyAt = 0
  constructor(readonly b: Uint8Array) {}

  /** A varint's low 32 bits, signed or not as the caller takes it; Go truncates longer ones as well. */
  varint32(end: number): number {
    const b = this.b
    let x = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.p >= end) throw eof()
      const y = b[this.p++] as number
      if (shift < 32) x |= (y & 0x7f) << shift
      if (y < 0x80) return x
    }
    throw eof()
  }

  /** A varint as an exact unsigned 64-bit number. */
  varint64(end: number): bigint {
    const b = this.b
    let low = 0
    let high = 0
    for (let i = 0; i < 10; i++) {
      if (this.p >= end) throw eof()
      const y = b[this.p++] as number
      const bits = y & 0x7f
      if (i < 4) low |= bits << (7 * i)
      else if (i === 4) {
        low |= bits << 28
        high |= bits >>> 4
      } else high |= bits << (7 * i - 32)
      if (y < 0x80) {
        if (high === 0) return BigInt(low >>> 0)
        return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
      }
    }
    throw eof()
  }

  /** A field's key: number * 8 + wire type. Numbers beyond the format's range lose precision and match no field. */
  key(end: number): number {
    const b = this.b
    this.keyAt = this.p
    const first = b[this.p] as number
    if (first < 0x80) {
      this.p++
      return first
    }
    const x = this.varint64(end)
    return Number(x >> 3n) * 8 + Number(x & 7n)
  }

  /** The end of a length-delimited field that starts here. */
  span(end: number): number {
    const b = this.b
    if (this.p < end) {
      const short = b[this.p] as number
      if (short < 0x80) {
        this.p++
        if (this.p + short > end) throw eof()
        return this.p + short
      }
    }
    const length = this.varint64(end)
    if (length > BigInt(end - this.p)) throw eof()
    return this.p + Number(length)
  }

  bytes(end: number): Uint8Array {
    const to = this.span(end)
    const from = this.p
    this.p = to
    return from === to ? EMPTY : this.b.subarray(from, to)
  }

  string(end: number, field: string): string {
    const to = this.span(end)
    const from = this.p
    this.p = to
    const b = this.b
    if (to - from <= 32) {
      let text = ""
      let at = from
      for (; at < to; at++) {
        const c = b[at] as number
        if (c >= 0x80) break
        text += fromCharCode(c)
      }
      if (at === to) return text
    }
    try {
      return strictUtf8.decode(b.subarray(from, to))
    } catch {
      throw new WireError(`proto: field "${field}" contains invalid UTF-8`)
    }
  }

  fixed32(end: number): number {
    if (end - this.p < 4) throw eof()
    const b = this.b
    const p = this.p
    this.p += 4
    return (b[p] as number) | ((b[p + 1] as number) << 8) | ((b[p + 2] as number) << 16) | ((b[p + 3] as number) << 24)
  }

  fixed64(end: number): bigint {
    const low = this.fixed32(end)
    const high = this.fixed32(end)
    return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
  }

  double(end: number): number {
    if (end - this.p < 8) throw eof()
    const value = new DataView(this.b.buffer, this.b.byteOffset + this.p, 8).getFloat64(0, true)
    this.p += 8
    return value
  }

  float(end: number): number {
    if (end - this.p < 4) throw eof()
    const value = new DataView(this.b.buffer, this.b.byteOffset + this.p, 4).getFloat32(0, true)
    this.p += 4
    return value
  }

  /** Checks the nesting before a message inside a message is read. */
  nested(depth: number): number {
    if (depth >= MAX_DEPTH) throw new WireError("proto: message nested too deeply")
    return depth + 1
  }

  /**
   * Passes over a field that the message does not have and appends it to those kept so far, its key in shortest form
   * as Go writes it.
   */
  unknown(key: number, end: number, typeName: string, kept: Uint8Array | undefined): Uint8Array {
    if (key < 8) throw new WireError(`proto: ${typeName}: illegal tag 0 (wire type ${key})`)
    const from = this.p
    const exact = this.exactKey(key)
    this.skip(Number(exact & 7n), end)
    const head = varintBytes(exact)
    const before = kept?.length ?? 0
    const all = new Uint8Array(before + head.length + this.p - from)
    if (kept !== undefined) all.set(kept, 0)
    all.set(head, before)
    all.set(this.b.subarray(from, this.p), before + head.length)
    return all
  }

  private exactKey(key: number): bigint {
    if (key <= Number.MAX_SAFE_INTEGER) return BigInt(key)
    const after = this.p
    this.p = this.keyAt
    const exact = this.varint64(this.b.length)
    this.p = after
    return exact
  }

  private skip(wire: number, end: number): void {
    switch (wire) {
      case 0:
        this.varint32(end)
        return
      case 1:
        if (end - this.p < 8) throw eof()
        this.p += 8
        return
      case 2:
        this.p = this.span(end)
        return
      case 3:
        this.skipGroup(end)
        return
      case 5:
        if (end - this.p < 4) throw eof()
        this.p += 4
        return
      default:
        throw new WireError(`proto: can't skip unknown wire type ${wire}`)
    }
  }

  /** Groups may be nested; like the reference this matches ends by count, not by number. */
  private skipGroup(end: number): void {
    for (let depth = 1; depth > 0; ) {
      if (this.p >= end) throw eof()
      const wire = this.varint32(end) & 7
      if (wire === 3) depth++
      else if (wire === 4) depth--
      else if (wire > 5) throw eof()
      else this.skip(wire, end)
    }
  }
}

const varintBytes = (value: bigint): Uint8Array => {
  const out: Array<number> = []
  let rest = value
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Uint8Array.from(out)
}

// ---- Writer ------------------------------------------------------------------------------------------------------

/** Writes from the end to the front, so that a nested message's length is known when it is written: one pass. */
export class Writer {
  private b = new Uint8Array(256)
  p = 256

  /** What was written. */
  finish(): Uint8Array {
    return this.b.slice(this.p)
  }

  /** Bytes written so far, to be compared for a length later. */
  get written(): number {
    return this.b.length - this.p
  }

  private room(n: number): void {
    if (this.p >= n) return
    const used = this.b.length - this.p
    const grown = new Uint8Array(Math.max(this.b.length * 2, used + n + 64))
    grown.set(this.b.subarray(this.p), grown.length - used)
    this.p = grown.length - used
    this.b = grown
  }

  /** An unsigned number below 2^32: keys, lengths, small values. */
  uint32(value: number): void {
    this.room(5)
    if (value < 0x80) {
      this.b[--this.p] = value
      return
    }
    const size = value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5
    let at = this.p - size
    this.p = at
    let rest = value
    for (let i = 1; i < size; i++) {
      this.b[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.b[at] = rest
  }

  /** Negative numbers take ten bytes, as in Go. */
  int32(value: number): void {
    if (value < 0) this.uint64(BigInt.asUintN(64, BigInt(value)))
    else this.uint32(value)
  }

  uint64(value: bigint): void {
    if (value < 0x100000000n && value >= 0n) this.uint32(Number(value))
    else this.raw(varintBytes(BigInt.asUintN(64, value)))
  }

  fixed32(value: number): void {
    this.room(4)
    this.p -= 4
    const b = this.b
    b[this.p] = value
    b[this.p + 1] = value >>> 8
    b[this.p + 2] = value >>> 16
    b[this.p + 3] = value >>> 24
  }

  fixed64(value: bigint): void {
    const unsigned = BigInt.asUintN(64, value)
    this.fixed32(Number(unsigned >> 32n) | 0)
    this.fixed32(Number(unsigned & 0xffffffffn) | 0)
  }

  double(value: number): void {
    this.room(8)
    this.p -= 8
    new DataView(this.b.buffer, this.p, 8).setFloat64(0, value, true)
  }

  float(value: number): void {
    this.room(4)
    this.p -= 4
    new DataView(this.b.buffer, this.p, 4).setFloat32(0, value, true)
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length)
    this.p -= bytes.length
    this.b.set(bytes, this.p)
  }

  bytes(bytes: Uint8Array): void {
    this.raw(bytes)
    this.uint32(bytes.length)
  }

  string(text: string): void {
    const bytes = Buffer.from(text, "utf8")
    this.raw(bytes)
    this.uint32(bytes.length)
  }

  /** The length of what was written since `before` (see {@link written}), for a nested message. */
  length(before: number): void {
    this.uint32(this.written - before)
  }
}

/** Maps go out by the bytes of their keys: Go's order is random, ours is reproducible. */
export const sortedKeys = (map: ReadonlyMap<string, unknown>): Array<string> =>
  [...map.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

// ---- Builders for generated code ---------------------------------------------------------------------------------

export const messageType = <T extends object>(
  typeName: string,
  create: (value?: Init<T>) => T,
  read: MessageType<T>["read"],
  write: MessageType<T>["write"],
  fields: () => ReadonlyArray<FieldInfo>
): MessageType<T> => ({
  typeName,
  create,
  read,
  write,
  get fields() {
    return fields()
  },
  decode: (bytes) => {
    const message = create()
    const reader = new Reader(bytes)
    read(reader, bytes.length, message, 0)
    return message
  },
  encode: (value) => {
    const writer = new Writer()
    write(writer, value)
    return writer.finish()
  }
})

export const enumInfo = (typeName: string, values: Readonly<Record<string, number>>): EnumInfo => {
  const names = new Map<number, string>()
  for (const [name, value] of Object.entries(values)) if (!names.has(value)) names.set(value, name)
  return { typeName, values, nameOf: (value) => names.get(value) }
}

/**
 * A reader of DER with the strictness of Go's cryptobyte: low tag numbers only, definite and minimal lengths of at most
 * four octets, minimal integers. Every method answers `undefined` on malformed input and never throws.
 */

/** Universal tags that certificates, keys and revocation lists use. */
export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  UTF8_STRING: 0x0c,
  NUMERIC_STRING: 0x12,
  PRINTABLE_STRING: 0x13,
  T61_STRING: 0x14,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  BMP_STRING: 0x1e,
  SEQUENCE: 0x30,
  SET: 0x31
} as const

/** The tag octet of a context-specific element. */
export const contextTag = (number: number, constructed = false): number => 0x80 | (constructed ? 0x20 : 0) | number

/** One element: its tag octet, its whole encoding, and a reader over its content. */
export interface DerElement {
  readonly tag: number
  readonly raw: Uint8Array
  readonly content: DerReader
}

/** A cursor over a range of bytes. Slices that it hands out share memory with the input. */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #offset: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#offset = start
    this.#end = end
  }

  /** Whether everything has been read. */
  get empty(): boolean {
    return this.#offset >= this.#end
  }

  /** What has not been read yet. */
  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#offset, this.#end)
  }

  /** Whether the next element starts with this tag octet. */
  peek(tag: number): boolean {
    return this.#offset < this.#end && this.#bytes[this.#offset] === tag
  }

  /** The next element of any tag. */
  any(): DerElement | undefined {
    const start = this.#offset
    if (this.#end - start < 2) return undefined
    const tag = this.#bytes[start] ?? 0
    if ((tag & 0x1f) === 0x1f) return undefined
    let length = this.#bytes[start + 1] ?? 0
    let header = 2
    if (length >= 0x80) {
      const octets = length & 0x7f
      if (octets === 0 || octets > 4 || this.#end - start < 2 + octets) return undefined
      length = 0
      for (let i = 0; i < octets; i++) length = length * 256 + (this.#bytes[start + 2 + i] ?? 0)
      if (length < 128 || this.#bytes[start + 2] === 0) return undefined
      header += octets
    }
    const end = start + header + length
    if (end > this.#end) return undefined
    this.#offset = end
    return { tag, raw: this.#bytes.subarray(start, end), content: new DerReader(this.#bytes, start + header, end) }
  }

  /** The next element, which must carry this tag. */
  element(tag: number): DerElement | undefined {
    const found = this.any()
    return found?.tag === tag ? found : undefined
  }

  /** The content of the next element, which must carry this tag. */
  read(tag: number): DerReader | undefined {
    return this.element(tag)?.content
  }

  /** The content of the next element as bytes. */
  bytes(tag: number): Uint8Array | undefined {
    return this.element(tag)?.content.rest
  }

  /** A BOOLEAN of one octet, 0 or 0xff. */
  boolean(): boolean | undefined {
    const content = this.bytes(Tag.BOOLEAN)
    if (content?.length !== 1) return undefined
    return content[0] === 0 ? false : content[0] === 0xff ? true : undefined
  }

  /** The content octets of a minimally encoded INTEGER (or of another tag with an integer's content). */
  integerBytes(tag: number = Tag.INTEGER): Uint8Array | undefined {
    const content = this.bytes(tag)
    return content !== undefined && isMinimalInteger(content) ? content : undefined
  }

  /** An INTEGER of any size. */
  integer(): bigint | undefined {
    const content = this.integerBytes()
    return content === undefined ? undefined : toBigInt(content)
  }

  /** An INTEGER that fits 64 signed bits and JavaScript's safe range. */
  smallInteger(tag: number = Tag.INTEGER): number | undefined {
    const content = this.integerBytes(tag)
    if (content === undefined || content.length > 8) return undefined
    const value = Number(toBigInt(content))
    return Number.isSafeInteger(value) ? value : undefined
  }

  /** An OBJECT IDENTIFIER in dotted form. */
  oid(): string | undefined {
    const content = this.bytes(Tag.OID)
    return content === undefined ? undefined : decodeOid(content)
  }

  /** A BIT STRING: its octets and the number of unused bits at the end, which must be zero bits. */
  bitString(): { readonly bytes: Uint8Array; readonly unused: number } | undefined {
    const content = this.bytes(Tag.BIT_STRING)
    if (content === undefined || content.length === 0) return undefined
    const unused = content[0] ?? 0
    const bytes = content.subarray(1)
    if (unused > 7 || (bytes.length === 0 && unused !== 0)) return undefined
    if (bytes.length > 0 && ((bytes[bytes.length - 1] ?? 0) & ((1 << unused) - 1)) !== 0) return undefined
    return { bytes, unused }
  }

  /** A UTCTime or GeneralizedTime in milliseconds since the epoch. */
  time(): number | undefined {
    if (this.peek(Tag.UTC_TIME)) return decodeUtcTime(this.bytes(Tag.UTC_TIME))
    if (this.peek(Tag.GENERALIZED_TIME)) return decodeGeneralizedTime(this.bytes(Tag.GENERALIZED_TIME))
    return undefined
  }
}

/** Whether INTEGER content octets are present and carry no superfluous sign octet. */
export const isMinimalInteger = (content: Uint8Array): boolean => {
  const [first, second] = content
  if (first === undefined) return false
  if (second === undefined) return true
  return !((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
}

/** Whether INTEGER content octets (minimal) are above zero. */
export const isPositiveInteger = (content: Uint8Array): boolean => {
  const first = content[0] ?? 0
  return first < 0x80 && !(content.length === 1 && first === 0)
}

/** Two's complement octets as a number. */
export const toBigInt = (content: Uint8Array): bigint => {
  if (content.length === 0) return 0n
  const magnitude = BigInt(`0x${hex(content)}`)
  return (content[0] ?? 0) < 0x80 ? magnitude : magnitude - (1n << BigInt(8 * content.length))
}

/** Octets as lower-case hexadecimal. */
export const hex = (bytes: Uint8Array): string => view(bytes).toString("hex")

/** Octets as a string of one character each: a key for maps. */
export const latin1 = (bytes: Uint8Array): string => view(bytes).toString("latin1")

/** A Buffer over the same memory. */
export const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Whether two byte strings are equal. */
export const sameBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && view(left).equals(right)

/** Numbers of an OBJECT IDENTIFIER's content, refused when empty, truncated, padded or beyond 31 bits. */
export const decodeOid = (content: Uint8Array): string | undefined => {
  if (content.length === 0) return undefined
  const parts: Array<number> = []
  let value = 0
  let octets = 0
  for (const octet of content) {
    if (octets === 0 && octet === 0x80) return undefined
    if (octets === 5 || value >= 1 << 24) return undefined
    value = value * 128 + (octet & 0x7f)
    octets++
    if (octet < 0x80) {
      parts.push(value)
      value = 0
      octets = 0
    }
  }
  if (octets !== 0) return undefined
  const [first = 0, ...others] = parts
  const head = first < 80 ? [Math.floor(first / 40), first % 40] : [2, first - 80]
  return [...head, ...others].join(".")
}

const instant = (
  [year, month, day, hour, minute, second]: readonly [number, number, number, number, number, number],
  zone: string
): number | undefined => {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  // A date that JavaScript had to roll over (31 April, hour 24) is not one that Go takes.
  const same =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second
  if (!same) return undefined
  if (zone === "Z") return date.getTime()
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3, 5))
  // Go writes a zero offset as Z and compares with what it read, so +0000 is refused.
  if (hours > 24 || minutes > 59 || (hours === 0 && minutes === 0)) return undefined
  return date.getTime() - (zone.startsWith("+") ? 1 : -1) * (hours * 60 + minutes) * 60_000
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(Z|[+-]\d{4})$/
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{0,8}[1-9])?(Z|[+-]\d{4})$/

/** Milliseconds since the epoch of UTCTime content; minute precision passes, as in Go. */
export const decodeUtcTime = (content: Uint8Array | undefined): number | undefined => {
  const match = content && content.length < 20 ? UTC_TIME.exec(view(content).toString("latin1")) : null
  if (match === null || match === undefined) return undefined
  const [, year = "", month, day, hour, minute, second, zone = ""] = match
  const full = Number(year) + (Number(year) < 50 ? 2000 : 1900)
  return instant([full, Number(month), Number(day), Number(hour), Number(minute), Number(second ?? "0")], zone)
}

/** Milliseconds since the epoch of GeneralizedTime content; fractions of a second only where encoding/asn1 reads. */
export const decodeGeneralizedTime = (content: Uint8Array | undefined, fractions = false): number | undefined => {
  const match = content && content.length < 40 ? GENERALIZED_TIME.exec(view(content).toString("latin1")) : null
  if (match === null || match === undefined) return undefined
  const [, year, month, day, hour, minute, second, fraction, zone = ""] = match
  if (fraction !== undefined && !fractions) return undefined
  return instant([Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second)], zone)
}

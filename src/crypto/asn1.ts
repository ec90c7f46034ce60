/**
 * A reader with the manners of Go's encoding/asn1, which Fabric uses for revocation lists: high tag numbers, any number of
 * length octets, ignored octets behind a structure's fields, optional fields that step aside when the tag is another.
 * Methods throw `Malformed` with Go's reason; callers at the folder's edge turn that into a value.
 */
import { decodeGeneralizedTime, decodeOid, decodeUtcTime, isMinimalInteger, Tag, toBigInt, view } from "./der.js"
import { malformed } from "./malformed.js"

interface Header {
  readonly kind: number
  readonly tag: number
  readonly compound: boolean
  readonly start: number
  readonly end: number
}

/** Universal class. */
const UNIVERSAL = 0
const CONTEXT = 2

/** An element's content with its whole encoding. */
export interface Asn1Element {
  readonly content: Asn1Reader
  readonly raw: Uint8Array
}

const number = (tag: number): number => tag & 0x1f
const isTime = (tag: number): boolean => tag === number(Tag.UTC_TIME) || tag === number(Tag.GENERALIZED_TIME)

export class Asn1Reader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #offset: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#offset = start
    this.#end = end
  }

  get empty(): boolean {
    return this.#offset >= this.#end
  }

  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#offset, this.#end)
  }

  #tagNumber(at: number): { readonly tag: number; readonly next: number } {
    let tag = 0
    for (let i = 0; ; i++) {
      const octet = at + i < this.#end ? this.#bytes[at + i] : undefined
      if (octet === undefined) return malformed("asn1: syntax error: truncated base 128 integer")
      if (i === 5) return malformed("asn1: structure error: base 128 integer too large")
      if (i === 0 && octet === 0x80) return malformed("asn1: syntax error: integer is not minimally encoded")
      tag = tag * 128 + (octet & 0x7f)
      if (octet >= 0x80) continue
      if (tag > 0x7fffffff) return malformed("asn1: structure error: base 128 integer too large")
      if (tag < 0x1f) return malformed("asn1: syntax error: non-minimal tag")
      return { tag, next: at + i + 1 }
    }
  }

  /** The header at an offset. Its `end` may lie behind what there is: whoever takes the content checks that. */
  #header(at: number): Header {
    const first = this.#bytes[at] ?? 0
    let offset = at + 1
    let tag = first & 0x1f
    if (tag === 0x1f) {
      const high = this.#tagNumber(offset)
      tag = high.tag
      offset = high.next
    }
    if (offset >= this.#end) return malformed("asn1: syntax error: truncated tag or length")
    let length = this.#bytes[offset++] ?? 0
    if (length >= 0x80) {
      const octets = length & 0x7f
      if (octets === 0) return malformed("asn1: syntax error: indefinite length found (not DER)")
      length = 0
      for (let i = 0; i < octets; i++) {
        if (offset >= this.#end) return malformed("asn1: syntax error: truncated tag or length")
        if (length >= 1 << 23) return malformed("asn1: structure error: length too large")
        length = length * 256 + (this.#bytes[offset++] ?? 0)
        if (length === 0) return malformed("asn1: structure error: superfluous leading zeros in length")
      }
      if (length < 0x80) return malformed("asn1: structure error: non-minimal length")
    }
    return { kind: first >> 6, tag, compound: (first & 0x20) !== 0, start: offset, end: offset + length }
  }

  #take(at: number, header: Header): Asn1Element {
    if (header.end > this.#end) return malformed("asn1: syntax error: data truncated")
    this.#offset = header.end
    return {
      content: new Asn1Reader(this.#bytes, header.start, header.end),
      raw: this.#bytes.subarray(at, header.end)
    }
  }

  /** The next field if it has this universal tag octet (a time of either kind counts as a time). */
  optional(tag: number): Asn1Element | undefined {
    if (this.empty) return undefined
    const header = this.#header(this.#offset)
    const fits =
      header.kind === UNIVERSAL &&
      header.compound === (tag & 0x20) > 0 &&
      (header.tag === number(tag) || (isTime(number(tag)) && isTime(header.tag)))
    return fits ? this.#take(this.#offset, header) : undefined
  }

  /** The next field, which must have this universal tag octet. */
  field(tag: number): Asn1Element {
    if (this.empty) return malformed("asn1: syntax error: sequence truncated")
    return this.optional(tag) ?? malformed("asn1: structure error: tags don't match")
  }

  /** An optional field with this tag octet inside an explicit context tag. */
  optionalExplicit(context: number, tag: number): Asn1Element | undefined {
    if (this.empty) return undefined
    const wrapper = this.#header(this.#offset)
    if (wrapper.start === this.#end) return malformed("asn1: structure error: explicit tag has no child")
    const length = wrapper.end - wrapper.start
    if (wrapper.kind !== CONTEXT || wrapper.tag !== context || (length > 0 && !wrapper.compound)) return undefined
    if (length === 0) return malformed("asn1: structure error: zero length explicit tag was not an asn1.Flag")
    const header = this.#header(wrapper.start)
    if (header.kind !== UNIVERSAL || header.tag !== number(tag) || header.compound !== (tag & 0x20) > 0)
      return undefined
    return this.#take(this.#offset, header)
  }

  /** Any field, uninterpreted; undefined when nothing is left. */
  optionalAny(): Asn1Element | undefined {
    return this.empty ? undefined : this.#take(this.#offset, this.#header(this.#offset))
  }

  /** Any field whose content must be well-formed if its type is one that Go knows. */
  any(): void {
    if (this.empty) malformed("asn1: syntax error: sequence truncated")
    const header = this.#header(this.#offset)
    const { content } = this.#take(this.#offset, header)
    if (header.kind === UNIVERSAL && !header.compound) checkContent(header.tag, content.rest)
  }

  /** All elements of SEQUENCE OF or SET OF content; each must have this universal tag octet. */
  elements(tag: number): ReadonlyArray<Asn1Element> {
    let offset = this.#offset
    while (offset < this.#end) {
      const header = this.#header(offset)
      if (header.kind !== UNIVERSAL || header.tag !== number(tag) || header.compound !== (tag & 0x20) > 0) {
        return malformed("asn1: structure error: sequence tag mismatch")
      }
      if (header.end > this.#end) return malformed("asn1: syntax error: truncated sequence")
      offset = header.end
    }
    const found: Array<Asn1Element> = []
    while (!this.empty) found.push(this.field(tag))
    return found
  }

  oid(): string {
    return decodeOid(this.field(Tag.OID).content.rest) ?? malformed("asn1: syntax error: invalid object identifier")
  }

  integer(): bigint {
    return integerOf(this.field(Tag.INTEGER).content.rest)
  }

  bitString(): { readonly bytes: Uint8Array; readonly unused: number } {
    const content = this.field(Tag.BIT_STRING).content.rest
    return checkBitString(content)
  }

  time(): void {
    checkTime(this.field(Tag.UTC_TIME))
  }
}

/** Checks a time's content by the tag it carries. */
export const checkTime = (element: Asn1Element): void => {
  checkContent(number(element.raw[0] ?? 0), element.content.rest)
}

const integerOf = (content: Uint8Array): bigint => {
  if (!isMinimalInteger(content)) return malformed("asn1: structure error: integer not minimally-encoded")
  return toBigInt(content)
}

const checkBitString = (content: Uint8Array): { readonly bytes: Uint8Array; readonly unused: number } => {
  const [unused] = content
  if (unused === undefined) return malformed("asn1: syntax error: zero length BIT STRING")
  const last = content[content.length - 1] ?? 0
  if (unused > 7 || (content.length === 1 && unused > 0) || (last & ((1 << unused) - 1)) !== 0) {
    return malformed("asn1: syntax error: invalid padding bits in BIT STRING")
  }
  return { bytes: content.subarray(1), unused }
}

const PRINTABLE = /^[A-Za-z0-9'()+,\-./ :=?*&]*$/

const isUtf8 = (content: Uint8Array): boolean => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(content)
    return true
  } catch {
    return false
  }
}

const checkContent = (tag: number, content: Uint8Array): void => {
  const latin = () => view(content).toString("latin1")
  switch (tag) {
    case Tag.BOOLEAN:
      if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff))
        malformed("asn1: syntax error: invalid boolean")
      return
    case Tag.INTEGER:
      integerOf(content)
      if (content.length > 8) malformed("asn1: structure error: integer too large")
      return
    case Tag.BIT_STRING:
      checkBitString(content)
      return
    case Tag.OID:
      if (decodeOid(content) === undefined) malformed("asn1: syntax error: invalid object identifier")
      return
    case Tag.UTF8_STRING:
      if (!isUtf8(content)) malformed("asn1: invalid UTF-8 string")
      return
    case Tag.NUMERIC_STRING:
      if (!/^[0-9 ]*$/.test(latin())) malformed("asn1: syntax error: NumericString contains invalid character")
      return
    case Tag.PRINTABLE_STRING:
      if (!PRINTABLE.test(latin())) malformed("asn1: syntax error: PrintableString contains invalid character")
      return
    case Tag.IA5_STRING:
      if (content.some((octet) => octet >= 0x80)) malformed("asn1: syntax error: IA5String contains invalid character")
      return
    case Tag.BMP_STRING:
      checkBmpString(content)
      return
    case Tag.UTC_TIME:
      if (decodeUtcTime(content) === undefined) malformed("asn1: syntax error: invalid UTCTime")
      return
    case Tag.GENERALIZED_TIME:
      if (decodeGeneralizedTime(content, true) === undefined) malformed("asn1: syntax error: invalid GeneralizedTime")
      return
  }
}

const checkBmpString = (content: Uint8Array): void => {
  if (content.length % 2 !== 0) malformed("asn1: invalid BMPString")
  const end = content.length >= 2 && content[content.length - 1] === 0 && content[content.length - 2] === 0 ? 2 : 0
  for (let i = 0; i < content.length - end; i += 2) {
    const point = (content[i] ?? 0) * 256 + (content[i + 1] ?? 0)
    if (point >= 0xfffe || (point >= 0xfdd0 && point <= 0xfdef) || (point >= 0xd800 && point <= 0xdfff)) {
      malformed("asn1: invalid BMPString")
    }
  }
}

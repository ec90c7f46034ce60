/** A writer of DER: each function answers the whole encoding of one element. */
import { Tag, view } from "./der.js"

/** An element with this tag octet and the concatenation of the parts as its content. */
export const encode = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  let length = 0
  for (const part of parts) length += part.length
  const lengthOctets = length < 128 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : length < 0x100_0000 ? 3 : 4
  const out = new Uint8Array(2 + lengthOctets + length)
  out[0] = tag
  if (lengthOctets === 0) out[1] = length
  else {
    out[1] = 0x80 | lengthOctets
    for (let i = 0; i < lengthOctets; i++) out[2 + i] = Math.floor(length / 256 ** (lengthOctets - 1 - i)) & 0xff
  }
  let offset = 2 + lengthOctets
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/** SEQUENCE of elements already encoded. */
export const sequence = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => encode(Tag.SEQUENCE, ...parts)

/** SET of elements already encoded, in DER's order of their octets. */
export const set = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  encode(Tag.SET, ...[...parts].sort((a, b) => Buffer.compare(view(a), view(b))))

/** INTEGER of any size and sign. */
export const integer = (value: bigint | number): Uint8Array => {
  const number = BigInt(value)
  const magnitude = (number < 0n ? -number - 1n : number).toString(16)
  // One bit more than the magnitude, for the sign; text conversions keep this linear.
  const octets = Math.floor((magnitude.length * 4 - leadingZeroBits(magnitude)) / 8) + 1
  const text = BigInt.asUintN(octets * 8, number).toString(16)
  return encode(Tag.INTEGER, Buffer.from(text.padStart(octets * 2, "0"), "hex"))
}

const leadingZeroBits = (magnitude: string): number => Math.clz32(Number.parseInt(magnitude[0] ?? "0", 16)) - 28

/** INTEGER of unsigned big-endian octets (a signature half, a serial number). */
export const unsignedInteger = (magnitude: Uint8Array): Uint8Array => {
  let start = 0
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++
  const bytes = magnitude.subarray(start)
  if (bytes.length === 0) return encode(Tag.INTEGER, ZERO)
  return (bytes[0] ?? 0) < 0x80 ? encode(Tag.INTEGER, bytes) : encode(Tag.INTEGER, ZERO, bytes)
}

const ZERO = new Uint8Array(1)

/** OBJECT IDENTIFIER from dotted form. */
export const oid = (dotted: string): Uint8Array => {
  const [first = 0, second = 0, ...others] = dotted.split(".").map(Number)
  const octets: Array<number> = []
  for (const part of [first * 40 + second, ...others]) {
    const group = [part % 128]
    for (let rest = Math.floor(part / 128); rest > 0; rest = Math.floor(rest / 128)) group.unshift(128 + (rest % 128))
    octets.push(...group)
  }
  return encode(Tag.OID, Uint8Array.from(octets))
}

/** BOOLEAN true. */
export const TRUE: Uint8Array = Uint8Array.of(Tag.BOOLEAN, 1, 0xff)

/** OCTET STRING. */
export const octetString = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => encode(Tag.OCTET_STRING, ...parts)

/** BIT STRING of whole octets, or with unused bits at the end. */
export const bitString = (bytes: Uint8Array, unused = 0): Uint8Array =>
  encode(Tag.BIT_STRING, Uint8Array.of(unused), bytes)

/** Text in PrintableString where its characters allow, else UTF8String: the choice that Go's asn1 makes. */
export const directoryString = (text: string): Uint8Array =>
  /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)
    ? encode(Tag.PRINTABLE_STRING, Buffer.from(text, "latin1"))
    : encode(Tag.UTF8_STRING, Buffer.from(text, "utf8"))

/** UTCTime until 2049, GeneralizedTime from 2050 on; milliseconds since the epoch, cut to seconds. */
export const time = (epochMs: number): Uint8Array => {
  const text = new Date(epochMs).toISOString().replace(/[-:T]|\.\d+/g, "")
  const year = new Date(epochMs).getUTCFullYear()
  return year >= 1950 && year < 2050
    ? encode(Tag.UTC_TIME, Buffer.from(text.slice(2), "latin1"))
    : encode(Tag.GENERALIZED_TIME, Buffer.from(text, "latin1"))
}

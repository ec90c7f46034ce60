/**
 * ECDSA signatures as bytes (sheet rules 6, 7 and 28, traps 4 and 5): SEQUENCE { INTEGER r, INTEGER s }.
 *
 * Two decoders exist in Go and they differ. Signatures over messages go through encoding/asn1: minimal integers and
 * lengths are demanded, octets behind the SEQUENCE and further elements inside it are ignored. Signatures of
 * certificates go through cryptobyte, which takes nothing but the canonical form.
 */
import * as Either from "effect/Either"
import type { Curve } from "./curves.js"
import { hex, isMinimalInteger, isPositiveInteger, Tag, toBigInt } from "./der.js"
import { integer, sequence, unsignedInteger } from "./derWriter.js"
import { SignatureMalformed } from "./errors.js"

/** A signature taken apart: the content octets of both integers (positive, minimal), and what the input looked like. */
export interface SignatureParts {
  readonly r: Uint8Array
  readonly s: Uint8Array
  /** Whether the input is exactly the canonical encoding of r and s. */
  readonly canonical: boolean
  /** The canonical encoding of r and s; the input itself when it is canonical. */
  readonly der: Uint8Array
}

const refuse = (detail: string) => Either.left(new SignatureMalformed({ detail }))

interface Span {
  readonly start: number
  readonly end: number
}

/** Where an element's content lies, or Go's reason why there is no such element. */
type Header = Span | string

/** Header of one element in encoding/asn1's manner: any number of length octets, minimal, at most 31 bits. */
const header = (bytes: Uint8Array, at: number, end: number, tag: number): Header => {
  if (at >= end) return "asn1: syntax error: sequence truncated"
  if (end - at < 2) return "asn1: syntax error: truncated tag or length"
  let length = bytes[at + 1] ?? 0
  let offset = at + 2
  if (length === 0x80) return "asn1: syntax error: indefinite length found (not DER)"
  if (length > 0x80) {
    const octets = length & 0x7f
    length = 0
    for (let i = 0; i < octets; i++, offset++) {
      if (offset >= end) return "asn1: syntax error: truncated tag or length"
      if (length >= 1 << 23) return "asn1: structure error: length too large"
      length = length * 256 + (bytes[offset] ?? 0)
      if (length === 0) return "asn1: structure error: superfluous leading zeros in length"
    }
    if (length < 0x80) return "asn1: structure error: non-minimal length"
  }
  if (bytes[at] !== tag) return "asn1: structure error: tags don't match"
  return offset + length > end ? "asn1: syntax error: data truncated" : { start: offset, end: offset + length }
}

/**
 * Takes a signature apart as Go's `utils.UnmarshalECDSASignature` does.
 * Fails with the reference's reason when the shape is wrong or a number is not positive.
 */
export const decodeSignature = (bytes: Uint8Array): Either.Either<SignatureParts, SignatureMalformed> => {
  const outer = header(bytes, 0, bytes.length, Tag.SEQUENCE)
  if (typeof outer === "string") return refuse(`failed unmashalling signature [${outer}]`)
  const first = header(bytes, outer.start, outer.end, Tag.INTEGER)
  if (typeof first === "string") return refuse(`failed unmashalling signature [${first}]`)
  const second = header(bytes, first.end, outer.end, Tag.INTEGER)
  if (typeof second === "string") return refuse(`failed unmashalling signature [${second}]`)
  const r = bytes.subarray(first.start, first.end)
  const s = bytes.subarray(second.start, second.end)
  if (!isMinimalInteger(r) || !isMinimalInteger(s)) {
    return refuse("failed unmashalling signature [asn1: structure error: integer not minimally-encoded]")
  }
  if (!isPositiveInteger(r)) return refuse("invalid signature, R must be larger than zero")
  if (!isPositiveInteger(s)) return refuse("invalid signature, S must be larger than zero")
  const canonical = second.end === outer.end && outer.end === bytes.length
  const der = canonical ? bytes : sequence(unsignedInteger(r), unsignedInteger(s))
  return Either.right({ r, s, canonical, der })
}

/** Whether the octets of s (positive, minimal) are at most floor(N/2). */
export const isLowS = (s: Uint8Array, curve: Curve): boolean => {
  const start = s[0] === 0 ? 1 : 0
  const pad = curve.bytes - (s.length - start)
  if (pad < 0) return false
  // The half of P-521's order starts with a zero octet, so lengths alone decide nothing.
  for (let i = 0; i < curve.bytes; i++) {
    const own = i < pad ? 0 : (s[start + i - pad] ?? 0)
    const half = curve.halfBytes[i] ?? 0
    if (own !== half) return own < half
  }
  return true
}

/** The text of a refused high S, as bccsp/sw/ecdsa.go words it (decimal numbers, an absurdly long one cut). */
export const highSText = (s: Uint8Array, curve: Curve): string => {
  const shown = s.length > 2 * curve.bytes ? `${s.length} octets` : toBigInt(s)
  return `Invalid S. Must be smaller than half the order [${shown}][${curve.half}].`
}

/**
 * The canonical encoding with s replaced by N - s where s is above the half of this curve's order
 * (bccsp/utils/ecdsa.go SignatureToLowS). An s beyond N, from another curve, becomes negative, as in Go.
 */
export const toLowS = (bytes: Uint8Array, curve: Curve): Either.Either<Uint8Array, SignatureMalformed> =>
  Either.map(decodeSignature(bytes), (parts) =>
    isLowS(parts.s, curve) ? parts.der : sequence(unsignedInteger(parts.r), integer(curve.order - toBigInt(parts.s)))
  )

/** Encodes the fixed-width halves that OpenSSL's IEEE P1363 form gives, with low S. */
export const encodeLowS = (raw: Uint8Array, curve: Curve): Uint8Array => {
  const r = raw.subarray(0, curve.bytes)
  const s = raw.subarray(curve.bytes)
  if (isLowS(s, curve)) return sequence(unsignedInteger(r), unsignedInteger(s))
  return sequence(unsignedInteger(r), integer(curve.order - BigInt(`0x${hex(s)}`)))
}

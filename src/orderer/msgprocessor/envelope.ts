/**
 * An envelope as the orderer handles it. What stands in blocks and in Kafka is what the reference's decode and encode
 * make of a client's bytes: known fields ascending, empty ones dropped, the last of a repeated one kept, unknown ones
 * behind. Passing the bytes through would fork the chain from other orderers. Pure.
 * Source: orderer.md section 4 item 7, traps 6 and 7.
 */
import * as Either from "effect/Either"
import { common, WireError } from "../../wire/index.js"

export interface RawEnvelope {
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  /** The bytes for blocks; the received bytes themselves when they are canonical already. */
  readonly canonical: Uint8Array
}

const lengthSize = (length: number): number =>
  length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x200000 ? 3 : length < 0x10000000 ? 4 : 5

/** Whether `part` stands in `bytes` right where it would in canonical bytes: a tag and a shortest length before it. */
const standsAt = (bytes: Uint8Array, part: Uint8Array, offset: number): boolean =>
  part.length > 0 && part.byteOffset - bytes.byteOffset === offset + 1 + lengthSize(part.length)

/** The same bytes as encoding would give, told from the places of the parts alone: the common case costs no copy. */
const isCanonical = (bytes: Uint8Array, { payload, signature, unknown }: common.Envelope): boolean => {
  if (unknown !== undefined || bytes[0] !== 0x0a || !standsAt(bytes, payload, 0)) return false
  const end = payload.byteOffset - bytes.byteOffset + payload.length
  if (end === bytes.length) return signature.length === 0
  return (
    bytes[end] === 0x12 &&
    standsAt(bytes, signature, end) &&
    signature.byteOffset - bytes.byteOffset + signature.length === bytes.length
  )
}

/** Reads an envelope; the left side is the reference's text. */
export const readEnvelope = (bytes: Uint8Array): Either.Either<RawEnvelope, string> => {
  try {
    const envelope = common.Envelope.decode(bytes)
    const { payload, signature } = envelope
    const canonical = isCanonical(bytes, envelope) ? bytes : common.Envelope.encode(envelope)
    return Either.right({ payload, signature, canonical })
  } catch (error) {
    if (error instanceof WireError) return Either.left(error.message)
    throw error
  }
}

/** An envelope of parts made here. */
export const makeEnvelope = (payload: Uint8Array, signature: Uint8Array): RawEnvelope => ({
  payload,
  signature,
  canonical: common.Envelope.encode({ payload, signature })
})

/** Length of a field's content and where it begins; nothing there when the field does not begin at `at`. */
const contentAt = (bytes: Uint8Array, tag: number, at: number): { readonly length: number; readonly start: number } => {
  if (bytes[at] !== tag) return { length: 0, start: at }
  let length = 0
  for (let i = at + 1, shift = 0; ; i++, shift += 7) {
    const byte = bytes[i] ?? 0
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return { length, start: i + 1 }
  }
}

/** Bytes of payload and signature of a canonical envelope, read without decoding it. */
export const contentSize = (canonical: Uint8Array): number => {
  const payload = contentAt(canonical, 0x0a, 0)
  return payload.length + contentAt(canonical, 0x12, payload.start + payload.length).length
}

/** Small functions on bytes that every folder needs: comparing, joining, hex, strict UTF-8. */
import * as crypto from "node:crypto"
import { WireError } from "./errors.js"

/** The value of every absent byte field. */
export const EMPTY: Uint8Array = new Uint8Array(0)

/** Negative, zero or positive as `a` sorts before, with or after `b`, byte by byte. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)

/** Most that differ do so at once: the first byte is looked at before the call. */
export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a[0] === b[0] && Buffer.compare(a, b) === 0

/** Surrogates stand for code points above U+FFFF: moved behind the units U+E000 to U+FFFF, units sort as UTF-8 does. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

/** Order of strings by their UTF-8 bytes: Go's order, which JavaScript's differs from above U+FFFF. */
export const compareUtf8 = (a: string, b: string): number => {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

export const concatBytes = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => Buffer.concat(parts)

/** A copy that does not hold on to the message that `bytes` is a view of. */
export const copyBytes = (bytes: Uint8Array): Uint8Array =>
  bytes.length === 0 ? EMPTY : Uint8Array.prototype.slice.call(bytes)

export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")

/** Bytes of hex digits in either case; throws {@link WireError} for anything else. */
export const fromHex = (text: string): Uint8Array => {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw new WireError("invalid hex string")
  return Buffer.from(text, "hex")
}

export const utf8 = (text: string): Uint8Array => (text === "" ? EMPTY : Buffer.from(text, "utf8"))

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Text of bytes that must be UTF-8; throws {@link WireError} otherwise. */
export const fromUtf8 = (bytes: Uint8Array): string => {
  try {
    return strict.decode(bytes)
  } catch {
    throw new WireError("invalid UTF-8")
  }
}

const lenient = new TextDecoder("utf-8", { ignoreBOM: true })

/** Text for people: what is not UTF-8 shows as U+FFFD. */
export const toText = (bytes: Uint8Array): string => lenient.decode(bytes)

/** SHA-256 over the plain concatenation of `parts`, of which there may be any number. */
export const sha256Of = (parts: Iterable<Uint8Array>): Uint8Array => {
  const state = crypto.createHash("sha256")
  for (const part of parts) state.update(part)
  return state.digest()
}

// One-shot hashing came with Node 20.12, which is why it is not imported by name; it saves the hash object, which costs
// more than hashing a short text.
const oneShot: typeof crypto.hash | undefined = crypto.hash
const SHORT = 1024

/** The same for a few parts. */
export const sha256 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (oneShot === undefined) return sha256Of(parts)
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return oneShot("sha256", only, "buffer")
  let length = 0
  for (const part of parts) length += part.length
  return length > SHORT ? sha256Of(parts) : oneShot("sha256", Buffer.concat(parts, length), "buffer")
}

/** A 64-bit number as a JavaScript number where it must fit one (block numbers, heights). */
export const toSafeNumber = (value: bigint): number => {
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER))
    throw new WireError(`number ${value} is out of range`)
  return Number(value)
}

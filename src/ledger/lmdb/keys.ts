/**
 * Ordered keys of any length over LMDB's limit of 1,978 bytes.
 *
 * Short keys are stored as `00 || key`. A longer key is cut into chunks of `chunkSize` bytes: all keys that share a chunk
 * live in a level of their own, stored as `01 || SHA-256(bytes consumed so far) || rest`, and the level above holds one
 * marker `chunk || 00` (one byte longer than any leaf can be) at the place where they belong in the order. So every key
 * has exactly one place that is computed without reading, and a scan that descends at markers meets keys in byte order.
 * Empty keys work because of the prefix byte.
 */
import { createHash } from "node:crypto"

/** Longest part of a key in one level: 1 + 32 + 1,900 + 1 stays below 1,978. */
export const chunkSize = 1900

const rootTag = 0
const levelTag = 1

/** The place of `consumed || rest` in the level of `consumed`. */
const levelBase = (consumed: Uint8Array): Uint8Array => {
  if (consumed.length === 0) return Uint8Array.of(rootTag)
  const base = new Uint8Array(33)
  base[0] = levelTag
  base.set(createHash("sha256").update(consumed).digest(), 1)
  return base
}

const join = (base: Uint8Array, rest: Uint8Array, marker: boolean): Uint8Array => {
  const key = new Uint8Array(base.length + rest.length + (marker ? 1 : 0))
  key.set(base, 0)
  key.set(rest, base.length)
  return key
}

/** The stored form of a key. */
export const encodeKey = (key: Uint8Array): Uint8Array => {
  if (key.length <= chunkSize) {
    const stored = new Uint8Array(key.length + 1)
    stored.set(key, 1)
    return stored
  }
  const consumed = Math.floor((key.length - 1) / chunkSize) * chunkSize
  return join(levelBase(key.subarray(0, consumed)), key.subarray(consumed), false)
}

/** True when a key needs markers in the levels above it. */
export const isLong = (key: Uint8Array): boolean => key.length > chunkSize

/** The markers that lead to a long key, outermost first. */
export const markersOf = (key: Uint8Array): Array<Uint8Array> => {
  const markers: Array<Uint8Array> = []
  for (let at = 0; key.length - at > chunkSize; at += chunkSize) {
    markers.push(join(levelBase(key.subarray(0, at)), key.subarray(at, at + chunkSize), true))
  }
  return markers
}

/** The stored range [start, end) that covers the level a long key ends in. */
export const levelRangeOf = (
  key: Uint8Array,
  depth: number
): { readonly start: Uint8Array; readonly end: Uint8Array } => {
  const base = levelBase(key.subarray(0, depth * chunkSize))
  return { start: base, end: after(base) }
}

/** The smallest byte string that is greater than every string that starts with `prefix` (empty: there is none). */
export const after = (prefix: Uint8Array): Uint8Array => {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1
  const next = Uint8Array.from(prefix.subarray(0, length)) // a Buffer's slice would be a view
  if (length > 0) next[length - 1] = (next[length - 1] ?? 0) + 1
  return next
}

// ---- Levels of a scan --------------------------------------------------------------------------------------------

/** One level of a scan: what to read from LMDB, and how to understand what comes. */
export interface Level {
  /** Key bytes that every entry of this level starts with. */
  readonly consumed: Uint8Array
  readonly base: Uint8Array
  /** Stored range, start inclusive, end exclusive. */
  readonly start: Uint8Array
  readonly end: Uint8Array
  /** Bounds of the scan below `consumed`; undefined: none. */
  readonly from: Uint8Array | undefined
  readonly to: Uint8Array | undefined
}

/** The level below `consumed` of a scan over [from, to) of what is left of the key. */
export const levelOf = (consumed: Uint8Array, from: Uint8Array | undefined, to: Uint8Array | undefined): Level => {
  const base = levelBase(consumed)
  const start =
    from === undefined
      ? base
      : from.length <= chunkSize
        ? join(base, from, false)
        : join(base, from.subarray(0, chunkSize), true)
  let end: Uint8Array
  if (to === undefined) end = after(base)
  else if (to.length <= chunkSize) end = join(base, to, false)
  else {
    // the marker itself is inside: its level holds keys below `to`
    end = join(base, to.subarray(0, chunkSize), true)
    end[end.length - 1] = 1
  }
  return { consumed, base, start, end, from, to }
}

const same = (bound: Uint8Array | undefined, chunk: Uint8Array): bound is Uint8Array =>
  bound !== undefined && bound.length > chunkSize && Buffer.compare(bound.subarray(0, chunkSize), chunk) === 0

/** What a stored key of a level means: a whole key, or the level to descend into. */
export const readStored = (level: Level, stored: Uint8Array): Uint8Array | Level => {
  const rest = stored.subarray(level.base.length)
  const marker = rest.length === chunkSize + 1
  if (level.consumed.length === 0 && !marker) return rest
  const chunk = marker ? rest.subarray(0, chunkSize) : rest
  const key = new Uint8Array(level.consumed.length + chunk.length)
  key.set(level.consumed, 0)
  key.set(chunk, level.consumed.length)
  if (!marker) return key
  return levelOf(
    key,
    same(level.from, chunk) ? level.from.subarray(chunkSize) : undefined,
    same(level.to, chunk) ? level.to.subarray(chunkSize) : undefined
  )
}

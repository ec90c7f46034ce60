/**
 * A state value as stored: version, metadata and value in one record, so that a read is one look-up.
 * `varint block || varint transaction || varint (metadata length + 1, 0: none) || metadata || value`. Where the key has
 * a trail (trail.ts), `80 00 || varint length || trail` stands before it: no number is written so. Ours: nothing outside
 * reads it.
 */
import type { VersionedValue } from "../mvcc/index.js"
import type { Version } from "../rwset/index.js"

const writeVarint = (target: Uint8Array, at: number, value: bigint): number => {
  let rest = value
  let p = at
  while (rest > 0x7fn) {
    target[p++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  target[p++] = Number(rest)
  return p
}

const trailMark = 0x80

/** `value` undefined (a delete) has no stored form: the caller removes the key. */
export const encodeValue = (value: Uint8Array, metadata: Uint8Array | undefined, version: Version): Uint8Array => {
  const bytes = new Uint8Array(30 + (metadata?.length ?? 0) + value.length)
  let p = writeVarint(bytes, 0, version.blockNum)
  p = writeVarint(bytes, p, version.txNum)
  p = writeVarint(bytes, p, metadata === undefined ? 0n : BigInt(metadata.length + 1))
  if (metadata !== undefined) {
    bytes.set(metadata, p)
    p += metadata.length
  }
  bytes.set(value, p)
  return bytes.subarray(0, p + value.length)
}

/** A record with a trail before it, which must not be empty. */
export const withTrail = (trail: Uint8Array, record: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(12 + trail.length + record.length)
  bytes[0] = trailMark
  const start = writeVarint(bytes, 2, BigInt(trail.length))
  bytes.set(trail, start)
  bytes.set(record, start + trail.length)
  return bytes.subarray(0, start + trail.length + record.length)
}

const hasTrail = (bytes: Uint8Array): boolean => bytes[0] === trailMark && bytes[1] === 0

/** The trail of a record, as a view; undefined when it has none. */
export const trailOf = (bytes: Uint8Array): Uint8Array | undefined => {
  if (!hasTrail(bytes)) return undefined
  const reading = new Reading(bytes, 2)
  const length = reading.length()
  return bytes.subarray(reading.at, reading.at + length)
}

/** Where the record begins behind its trail. */
const startOf = (bytes: Uint8Array): number => {
  if (!hasTrail(bytes)) return 0
  const reading = new Reading(bytes, 2)
  const length = reading.length()
  return reading.at + length
}

/** A record without its trail, as a view. */
export const plainRecord = (bytes: Uint8Array): Uint8Array => bytes.subarray(startOf(bytes))

class Reading {
  constructor(
    readonly bytes: Uint8Array,
    public at: number
  ) {}

  /** A varint that fits 28 bits. */
  length(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.bytes[this.at++] ?? 0
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return value
  }

  varint(): bigint {
    let small = 0
    let shift = 0
    // most numbers fit 28 bits: no bigint arithmetic for them
    for (; shift < 28; shift += 7) {
      const byte = this.bytes[this.at++] ?? 0
      small |= (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt(small)
    }
    let value = BigInt(small)
    for (let far = BigInt(shift); ; far += 7n) {
      const byte = this.bytes[this.at++] ?? 0
      value |= BigInt(byte & 0x7f) << far
      if (byte < 0x80) return value
    }
  }
}

export const decodeVersion = (bytes: Uint8Array): Version => {
  const reading = new Reading(bytes, startOf(bytes))
  return { blockNum: reading.varint(), txNum: reading.varint() }
}

/** The parts are views of `bytes`. */
export const decodeValue = (bytes: Uint8Array): StoredValue => partsOf(bytes, bytes.length, viewOf)

/** The same for a record that is `bytes` up to `length` and will be overwritten: the parts are copies. */
export const copyValue = (bytes: Uint8Array, length: number): StoredValue => partsOf(bytes, length, copyOf)

type StoredValue = VersionedValue & { readonly value: Uint8Array }
type Part = (bytes: Uint8Array, start: number, end: number) => Uint8Array

const partsOf = (bytes: Uint8Array, length: number, part: Part): StoredValue => {
  const reading = new Reading(bytes, startOf(bytes))
  const version = { blockNum: reading.varint(), txNum: reading.varint() }
  const metadataEnd = Number(reading.varint())
  if (metadataEnd === 0) return { version, metadata: undefined, value: part(bytes, reading.at, length) }
  const middle = reading.at + metadataEnd - 1
  return { version, metadata: part(bytes, reading.at, middle), value: part(bytes, middle, length) }
}

const viewOf: Part = (bytes, start, end) => bytes.subarray(start, end)
const copyOf: Part = (bytes, start, end) => {
  const copy = Buffer.allocUnsafe(end - start)
  copy.set(bytes.subarray(start, end))
  return copy
}

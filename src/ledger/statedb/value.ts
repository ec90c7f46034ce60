/**
 * A state value as stored: version, metadata and value in one record, so that a read is one look-up.
 * `varint block || varint transaction || varint (metadata length + 1, 0: none) || metadata || value`. Ours: nothing
 * outside reads it.
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

class Reading {
  constructor(
    readonly bytes: Uint8Array,
    public at: number
  ) {}
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
  const reading = new Reading(bytes, 0)
  return { blockNum: reading.varint(), txNum: reading.varint() }
}

/** The parts are views of `bytes`. */
export const decodeValue = (bytes: Uint8Array): StoredValue => partsOf(bytes, bytes.length, viewOf)

/** The same for a record that is `bytes` up to `length` and will be overwritten: the parts are copies. */
export const copyValue = (bytes: Uint8Array, length: number): StoredValue => partsOf(bytes, length, copyOf)

type StoredValue = VersionedValue & { readonly value: Uint8Array }
type Part = (bytes: Uint8Array, start: number, end: number) => Uint8Array

const partsOf = (bytes: Uint8Array, length: number, part: Part): StoredValue => {
  const reading = new Reading(bytes, 0)
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

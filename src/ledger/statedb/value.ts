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
  at = 0
  constructor(readonly bytes: Uint8Array) {}
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
  const reading = new Reading(bytes)
  return { blockNum: reading.varint(), txNum: reading.varint() }
}

/** The parts are views of `bytes`. */
export const decodeValue = (bytes: Uint8Array): VersionedValue & { readonly value: Uint8Array } => {
  const reading = new Reading(bytes)
  const version = { blockNum: reading.varint(), txNum: reading.varint() }
  const length = Number(reading.varint())
  const start = reading.at
  const value = bytes.subarray(start + Math.max(0, length - 1))
  return { version, metadata: length === 0 ? undefined : bytes.subarray(start, start + length - 1), value }
}

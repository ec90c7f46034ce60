/**
 * Readers of raw slices: one field of a message without decoding the rest, presence included (a decoded byte field
 * cannot tell absent from empty; three places of the reference ask: peer-endorse-validate.md trap 6).
 */
import { Reader } from "./codec.js"

const scan = (bytes: Uint8Array, visit: (number: number, wire: number, from: number, to: number) => void): void => {
  const reader = new Reader(bytes)
  const end = bytes.length
  while (reader.p < end) {
    const key = reader.key(end)
    const number = Math.floor(key / 8)
    if ((key & 7) === 2 && key >= 8) {
      const to = reader.span(end)
      visit(number, 2, reader.p, to)
      reader.p = to
    } else {
      const from = reader.p
      reader.unknown(key, end, "message", undefined)
      visit(number, key & 7, from, reader.p)
    }
  }
}

/** The last length-delimited field `number`, a view of `bytes`; undefined when absent. Throws WireError. */
export const field = (bytes: Uint8Array, number: number): Uint8Array | undefined => {
  let found: Uint8Array | undefined
  scan(bytes, (n, wire, from, to) => {
    if (n === number && wire === 2) found = bytes.subarray(from, to)
  })
  return found
}

/** Every length-delimited field `number` in order, as views of `bytes`. Throws WireError. */
export const fields = (bytes: Uint8Array, number: number): Array<Uint8Array> => {
  const found: Array<Uint8Array> = []
  scan(bytes, (n, wire, from, to) => {
    if (n === number && wire === 2) found.push(bytes.subarray(from, to))
  })
  return found
}

/** Whether a length-delimited field `number` is there, empty or not. Throws WireError. */
export const has = (bytes: Uint8Array, number: number): boolean => field(bytes, number) !== undefined

/** The last varint field `number`; undefined when absent. Throws WireError. */
export const varint = (bytes: Uint8Array, number: number): bigint | undefined => {
  let found: bigint | undefined
  scan(bytes, (n, wire, from, to) => {
    if (n !== number || wire !== 0) return
    const reader = new Reader(bytes)
    reader.p = from
    found = reader.varint64(to)
  })
  return found
}

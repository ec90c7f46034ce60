/**
 * Readers of raw slices: single fields of a message without decoding the rest, presence included (a decoded byte field
 * cannot tell absent from empty; the reference asks in several places: peer-endorse-validate.md trap 6).
 * All of them pass over the whole message, so that cut-off or malformed bytes are refused, and throw WireError then;
 * the insides of fields are not looked at. A field with another wire type counts as absent.
 */
import { Reader } from "./reader.js"

const MESSAGE = "message"

/** The last length-delimited field `number`, a view of `bytes`; undefined when absent. */
export const field = (bytes: Uint8Array, number: number): Uint8Array | undefined => {
  const reader = new Reader(bytes)
  const wanted = number * 8 + 2
  let found: Uint8Array | undefined
  while (reader.pos < reader.end) {
    const key = reader.key()
    if (key === wanted) found = reader.bytes()
    else reader.pass(key, MESSAGE)
  }
  return found
}

/** Every length-delimited field `number` in order, as views of `bytes`. */
export const fields = (bytes: Uint8Array, number: number): Array<Uint8Array> => {
  const reader = new Reader(bytes)
  const wanted = number * 8 + 2
  const found: Array<Uint8Array> = []
  while (reader.pos < reader.end) {
    const key = reader.key()
    if (key === wanted) found.push(reader.bytes())
    else reader.pass(key, MESSAGE)
  }
  return found
}

/** Whether a length-delimited field `number` is there, empty or not. */
export const has = (bytes: Uint8Array, number: number): boolean => field(bytes, number) !== undefined

/** The last varint field `number`, as an unsigned 64-bit number; undefined when absent. */
export const varint = (bytes: Uint8Array, number: number): bigint | undefined => {
  const reader = new Reader(bytes)
  const wanted = number * 8
  let found: bigint | undefined
  while (reader.pos < reader.end) {
    const key = reader.key()
    if (key === wanted) found = reader.uint64()
    else reader.pass(key, MESSAGE)
  }
  return found
}

/**
 * A field reached through messages inside messages: `path(block, 1, 3)` is a block's data hash. Where a message on the
 * way comes twice its parts are joined, which merges them as decoding does. Undefined when any of them is absent.
 */
export const path = (bytes: Uint8Array, ...numbers: ReadonlyArray<number>): Uint8Array | undefined => {
  let at = bytes
  for (const [i, number] of numbers.entries()) {
    const found = fields(at, number)
    const last = found.at(-1)
    if (last === undefined) return undefined
    at = i < numbers.length - 1 && found.length > 1 ? Buffer.concat(found) : last
  }
  return at
}

/** A block's entries as views, without decoding its header and metadata. */
export const blockEntries = (block: Uint8Array): Array<Uint8Array> =>
  fields(block, 2).flatMap((data) => fields(data, 1))

/** A block's metadata slots as views. */
export const blockMetadata = (block: Uint8Array): Array<Uint8Array> =>
  fields(block, 3).flatMap((metadata) => fields(metadata, 1))

/** The bytes of a block's header message; undefined when the block has none. */
export const blockHeader = (block: Uint8Array): Uint8Array | undefined => {
  const found = fields(block, 1)
  return found.length > 1 ? Buffer.concat(found) : found[0]
}

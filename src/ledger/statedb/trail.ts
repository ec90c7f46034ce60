/**
 * The youngest history of a key, kept in its state record: the transactions that wrote it last, oldest first. An entry of
 * the history table for each write would touch as many pages again as the state itself, at places of its own; here it
 * costs a few bytes of a page that is written anyway. A trail that is full, and that of a deleted key, goes into the table.
 * `varint block (the first), later the distance to the one before || varint transaction`, repeated.
 */

/** Where a key was written. */
export interface Position {
  readonly block: bigint
  readonly tx: number
}

/** Positions that a record keeps; one more, and all of them go into the history table. */
export const trailLength = 32

export const encodeTrail = (positions: ReadonlyArray<Position>): Uint8Array => {
  const bytes: Array<number> = []
  const put = (value: bigint) => {
    let rest = value
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    bytes.push(Number(rest))
  }
  let before = 0n
  for (const { block, tx } of positions) {
    put(block - before)
    put(BigInt(tx))
    before = block
  }
  return Uint8Array.from(bytes)
}

export const decodeTrail = (bytes: Uint8Array): Array<Position> => {
  const positions: Array<Position> = []
  let at = 0
  const take = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  for (let block = 0n; at < bytes.length; ) {
    block += take()
    positions.push({ block, tx: Number(take()) })
  }
  return positions
}

/** Both in order, positions that are in both once. */
export function* mergePositions(left: Iterable<Position>, right: Iterable<Position>): Generator<Position, void> {
  const rest = right[Symbol.iterator]()
  let next = rest.next()
  for (const position of left) {
    for (; next.done !== true && order(next.value, position) <= 0; next = rest.next())
      if (order(next.value, position) < 0) yield next.value
    yield position
  }
  for (; next.done !== true; next = rest.next()) yield next.value
}

const order = (a: Position, b: Position): number => (a.block < b.block ? -1 : a.block > b.block ? 1 : a.tx - b.tx)

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
  const put = (value: number) => {
    let rest = value
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80)
    bytes.push(rest)
  }
  let before = 0
  for (const { block, tx } of positions) {
    const number = Number(block) // a chain has fewer than 2^53 blocks
    put(number - before)
    put(tx)
    before = number
  }
  return Uint8Array.from(bytes)
}

export const decodeTrail = (bytes: Uint8Array): Array<Position> => {
  const positions: Array<Position> = []
  let at = 0
  const take = (): number => {
    let value = 0
    for (let unit = 1; ; unit *= 0x80) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
    }
  }
  for (let block = 0; at < bytes.length; ) {
    block += take()
    positions.push({ block: BigInt(block), tx: take() })
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

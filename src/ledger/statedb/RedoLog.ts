/**
 * Notes of the keys that batches touched, for a database beside this one: written in the batch itself, taken away with a
 * later batch once the other database has the keys.
 */
import type { Batch, Environment, Table } from "../lmdb/index.js"

/** A key of state; of hashed ones the key hash, one character a byte. */
export interface StateKey {
  readonly kind: "public" | "hashed" | "private"
  readonly namespace: string
  /** Empty for public keys. */
  readonly collection: string
  readonly key: string
}

export interface Redo {
  /** Each key once. */
  readonly keys: ReadonlyArray<StateKey>
  /** The last note that is in it; undefined: there is none. */
  readonly upTo: bigint | undefined
  /** The first block that left one of the notes; undefined: none did. */
  readonly fromBlock: bigint | undefined
}

/** A note as stored: the block (none for private data that came late) and its keys. */
type Note = readonly [block: string | null, rows: ReadonlyArray<Row>]
type Row = readonly [kind: StateKey["kind"], namespace: string, collection: string, key: string]

const numbered = (number: bigint): Buffer => {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(number)
  return bytes
}
const numberOf = (key: Uint8Array): bigint => Buffer.from(key).readBigUInt64BE()

export class RedoLog {
  private next: bigint
  /** Notes below this are done; they go with the next batch. */
  private doneTo = 0n
  /** Notes below this are gone. */
  private gone: bigint

  constructor(
    private readonly environment: Environment,
    private readonly table: Table
  ) {
    let first: bigint | undefined
    let last: bigint | undefined
    for (const [number] of this.entries()) {
      first ??= number
      last = number
    }
    this.next = last === undefined ? 0n : last + 1n
    this.gone = first ?? this.next
  }

  append(batch: Batch, block: bigint | undefined, keys: ReadonlyArray<StateKey>): void {
    for (; this.gone < this.doneTo; this.gone++) batch.delete(this.table, numbered(this.gone))
    const rows = keys.map(({ collection, key, kind, namespace }): Row => [kind, namespace, collection, key])
    const note: Note = [block === undefined ? null : String(block), rows]
    batch.put(this.table, numbered(this.next), Buffer.from(JSON.stringify(note)))
    this.next += 1n
  }

  /** All notes of batches that were committed and are not done. */
  open(): Redo {
    const keys = new Map<string, StateKey>()
    let upTo: bigint | undefined
    let fromBlock: bigint | undefined
    for (const [number, value] of this.entries()) {
      if (number < this.doneTo) continue
      upTo = number
      const [block, rows]: Note = JSON.parse(Buffer.from(value).toString())
      if (block !== null) fromBlock ??= BigInt(block)
      for (const row of rows) {
        const [kind, namespace, collection, key] = row
        keys.set(JSON.stringify(row), { kind, namespace, collection, key })
      }
    }
    return { keys: [...keys.values()], upTo, fromBlock }
  }

  done(upTo: bigint): void {
    this.doneTo = upTo + 1n
  }

  clear(batch: Batch): void {
    batch.clear(this.table)
    this.gone = this.next
    this.doneTo = this.next
  }

  private *entries(): Generator<readonly [number: bigint, value: Uint8Array]> {
    const snapshot = this.environment.snapshot()
    try {
      const cursor = snapshot.range(this.table)
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next())
        yield [numberOf(entry.key), entry.value]
    } finally {
      snapshot.close()
    }
  }
}

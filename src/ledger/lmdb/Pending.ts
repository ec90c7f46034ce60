/**
 * Batches that are visible and not in LMDB yet. A batch of a hundred keys at random places costs LMDB a page for each key
 * and one for the way to it, written and synced; many batches together share pages and one sync. Readers meet the
 * newest value that their snapshot is to see: each key has its versions, newest first, until all of it goes to LMDB.
 * Keys are held as text of one character a byte, whose order is that of the bytes.
 */
import type { Batch, Cursor, Entry, Table } from "./Environment.js"

/** What one batch did to a key; `value` undefined: it deleted it. */
interface Version {
  readonly number: number
  readonly value: Uint8Array | undefined
  readonly older: Version | undefined
}

interface TableVersions {
  readonly byKey: Map<string, Version>
  /** All keys in order; undefined: not known since a key was added. */
  sorted: ReadonlyArray<string> | undefined
  /** Whether all keys are ASCII: then text need not be looked at before it is looked up. */
  ascii: boolean
}

/** How much may be pending: a process that is killed leaves the work to do again, and writing it out holds others up. */
export interface PendingLimits {
  readonly batches: number
  readonly operations: number
  readonly bytes: number
}
export const pendingLimits: PendingLimits = { batches: 64, operations: 2000, bytes: 4 * 2 ** 20 }

const beyondAscii = /[\u0080-\uffff]/

const textOf = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1")

export class Pending {
  private readonly tables = new Map<Table, TableVersions>()
  private operations = 0
  private bytes = 0
  /** Batches so far; a snapshot keeps the number and sees these. */
  batches = 0

  /** Whether a batch may wait here as well. */
  hasRoomFor(batch: Batch, limits: PendingLimits): boolean {
    return (
      this.batches < limits.batches &&
      this.operations + batch.size <= limits.operations &&
      this.bytes + batch.bytes <= limits.bytes
    )
  }

  /** Adds a batch that empties no table. */
  add(batch: Batch): void {
    this.batches += 1
    this.operations += batch.size
    this.bytes += batch.bytes
    for (let i = 0; i < batch.tables.length; i++) {
      const table = batch.tables[i]
      const bytes = batch.keys[i]
      if (table === undefined || bytes === undefined) continue
      let versions = this.tables.get(table)
      if (versions === undefined) {
        versions = { byKey: new Map(), sorted: undefined, ascii: true }
        this.tables.set(table, versions)
      }
      const key = textOf(bytes)
      const older = versions.byKey.get(key)
      if (older === undefined) {
        versions.sorted = undefined
        if (versions.ascii && beyondAscii.test(key)) versions.ascii = false
      }
      versions.byKey.set(key, { number: this.batches, value: batch.values[i], older })
    }
  }

  /** What the first `upTo` batches say about a key; undefined: nothing. */
  find(table: Table, key: Uint8Array, upTo: number): { readonly value: Uint8Array | undefined } | undefined {
    const versions = this.tables.get(table)
    return versions === undefined ? undefined : upToVersion(versions.byKey.get(textOf(key)), upTo)
  }

  /** The same for a key that is text. */
  findText(table: Table, key: string, upTo: number): { readonly value: Uint8Array | undefined } | undefined {
    const versions = this.tables.get(table)
    if (versions === undefined) return undefined
    const encoded = !versions.ascii && beyondAscii.test(key) ? textOf(Buffer.from(key)) : key
    return upToVersion(versions.byKey.get(encoded), upTo)
  }

  /** A scan of what is stored with what the first `upTo` batches did to it; closes what it was given. */
  merge(
    table: Table,
    stored: Cursor,
    start: Uint8Array | undefined,
    end: Uint8Array | undefined,
    upTo: number
  ): Cursor {
    const versions = this.tables.get(table)
    if (versions === undefined) return stored
    versions.sorted ??= [...versions.byKey.keys()].sort(byText)
    const keys = versions.sorted
    let at = start === undefined ? 0 : firstFrom(keys, textOf(start))
    const stop = end === undefined ? undefined : textOf(end)
    // one ahead on either side
    let below: Entry | undefined
    let done = false
    let above: { readonly key: Uint8Array; readonly value: Uint8Array | undefined } | undefined
    const advance = () => {
      above = undefined
      for (; above === undefined && at < keys.length; at++) {
        const key = keys[at] ?? ""
        if (stop !== undefined && key >= stop) return
        const version = upToVersion(versions.byKey.get(key), upTo)
        if (version !== undefined) above = { key: Buffer.from(key, "latin1"), value: version.value }
      }
    }
    advance()
    return {
      next: () => {
        for (;;) {
          if (below === undefined && !done) {
            below = stored.next()
            done = below === undefined
          }
          const order = above === undefined ? -1 : below === undefined ? 1 : Buffer.compare(below.key, above.key)
          if (order < 0) {
            const entry = below
            below = undefined
            return entry
          }
          const newer = above
          if (newer === undefined) return undefined
          if (order === 0) below = undefined
          advance()
          if (newer.value !== undefined) return { key: Uint8Array.from(newer.key), value: newer.value.slice() }
        }
      },
      close: () => {
        stored.close()
        done = true
        below = undefined
        above = undefined
        at = keys.length
      }
    }
  }

  /** The newest of every key, table by table in the order of the keys. */
  *newest(): Generator<readonly [table: Table, key: Uint8Array, value: Uint8Array | undefined], void> {
    for (const [table, { byKey, sorted }] of this.tables)
      for (const key of sorted ?? [...byKey.keys()].sort(byText))
        yield [table, Buffer.from(key, "latin1"), byKey.get(key)?.value]
  }
}

const upToVersion = (newest: Version | undefined, upTo: number): Version | undefined => {
  let version = newest
  while (version !== undefined && version.number > upTo) version = version.older
  return version
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Index of the first key that is not below `key`. */
const firstFrom = (keys: ReadonlyArray<string>, key: string): number => {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] ?? "") < key) low = middle + 1
    else high = middle
  }
  return low
}

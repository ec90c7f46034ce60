/**
 * One LMDB environment: sub-databases of raw bytes, snapshots for readers, synchronous write transactions of one batch or
 * of several in order (`commitLater`, Pending.ts). The only module that imports `lmdb`. Traps it takes care of (design.md section 6): empty and long keys (keys.ts);
 * a batch is complete before the transaction starts, because only `transactionSync` rolls back on a throw; cursors are
 * closed with their snapshot, because an open one would pin pages for ever.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as lmdb from "lmdb"
import { closing } from "../../runtime/closing.js"
import { LmdbCommitFailed, LmdbOpenFailed } from "./errors.js"
import { damageOf } from "./inspect.js"
import { chunkSize, encodeKey, isLong, type Level, levelOf, levelRangeOf, markersOf, readStored } from "./keys.js"
import { Pending, type PendingLimits, pendingLimits } from "./Pending.js"

/** Keys as bytes (stored form), or as text that is encoded straight into LMDB's key buffer (`writeKey`). */
type Store = lmdb.Database<Uint8Array, Uint8Array | string>

/** Makes something of a value, which is `bytes` up to `length` and only there during the call. */
export type Decode<A> = (bytes: Uint8Array, length: number) => A

/** The part of a store that reads without a copy; lmdb's types leave out the options. */
interface ViewReads {
  readonly getBinaryFast: (key: string, options?: { readonly transaction: lmdb.Transaction }) => Buffer | undefined
}

/** lmdb's buffer for values, and all of it: the buffer's own length is that of the last value. */
class ValueView {
  private buffer: Uint8Array | undefined
  private whole: Uint8Array = new Uint8Array(0)

  read<A>(
    reads: ViewReads,
    key: string,
    options: { readonly transaction: lmdb.Transaction } | undefined,
    decode: Decode<A>
  ): A | undefined {
    const found = reads.getBinaryFast(key, options)
    if (found === undefined) return undefined
    if (found !== this.buffer) {
      this.buffer = found
      this.whole = new Uint8Array(found.buffer, found.byteOffset)
    }
    return decode(this.whole, found.length)
  }
}

/** A named sub-database of an environment. Opaque: used as an argument of batches and snapshots. */
export class Table {
  constructor(
    readonly name: string,
    /** @internal */ readonly store: Store
  ) {}
}

export interface Entry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface EnvironmentOptions {
  /** Folder of the environment; made when absent. */
  readonly path: string
  /** Sub-databases; opened (and made) with the environment. */
  readonly tables: ReadonlyArray<string>
  /** Snapshots that may be open at once. Default 4000 (tried with 3,000). */
  readonly maxReaders?: number
  /**
   * When commits reach the disk. `commit` (default): each before it returns. `close`: all of them once the environment
   * is closed, for work that starts over after a crash (an import). `never`: for what is thrown away (a replay).
   */
  readonly sync?: "commit" | "close" | "never"
  /** How much `commitLater` may leave in memory; default `pendingLimits`. */
  readonly pending?: PendingLimits
}

/** Puts and deletes that are committed together. Holds references: do not change the arrays before the commit. */
export class Batch {
  /** @internal */ readonly tables: Array<Table> = []
  /** @internal */ readonly keys: Array<Uint8Array | undefined> = []
  /** @internal */ readonly values: Array<Uint8Array | undefined> = []
  /** @internal */ clears = false
  /** Of keys and values. */
  bytes = 0

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.tables.push(table)
    this.keys.push(key)
    this.values.push(value)
    this.bytes += key.length + value.length
  }
  delete(table: Table, key: Uint8Array): void {
    this.tables.push(table)
    this.keys.push(key)
    this.values.push(undefined)
    this.bytes += key.length
  }
  /** Empties a table. */
  clear(table: Table): void {
    this.tables.push(table)
    this.keys.push(undefined)
    this.values.push(undefined)
    this.clears = true
  }
  get size(): number {
    return this.tables.length
  }
}

/** An ordered scan; undefined at the end. Belongs to its snapshot and ends with it. */
export interface Cursor {
  readonly next: () => Entry | undefined
  readonly close: () => void
}

const emptyCursor: Cursor = { next: () => undefined, close: () => {} }

/** A consistent view of the whole environment, not moved by later commits. Close it: it pins pages while open. */
export class Snapshot {
  private open: Set<Cursor> | undefined
  private readonly options: { readonly transaction: lmdb.Transaction }
  private done = false
  private readonly view = new ValueView()

  /** @internal */
  constructor(
    transaction: lmdb.Transaction,
    /** What is to be seen and not in LMDB, as far as `upTo`. */
    private readonly pending: Pending | undefined,
    private readonly upTo: number
  ) {
    this.options = { transaction }
  }

  get closed(): boolean {
    return this.done
  }

  /** The value of a key, a copy of its own; undefined when absent. */
  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    if (this.done) throw new Error("LMDB snapshot used after its end")
    const found = this.pending?.find(table, key, this.upTo)
    if (found !== undefined) return found.value?.slice()
    return table.store.get(encodeKey(key), this.options)
  }

  /**
   * What `decode` makes of the value of a key that is text; undefined when absent. For reads by the thousand: no array
   * is made on the way. `decode` must copy what it keeps, `bytes` is overwritten by the next read; the value is
   * `bytes` up to `length`.
   */
  read<A>(table: Table, key: string, decode: Decode<A>): A | undefined {
    if (this.done) throw new Error("LMDB snapshot used after its end")
    const found = this.pending?.findText(table, key, this.upTo)
    if (found !== undefined) return found.value === undefined ? undefined : decode(found.value, found.value.length)
    if (key.length * 3 <= chunkSize) return this.view.read(table.store, key, this.options, decode)
    const bytes = this.get(table, Buffer.from(key))
    return bytes === undefined ? undefined : decode(bytes, bytes.length)
  }

  /** Entries with start <= key < end in byte order; undefined bounds are open. */
  range(table: Table, start?: Uint8Array, end?: Uint8Array): Cursor {
    if (this.done) throw new Error("LMDB snapshot used after its end")
    if (start !== undefined && end !== undefined && Buffer.compare(start, end) >= 0) return emptyCursor
    const stored = this.stored(table, start, end)
    const merged = this.pending?.merge(table, stored, start, end, this.upTo) ?? stored
    if (merged === stored) return stored
    const cursor: Cursor = {
      next: () => {
        const entry = merged.next()
        if (entry === undefined) this.open?.delete(cursor)
        return entry
      },
      close: () => {
        merged.close()
        this.open?.delete(cursor)
      }
    }
    this.open?.add(cursor)
    return cursor
  }

  private stored(table: Table, start: Uint8Array | undefined, end: Uint8Array | undefined): Cursor {
    const levels: Array<{
      readonly level: Level
      readonly entries: Iterator<{ key: Uint8Array | string; value: Uint8Array }>
    }> = []
    const enter = (level: Level) => {
      const entries = table.store.getRange({
        start: level.start,
        end: level.end,
        transaction: this.options.transaction
      })
      levels.push({ level, entries: entries[Symbol.iterator]() })
    }
    enter(levelOf(new Uint8Array(0), start, end))
    const cursor: Cursor = {
      next: () => {
        for (;;) {
          const top = levels[levels.length - 1]
          if (top === undefined) return undefined
          const step = top.entries.next()
          if (step.done === true) {
            levels.pop()
            if (levels.length === 0) this.open?.delete(cursor)
            continue
          }
          const stored = step.value.key
          if (typeof stored === "string") throw new Error("LMDB key of an unknown form") // readKey makes none
          const found = readStored(top.level, stored)
          if (found instanceof Uint8Array) return { key: found, value: step.value.value }
          enter(found)
        }
      },
      close: () => {
        for (const { entries } of levels.splice(0)) entries.return?.()
        this.open?.delete(cursor)
      }
    }
    this.open ??= new Set()
    this.open.add(cursor)
    return cursor
  }

  /** Ends the snapshot and its cursors; again is harmless. */
  close(): void {
    if (this.done) return
    if (this.open !== undefined) for (const cursor of [...this.open]) cursor.close()
    this.done = true
    this.options.transaction.done()
  }
}

/** How keys go into and out of LMDB's buffers: bytes as they are, short text as `encodeKey` has it. */
const keyEncoder = {
  writeKey: (key: Uint8Array | string, target: Buffer, start: number): number => {
    if (typeof key === "string") {
      target[start] = 0
      return start + 1 + target.write(key, start + 1)
    }
    target.set(key, start)
    return start + key.length
  },
  readKey: (source: Buffer, start: number, end: number): Uint8Array =>
    Uint8Array.prototype.slice.call(source, start, end)
}
const tableOptions = { keyEncoder, encoding: "binary" as const }

/**
 * Address space that is asked for at once, 64 GiB: lmdb doubles a map that has become too small and keeps the old one
 * until it is closed, so that the pages of a growing file would be counted twice and more in the process's memory.
 */
const mapSize = 64 * 2 ** 30

/** An open environment. All calls are synchronous; the methods of a closed environment throw. */
export class Environment {
  private readonly byName = new Map<string, Table>()
  private readonly view = new ValueView()
  /** Replaced by an empty one when it has gone to LMDB: snapshots keep theirs. */
  private pending = new Pending()

  /** @internal */
  constructor(
    readonly path: string,
    private readonly root: lmdb.RootDatabase<Uint8Array, Uint8Array>,
    names: ReadonlyArray<string>,
    private readonly limits: PendingLimits
  ) {
    for (const name of names) {
      this.byName.set(name, new Table(name, root.openDB<Uint8Array, Uint8Array | string>(name, tableOptions)))
    }
  }

  /** A table named in the options; another name is a mistake of the caller. */
  table(name: string): Table {
    const table = this.byName.get(name)
    if (table === undefined) throw new Error(`LMDB table ${name} was not opened in ${this.path}`)
    return table
  }

  snapshot(): Snapshot {
    const { batches } = this.pending
    return new Snapshot(this.root.useReadTransaction(), batches === 0 ? undefined : this.pending, batches)
  }

  /** The newest committed value of a key. */
  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    const found = this.pending.find(table, key, this.pending.batches)
    return found === undefined ? table.store.get(encodeKey(key)) : found.value?.slice()
  }

  /** What `decode` makes of the newest committed value of a key that is text, as `Snapshot.read` does. */
  read<A>(table: Table, key: string, decode: Decode<A>): A | undefined {
    const found = this.pending.findText(table, key, this.pending.batches)
    if (found !== undefined) return found.value === undefined ? undefined : decode(found.value, found.value.length)
    if (key.length * 3 <= chunkSize) return this.view.read(table.store, key, undefined, decode)
    const bytes = this.get(table, Buffer.from(key))
    return bytes === undefined ? undefined : decode(bytes, bytes.length)
  }

  /**
   * Applies a batch at once and leaves it to a later commit to bring it to the disk, together with others and after
   * those before it. For what can be made again when the process or the machine ends before that.
   * @throws LmdbCommitFailed when it was time to write and that failed; then nothing of the batch was applied
   */
  commitLater(batch: Batch): void {
    if (batch.clears || !this.pending.hasRoomFor(batch, this.limits)) this.commit(batch)
    else this.pending.add(batch)
  }

  /**
   * Applies a batch, and before it what waits, in one write transaction that is on disk when this returns.
   * @throws LmdbCommitFailed; then nothing of the batch was applied
   */
  commit(batch: Batch): void {
    try {
      this.root.transactionSync(() => writeAll(this.pending, batch))
    } catch (cause) {
      throw new LmdbCommitFailed({ path: this.path, cause: withReason(cause, this.path) })
    }
    if (this.pending.batches > 0) this.pending = new Pending()
  }

  /** @internal */
  async close(): Promise<void> {
    try {
      if (this.pending.batches > 0) this.commit(new Batch())
    } finally {
      await this.root.close()
    }
  }
}

/** LMDB calls a write that was cut short an input/output error: the disk is full where there is no room for more. */
const withReason = (cause: unknown, dir: string): unknown => {
  if (!(cause instanceof Error) || cause.message !== "Input/output error") return cause
  try {
    const { bavail, bsize } = fs.statfsSync(dir)
    return bavail * bsize < 2 ** 20 ? new Error("no space left on the device", { cause }) : cause
  } catch {
    return cause
  }
}

/** Inside a write transaction. */
const writeAll = (pending: Pending, batch: Batch): void => {
  for (const [table, key, value] of pending.newest())
    if (value === undefined) remove(table.store, key)
    else put(table.store, key, value)
  for (let i = 0; i < batch.tables.length; i++) {
    const table = batch.tables[i]
    if (table === undefined) continue
    const key = batch.keys[i]
    const value = batch.values[i]
    if (key === undefined) table.store.clearSync()
    else if (value === undefined) remove(table.store, key)
    else put(table.store, key, value)
  }
}

const marker = Uint8Array.of(1)

const put = (store: Store, key: Uint8Array, value: Uint8Array): void => {
  if (isLong(key)) for (const stored of markersOf(key)) store.putSync(stored, marker)
  store.putSync(encodeKey(key), value)
}

const remove = (store: Store, key: Uint8Array): void => {
  store.removeSync(encodeKey(key))
  if (!isLong(key)) return
  const markers = markersOf(key)
  for (let depth = markers.length; depth > 0; depth--) {
    for (const _ of store.getKeys({ ...levelRangeOf(key, depth), limit: 1 })) return
    const stored = markers[depth - 1]
    if (stored !== undefined) store.removeSync(stored)
  }
}

/** Opens an environment for the scope. Lock the folder first (FolderLock): LMDB itself lets two processes in. */
export const openEnvironment = (options: EnvironmentOptions): Effect.Effect<Environment, LmdbOpenFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const damage = damageOf(options.path)
        if (damage !== undefined) throw new Error(damage)
        return new Environment(
          options.path,
          lmdb.open<Uint8Array, Uint8Array>({
            path: options.path,
            noSubdir: false,
            maxDbs: options.tables.length + 2,
            maxReaders: options.maxReaders ?? 4000,
            keyEncoding: "binary",
            encoding: "binary",
            mapSize,
            overlappingSync: false,
            noSync: (options.sync ?? "commit") !== "commit"
          }),
          options.tables,
          options.pending ?? pendingLimits
        )
      },
      catch: (cause) => new LmdbOpenFailed({ path: options.path, cause })
    }),
    (environment) =>
      Effect.zipRight(
        closing(`LMDB environment ${options.path}`, () => environment.close()),
        options.sync === "close" ? syncFile(path.join(options.path, "data.mdb")) : Effect.void
      )
  )

/** Puts on disk what the system still holds in memory of a file. Failing would mean to go on without: a defect. */
const syncFile = (name: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const file = fs.openSync(name, "r+")
    try {
      fs.fsyncSync(file)
    } finally {
      fs.closeSync(file)
    }
  })

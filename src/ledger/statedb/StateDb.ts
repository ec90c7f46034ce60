/**
 * Committed state of a channel in its LMDB environment: public values, hashes of private values, private values, each a
 * table of its own, and the savepoint. Written only in the batch of a block (or of reconciled private data), read
 * through snapshots.
 * Source: ledger-privatedata.md 3.B; txmgmt/privacyenabledstate, statedb/stateleveldb.
 */
import { utf8 } from "../../wire/protoutil.js"
import type { Batch, Environment, Snapshot, Table } from "../lmdb/index.js"
import type { UpdateBatch, Updates, VersionedValue } from "../mvcc/index.js"
import { hashOfId } from "../mvcc/index.js"
import type { Version } from "../rwset/index.js"
import type { RichQueries, StateEntry, StateSnapshot } from "../simulator/index.js"
import { decodeValue, decodeVersion, encodeValue } from "./value.js"

/** Tables that state needs in its environment. */
export const stateTables = {
  public: "state",
  hashed: "hashedstate",
  private: "privatestate",
  meta: "statemeta"
} as const

const savepointKey = utf8("savepoint")

/** `namespace || 00 || key`: namespaces keep apart, keys keep their byte order. */
const publicKey = (namespace: string, key: string): Uint8Array => Buffer.from(`${namespace}\0${key}`)
const privatePrefix = (namespace: string, collection: string): string => `${namespace}\0${collection}\0`
const hashedKey = (namespace: string, collection: string, keyHash: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(privatePrefix(namespace, collection)), keyHash])

export class StateDb {
  private readonly public: Table
  private readonly hashed: Table
  private readonly private: Table
  private readonly meta: Table

  constructor(
    private readonly environment: Environment,
    /** Rich queries, where they are switched on. */
    private readonly richQueries: ((snapshot: StateSnapshot) => RichQueries) | undefined = undefined
  ) {
    this.public = environment.table(stateTables.public)
    this.hashed = environment.table(stateTables.hashed)
    this.private = environment.table(stateTables.private)
    this.meta = environment.table(stateTables.meta)
  }

  /** The last block whose updates are in; undefined before block 0. */
  savepoint(): bigint | undefined {
    const bytes = this.environment.get(this.meta, savepointKey)
    return bytes === undefined ? undefined : Buffer.from(bytes).readBigUInt64BE()
  }

  /** State as of now; release it. */
  snapshot(): StateSnapshot {
    return new LmdbStateSnapshot(
      this.environment.snapshot(),
      { public: this.public, hashed: this.hashed, private: this.private },
      this.richQueries
    )
  }

  /** Adds a block's updates to a batch; `savepoint` undefined for private data of old blocks (rule 94). */
  put(batch: Batch, updates: UpdateBatch, savepoint: bigint | undefined): void {
    for (const [namespace, values] of updates.public)
      apply(batch, this.public, values, (key) => publicKey(namespace, key))
    for (const [namespace, collections] of updates.hashed)
      for (const [collection, values] of collections)
        apply(batch, this.hashed, values, (id) => hashedKey(namespace, collection, hashOfId(id)))
    for (const [namespace, collections] of updates.private)
      for (const [collection, values] of collections)
        apply(batch, this.private, values, (key) => Buffer.from(privatePrefix(namespace, collection) + key))
    if (savepoint !== undefined) {
      const bytes = Buffer.allocUnsafe(8)
      bytes.writeBigUInt64BE(savepoint)
      batch.put(this.meta, savepointKey, bytes)
    }
  }

  /** Forgets everything: the next open builds it again from the blocks. */
  clear(batch: Batch): void {
    for (const table of [this.public, this.hashed, this.private, this.meta]) batch.clear(table)
  }
}

const apply = (batch: Batch, table: Table, updates: Updates, place: (key: string) => Uint8Array): void => {
  for (const key of updates.keys()) {
    const update = updates.get(key)
    if (update === undefined) continue
    if (update.value === undefined) batch.delete(table, place(key))
    else batch.put(table, place(key), encodeValue(update.value, update.metadata, update.version))
  }
}

// ---- Snapshot ----------------------------------------------------------------------------------------------------

class LmdbStateSnapshot implements StateSnapshot {
  private rich: RichQueries | undefined

  constructor(
    private readonly lmdb: Snapshot,
    private readonly tables: { readonly public: Table; readonly hashed: Table; readonly private: Table },
    private readonly makeRich: ((snapshot: StateSnapshot) => RichQueries) | undefined
  ) {}

  get(namespace: string, key: string): VersionedValue | undefined {
    return this.read(this.tables.public, publicKey(namespace, key))
  }
  version(namespace: string, key: string): Version | undefined {
    return this.readVersion(this.tables.public, publicKey(namespace, key))
  }
  getHashed(namespace: string, collection: string, keyHash: Uint8Array): VersionedValue | undefined {
    return this.read(this.tables.hashed, hashedKey(namespace, collection, keyHash))
  }
  hashedVersion(namespace: string, collection: string, keyHash: Uint8Array): Version | undefined {
    return this.readVersion(this.tables.hashed, hashedKey(namespace, collection, keyHash))
  }
  getPrivate(namespace: string, collection: string, key: string): VersionedValue | undefined {
    return this.read(this.tables.private, Buffer.from(privatePrefix(namespace, collection) + key))
  }
  *range(namespace: string, start: string, end: string): Generator<readonly [string, Version]> {
    for (const [key, value] of this.scan(this.tables.public, `${namespace}\0`, start, end))
      yield [key, decodeVersion(value)]
  }
  *entries(namespace: string, start: string, end: string): Generator<StateEntry> {
    for (const [key, value] of this.scan(this.tables.public, `${namespace}\0`, start, end))
      yield { key, held: decodeValue(value) }
  }
  *privateEntries(namespace: string, collection: string, start: string, end: string): Generator<StateEntry> {
    for (const [key, value] of this.scan(this.tables.private, privatePrefix(namespace, collection), start, end))
      yield { key, held: decodeValue(value) }
  }
  /** LMDB takes any key and value. */
  keyValueFault(): string | undefined {
    return undefined
  }
  get richQueries(): RichQueries | undefined {
    if (this.rich === undefined && this.makeRich !== undefined) this.rich = this.makeRich(this)
    return this.rich
  }
  release(): void {
    this.lmdb.close()
  }

  private read(table: Table, key: Uint8Array): VersionedValue | undefined {
    const bytes = this.lmdb.get(table, key)
    return bytes === undefined ? undefined : decodeValue(bytes)
  }
  private readVersion(table: Table, key: Uint8Array): Version | undefined {
    const bytes = this.lmdb.get(table, key)
    return bytes === undefined ? undefined : decodeVersion(bytes)
  }
  private *scan(
    table: Table,
    prefix: string,
    start: string,
    end: string
  ): Generator<readonly [key: string, value: Uint8Array]> {
    const skip = Buffer.byteLength(prefix)
    // without an end: up to the last key with this prefix, whose last byte is 00
    const to = end === "" ? Buffer.from(`${prefix.slice(0, -1)}\x01`) : Buffer.from(prefix + end)
    const cursor = this.lmdb.range(table, Buffer.from(prefix + start), to)
    try {
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
        const { key, value } = entry
        yield [Buffer.from(key.buffer, key.byteOffset + skip, key.byteLength - skip).toString("utf8"), value]
      }
    } finally {
      cursor.close()
    }
  }
}

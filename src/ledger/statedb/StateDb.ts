/**
 * Committed state of a channel in its LMDB environment: public values, hashes of private values, private values, each a
 * table of its own, and the savepoint. Written only in the batch of a block (or of reconciled private data), read
 * through snapshots. Where CouchDB is the state database, values are kept in the form that CouchDB gives back, and each
 * batch notes the keys that it touched until CouchDB has them (`couchdb/CouchState.ts`).
 * Source: ledger-privatedata.md 3.B; txmgmt/privacyenabledstate, statedb/stateleveldb.
 */
import { randomBytes } from "node:crypto"
import { utf8 } from "../../wire/protoutil.js"
import { keyValueFault } from "../couchdb/documents.js"
import { after, Batch, type Environment, type Snapshot, type Table } from "../lmdb/index.js"
import type { UpdateBatch, Updates, VersionedValue } from "../mvcc/index.js"
import { hashOfId } from "../mvcc/index.js"
import type { Version } from "../rwset/index.js"
import type { RichQueries, StateEntry, StateSnapshot } from "../simulator/index.js"
import { normalised, quoted } from "./goJson.js"
import { type Redo, RedoLog, type StateKey } from "./RedoLog.js"
import { decodeTrail, type Position } from "./trail.js"
import { copyValue, decodeValue, decodeVersion, encodeValue, trailOf, withTrail } from "./value.js"

/** Tables that state needs in its environment. */
export const stateTables = {
  public: "state",
  hashed: "hashedstate",
  private: "privatestate",
  meta: "statemeta",
  redo: "stateredo"
} as const

const savepointKey = utf8("savepoint")
const databaseKey = utf8("database")
const ownerKey = utf8("owner")

/** `ledger.state.stateDatabase`: whose rules keys, values and queries follow. */
export type StateDatabase = "goleveldb" | "CouchDB"

/** Keeps the trails of public keys (trail.ts). */
export interface Trails {
  /** The trail that a key is to have, given the one that it has; a key that `stays` false for keeps none. */
  readonly next: (
    namespace: string,
    key: string,
    trail: Uint8Array | undefined,
    stays: boolean
  ) => Uint8Array | undefined
}

const copyTrail = (bytes: Uint8Array): Uint8Array | undefined => trailOf(bytes)?.slice()

export type RichQueryMaker = (snapshot: StateSnapshot) => RichQueries

/** `namespace || 00 || key`: namespaces keep apart, keys keep their byte order. */
const publicText = (namespace: string, key: string): string => `${namespace}\0${key}`
const publicKey = (namespace: string, key: string): Uint8Array => Buffer.from(publicText(namespace, key))
const privatePrefix = (namespace: string, collection: string): string => `${namespace}\0${collection}\0`
const hashedKey = (namespace: string, collection: string, keyHash: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(privatePrefix(namespace, collection)), keyHash])

/** Where a key stands in its table. */
const placeOf = ({ collection, kind, namespace }: Omit<StateKey, "key">, key: string): Uint8Array => {
  if (kind === "public") return publicKey(namespace, key)
  if (kind === "hashed") return hashedKey(namespace, collection, hashOfId(key))
  return Buffer.from(privatePrefix(namespace, collection) + key)
}

export class StateDb {
  private readonly public: Table
  private readonly hashed: Table
  private readonly private: Table
  private readonly meta: Table
  private readonly log: RedoLog
  private couch = false
  private incarnation = ""

  constructor(
    private readonly environment: Environment,
    /** Rich queries, where they are switched on. */
    private richQueries: RichQueryMaker | undefined = undefined
  ) {
    this.public = environment.table(stateTables.public)
    this.hashed = environment.table(stateTables.hashed)
    this.private = environment.table(stateTables.private)
    this.meta = environment.table(stateTables.meta)
    this.log = new RedoLog(environment, environment.table(stateTables.redo))
    this.readDatabase()
  }

  /** The last block whose updates are in; undefined before block 0. */
  savepoint(): bigint | undefined {
    const bytes = this.environment.get(this.meta, savepointKey)
    return bytes === undefined ? undefined : Buffer.from(bytes).readBigUInt64BE()
  }

  /** Transactions of the block of the savepoint. */
  savepointTransactions(): number {
    const bytes = this.environment.get(this.meta, savepointKey)
    return bytes === undefined || bytes.length < 12 ? 0 : Buffer.from(bytes).readUInt32BE(8)
  }

  /** State as of now; release it. `released` is told when that happens. */
  snapshot(released: () => void = () => {}): StateSnapshot {
    return new LmdbStateSnapshot(
      this.environment.snapshot(),
      { public: this.public, hashed: this.hashed, private: this.private },
      this.couch,
      this.richQueries,
      released
    )
  }

  /**
   * Adds a block's updates to a batch; `savepoint` undefined for private data of old blocks (rule 94).
   * @param transactions of the block
   * @param trails who keeps history: told what a public key's trail was, says what it is to be; undefined: there is none
   */
  put(
    batch: Batch,
    updates: UpdateBatch,
    savepoint: bigint | undefined,
    transactions = 0,
    trails: Trails | undefined = undefined
  ): void {
    const touched: Array<StateKey> | undefined = this.couch ? [] : undefined
    for (const [namespace, values] of updates.public)
      this.apply(batch, this.public, values, { kind: "public", namespace, collection: "" }, trails, touched)
    for (const [namespace, collections] of updates.hashed)
      for (const [collection, values] of collections)
        this.apply(batch, this.hashed, values, { kind: "hashed", namespace, collection }, undefined, touched)
    for (const [namespace, collections] of updates.private)
      for (const [collection, values] of collections)
        this.apply(batch, this.private, values, { kind: "private", namespace, collection }, undefined, touched)
    if (savepoint !== undefined) {
      const bytes = Buffer.allocUnsafe(12)
      bytes.writeBigUInt64BE(savepoint)
      bytes.writeUInt32BE(transactions, 8)
      batch.put(this.meta, savepointKey, bytes)
    }
    if (touched !== undefined) this.log.append(batch, savepoint, touched)
  }

  /** Adds the updates of one namespace or collection. */
  private apply(
    batch: Batch,
    table: Table,
    values: Updates,
    space: Omit<StateKey, "key">,
    trails: Trails | undefined,
    touched: Array<StateKey> | undefined
  ): void {
    for (const key of values.keys()) {
      const update = values.get(key)
      if (update === undefined) continue
      touched?.push({ ...space, key })
      const trail = trails?.next(space.namespace, key, this.trail(space.namespace, key), update.value !== undefined)
      const place = placeOf(space, key)
      if (update.value === undefined) batch.delete(table, place)
      else {
        const value = this.couch ? normalised(update.value) : update.value
        const record = encodeValue(value, update.metadata, update.version)
        batch.put(table, place, trail === undefined ? record : withTrail(trail, record))
      }
    }
  }

  private trail(namespace: string, key: string): Uint8Array | undefined {
    return this.environment.read(this.public, publicText(namespace, key), copyTrail)
  }

  /** Where a public key was written last, as far as its record says, oldest first. */
  youngestOf(snapshot: Snapshot, namespace: string, key: string): ReadonlyArray<Position> {
    const trail = snapshot.read(this.public, publicText(namespace, key), copyTrail)
    return trail === undefined ? [] : decodeTrail(trail)
  }

  /** Forgets everything: the next open builds it again from the blocks. */
  clear(batch: Batch): void {
    for (const table of [this.public, this.hashed, this.private, this.meta]) batch.clear(table)
    this.log.clear(batch)
    if (this.couch) this.putDatabase(batch, "CouchDB")
  }

  // ---- Whose rules it follows ------------------------------------------------------------------------------------

  /** The database that the state was built for. */
  get database(): StateDatabase {
    return this.couch ? "CouchDB" : "goleveldb"
  }

  /** Names this state among all that there may be: made anew with each state that is begun for CouchDB. */
  get owner(): string {
    return this.incarnation
  }

  /** Chooses the database. State that was built for the other one must have been cleared. */
  use(database: StateDatabase): void {
    if (database === this.database) return
    const batch = new Batch()
    this.putDatabase(batch, database)
    this.environment.commit(batch)
    this.readDatabase()
  }

  /** Has rich queries answered from now on. */
  answerRichQueries(make: RichQueryMaker): void {
    this.richQueries = make
  }

  private putDatabase(batch: Batch, database: StateDatabase): void {
    batch.put(this.meta, databaseKey, utf8(database))
    batch.put(this.meta, ownerKey, utf8(randomBytes(16).toString("hex")))
  }

  private readDatabase(): void {
    const text = (key: Uint8Array) => Buffer.from(this.environment.get(this.meta, key) ?? []).toString()
    this.couch = text(databaseKey) === "CouchDB"
    this.incarnation = text(ownerKey)
  }

  // ---- What CouchDB is to be told --------------------------------------------------------------------------------

  /** Keys that were touched and are not known to be in CouchDB, each once. */
  redo(): Redo {
    return this.log.open()
  }

  /** CouchDB has all that was noted up to here; undefined: all there is, at once. */
  redone(upTo: bigint | undefined): void {
    if (upTo !== undefined) {
      this.log.done(upTo)
      return
    }
    const batch = new Batch()
    this.log.clear(batch)
    this.environment.commit(batch)
  }

  /** Namespaces and collections that hold anything. */
  spaces(): ReadonlyArray<Omit<StateKey, "key">> {
    const one = (kind: StateKey["kind"], table: Table, parts: number) =>
      [...prefixesOf(this.environment, table, parts)].map(([namespace = "", collection = ""]) => ({
        kind,
        namespace,
        collection
      }))
    return [...one("public", this.public, 1), ...one("hashed", this.hashed, 2), ...one("private", this.private, 2)]
  }

  /** Keys of a namespace or collection, in order. */
  *keysOf(space: Omit<StateKey, "key">): Generator<StateKey, void> {
    const { collection, kind, namespace } = space
    const table = this[kind]
    const prefix = Buffer.from(kind === "public" ? `${namespace}\0` : privatePrefix(namespace, collection))
    const snapshot = this.environment.snapshot()
    try {
      const cursor = snapshot.range(table, prefix, after(prefix))
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
        const key = Buffer.from(entry.key).subarray(prefix.length)
        yield { ...space, key: key.toString(kind === "hashed" ? "latin1" : "utf8") }
      }
    } finally {
      snapshot.close()
    }
  }
}

/** The different beginnings of a table's keys, of so many parts that end in 00. */
function* prefixesOf(environment: Environment, table: Table, parts: number): Generator<ReadonlyArray<string>> {
  const snapshot = environment.snapshot()
  try {
    let from: Uint8Array | undefined
    for (;;) {
      const cursor = snapshot.range(table, from)
      const entry = cursor.next()
      cursor.close()
      if (entry === undefined) return
      const key = Buffer.from(entry.key)
      let end = 0
      for (let i = 0; i < parts; i++) end = key.indexOf(0, end) + 1
      const prefix = key.subarray(0, end)
      yield prefix.toString("utf8").split("\0").slice(0, parts)
      from = after(prefix)
    }
  } finally {
    snapshot.close()
  }
}

// ---- Snapshot ----------------------------------------------------------------------------------------------------

class LmdbStateSnapshot implements StateSnapshot {
  private rich: RichQueries | undefined

  constructor(
    private readonly lmdb: Snapshot,
    private readonly tables: { readonly public: Table; readonly hashed: Table; readonly private: Table },
    private readonly couch: boolean,
    private readonly makeRich: RichQueryMaker | undefined,
    private readonly released: () => void
  ) {}

  get(namespace: string, key: string): VersionedValue | undefined {
    return this.lmdb.read(this.tables.public, publicText(namespace, key), copyValue)
  }
  version(namespace: string, key: string): Version | undefined {
    return this.lmdb.read(this.tables.public, publicText(namespace, key), decodeVersion)
  }
  getHashed(namespace: string, collection: string, keyHash: Uint8Array): VersionedValue | undefined {
    return this.read(this.tables.hashed, hashedKey(namespace, collection, keyHash))
  }
  hashedVersion(namespace: string, collection: string, keyHash: Uint8Array): Version | undefined {
    return this.readVersion(this.tables.hashed, hashedKey(namespace, collection, keyHash))
  }
  getPrivate(namespace: string, collection: string, key: string): VersionedValue | undefined {
    return this.lmdb.read(this.tables.private, privatePrefix(namespace, collection) + key, copyValue)
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
  /** LMDB takes any key and value; CouchDB does not. */
  keyValueFault(key: string, value: Uint8Array): string | undefined {
    return this.couch ? keyValueFault(key, value) : undefined
  }
  lastBookmark(end: string): string {
    return this.couch ? quoted(end).slice(1, -1) : ""
  }
  get richQueries(): RichQueries | undefined {
    if (this.rich === undefined && this.makeRich !== undefined) this.rich = this.makeRich(this)
    return this.rich
  }
  release(): void {
    if (this.lmdb.closed) return
    this.lmdb.close()
    this.released()
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

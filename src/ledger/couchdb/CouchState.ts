/**
 * CouchDB as a channel's state database. What the peer reads by key and by range, and what it validates with, stands in
 * its own environment (StateDb), where a block arrives whole or not at all; CouchDB holds the same state as documents, in
 * the reference's form, and answers rich queries. Each batch that is committed leaves a note of the keys that it touched
 * (StateDb's redo log); `catchUp` brings these keys to CouchDB, and the note goes when CouchDB has them. A crash in between
 * leaves notes that the next open works off. A CouchDB that knows another state, or none, is compared key by key.
 * Source: ledger-privatedata.md rules 61, 66, 67, 98; statecouchdb.go, redolog of the reference.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { breathe } from "../../runtime/breathe.js"
import * as Log from "../../runtime/Log.js"
import type { VersionedValue } from "../mvcc/index.js"
import type { StateSnapshot } from "../simulator/index.js"
import { isJsonObject, type JsonObject } from "../statedb/goJson.js"
import type { StateKey } from "../statedb/RedoLog.js"
import type { StateDb } from "../statedb/StateDb.js"
import { CouchDatabase, type Write } from "./CouchDatabase.js"
import type { CouchInstance } from "./CouchInstance.js"
import { documentOf, encodeVersion } from "./documents.js"
import { CouchFailed } from "./errors.js"
import { hashedNamespace, metadataDatabase, namespaceDatabase, privateNamespace } from "./names.js"

const log = Log.module("statecouchdb")
const SAVEPOINT = "statedb_savepoint"
/** Documents compared in one request. */
const PAGE = 1000

/** Where a key lies in CouchDB. */
interface Place {
  readonly namespace: string
  readonly id: string
}

const placeOf = ({ collection, key, kind, namespace }: StateKey): Place => {
  switch (kind) {
    case "public":
      return { namespace, id: key }
    case "private":
      return { namespace: privateNamespace(namespace, collection), id: key }
    case "hashed":
      // CouchDB takes no ids of bytes
      return { namespace: hashedNamespace(namespace, collection), id: Buffer.from(key, "latin1").toString("base64") }
  }
}

const heldOf = (state: StateSnapshot, { collection, key, kind, namespace }: StateKey): VersionedValue | undefined => {
  switch (kind) {
    case "public":
      return state.get(namespace, key)
    case "private":
      return state.getPrivate(namespace, collection, key)
    case "hashed":
      return state.getHashed(namespace, collection, Buffer.from(key, "latin1"))
  }
}

/**
 * What to write under an id. A key that CouchDB cannot have is left out: it can stand in a hand-made private write set,
 * or in blocks that peers with another database took for valid. No rich query finds it, everything else does.
 */
const writesOf = (id: string, held: VersionedValue | undefined): ReadonlyArray<Write> =>
  id === "" || id.startsWith("_")
    ? []
    : [[id, held?.value === undefined ? undefined : documentOf(id, held.value, held)]]

export class CouchState {
  private readonly databases = new Map<string, CouchDatabase>()
  /** CouchDB holds everything up to here. */
  private confirmed: bigint | undefined

  private constructor(
    private readonly instance: CouchInstance,
    private readonly channel: string,
    private readonly state: StateDb,
    private readonly metadata: CouchDatabase,
    private readonly background: (work: Effect.Effect<void>) => Effect.Effect<void>
  ) {}

  /**
   * Opens a channel's databases and brings them to the state that the environment has.
   * @param progress told of every thousand keys while databases are compared
   */
  static open(
    instance: CouchInstance,
    channel: string,
    state: StateDb
  ): Effect.Effect<CouchState, CouchFailed, Scope.Scope> {
    return Effect.gen(function* () {
      const name = yield* named(() => metadataDatabase(channel))
      const metadata = yield* CouchDatabase.open(instance, name)
      const scope = yield* Effect.scope
      const couch = new CouchState(instance, channel, state, metadata, (work) =>
        Effect.asVoid(Effect.forkIn(work, scope))
      )
      yield* couch.recover
      return couch
    })
  }

  /** The savepoint that CouchDB has; undefined: none. What it says is refused when it is ahead of the blocks. */
  static savepointOf(instance: CouchInstance, channel: string): Effect.Effect<bigint | undefined, CouchFailed> {
    return Effect.gen(function* () {
      const name = yield* named(() => metadataDatabase(channel))
      const metadata = yield* CouchDatabase.open(instance, name)
      return (yield* readSavepoint(metadata))?.block
    })
  }

  /** Brings to CouchDB what was committed since. Ends when CouchDB has it. */
  readonly catchUp: Effect.Effect<void, CouchFailed> = Effect.suspend(() => {
    const { keys, upTo } = this.state.redo()
    if (upTo === undefined) return this.saveProgress
    const writes = new Map<string, Array<Write>>()
    const state = this.state.snapshot()
    try {
      for (const key of keys) {
        const { id, namespace } = placeOf(key)
        const list = writes.get(namespace) ?? []
        list.push(...writesOf(id, heldOf(state, key)))
        writes.set(namespace, list)
      }
    } finally {
      state.release()
    }
    return Effect.gen(this, function* () {
      const touched = yield* Effect.forEach(
        writes,
        ([namespace, list]) =>
          Effect.gen(this, function* () {
            const database = yield* this.database(namespace)
            yield* database.write(list)
            yield* database.flush
            return database
          }),
        { concurrency: 8 }
      )
      yield* this.saveProgress
      this.state.redone(upTo)
      for (const database of touched) yield* this.background(database.warm)
    })
  })

  /** A namespace's database, made on first use. `collection`: of what it holds in clear. */
  readonly databaseOf = (namespace: string, collection?: string): Effect.Effect<CouchDatabase, CouchFailed> =>
    this.database(collection === undefined ? namespace : privateNamespace(namespace, collection))

  get internalQueryLimit(): number {
    return this.instance.settings.internalQueryLimit
  }

  // ---- Private ---------------------------------------------------------------------------------------------------

  private database(namespace: string): Effect.Effect<CouchDatabase, CouchFailed> {
    if (namespace === "") return Effect.succeed(this.metadata)
    const known = this.databases.get(namespace)
    if (known !== undefined) return Effect.succeed(known)
    return named(() => namespaceDatabase(this.channel, namespace)).pipe(
      Effect.flatMap((name) => CouchDatabase.open(this.instance, name)),
      Effect.tap((database) => Effect.sync(() => this.databases.set(namespace, database)))
    )
  }

  /** The savepoint document, where blocks have been added. */
  private readonly saveProgress: Effect.Effect<void, CouchFailed> = Effect.suspend(() => {
    const block = this.state.savepoint()
    if (block === undefined || block === this.confirmed) return Effect.void
    const document = {
      _id: SAVEPOINT,
      BlockNum: Number(block),
      TxNum: Math.max(0, this.state.savepointTransactions() - 1),
      // ours: tells a CouchDB of this very state from one that holds another peer's
      Owner: this.state.owner
    }
    return Effect.andThen(
      this.metadata.write([[SAVEPOINT, document]]),
      Effect.sync(() => {
        this.confirmed = block
      })
    )
  })

  /** After a start: the notes that are left, or everything where CouchDB's state is not this one. */
  private readonly recover: Effect.Effect<void, CouchFailed> = Effect.suspend(() =>
    Effect.gen(this, function* () {
      const found = yield* readSavepoint(this.metadata)
      const mine = this.state.savepoint()
      if (found?.owner === this.state.owner && mine !== undefined && found.block <= mine) {
        // each block leaves a note, and none goes before CouchDB has its keys; an older copy of CouchDB lacks more
        const { fromBlock } = this.state.redo()
        const lost = yield* this.lostDatabases
        if (lost.length > 0) yield* log.warning(`[${this.channel}] CouchDB has lost the databases ${lost.join(", ")}`)
        else if (found.block === mine || (fromBlock !== undefined && fromBlock <= found.block + 1n)) {
          this.confirmed = found.block
          return yield* this.catchUp
        }
      }
      if (mine !== undefined) {
        yield* log.info(
          `[${this.channel}] CouchDB ${found === undefined ? "is empty" : "does not hold this state"}: writing the state of block [${mine}] to it`
        )
        yield* this.compareAll
      }
      this.state.redone(undefined)
      this.confirmed = undefined
      yield* this.saveProgress
    })
  )

  /** Databases that must be there, since the savepoint is, and are not. */
  private readonly lostDatabases: Effect.Effect<ReadonlyArray<string>, CouchFailed> = Effect.suspend(() =>
    Effect.gen(this, function* () {
      const there = new Set(yield* this.listDatabases)
      const lost: Array<string> = []
      for (const space of this.state.spaces()) {
        const { namespace } = placeOf({ ...space, key: "" })
        const name = yield* named(() => namespaceDatabase(this.channel, namespace))
        if (namespace !== "" && !there.has(name)) lost.push(name)
      }
      return lost
    })
  )

  private readonly listDatabases: Effect.Effect<ReadonlyArray<string>, CouchFailed> = Effect.suspend(() =>
    Effect.map(this.instance.request({ name: "ListDatabases", method: "GET", path: "_all_dbs" }), (all) =>
      (Array.isArray(all) ? all : []).filter((name) => typeof name === "string")
    )
  )

  private readonly compareAll: Effect.Effect<void, CouchFailed> = Effect.suspend(() =>
    Effect.gen(this, function* () {
      for (const space of this.state.spaces()) {
        const { namespace } = placeOf({ ...space, key: "" })
        const database = yield* this.database(namespace)
        yield* this.addMissing(space, database)
        yield* this.removeStrange(space, database)
        yield* database.flush
      }
      yield* this.dropUnknown
    })
  )

  /** Writes what CouchDB lacks or has in another version. */
  private addMissing(space: Omit<StateKey, "key">, database: CouchDatabase): Effect.Effect<void, CouchFailed> {
    return Effect.gen(this, function* () {
      const state = this.state.snapshot()
      try {
        const keys = this.state.keysOf(space)
        for (;;) {
          const page: Array<Write> = []
          for (let step = keys.next(); step.done !== true; step = keys.next()) {
            page.push(...writesOf(placeOf(step.value).id, heldOf(state, step.value)))
            if (page.length >= PAGE) break
          }
          if (page.length === 0) return
          const stored = yield* database.stored(page.map(([id]) => id))
          yield* database.write(page.filter(([id, document]) => stored.get(id)?.version !== document?.["~version"]))
          yield* breathe
        }
      } finally {
        state.release()
      }
    })
  }

  /** Deletes what CouchDB has and the state has not. */
  private removeStrange(space: Omit<StateKey, "key">, database: CouchDatabase): Effect.Effect<void, CouchFailed> {
    return Effect.gen(this, function* () {
      const state = this.state.snapshot()
      try {
        for (let from = ""; ; ) {
          const page = yield* database.list(from, PAGE)
          const strange = page.filter(({ id, version }) => {
            if (version === undefined || id.startsWith("_")) return false
            const key = space.kind === "hashed" ? Buffer.from(id, "base64").toString("latin1") : id
            const held = heldOf(state, { ...space, key })
            return held === undefined || encodeVersion(held.version, held.metadata) !== version
          })
          yield* database.write(strange.map(({ id }): Write => [id, undefined]))
          const last = page.at(-1)
          if (last === undefined || page.length < PAGE) return
          from = `${last.id}\0`
        }
      } finally {
        state.release()
      }
    })
  }

  /** Databases of this channel that the state has no namespace for. */
  private readonly dropUnknown: Effect.Effect<void, CouchFailed> = Effect.suspend(() =>
    Effect.gen(this, function* () {
      const prefix = this.metadata.name
      const known = new Set([prefix, ...[...this.databases.values()].map(({ name }) => name)])
      for (const name of yield* this.listDatabases) {
        if (!name.startsWith(prefix) || known.has(name)) continue
        yield* log.info(`[${this.channel}] dropping CouchDB database ${name}: the state has no such namespace`)
        yield* this.instance.request({ name: "DropDatabase", method: "DELETE", db: name })
      }
    })
  )

  /** An index definition as a package brings it. */
  createIndex(
    namespace: string,
    collection: string | undefined,
    definition: JsonObject
  ): Effect.Effect<void, CouchFailed> {
    return Effect.flatMap(this.databaseOf(namespace, collection), (database) => database.createIndex(definition))
  }
}

const named = (make: () => string): Effect.Effect<string, CouchFailed> =>
  Effect.try({
    try: make,
    catch: (cause) => (cause instanceof CouchFailed ? cause : new CouchFailed({ reason: String(cause) }))
  })

const readSavepoint = (
  metadata: CouchDatabase
): Effect.Effect<{ readonly block: bigint; readonly owner: string | undefined } | undefined, CouchFailed> =>
  Effect.flatMap(metadata.readDocument(SAVEPOINT), (document) => {
    if (!isJsonObject(document)) return Effect.succeed(undefined)
    const { BlockNum, Owner } = document
    if (typeof BlockNum !== "number" || !Number.isSafeInteger(BlockNum))
      return new CouchFailed({ reason: "failed to unmarshal savepoint data" })
    return Effect.succeed({ block: BigInt(BlockNum), owner: typeof Owner === "string" ? Owner : undefined })
  })

/**
 * One database of CouchDB: bulk writes that cope with revisions, reads of what is there, queries, indexes.
 * Source: statecouchdb/commit_handling.go, ledger/util/couchdb/couchdb.go.
 */
import * as Effect from "effect/Effect"
import * as Log from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import { isJsonObject, type JsonObject } from "../statedb/goJson.js"
import type { CouchInstance } from "./CouchInstance.js"
import { VERSION_FIELD } from "./documents.js"
import { CouchFailed } from "./errors.js"

const log = Log.module("statecouchdb")

/** A key's document as it is to be; undefined: gone. */
export type Write = readonly [id: string, document: JsonObject | undefined]

/** What a database holds under an id. */
export interface Stored {
  readonly id: string
  /** The field `~version`; undefined: the document is not one of a state value. */
  readonly version: string | undefined
}

/** A result of a query, and where the next one begins. */
export interface Found {
  readonly documents: ReadonlyArray<unknown>
  readonly bookmark: string | undefined
}

const rowsOf = (answer: unknown): ReadonlyArray<JsonObject> => {
  if (!isJsonObject(answer) || !Array.isArray(answer.rows)) throw unexpected("_all_docs")
  return answer.rows.filter(isJsonObject)
}

const unexpected = (what: string): CouchFailed =>
  new CouchFailed({ reason: `CouchDB gave an unexpected answer to ${what}` })

const storedOf = (id: string, document: unknown): Stored => {
  const version = isJsonObject(document) ? document[VERSION_FIELD] : undefined
  return { id, version: typeof version === "string" ? version : undefined }
}

export class CouchDatabase {
  /** Blocks since indexes were brought up to date. */
  private sinceWarm = 1

  private constructor(
    private readonly instance: CouchInstance,
    readonly name: string
  ) {}

  static open(instance: CouchInstance, name: string): Effect.Effect<CouchDatabase, CouchFailed> {
    return Effect.as(instance.ensureDatabase(name), new CouchDatabase(instance, name))
  }

  /** Writes documents whatever their revisions are: this peer is the only one that writes here. */
  write(writes: ReadonlyArray<Write>): Effect.Effect<void, CouchFailed> {
    const { maxBatchUpdateSize } = this.instance.settings
    const size = Math.max(1, maxBatchUpdateSize)
    return Effect.gen(this, function* () {
      for (let at = 0; at < writes.length; at += size) yield* this.writeBatch(writes.slice(at, at + size))
    })
  }

  /** Of the ids those that are there. */
  stored(ids: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, Stored>, CouchFailed> {
    return Effect.flatMap(
      this.request("BatchRetrieveDocumentMetadata", "POST", "_all_docs", { keys: ids }, { include_docs: true }),
      (answer) =>
        attempt(() => {
          const found = rowsOf(answer).flatMap(({ doc, id }) =>
            typeof id === "string" && isJsonObject(doc) && doc._deleted !== true
              ? [[id, storedOf(id, doc)] as const]
              : []
          )
          return new Map(found)
        })
    )
  }

  /** Ids in order, from one on. */
  list(from: string, limit: number): Effect.Effect<ReadonlyArray<Stored>, CouchFailed> {
    const query = { include_docs: true, limit, ...(from === "" ? {} : { startkey: from }) }
    return Effect.flatMap(this.request("RangeDocRange", "GET", "_all_docs", undefined, query), (answer) =>
      attempt(() => rowsOf(answer).flatMap(({ doc, id }) => (typeof id === "string" ? [storedOf(id, doc)] : [])))
    )
  }

  /** A document that is not a state value; undefined when it is not there. */
  readDocument(id: string): Effect.Effect<JsonObject | undefined, CouchFailed> {
    return this.request("ReadDoc", "GET", encodeURIComponent(id)).pipe(
      Effect.map((document) => (isJsonObject(document) ? document : undefined)),
      Effect.catchIf(
        ({ status }) => status === 404,
        () => Effect.succeed(undefined)
      )
    )
  }

  find(query: JsonObject): Effect.Effect<Found, CouchFailed> {
    return Effect.gen(this, function* () {
      const answer = yield* this.request("QueryDocuments", "POST", "_find", query)
      if (!isJsonObject(answer) || !Array.isArray(answer.docs)) return yield* unexpected("_find")
      if (typeof answer.warning === "string" && answer.warning !== "")
        yield* log.warning(`The query caused the following warning: [${answer.warning}]`)
      const { bookmark } = answer
      return { documents: answer.docs, bookmark: typeof bookmark === "string" ? bookmark : undefined }
    })
  }

  /** In: an index definition as CouchDB takes it. */
  createIndex(definition: JsonObject): Effect.Effect<void, CouchFailed> {
    return Effect.flatMap(this.request("CreateIndex", "POST", "_index", definition), (answer) => {
      const { id, name, result } = isJsonObject(answer) ? answer : {}
      const done = result === "created" ? "Created" : "Updated"
      return log.info(`${done} CouchDB index [${name}] in state database [${this.name}] using design document [${id}]`)
    })
  }

  /** Has CouchDB put everything on disk; before a savepoint says that it is there. */
  readonly flush: Effect.Effect<void, CouchFailed> = Effect.suspend(() =>
    Effect.asVoid(this.request("EnsureFullCommit", "POST", "_ensure_full_commit", {}))
  )

  /** Counts a block; brings the indexes up to date when it is time. Failures are logged. */
  readonly warm: Effect.Effect<void> = Effect.suspend(() => {
    const { autoWarmIndexes, warmIndexesAfterNBlocks } = this.instance.settings
    if (!autoWarmIndexes) return Effect.void
    const due = this.sinceWarm >= warmIndexesAfterNBlocks
    this.sinceWarm = due ? 1 : this.sinceWarm + 1
    return due
      ? Effect.catchAll(this.warmAll, (error) =>
          log.error(`Error detected during WarmIndexAllIndexes(): ${error.reason}`)
        )
      : Effect.void
  })

  drop(): Effect.Effect<void, CouchFailed> {
    return Effect.asVoid(this.instance.request({ name: "DropDatabase", method: "DELETE", db: this.name }))
  }

  // ---- Private ---------------------------------------------------------------------------------------------------

  private readonly warmAll = Effect.suspend(() =>
    Effect.gen(this, function* () {
      const answer = yield* this.request("ListIndex", "GET", "_index")
      if (!isJsonObject(answer) || !Array.isArray(answer.indexes)) return
      for (const { ddoc, name } of answer.indexes.filter(isJsonObject)) {
        if (typeof ddoc !== "string" || typeof name !== "string") continue
        const path = `_design/${encodeURIComponent(ddoc.replace(/^_design\//, ""))}/_view/${encodeURIComponent(name)}`
        yield* this.request("WarmIndex", "GET", path, undefined, { stale: "update_after" })
      }
    })
  )

  /** What CouchDB does not take at once, because a revision is another by now, is written again with the right one. */
  private writeBatch(writes: ReadonlyArray<Write>): Effect.Effect<void, CouchFailed> {
    return Effect.gen(this, function* () {
      let open = writes
      for (let number = 0; ; number++) {
        const refused = yield* this.bulk(open)
        const [first] = refused
        if (first === undefined) return
        if (number > this.instance.settings.maxRetries)
          return yield* new CouchFailed({
            reason: `error saving document ID: ${first.id}. Error: ${first.error},  Reason: ${first.reason}`
          })
        yield* log.warning(
          `CouchDB batch document update encountered an problem. Retrying update for ${refused.length} documents`
        )
        const again = new Set(refused.map(({ id }) => id))
        open = open.filter(([id]) => again.has(id))
      }
    })
  }

  private bulk(writes: ReadonlyArray<Write>) {
    return Effect.gen(this, function* () {
      const revisions = yield* this.revisions(writes.map(([id]) => id))
      const docs = writes.flatMap(([id, document]): ReadonlyArray<JsonObject> => {
        const revision = revisions.get(id)
        if (document === undefined) return revision === undefined ? [] : [{ _id: id, _rev: revision, _deleted: true }]
        return [revision === undefined ? document : { ...document, _rev: revision }]
      })
      if (docs.length === 0) return []
      const answer = yield* this.request("BatchUpdateDocuments", "POST", "_bulk_docs", { docs })
      if (!Array.isArray(answer)) return yield* unexpected("_bulk_docs")
      return answer
        .filter(isJsonObject)
        .filter(({ error }) => error !== undefined)
        .map(({ error, id, reason }) => ({ id: String(id), error: String(error), reason: String(reason) }))
    })
  }

  private revisions(ids: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, string>, CouchFailed> {
    return Effect.flatMap(this.request("BatchRetrieveDocumentMetadata", "POST", "_all_docs", { keys: ids }), (answer) =>
      attempt(() => {
        const known = rowsOf(answer).flatMap(({ id, value }) =>
          typeof id === "string" && isJsonObject(value) && typeof value.rev === "string" && value.deleted !== true
            ? [[id, value.rev] as const]
            : []
        )
        return new Map(known)
      })
    )
  }

  private request(
    name: string,
    method: "GET" | "POST",
    path: string,
    body?: unknown,
    query?: Readonly<Record<string, unknown>>
  ): Effect.Effect<unknown, CouchFailed> {
    return this.instance.request({
      name,
      method,
      db: this.name,
      path,
      ...(body === undefined ? {} : { body }),
      ...(query === undefined ? {} : { query })
    })
  }
}

/** Runs what may throw CouchFailed. */
const attempt = <A>(run: () => A): Effect.Effect<A, CouchFailed> =>
  Effect.try({
    try: run,
    catch: (cause) => (cause instanceof CouchFailed ? cause : new CouchFailed({ reason: textOf(cause) }))
  })

/**
 * Rich queries answered by CouchDB, page by page as CouchDB's bookmarks lead on.
 * Source: ledger-privatedata.md rule 100; statecouchdb.go (queryScanner, applyAdditionalQueryOptions).
 */
import * as Effect from "effect/Effect"
import { parseQuery } from "../mango/query.js"
import { QueryFailed } from "../simulator/errors.js"
import type { RichQueries, RichResults, StateEntry, StateSnapshot } from "../simulator/StateSnapshot.js"
import { type JsonObject, parseExactly } from "../statedb/goJson.js"
import type { CouchDatabase } from "./CouchDatabase.js"
import type { CouchState } from "./CouchState.js"
import { readDocument, VERSION_FIELD } from "./documents.js"
import { CouchFailed } from "./errors.js"

export const couchQueries = (couch: CouchState, snapshot: StateSnapshot): RichQueries => {
  const begin = (
    namespace: string,
    collection: string | undefined,
    text: string,
    limit: number,
    bookmark: string
  ): RichResults => {
    const query = parseQuery(text, parseExactly)
    const attachment = (key: string) =>
      collection === undefined ? snapshot.get(namespace, key) : snapshot.getPrivate(namespace, collection, key)
    return new CouchResults(
      couch.databaseOf(namespace, collection),
      // id and version must be there to be recorded
      Array.isArray(query.fields) ? { ...query, fields: [...query.fields, "_id", VERSION_FIELD] } : query,
      Math.max(1, couch.internalQueryLimit),
      limit,
      bookmark,
      attachment
    )
  }
  return {
    execute: (namespace, query) => begin(namespace, undefined, query, 0, ""),
    executePage: (namespace, query, pageSize, bookmark) => begin(namespace, undefined, query, pageSize, bookmark),
    executePrivate: (namespace, collection, query) => begin(namespace, collection, query, 0, "")
  }
}

class CouchResults implements RichResults {
  private readonly ready: Array<StateEntry> = []
  private fetched = 0
  private exhausted = false
  private marked: string

  /** `limit` 0 means none. */
  constructor(
    private readonly database: Effect.Effect<CouchDatabase, CouchFailed>,
    private readonly query: JsonObject,
    private readonly internalLimit: number,
    private readonly limit: number,
    bookmark: string,
    private readonly attachment: (key: string) => StateEntry["held"] | undefined
  ) {
    this.marked = bookmark
  }

  prepare(count: number): Effect.Effect<void, QueryFailed> | undefined {
    if (this.exhausted || this.ready.length >= count) return undefined
    return Effect.gen(this, function* () {
      const database = yield* this.database
      while (!this.exhausted && this.ready.length < count) yield* this.page(database)
    }).pipe(
      Effect.mapError((error) => (error instanceof QueryFailed ? error : new QueryFailed({ reason: error.reason })))
    )
  }

  next(): StateEntry | undefined {
    return this.ready.shift()
  }

  bookmark(): string {
    this.close()
    return this.marked
  }

  close(): void {
    this.exhausted = true
    this.ready.length = 0
  }

  private page(database: CouchDatabase): Effect.Effect<void, CouchFailed | QueryFailed> {
    const limit = this.limit > 0 ? Math.min(this.limit - this.fetched, this.internalLimit) : this.internalLimit
    const query = { ...this.query, limit, ...(this.marked === "" ? {} : { bookmark: this.marked }) }
    return Effect.flatMap(database.find(query), ({ bookmark, documents }) =>
      Effect.try({
        try: () => {
          for (const document of documents) this.ready.push(this.entryOf(document))
          this.fetched += documents.length
          if (bookmark !== undefined) this.marked = bookmark
          if (documents.length < limit || (this.limit > 0 && this.fetched >= this.limit)) this.exhausted = true
          else if (bookmark === undefined)
            // CouchDB gives one always; without it the same documents would come again
            throw new QueryFailed({
              reason: `the database gives no bookmarks: a query cannot have more than ${limit} results`
            })
        },
        catch: (cause) =>
          cause instanceof CouchFailed || cause instanceof QueryFailed
            ? cause
            : new QueryFailed({ reason: String(cause) })
      })
    )
  }

  /** The entry of a document; a value that is no JSON object is read where it stands whole. */
  private entryOf(document: unknown): StateEntry {
    const { held, isAttachment, key } = readDocument(document)
    const whole = isAttachment ? this.attachment(key) : held
    if (whole === undefined) throw new CouchFailed({ reason: `document ${key} has no value here` })
    return { key, held: whole }
  }
}

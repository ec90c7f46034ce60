/** What simulators and query executors read from: one consistent view of committed state. */
import type * as Effect from "effect/Effect"
import type { CommittedState, VersionedValue } from "../mvcc/index.js"
import type { QueryFailed } from "./errors.js"

/** A key with what it holds; `value` is never undefined here. */
export interface StateEntry {
  readonly key: string
  readonly held: VersionedValue
}

/** Results of a rich query, in the database's order. */
export interface RichResults {
  /**
   * What has to run before `next` may be called so many times: finding results takes time, handing them out does not.
   * Undefined when they are at hand.
   */
  readonly prepare: (count: number) => Effect.Effect<void, QueryFailed> | undefined
  /** The next of the prepared results; undefined at the end, or when no more are prepared. */
  readonly next: () => StateEntry | undefined
  /** Where the next page starts; closes the results. */
  readonly bookmark: () => string
  readonly close: () => void
}

/** Rich queries, where the state database has them. A query that cannot be asked is thrown (`QueryFailed`). */
export interface RichQueries {
  readonly execute: (namespace: string, query: string) => RichResults
  readonly executePage: (namespace: string, query: string, pageSize: number, bookmark: string) => RichResults
  readonly executePrivate: (namespace: string, collection: string, query: string) => RichResults
}

/**
 * State as of one block, unchanged until it is released. Reads are synchronous and throw when the medium fails.
 * Iterators hold a cursor: end them by `return` (a `for … of` does) or by running them out.
 */
export interface StateSnapshot extends CommittedState {
  /** Keys from `start` (inclusive) to `end` (exclusive; empty means no end) with their values, in byte order. */
  readonly entries: (namespace: string, start: string, end: string) => IterableIterator<StateEntry>
  /** The same over private values in clear. */
  readonly privateEntries: (
    namespace: string,
    collection: string,
    start: string,
    end: string
  ) => IterableIterator<StateEntry>
  /** Why the state database cannot hold this key or value (CouchDB); undefined when it can. */
  readonly keyValueFault: (key: string, value: Uint8Array) => string | undefined
  /** The bookmark of a range's last page. Key-value database: empty; CouchDB: the end key as JSON writes it (rule 100). */
  readonly lastBookmark: (end: string) => string
  readonly richQueries: RichQueries | undefined
  /** Lets go of the view; every use afterwards is a bug. Idempotent. */
  readonly release: () => void
}

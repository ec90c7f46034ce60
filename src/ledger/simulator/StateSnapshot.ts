/** What simulators and query executors read from: one consistent view of committed state. */
import type { CommittedState, VersionedValue } from "../mvcc/index.js"

/** A key with what it holds; `value` is never undefined here. */
export interface StateEntry {
  readonly key: string
  readonly held: VersionedValue
}

/** Results of a rich query, in the database's order. */
export interface RichResults {
  readonly next: () => StateEntry | undefined
  /** Where the next page starts; closes the results. */
  readonly bookmark: () => string
  readonly close: () => void
}

/** Rich queries, where the state database has them. Failures are thrown. */
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
  readonly richQueries: RichQueries | undefined
  /** Lets go of the view; every use afterwards is a bug. Idempotent. */
  readonly release: () => void
}

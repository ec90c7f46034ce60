/**
 * Iterators over query results. A range iterator notes what it returned while it returns it, so that the read-write set
 * says exactly what the caller saw.
 * Source: ledger-privatedata.md 3.D; lockbasedtxmgr/helper.go (resultsItr).
 */
import type * as Effect from "effect/Effect"
import { kvrwset, queryresult } from "../../wire/index.js"
import { RangeResults } from "../rwset/index.js"
import type { QueryFailed } from "./errors.js"
import type { RichResults, StateEntry } from "./StateSnapshot.js"

/** Results one by one; the caller closes what it does not run out. */
export interface StateIterator {
  /** What has to run before so many results may be taken; absent or undefined: nothing. Rich queries have it. */
  readonly prepare?: (count: number) => Effect.Effect<void, QueryFailed> | undefined
  /** The next result; undefined at the end, and after `close`. */
  readonly next: () => queryresult.KV | undefined
  readonly close: () => void
}

/** A page of results. */
export interface PagedIterator extends StateIterator {
  /** Where the next page starts; when there is none, what the state database says then. Closes the iterator. */
  readonly bookmark: () => string
}

/** A range scan as the read-write set records it. */
export interface RecordedRange {
  readonly namespace: string
  /** The record as of now; the scan may go on. */
  readonly info: () => kvrwset.RangeQueryInfo
}

export class RangeIterator implements PagedIterator, RecordedRange {
  private lastKey = ""
  private exhausted = false
  private returned = 0
  private closed = false
  private readonly results: RangeResults | undefined

  /** `limit` 0 means none; `record` is for simulation; `last` is the bookmark behind the last result. */
  constructor(
    readonly namespace: string,
    private readonly start: string,
    private readonly end: string,
    private readonly limit: number,
    private readonly source: IterableIterator<StateEntry>,
    record: boolean,
    private readonly last = ""
  ) {
    this.results = record ? new RangeResults() : undefined
  }

  next(): queryresult.KV | undefined {
    if (this.closed) return undefined
    const entry = this.limit > 0 && this.returned >= this.limit ? undefined : this.pull()
    if (entry === undefined) {
      this.exhausted = true
      return undefined
    }
    this.returned += 1
    const { held, key } = entry
    this.lastKey = key
    this.results?.add(kvrwset.KVRead.create({ key, version: held.version }))
    return queryresult.KV.create({ namespace: this.namespace, key, value: held.value })
  }

  bookmark(): string {
    const next = this.closed ? undefined : this.pull()
    this.close()
    return next?.key ?? this.last
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.source.return?.()
  }

  info(): kvrwset.RangeQueryInfo {
    const reads = this.results?.done()
    return kvrwset.RangeQueryInfo.create({
      startKey: this.start,
      endKey: this.exhausted ? this.end : this.lastKey,
      itrExhausted: this.exhausted,
      rawReads: reads?._tag === "Raw" && reads.reads.length > 0 ? { kvReads: reads.reads } : undefined,
      readsMerkleHashes: reads?._tag === "Merkle" ? reads.summary : undefined
    })
  }

  private pull(): StateEntry | undefined {
    const item = this.source.next()
    return item.done === true ? undefined : item.value
  }
}

/** A rich query's results; `seen` is told of each, for the read set. */
export class RichIterator implements PagedIterator {
  constructor(
    private readonly namespace: string,
    private readonly results: RichResults,
    private readonly seen: (entry: StateEntry) => void
  ) {}

  prepare(count: number): Effect.Effect<void, QueryFailed> | undefined {
    return this.results.prepare(count)
  }
  next(): queryresult.KV | undefined {
    const entry = this.results.next()
    if (entry === undefined) return undefined
    this.seen(entry)
    return queryresult.KV.create({ namespace: this.namespace, key: entry.key, value: entry.held.value })
  }
  bookmark(): string {
    return this.results.bookmark()
  }
  close(): void {
    this.results.close()
  }
}

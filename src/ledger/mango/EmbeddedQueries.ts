/**
 * Rich queries over the built-in state: `ledger.state.embeddedRichQueries`, beyond Fabric. Every key of a namespace is
 * looked at, between other work; results are those that CouchDB gives, as far as docs/rich-queries.md does not say
 * otherwise.
 */
import * as vm from "node:vm"
import * as Effect from "effect/Effect"
import { breathe } from "../../runtime/breathe.js"
import { QueryFailed } from "../simulator/errors.js"
import type { RichQueries, RichResults, StateEntry, StateSnapshot } from "../simulator/StateSnapshot.js"
import { isJsonObject, type JsonObject, marshalJson, parseJsonObject } from "../statedb/goJson.js"
import { compileQuery, type MangoQuery, projected } from "./query.js"
import { fieldOf, refused, type SelectorCore } from "./selector.js"

/** Milliseconds of looking before other work has its turn. */
const SLICE = 5
/** Milliseconds after which a regular expression is given up. */
const REGEX_LIMIT = 1000
/** Keys that a sorted query may find: they are held until it ends. */
const MAX_SORTED = 1_000_000

/** Keys of a namespace or collection from `start` on, and one of them. */
interface Source {
  readonly entries: (start: string) => IterableIterator<StateEntry>
  readonly get: (key: string) => StateEntry | undefined
}

const entryOf = (key: string, held: StateEntry["held"] | undefined): StateEntry | undefined =>
  held === undefined ? undefined : { key, held }

/** Loads the evaluator with the first ledger that wants it. */
export const loadEmbeddedQueries: Effect.Effect<(snapshot: StateSnapshot) => RichQueries> = Effect.promise(async () => {
  const core = await import("pouchdb-selector-core")
  return (snapshot) => embeddedQueries(core, snapshot)
})

const embeddedQueries = (core: SelectorCore, snapshot: StateSnapshot): RichQueries => {
  const publicOf = (namespace: string): Source => ({
    entries: (start) => snapshot.entries(namespace, start, ""),
    get: (key) => entryOf(key, snapshot.get(namespace, key))
  })
  const privateOf = (namespace: string, collection: string): Source => ({
    entries: (start) => snapshot.privateEntries(namespace, collection, start, ""),
    get: (key) => entryOf(key, snapshot.getPrivate(namespace, collection, key))
  })
  const begin = (source: Source, text: string, bookmark: string): RichResults => {
    const query = compileQuery(core, text)
    const from = readBookmark(bookmark === "" ? query.bookmark : bookmark)
    return query.sort === undefined
      ? new Unsorted(source, query, from)
      : new Sorted(source, query, query.sort, core, from)
  }
  return {
    execute: (namespace, query) => begin(publicOf(namespace), query, ""),
    executePage: (namespace, query, _pageSize, bookmark) => begin(publicOf(namespace), query, bookmark),
    executePrivate: (namespace, collection, query) => begin(privateOf(namespace, collection), query, "")
  }
}

// ---- Bookmarks ---------------------------------------------------------------------------------------------------

/** Where a page ended: the last key, and what it was sorted by. */
interface Position {
  readonly text: string
  readonly key: string
  readonly sorted: ReadonlyArray<unknown>
}

/** What CouchDB says where there is no position: "from the beginning". */
const NOWHERE = "nil"

const writeBookmark = (key: string, sorted: ReadonlyArray<unknown>): string =>
  Buffer.from(JSON.stringify({ key, sorted })).toString("base64url")

const readBookmark = (text: string): Position | undefined => {
  if (text === "" || text === NOWHERE) return undefined
  const invalid = () => refused("invalid_bookmark", `Invalid bookmark value: ${JSON.stringify(text)}`)
  if (!/^[A-Za-z0-9_-]+$/.test(text)) throw invalid()
  const content = parseJsonObject(Buffer.from(text, "base64url"))
  if (content === undefined || typeof content.key !== "string" || !Array.isArray(content.sorted)) throw invalid()
  return { text, key: content.key, sorted: content.sorted }
}

// ---- Documents ---------------------------------------------------------------------------------------------------

/** What CouchDB would hold under a key; values that are no JSON object are attachments there. */
const documentOf = ({ held, key }: StateEntry): { readonly document: JsonObject; readonly isJson: boolean } => {
  const object = parseJsonObject(held.value ?? new Uint8Array(0))
  return object === undefined
    ? { document: { _id: key, _attachments: { valueBytes: { stub: true } } }, isJson: false }
    : { document: { ...object, _id: key }, isJson: true }
}

/** A result as the chaincode gets it. */
const resultOf = (entry: StateEntry, { fields }: MangoQuery): StateEntry => {
  const { document, isJson } = documentOf(entry)
  const kept = fields === undefined ? document : projected(document, fields)
  if (!isJson && "_attachments" in kept) return entry
  const { _id, _rev, "~version": _version, ...value } = kept
  return { key: entry.key, held: { ...entry.held, value: Buffer.from(marshalJson(value)) } }
}

/** Looks at entries for a while; true when there are no more, or `enough` says so. */
const look = (
  entries: Iterator<StateEntry>,
  query: MangoQuery,
  found: (entry: StateEntry, document: JsonObject) => void,
  enough: () => boolean
): boolean => {
  const until = performance.now() + SLICE
  while (!enough()) {
    const step = entries.next()
    if (step.done === true) return true
    const { document } = documentOf(step.value)
    if (query.matches(document)) found(step.value, document)
    if (performance.now() > until) return false
  }
  return true
}

/** A regular expression can take for ever: it is evaluated where Node can stop it. */
const limited = (usesRegex: boolean, work: () => boolean): boolean => {
  if (!usesRegex) return work()
  try {
    const outcome: unknown = vm.runInNewContext("work()", { work }, { timeout: REGEX_LIMIT })
    return outcome === true
  } catch (error) {
    if (isJsonObject(error) && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT")
      throw new QueryFailed({ reason: "a regular expression of the query takes too long" })
    throw error
  }
}

/** Runs portions of looking until one says that it was the last. */
const searching = (query: MangoQuery, portion: () => boolean): Effect.Effect<void, QueryFailed> => {
  const one = Effect.try({
    try: () => limited(query.usesRegex, portion),
    catch: (cause) =>
      cause instanceof QueryFailed
        ? cause
        : new QueryFailed({ reason: cause instanceof Error ? cause.message : String(cause) })
  })
  return Effect.gen(function* () {
    while (!(yield* one)) yield* breathe
  })
}

// ---- In the order of keys ----------------------------------------------------------------------------------------

class Unsorted implements RichResults {
  private readonly entries: IterableIterator<StateEntry>
  private readonly ready: Array<StateEntry> = []
  private exhausted = false
  private toSkip: number
  private lastKey: string | undefined

  constructor(
    source: Source,
    private readonly query: MangoQuery,
    private readonly from: Position | undefined
  ) {
    // the key right behind a key is that key with a zero byte
    this.entries = source.entries(from === undefined ? "" : `${from.key}\0`)
    this.toSkip = from === undefined ? query.skip : 0
  }

  prepare(count: number): Effect.Effect<void, QueryFailed> | undefined {
    if (this.exhausted || this.ready.length >= count) return undefined
    return searching(this.query, () => {
      const ended = look(
        this.entries,
        this.query,
        (entry) => {
          if (this.toSkip > 0) this.toSkip -= 1
          else this.ready.push(entry)
        },
        () => this.ready.length >= count
      )
      if (ended && this.ready.length < count) this.exhausted = true
      return ended
    })
  }

  next(): StateEntry | undefined {
    const entry = this.ready.shift()
    if (entry === undefined) return undefined
    this.lastKey = entry.key
    return resultOf(entry, this.query)
  }

  bookmark(): string {
    this.close()
    return this.lastKey === undefined ? (this.from?.text ?? NOWHERE) : writeBookmark(this.lastKey, [])
  }

  close(): void {
    this.exhausted = true
    this.ready.length = 0
    this.entries.return?.()
  }
}

// ---- Sorted ------------------------------------------------------------------------------------------------------

interface Row {
  readonly doc: Readonly<Record<string, unknown>>
  readonly key: string
  readonly sorted: ReadonlyArray<unknown>
}

class Sorted implements RichResults {
  private readonly entries: IterableIterator<StateEntry>
  private readonly compare: (a: Row, b: Row) => number
  private rows: Array<Row> = []
  private found = false
  private at = 0
  private last: Row | undefined

  constructor(
    private readonly source: Source,
    private readonly query: MangoQuery,
    private readonly sort: NonNullable<MangoQuery["sort"]>,
    core: SelectorCore,
    private readonly from: Position | undefined
  ) {
    this.entries = source.entries("")
    const ascending = core.createFieldSorter(sort.paths.map((_, i) => ({ [`f${i}`]: "asc" })))
    this.compare = sort.descending ? (a, b) => ascending(b, a) : ascending
  }

  prepare(): Effect.Effect<void, QueryFailed> | undefined {
    if (this.found) return undefined
    return Effect.andThen(
      searching(this.query, () =>
        look(
          this.entries,
          this.query,
          ({ key }, document) => {
            const sorted = this.sort.paths.map((path) => fieldOf(document, path))
            // an index that sorts does not know documents without the field
            if (sorted.includes(undefined)) return
            if (this.rows.length >= MAX_SORTED)
              throw new QueryFailed({ reason: `a sorted query finds more than ${MAX_SORTED} keys` })
            this.rows.push(this.row(key, sorted))
          },
          () => false
        )
      ),
      Effect.sync(() => this.arrange())
    )
  }

  next(): StateEntry | undefined {
    for (;;) {
      const row = this.rows[this.at]
      if (row === undefined) return undefined
      this.at += 1
      this.last = row
      const entry = this.source.get(row.key)
      if (entry !== undefined) return resultOf(entry, this.query)
    }
  }

  bookmark(): string {
    const { from, last } = this
    this.close()
    return last === undefined ? (from?.text ?? NOWHERE) : writeBookmark(last.key, last.sorted)
  }

  close(): void {
    this.found = true
    this.rows = []
    this.at = 0
    this.entries.return?.()
  }

  private row(key: string, sorted: ReadonlyArray<unknown>): Row {
    const fields = Object.fromEntries(sorted.map((value, i) => [`f${i}`, value]))
    // one character a byte: ties are then in the order of bytes
    return { key, sorted, doc: { ...fields, _id: Buffer.from(key).toString("latin1") } }
  }

  private arrange(): void {
    this.found = true
    this.rows.sort(this.compare)
    const { from } = this
    if (from === undefined) {
      this.at = this.query.skip
      return
    }
    const end = this.row(from.key, from.sorted)
    const next = this.rows.findIndex((row) => this.compare(row, end) > 0)
    this.at = next < 0 ? this.rows.length : next
  }
}

/**
 * A rich query as chaincode writes it, taken apart and checked: `_find` of CouchDB as the reference passes it on.
 * Source: ledger-privatedata.md rule 100; statecouchdb.go (applyAdditionalQueryOptions); CouchDB's documentation of
 * `_find`.
 */
import { QueryFailed } from "../simulator/errors.js"
import { isJsonObject, JsonNumber, type JsonObject, marshalJson } from "../statedb/goJson.js"
import { fieldOf, type Predicate, refused, SelectorCompiler, type SelectorCore } from "./selector.js"

/** Keys of a request that CouchDB knows. What is not of use here (indexes, consistency) is left unread. */
const keys = new Set(
  "selector use_index bookmark limit skip sort fields r conflicts partition allow_fallback update stable stale execution_stats".split(
    " "
  )
)

/**
 * A query as JSON. `parse`: doubles are enough where documents are compared here; what goes to CouchDB keeps its digits.
 * @throws QueryFailed when it is no object or `fields` is no list: the reference's own checks
 */
export const parseQuery = (text: string, parse: (text: string) => unknown = JSON.parse): JsonObject => {
  let query: unknown
  try {
    query = parse(text)
  } catch (error) {
    throw new QueryFailed({
      reason: text.trim() === "" ? "EOF" : error instanceof Error ? error.message : String(error)
    })
  }
  if (!isJsonObject(query) || query instanceof JsonNumber)
    throw new QueryFailed({
      reason: `json: cannot unmarshal ${kindOf(query)} into Go value of type map[string]interface {}`
    })
  if (query.fields !== undefined && !Array.isArray(query.fields))
    throw new QueryFailed({ reason: "fields definition must be an array" })
  return query
}

/** Go's word for what is no object. */
const kindOf = (value: unknown): string =>
  Array.isArray(value)
    ? "array"
    : typeof value === "boolean"
      ? "bool"
      : value === null
        ? "null"
        : value instanceof JsonNumber
          ? "number"
          : typeof value

type Path = ReadonlyArray<string>

export interface MangoQuery {
  readonly matches: Predicate
  /** The selector has regular expressions: evaluate it under a limit of time. */
  readonly usesRegex: boolean
  /** Paths to keep; undefined: the whole document. */
  readonly fields: ReadonlyArray<Path> | undefined
  /** Paths to sort by, all in one direction; undefined: the order of keys. */
  readonly sort: { readonly paths: ReadonlyArray<Path>; readonly descending: boolean } | undefined
  readonly skip: number
  /** Where an earlier query ended; empty: from the beginning. */
  readonly bookmark: string
}

/** @throws QueryFailed with what CouchDB answers */
export const compileQuery = (core: SelectorCore, text: string): MangoQuery => {
  const query = parseQuery(text)
  for (const key of Object.keys(query))
    if (!keys.has(key)) throw refused("invalid_key", `Invalid key ${key} for this request.`)
  if (query.selector === undefined) throw refused("missing_required_key", "Missing required key: selector")
  const compiler = new SelectorCompiler(core)
  const matches = compiler.compile(query.selector)
  return {
    matches,
    usesRegex: compiler.usesRegex,
    fields: fieldsOf(core, query.fields),
    sort: sortOf(core, query.sort),
    skip: skipOf(query.skip),
    bookmark: typeof query.bookmark === "string" ? query.bookmark : ""
  }
}

const isText = (value: unknown): value is string => typeof value === "string"

const fieldsOf = (core: SelectorCore, fields: unknown): MangoQuery["fields"] => {
  if (fields === undefined) return undefined
  if (!Array.isArray(fields) || !fields.every(isText))
    throw refused("invalid_fields_json", `Fields must be an array of strings, not: ${marshalJson(fields)}`)
  return fields.map((field) => core.parseField(field))
}

const skipOf = (skip: unknown): number => {
  if (skip === undefined) return 0
  if (typeof skip === "number" && Number.isInteger(skip) && skip >= 0) return skip
  throw refused("invalid_value", `Value for skip must be an integer of zero or more, not: ${marshalJson(skip)}`)
}

const sortOf = (core: SelectorCore, sort: unknown): MangoQuery["sort"] => {
  if (sort === undefined || (Array.isArray(sort) && sort.length === 0)) return undefined
  const invalid = () => refused("invalid_sort_json", `Sort must be an array of sort specs, not: ${marshalJson(sort)}`)
  if (!Array.isArray(sort)) throw invalid()
  const specs = sort.map((spec: unknown) => {
    if (isText(spec)) return { field: spec, descending: false }
    const [[field, direction] = []] = isJsonObject(spec) && Object.keys(spec).length === 1 ? Object.entries(spec) : []
    if (field === undefined || (direction !== "asc" && direction !== "desc")) throw invalid()
    return { field, descending: direction === "desc" }
  })
  const descending = specs[0]?.descending === true
  if (specs.some((spec) => spec.descending !== descending))
    throw refused("unsupported_mixed_sort", "Sorts currently only support a single direction for all fields.")
  return { paths: specs.map(({ field }) => core.parseField(field)), descending }
}

/** The named fields of a document; what it does not have is left out. */
export const projected = (document: JsonObject, fields: ReadonlyArray<Path>): JsonObject => {
  const root = new Map<string, unknown>()
  for (const path of fields) {
    const value = fieldOf(document, path)
    if (value !== undefined) place(root, path, value)
  }
  return plain(root)
}

const place = (target: Map<string, unknown>, path: Path, value: unknown): void => {
  let at = target
  for (const name of path.slice(0, -1)) {
    const held = at.get(name)
    const inner = held instanceof Map ? held : new Map<string, unknown>()
    at.set(name, inner)
    at = inner
  }
  at.set(path.at(-1) ?? "", value)
}

const plain = (map: ReadonlyMap<string, unknown>): JsonObject =>
  Object.fromEntries([...map].map(([key, value]) => [key, value instanceof Map ? plain(value) : value]))

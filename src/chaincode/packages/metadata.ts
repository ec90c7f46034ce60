/**
 * Checks of META-INF: where state database artifacts may lie and what an index definition may say.
 * Source: chaincode.md R67, R68 and the texts of 5.13, 5.14.
 */
import * as path from "node:path/posix"

const PREFIX = "META-INF/statedb"
// not anchored at the end, and `.` is everything but a line feed: as the reference matches
const ALLOWED = [
  /^META-INF\/statedb\/couchdb\/indexes\/[^\n]*[.]json/,
  /^META-INF\/statedb\/couchdb\/collections\/[A-Za-z0-9_-]+\/indexes\/[^\n]*[.]json/
]
const DATABASES = ["couchdb"]

/** The reference's split: everything up to and with the last slash, and the rest. */
const split = (name: string): readonly [directory: string, file: string] => {
  const slash = name.lastIndexOf("/") + 1
  return [name.slice(0, slash), name.slice(slash)]
}

/** Why a path is refused; asked only for paths that match none of the allowed forms. */
const pathFault = (name: string): string => {
  const [directory, file] = split(name)
  if (!name.startsWith(PREFIX)) return `metadata file path must begin with META-INF/statedb, found: ${directory}`
  const parts = path.normalize(directory).replace(/\/$/, "").split("/")
  if (parts.length < 4) return `metadata file path must include a database and index directory: ${directory}`
  const database = parts[2] ?? ""
  if (!DATABASES.includes(database)) {
    return `database name [${database}] is not supported, valid options: [${DATABASES.join(" ")}]`
  }
  if (parts.length === 4 && parts[3] !== "indexes") {
    return `metadata file path does not have an indexes directory: ${directory}`
  }
  if (parts.length !== 6) {
    return `metadata file path for collections must include a collections and index directory: ${directory}`
  }
  if (parts[3] !== "collections" || parts[5] !== "indexes") {
    return `metadata file path for collections must have a collections and indexes directory: ${directory}`
  }
  const collection = parts[4] ?? ""
  if (!/^[A-Za-z0-9_-]+/.test(collection)) return `collection name is not valid: ${collection}`
  if (!/^[^\n]*[.]json/.test(file)) return `artifact file name is not valid: ${file}`
  return `metadata file path or name is not supported: ${directory}`
}

/** Why a file may not be in META-INF under this name with this content; undefined when it may. */
export const metadataFault = (name: string, content: Uint8Array): string | undefined => {
  if (!ALLOWED.some((allowed) => allowed.test(name))) return pathFault(name)
  const definition = parseObject(content)
  if (definition === undefined) return `Index metadata file [${name}] is not a valid JSON`
  const fault = indexFault(definition)
  return fault === undefined ? undefined : `Index metadata file [${name}] is not a valid index definition: ${fault}`
}

// ---- Index definitions -------------------------------------------------------------------------------------------

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A JSON object; `null` counts as an empty one. Numbers beyond a double are no JSON for the reference. */
const parseObject = (content: Uint8Array): Readonly<Record<string, unknown>> | undefined => {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(content).toString("utf8"))
  } catch {
    return undefined
  }
  if (value === null) return {}
  return isObject(value) && allFinite(value) ? value : undefined
}

const allFinite = (root: unknown): boolean => {
  const open: Array<unknown> = [root]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value === "number" && !Number.isFinite(value)) return false
    if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) open.push(inner)
  }
  return true
}

const indexFault = (definition: Readonly<Record<string, unknown>>): string | undefined => {
  for (const [key, value] of Object.entries(definition)) {
    switch (key) {
      case "index": {
        if (!isObject(value)) return 'Invalid entry, "index" must be a JSON'
        const fault = fieldsFault(value)
        if (fault !== undefined) return fault
        break
      }
      case "ddoc":
      case "name":
        if (typeof value !== "string") return `Invalid entry, "${key}" must be a string`
        break
      case "type":
        if (value !== "json") return "Index type must be json"
        break
      default:
        return `Invalid Entry.  Entry ${key}`
    }
  }
  return Object.hasOwn(definition, "index") ? undefined : 'Index definition must include a "fields" definition'
}

const fieldsFault = (index: Readonly<Record<string, unknown>>): string | undefined => {
  for (const [key, value] of Object.entries(index)) {
    if (key === "partial_filter_selector") continue
    if (key !== "fields") return `Invalid Entry.  Entry ${key}`
    if (!Array.isArray(value)) return "Expecting a JSON array of fields"
    for (const field of value) {
      const fault = fieldFault(field)
      if (fault !== undefined) return fault
    }
  }
  return undefined
}

const FIELD_FORM = 'Invalid field definition, fields must be in the form "fieldname":"sort"'

const fieldFault = (field: unknown): string | undefined => {
  if (field === null) return FIELD_FORM // the reference would end its process here (T14)
  if (!isObject(field)) return undefined
  for (const sort of Object.values(field)) {
    if (typeof sort !== "string") return FIELD_FORM
    const lower = sort.toLowerCase()
    if (lower !== "asc" && lower !== "desc") return `Sort must be either "asc" or "desc".  "${sort}" was found.`
  }
  return undefined
}

/**
 * JSON as the reference's CouchDB mode reads and writes it: only objects count as JSON, numbers pass through a double,
 * keys are sorted by bytes, and what HTML could trip over is escaped. Values that a chaincode wrote come back in this
 * form, so that all peers of a channel must agree on it. Pure.
 * Source: ledger-privatedata.md rule 99, trap 33; statecouchdb/couchdoc_conv.go, encoding/json of Go.
 */
import { compareUtf8 } from "../../wire/protoutil.js"

export type JsonObject = Readonly<Record<string, unknown>>

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const OPEN_BRACE = 0x7b

/** First byte that is no white space. */
const firstByte = (bytes: Uint8Array): number => {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return byte
  return 0
}

/** A value's JSON object; undefined when it is anything else: those are kept as they are. */
export const parseJsonObject = (value: Uint8Array): JsonObject | undefined => {
  const { object, isExact } = takeJsonObject(value)
  return isExact ? object : undefined
}

/**
 * A value's JSON object, with numbers beyond a double in it as well: for the reference such a value is no JSON, but the
 * fields that it had read by then stand in the document beside the attachment, those numbers as null.
 */
export const takeJsonObject = (
  value: Uint8Array
): { readonly object: JsonObject | undefined; readonly isExact: boolean } => {
  const none = { object: undefined, isExact: false }
  if (firstByte(value) !== OPEN_BRACE) return none
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("utf8")
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return none
  }
  if (!isJsonObject(parsed)) return none
  // only these forms can be beyond a double
  return { object: parsed, isExact: !/[0-9][eE]|[0-9]{300}/.test(text) || allFinite(parsed) }
}

const allFinite = (root: unknown): boolean => {
  const open: Array<unknown> = [root]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value === "number") {
      if (!Number.isFinite(value)) return false
    } else if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) open.push(inner)
  }
  return true
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to escape
const special = /[\u0000-\u001f"\\<>&\u2028\u2029]/g
const short: Readonly<Record<string, string>> = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }
const escaped = (char: string): string => short[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`

/** A string as JSON, in its quotes. */
export const quoted = (value: string): string => `"${value.replace(special, escaped)}"`

/** A part that is still to be written: a value, or a string that goes out as it is. */
type Part = { readonly value: unknown } | string

/** A number as it was written: doubles do not hold all digits. */
export class JsonNumber {
  constructor(readonly text: string) {}
}

const isNumber = (token: string): boolean => /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(token)

/**
 * What Go's decoder takes from a text: its first object or list, whatever comes behind, with numbers as `JsonNumber`.
 * Strings and numbers are told apart by a letter in front while `JSON.parse` has them. @throws SyntaxError, RangeError
 */
export const parseExactly = (text: string): unknown => {
  let tagged = ""
  let at = 0
  let depth = 0
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\[\s\S])*"|[-+.\w]+|[{}[\]]/g)) {
    tagged += text.slice(at, index)
    at = index + token.length
    if (token.startsWith('"')) tagged += `"s${token.slice(1)}`
    else tagged += isNumber(token) ? `"n${token}"` : token
    if (token === "{" || token === "[") depth++
    else if ((token === "}" || token === "]") && --depth === 0) return JSON.parse(tagged, untagged)
  }
  return JSON.parse(tagged + text.slice(at), untagged)
}

const untagged = (_key: string, value: unknown): unknown => {
  if (typeof value === "string") return value.startsWith("n") ? new JsonNumber(value.slice(1)) : value.slice(1)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (!key.startsWith("s")) throw new SyntaxError("a key must be a string")
      return [key.slice(1), item]
    })
  )
}

/** Go's `json.Marshal` of what `JSON.parse` gave. Not recursive: values may be nested as deeply as they like. */
export const marshalJson = (root: unknown): string => {
  const out: Array<string> = []
  const todo: Array<Part> = [{ value: root }]
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (typeof part === "string") {
      out.push(part)
      continue
    }
    const { value } = part
    if (typeof value === "string") out.push(quoted(value))
    else if (value instanceof JsonNumber) out.push(value.text)
    else if (typeof value === "number") out.push(Number.isFinite(value) ? String(value) : "null")
    else if (typeof value !== "object" || value === null) out.push(String(value ?? null))
    else {
      const inner: Array<Part> = []
      if (Array.isArray(value)) {
        value.forEach((item: unknown, i) => {
          inner.push(i === 0 ? "[" : ",", { value: item })
        })
        inner.push(value.length === 0 ? "[]" : "]")
      } else {
        const entries = Object.entries(value).sort(([a], [b]) => compareUtf8(a, b))
        entries.forEach(([key, item]: [string, unknown], i) => {
          inner.push(`${i === 0 ? "{" : ","}${quoted(key)}:`, { value: item })
        })
        inner.push(entries.length === 0 ? "{}" : "}")
      }
      for (let i = inner.length - 1; i >= 0; i--) todo.push(inner[i] ?? "")
    }
  }
  return out.join("")
}

/** A value as CouchDB gives it back: JSON objects written anew, everything else untouched. */
export const normalised = (value: Uint8Array): Uint8Array => {
  const object = parseJsonObject(value)
  return object === undefined ? value : Buffer.from(marshalJson(object))
}

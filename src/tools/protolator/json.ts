/**
 * JSON with exact numbers and sorted keys: numbers keep the text that they were written with (64-bit ones stay exact),
 * objects are Maps, and printing sorts keys by bytes, indents with tabs and escapes as Go's encoder does.
 */
import * as Either from "effect/Either"
import { compareUtf8 } from "../../wire/bytes.js"
import { ProtolatorError } from "./errors.js"

/** A number as its literal text. */
export class JsonNumber {
  constructor(readonly text: string) {}
}
export type Json = null | boolean | string | JsonNumber | ReadonlyArray<Json> | JsonObject
export type JsonObject = ReadonlyMap<string, Json>
export const isObject = (value: Json | undefined): value is JsonObject => value instanceof Map

const refuse = (detail: string) => Either.left(new ProtolatorError({ detail }))
const maxDepth = 1000

/** Strings as they stand, and numbers outside of them. */
const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/**
 * Parses a document whose root is an object.
 * Errors: what JSON.parse complains about, another root, nesting beyond reason.
 */
export const parseJsonObject = (text: string): Either.Either<JsonObject, ProtolatorError> => {
  try {
    JSON.parse(text)
  } catch (error) {
    return refuse(`error unmarshaling intermediate JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  // Numbers become strings with a mark in front that no string of the document has.
  let mark = "#"
  while (text.includes(mark)) mark += "#"
  const marked: unknown = JSON.parse(text.replace(token, (part) => (part.startsWith('"') ? part : `"${mark}${part}"`)))
  const convert = (value: unknown, depth: number): Json => {
    if (depth > maxDepth) throw new RangeError(`nested more than ${maxDepth} levels deep`)
    if (typeof value === "string") return value.startsWith(mark) ? new JsonNumber(value.slice(mark.length)) : value
    if (Array.isArray(value)) return value.map((item) => convert(item, depth + 1))
    if (typeof value === "boolean" || value === null) return value
    if (typeof value !== "object") throw new TypeError(`unexpected ${typeof value}`)
    return new Map(Object.entries(value).map(([key, item]) => [key, convert(item, depth + 1)]))
  }
  try {
    const root = convert(marked, 0)
    if (isObject(root)) return Either.right(root)
    const shown =
      root === null ? "null" : Array.isArray(root) ? "array" : root instanceof JsonNumber ? "number" : typeof root
    return refuse(
      `error unmarshaling intermediate JSON: json: cannot unmarshal ${shown} into Go value of type map[string]interface {}`
    )
  } catch (error) {
    return refuse(`error unmarshaling intermediate JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const escapes: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029"
}
const quote = (text: string): string => JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, (c) => escapes[c] ?? c)

const print = (value: Json, indent: string, out: Array<string>): void => {
  if (value === null || typeof value === "boolean") out.push(String(value))
  else if (typeof value === "string") out.push(quote(value))
  else if (value instanceof JsonNumber) out.push(value.text)
  else {
    const entries: ReadonlyArray<readonly [string, Json]> = isObject(value)
      ? [...value].sort(([a], [b]) => compareUtf8(a, b)).map(([key, item]) => [`${quote(key)}: `, item])
      : value.map((item) => ["", item])
    const [open, close] = isObject(value) ? ["{", "}"] : ["[", "]"]
    if (entries.length === 0) {
      out.push(open, close)
      return
    }
    const inner = `${indent}\t`
    out.push(open)
    for (const [i, [key, item]] of entries.entries()) {
      out.push(i === 0 ? "\n" : ",\n", inner, key)
      print(item, inner, out)
    }
    out.push("\n", indent, close)
  }
}

/** Prints a document, tab indented, with a line end. */
export const printJson = (value: Json): string => {
  const out: Array<string> = []
  print(value, "", out)
  out.push("\n")
  return out.join("")
}

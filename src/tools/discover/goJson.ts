/**
 * JSON as Go's `encoding/json` writes the structs of golang/protobuf: names of the .proto file, defaults left out, bytes
 * in base64, maps by their keys, tabs. Pure. Source: operations-cli.md; discovery/cmd of the reference.
 */

import { compareUtf8 } from "../../wire/bytes.js"
import type { FieldInfo, MessageInfo } from "../../wire/types.js"

/** What `show` prints: values in the order of their keys. A bigint is a number. */
export type Json = string | number | bigint | boolean | null | ReadonlyArray<Json> | ReadonlyMap<string, Json>

const escaped = (text: string): string =>
  JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** `json.MarshalIndent(value, "", "\t")`. */
export const show = (value: Json, indent = ""): string => {
  const deeper = `${indent}\t`
  if (value === null) return "null"
  if (typeof value === "string") return escaped(value)
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value)
  const block = (open: string, parts: ReadonlyArray<string>, close: string): string =>
    parts.length === 0 ? open + close : `${open}\n${parts.map((part) => deeper + part).join(",\n")}\n${indent}${close}`
  if (value instanceof Map)
    return block(
      "{",
      [...value].map(([key, part]: readonly [string, Json]) => `${escaped(key)}: ${show(part, deeper)}`),
      "}"
    )
  return Array.isArray(value)
    ? block(
        "[",
        value.map((part: Json) => show(part, deeper)),
        "]"
      )
    : "null"
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {}

const single = (field: FieldInfo, value: unknown): Json => {
  if (field.message !== undefined) return messageJson(field.message(), value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64")
  return typeof value === "string" ||
    typeof value === "number" ||
    typeof value === "bigint" ||
    typeof value === "boolean"
    ? value
    : null
}

const isDefault = (value: unknown): boolean =>
  value === undefined ||
  value === "" ||
  value === 0 ||
  value === 0n ||
  value === false ||
  (value instanceof Uint8Array && value.length === 0) ||
  (Array.isArray(value) && value.length === 0) ||
  (value instanceof Map && value.size === 0)

/** A message as its Go struct is written. In: the codec, and a message of it. */
export const messageJson = ({ fields }: MessageInfo, message: unknown): Json => {
  const properties = record(message)
  const out = new Map<string, Json>()
  for (const field of fields) {
    const value = properties[field.property]
    if (isDefault(value)) continue
    if (value instanceof Map) {
      const entries = [...value].map(([key, part]) => [String(key), single(field, part)] as const)
      out.set(field.name, new Map(entries.sort(([a], [b]) => compareUtf8(a, b))))
    } else out.set(field.name, Array.isArray(value) ? value.map((part) => single(field, part)) : single(field, value))
  }
  return out
}

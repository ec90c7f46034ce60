/**
 * Decoding of YAML trees the way Fabric's tools do it: keys without regard to case, loose types (text for numbers and
 * back), an unknown key is an error, and every fault is reported (common/viperutil). Pure but for `{File: path}` values.
 */
import { readFileSync } from "node:fs"
import * as Either from "effect/Either"
import { parseGoDuration } from "../goDuration.js"

export interface Faults {
  readonly found: Array<string>
}
/** Reads one value; `at` names it in errors. Absent and null are `undefined`; a fault is noted and a zero returned. */
export type Decoder<A> = (value: unknown, at: string, faults: Faults) => A

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const kind = (value: unknown): string =>
  Array.isArray(value)
    ? "[]interface {}"
    : isRecord(value)
      ? "map[string]interface {}"
      : typeof value === "boolean"
        ? "bool"
        : typeof value === "number"
          ? Number.isInteger(value)
            ? "int"
            : "float64"
          : typeof value

const unexpected = (at: string, wanted: string, value: unknown, faults: Faults): void => {
  faults.found.push(`'${at}' expected type '${wanted}', got unconvertible type '${kind(value)}'`)
}

export const string: Decoder<string> = (value, at, faults) => {
  if (value === undefined || value === null) return ""
  if (typeof value === "string") return value
  if (typeof value === "boolean") return value ? "1" : "0"
  if (typeof value === "number" || typeof value === "bigint") return String(value)
  if (isRecord(value)) {
    const [key, path] = Object.entries(value).find(([key]) => key.toLowerCase() === "file") ?? []
    if (typeof path === "string") {
      try {
        return readFileSync(path, "utf8")
      } catch (error) {
        faults.found.push(`error decoding '${at}': ${error instanceof Error ? error.message : String(error)}`)
        return ""
      }
    }
    if (key !== undefined) {
      faults.found.push(`error decoding '${at}': Value of File: was nil`)
      return ""
    }
  }
  unexpected(at, "string", value, faults)
  return ""
}

const trueTexts = new Set(["1", "t", "T", "TRUE", "true", "True"])
const falseTexts = new Set(["0", "f", "F", "FALSE", "false", "False", ""])

export const boolean: Decoder<boolean> = (value, at, faults) => {
  if (value === undefined || value === null) return false
  if (typeof value === "boolean") return value
  if (typeof value === "number" || typeof value === "bigint") return Number(value) !== 0
  if (typeof value === "string") {
    if (trueTexts.has(value)) return true
    if (!falseTexts.has(value)) {
      faults.found.push(
        `cannot parse '${at}' as bool: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`
      )
    }
    return false
  }
  unexpected(at, "bool", value, faults)
  return false
}

/** Digits with an optional base prefix, as Go's ParseInt with base 0 takes them. */
const integerText = (text: string): bigint | undefined => {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)$/.exec(text)
  if (match === null) return undefined
  const digits = match[2] ?? ""
  const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
  return match[1] === "-" ? -value : value
}

const integer =
  (goType: string, goParser: string, min: bigint, max: bigint): Decoder<bigint> =>
  (value, at, faults) => {
    const within = (n: bigint, shown: string): bigint => {
      if (n >= min && n <= max) return n
      faults.found.push(
        n < 0n && min === 0n
          ? `cannot parse '${at}', ${shown} overflows uint`
          : `cannot parse '${at}' as ${goType}: value out of range`
      )
      return 0n
    }
    if (value === undefined || value === null) return 0n
    if (typeof value === "number" && Number.isFinite(value)) return within(BigInt(Math.trunc(value)), String(value))
    if (typeof value === "bigint") return within(value, String(value))
    if (typeof value === "boolean") return value ? 1n : 0n
    if (typeof value === "string") {
      const parsed = integerText(value)
      if (parsed !== undefined) return within(parsed, value)
      faults.found.push(
        `cannot parse '${at}' as ${goType}: strconv.${goParser}: parsing ${JSON.stringify(value)}: invalid syntax`
      )
      return 0n
    }
    unexpected(at, goType, value, faults)
    return 0n
  }

const signed = integer("int", "ParseInt", -(1n << 63n), (1n << 63n) - 1n)
const unsigned32 = integer("uint", "ParseUint", 0n, 0xffffffffn)
export const uint64: Decoder<bigint> = integer("uint", "ParseUint", 0n, (1n << 64n) - 1n)
export const int: Decoder<number> = (value, at, faults) => Number(signed(value, at, faults))

/** A 32-bit count, in which `10 MB`, `512k` or `1g` stand for multiples of 1024. */
export const uint32: Decoder<number> = (value, at, faults) => {
  const size = typeof value === "string" ? /^([0-9]+)\s*([kmg])b?$/i.exec(value) : null
  if (size === null) return Number(unsigned32(value, at, faults))
  const shift = { k: 10n, m: 20n, g: 30n }[(size[2] ?? "").toLowerCase()] ?? 0n
  const bytes = BigInt(size[1] ?? "0") << shift
  if (bytes <= 0xffffffffn) return Number(bytes)
  faults.found.push(`error decoding '${at}': value '${String(value)}' overflows uint32`)
  return 0
}

/** Nanoseconds: a Go duration, or a bare number of nanoseconds. */
export const duration: Decoder<bigint> = (value, at, faults) => {
  if (typeof value === "string") {
    const parsed = parseGoDuration(value)
    if (Either.isRight(parsed)) return parsed.right
  }
  return signed(value, at, faults)
}

/** Text such as `[a, b]`, which environment variables use, or a JSON object of strings. */
const expand = (value: unknown): unknown => {
  if (typeof value !== "string") return value
  if (value.length > 1 && value.startsWith("[") && value.endsWith("]")) {
    return value
      .slice(1, -1)
      .split(",")
      .map((part) => part.trim())
  }
  if (!value.trimStart().startsWith("{")) return value
  try {
    const parsed: unknown = JSON.parse(value)
    return isRecord(parsed) && Object.values(parsed).every((v) => typeof v === "string") ? parsed : value
  } catch {
    return value
  }
}

/** A list; a single value counts as a list of one. */
export const list =
  <A>(item: Decoder<A>): Decoder<ReadonlyArray<A> | undefined> =>
  (raw, at, faults) => {
    const value = expand(raw)
    if (value === undefined || value === null) return undefined
    if (isRecord(value) && Object.keys(value).length === 0) return []
    const values: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
    return values.map((v, i) => item(v, `${at}[${i}]`, faults))
  }

/** A map whose keys keep their case. */
export const map =
  <A>(item: Decoder<A>): Decoder<ReadonlyMap<string, A> | undefined> =>
  (raw, at, faults) => {
    const value = expand(raw)
    if (value === undefined || value === null) return undefined
    if (!isRecord(value)) {
      faults.found.push(`'${at}' expected a map, got '${kind(value)}'`)
      return undefined
    }
    return new Map(Object.entries(value).map(([key, v]) => [key, item(v, `${at}[${key}]`, faults)]))
  }

type Fields = Readonly<Record<string, Decoder<unknown>>>
type Struct<F extends Fields> = { readonly [K in keyof F]: F[K] extends Decoder<infer A> ? A : never }

/** A record of known keys, matched without regard to case; absent ones get their zero value. */
export const struct =
  <F extends Fields>(fields: F): Decoder<Struct<F>> =>
  (value, at, faults) => {
    const given = isRecord(value) ? value : {}
    if (value !== undefined && value !== null && !isRecord(value)) {
      faults.found.push(`'${at}' expected a map, got '${kind(value)}'`)
    }
    const unused = new Set(Object.keys(given))
    const out: Record<string, unknown> = {}
    for (const [name, decode] of Object.entries(fields)) {
      const key = Object.hasOwn(given, name)
        ? name
        : Object.keys(given).find((k) => k.toLowerCase() === name.toLowerCase())
      if (key !== undefined) unused.delete(key)
      out[name] = decode(key === undefined ? undefined : given[key], at === "" ? name : `${at}.${name}`, faults)
    }
    if (unused.size > 0) faults.found.push(`'${at}' has invalid keys: ${[...unused].sort().join(", ")}`)
    return out as Struct<F>
  }

/** A struct that may be absent. */
export const optional =
  <A>(decode: Decoder<A>): Decoder<A | undefined> =>
  (value, at, faults) =>
    value === undefined || value === null ? undefined : decode(value, at, faults)

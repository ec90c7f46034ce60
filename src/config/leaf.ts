/**
 * The kinds of values in Fabric's configuration: how each is read from what a file or a variable holds, with the weak
 * conversions of viper and mapstructure, and what the reference says when that fails. Pure.
 * Source: orderer.md 2.2 rules 6-8, peer-endorse-validate.md 2.1 rules 6-8; vendored mapstructure and cast.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { parseGoDuration } from "./goDuration.js"
import type { Given } from "./yaml.js"

/** Why a value does not fit. */
export interface Fault {
  /** What would have been right, as the end of a sentence that begins with "want". */
  readonly want: string
  /** The reference's text for the key. */
  readonly reference: (key: string) => string
}

/** How a kind of value is read. */
export interface Kind<A> {
  /** Its name in the documentation. */
  readonly name: string
  readonly read: (given: Given) => Either.Either<A, Fault>
}

/** What Go calls the type of a value from a file. */
export const goKind = (given: Given): string => {
  if (given.kind === "map") return "map[string]interface {}"
  if (given.kind === "list") return "[]interface {}"
  if (given.kind === "text") return "string"
  if (typeof given.value === "boolean") return "bool"
  return Number.isInteger(given.value) ? "int" : "float64"
}

const unconvertible = (want: string, goType: string, given: Given) =>
  Either.left<Fault>({
    want,
    reference: (key) => `'${key}' expected type '${goType}', got unconvertible type '${goKind(given)}'`
  })

const unparsed = (want: string, as: string, func: string, text: string, why = "invalid syntax") =>
  Either.left<Fault>({
    want,
    reference: (key) => `cannot parse '${key}' as ${as}: strconv.${func}: parsing ${JSON.stringify(text)}: ${why}`
  })

// ---- Single values -----------------------------------------------------------------------------------------------

/** Any text. Numbers and booleans keep the characters that stood in the file. */
export const text: Kind<string> = {
  name: "text",
  read: (given) => {
    if (given.kind === "text") return Either.right(given.text)
    return given.kind === "scalar" ? Either.right(given.source) : unconvertible("a text", "string", given)
  }
}

/** One of a few words. */
export const word = <W extends string>(...words: ReadonlyArray<W>): Kind<W> => ({
  name: words.map((each) => `\`${each}\``).join(", "),
  read: (given) => {
    const want = `one of ${words.join(", ")}`
    const value = given.kind === "text" ? given.text : given.kind === "scalar" ? given.source : undefined
    const found = words.find((each) => each === value)
    return found === undefined
      ? Either.left({ want, reference: (key) => `'${key}' expected one of ${words.join(", ")}` })
      : Either.right(found)
  }
})

const yes = new Set(["1", "t", "T", "TRUE", "true", "True"])
const no = new Set(["0", "f", "F", "FALSE", "false", "False", ""])

export const bool: Kind<boolean> = {
  name: "true or false",
  read: (given) => {
    const want = "true or false"
    if (given.kind === "scalar") return Either.right(Boolean(given.value))
    if (given.kind !== "text") return unconvertible(want, "bool", given)
    if (yes.has(given.text)) return Either.right(true)
    return no.has(given.text) ? Either.right(false) : unparsed(want, "bool", "ParseBool", given.text)
  }
}

/** Go's ParseInt with base 0: `0x1f`, `017`, `0b1`, `1_000`. */
const goInteger = (value: string): bigint | undefined => {
  const found = /^([+-]?)(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]*|[1-9][0-9_]*)$/.exec(value)
  const [, sign = "", digits] = found ?? []
  if (digits === undefined || digits.endsWith("_") || digits.includes("__")) return undefined
  const plain = digits.replaceAll("_", "")
  const octal = /^0[0-7]+$/.test(plain) ? `0o${plain.slice(1)}` : plain
  if (/^0[a-zA-Z]$/.test(octal)) return undefined
  const magnitude = BigInt(octal)
  return sign === "-" ? -magnitude : magnitude
}

/** A whole number within bounds (both included). */
export const integer = (minimum: number, maximum: number): Kind<number> => ({
  name: `${minimum} to ${maximum}`,
  read: (given) => {
    const want = `a whole number from ${minimum} to ${maximum}`
    const unsigned = minimum >= 0
    const [as, func] = unsigned ? ["uint", "ParseUint"] : ["int", "ParseInt"]
    if (given.kind === "map" || given.kind === "list") return unconvertible(want, as, given)
    if (given.kind === "scalar" && typeof given.value === "boolean") return Either.right(Number(given.value))
    const value = given.kind === "scalar" ? Number(given.value) : Number(goInteger(given.text) ?? Number.NaN)
    const source = given.kind === "scalar" ? given.source : given.text
    if (!Number.isInteger(value)) return unparsed(want, as, func, source)
    if (value < minimum || value > maximum) return unparsed(want, as, func, source, "value out of range")
    return Either.right(value)
  }
})

const maxInt = Number.MAX_SAFE_INTEGER
/** Go's int. */
export const int: Kind<number> = { ...integer(-maxInt, maxInt), name: "whole number" }
/** A whole number that is not negative. */
export const count: Kind<number> = { ...integer(0, maxInt), name: "whole number, not negative" }
export const port: Kind<number> = { ...integer(0, 65_535), name: "port" }

export const fraction: Kind<number> = {
  name: "number",
  read: (given) => {
    const want = "a number"
    if (given.kind === "map" || given.kind === "list") return unconvertible(want, "float64", given)
    if (given.kind === "scalar") return Either.right(Number(given.value))
    const value = given.text.trim() === "" ? Number.NaN : Number(given.text)
    return Number.isFinite(value) ? Either.right(value) : unparsed(want, "float", "ParseFloat", given.text)
  }
}

/** A Go duration; a bare number is nanoseconds. */
export const duration: Kind<Duration.Duration> = {
  name: "duration",
  read: (given) => {
    const want = 'a duration like "5s" or "1m30s"'
    if (given.kind === "map" || given.kind === "list") return unconvertible(want, "time.Duration", given)
    if (given.kind === "scalar") {
      if (typeof given.value === "boolean" || !Number.isInteger(given.value))
        return unparsed(want, "int", "ParseInt", given.source)
      return Either.right(fromNanos(BigInt(given.value)))
    }
    const nanos = parseGoDuration(given.text) ?? goInteger(given.text)
    return nanos === undefined ? unparsed(want, "int", "ParseInt", given.text) : Either.right(fromNanos(nanos))
  }
}

/** Effect's durations have no sign: what is negative counts as zero, as in the reference's readers. */
const fromNanos = (nanos: bigint): Duration.Duration => {
  if (nanos <= 0n) return Duration.zero
  return nanos % 1_000_000n === 0n ? Duration.millis(Number(nanos / 1_000_000n)) : Duration.nanos(nanos)
}

/** Bytes: a number, or one with a unit of 1024 (`10 MB`, `512k`, `1g`); 32 bits at most. */
export const byteSize: Kind<number> = {
  name: "bytes",
  read: (given) => {
    const want = 'bytes like 1048576 or "10 MB", less than 4 GiB'
    const found = given.kind === "text" ? /^([0-9]+)\s*([kmg])b?$/i.exec(given.text) : null
    if (found === null) return Either.mapLeft(integer(0, 0xffff_ffff).read(given), (fault) => ({ ...fault, want }))
    const power = { k: 1, m: 2, g: 3 }[(found[2] ?? "k").toLowerCase()] ?? 1
    const value = Number(found[1]) * 1024 ** power
    if (value <= 0xffff_ffff) return Either.right(value)
    return Either.left({
      want,
      reference: (key) => `error decoding '${key}': value '${given.kind === "text" ? given.text : ""}' overflows uint32`
    })
  }
}

// ---- Lists -------------------------------------------------------------------------------------------------------

const bracketed = (value: string): ReadonlyArray<string> | undefined =>
  value.length > 1 && value.startsWith("[") && value.endsWith("]")
    ? value
        .slice(1, -1)
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "")
    : undefined

const listOf = (split: (value: string) => ReadonlyArray<string>): Kind<ReadonlyArray<string>> => ({
  name: "list of texts",
  read: (given) => {
    if (given.kind === "text") return Either.right(bracketed(given.text) ?? split(given.text))
    if (given.kind === "scalar") return Either.right([given.source])
    if (given.kind === "map") {
      const reference = (key: string) =>
        `'${key}[0]' expected type 'string', got unconvertible type 'map[string]interface {}'`
      return Either.left({ want: "a list of texts", reference })
    }
    return Either.all(given.items.map(text.read))
  }
})

/** The orderer's lists: a single text is a list of one, `[a, b]` a list of two. */
export const list = listOf((value) => (value === "" ? [] : [value]))
/** The peer's lists: a single text is split at blanks. */
export const words: Kind<ReadonlyArray<string>> = {
  ...listOf((value) => value.split(/\s+/).filter((item) => item !== "")),
  name: "list of texts; in a variable separated by blanks"
}

// ---- Structures --------------------------------------------------------------------------------------------------

/** Plain data as it was given, for what is passed on undecoded. */
export type Opaque = string | number | boolean | ReadonlyArray<Opaque> | { readonly [key: string]: Opaque }

const opaqueOf = (given: Given): Opaque => {
  switch (given.kind) {
    case "text":
      return given.text
    case "scalar":
      return given.value
    case "list":
      return given.items.map(opaqueOf)
    default: {
      const found: Record<string, Opaque> = Object.create(null)
      for (const [key, { value }] of given.entries) if (value !== undefined) found[key] = opaqueOf(value)
      return found
    }
  }
}

/** A JSON object of texts, as the reference takes for a whole map from one variable. */
const jsonEntries = (value: string): ReadonlyArray<readonly [string, Given]> | undefined => {
  try {
    const parsed: unknown = JSON.parse(value)
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined
    const entries = Object.entries(parsed)
    if (!entries.every(([, item]) => typeof item === "string")) return undefined
    return entries.map(([key, item]) => [key, { kind: "text", text: String(item) }])
  } catch {
    return undefined
  }
}

const entriesOf = (given: Given): ReadonlyArray<readonly [string, Given]> | undefined => {
  if (given.kind === "text") return jsonEntries(given.text)
  if (given.kind !== "map") return undefined
  return [...given.entries].flatMap(([key, { value }]) => (value === undefined ? [] : [[key, value] as const]))
}

/** A map whose values are of one kind. */
export const mapOf = <A>(kind: Kind<A>): Kind<ReadonlyMap<string, A>> => ({
  name: `map of ${kind.name}`,
  read: (given) => {
    const entries = entriesOf(given)
    if (entries === undefined) return unconvertible("a map", "map[string]string", given)
    return Either.map(
      Either.all(entries.map(([key, item]) => Either.map(kind.read(item), (value) => [key, value] as const))),
      (pairs) => new Map(pairs)
    )
  }
})

/** Whatever stands there, undecoded. */
export const opaque: Kind<Opaque> = { name: "map", read: (given) => Either.right(opaqueOf(given)) }

/** A list of structures with known keys, each read by its kind; unknown keys are ignored. */
export const listOfRecords = <A>(record: Kind<A>): Kind<ReadonlyArray<A>> => ({
  name: `list of ${record.name}`,
  read: (given) => {
    if (given.kind === "list") return Either.all(given.items.map(record.read))
    return given.kind === "text" && given.text === ""
      ? Either.right([])
      : unconvertible("a list", "[]interface {}", given)
  }
})

const field = <A>(
  given: ReadonlyMap<string, Given>,
  key: string,
  kind: Kind<A>,
  otherwise: A
): Either.Either<A, Fault> => {
  const value = given.get(key)
  return value === undefined ? Either.right(otherwise) : kind.read(value)
}

const record = <A>(name: string, read: (fields: ReadonlyMap<string, Given>) => Either.Either<A, Fault>): Kind<A> => ({
  name,
  read: (given) => {
    const entries = entriesOf(given)
    return entries === undefined ? unconvertible(`a map with ${name}`, "map", given) : read(new Map(entries))
  }
})

/** An entry of `peer.handlers`. */
export interface HandlerEntry {
  readonly name: string
  /** Empty: built in. */
  readonly library: string
}
export const handlerEntry: Kind<HandlerEntry> = record("{name, library}", (fields) =>
  Either.all({ name: field(fields, "name", text, ""), library: field(fields, "library", text, "") })
)

/** An entry of `peer.deliveryclient.addressOverrides`. */
export interface AddressOverride {
  readonly from: string
  readonly to: string
  readonly caCertsFile: string
}
export const addressOverride: Kind<AddressOverride> = record("{from, to, caCertsFile}", (fields) =>
  Either.all({
    from: field(fields, "from", text, ""),
    to: field(fields, "to", text, ""),
    caCertsFile: field(fields, "caCertsFile", text, "")
  })
)

/** An entry of `chaincode.systemPlugins`. */
export interface SystemPlugin {
  readonly enabled: boolean
  readonly name: string
  readonly path: string
  readonly invokableExternal: boolean
  readonly invokableCC2CC: boolean
}
export const systemPlugin: Kind<SystemPlugin> = record(
  "{enabled, name, path, invokableExternal, invokableCC2CC}",
  (fields) =>
    Either.all({
      enabled: field(fields, "enabled", bool, false),
      name: field(fields, "name", text, ""),
      path: field(fields, "path", text, ""),
      invokableExternal: field(fields, "invokableExternal", bool, false),
      invokableCC2CC: field(fields, "invokableCC2CC", bool, false)
    })
)

// ---- Kafka -------------------------------------------------------------------------------------------------------

const kafkaLevels = [
  "0.8.2.0",
  "0.8.2.1",
  "0.8.2.2",
  "0.9.0.0",
  "0.9.0.1",
  "0.10.0.0",
  "0.10.0.1",
  "0.10.1.0",
  "0.10.2.0",
  "0.11.0.0",
  "1.0.0.0"
]

const versionNumbers = (value: string): ReadonlyArray<number> | undefined => {
  const found = /^v?(\d+(?:\.\d+)*)(?:[-+].*)?$/.exec(value)
  return found?.[1]?.split(".").map(Number)
}
const reaches = (version: ReadonlyArray<number>, level: ReadonlyArray<number>): boolean => {
  for (let i = 0; i < Math.max(version.length, level.length); i += 1) {
    const difference = (version[i] ?? 0) - (level[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

/** A Kafka version, brought down to the protocol level that the reference's client knows: four numbers. */
export const kafkaVersion: Kind<string> = {
  name: "Kafka version",
  read: (given) => {
    const want = "a Kafka version from 0.8.2 on, like 0.10.2.0"
    const value = Either.getOrUndefined(text.read(given))
    if (value === undefined) return unconvertible(want, "sarama.KafkaVersion", given)
    const version = versionNumbers(value)
    if (version === undefined) {
      return Either.left({
        want,
        reference: (key) => `error decoding '${key}': Unable to parse Kafka version: Malformed version: ${value}`
      })
    }
    const level = kafkaLevels.findLast((each) => reaches(version, versionNumbers(each) ?? []))
    if (level !== undefined) return Either.right(level)
    return Either.left({ want, reference: (key) => `error decoding '${key}': Unsupported Kafka version: '${value}'` })
  }
}

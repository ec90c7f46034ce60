/**
 * Flags of the command line as the reference's flag library reads them: kinds, spellings, error texts. Pure.
 * Source: operations-cli.md 4.1, 4.2; seen on the reference's program.
 */
import * as Either from "effect/Either"
// by its own path: every command line loads this file, and most need nothing else of that folder
import { formatGoDuration, parseGoDuration } from "../../channelconfig/goDuration.js"

/** The kinds under the names that usage texts show. `bool` shows none. */
export type FlagKind = "string" | "bool" | "duration" | "stringArray" | "uint"

/** A flag's value: text, switch, nanoseconds or number, list. */
export type FlagValue = string | boolean | bigint | ReadonlyArray<string>

export interface FlagSpec {
  readonly name: string
  readonly short: string | undefined
  readonly kind: FlagKind
  readonly about: string
  readonly initial: FlagValue
  /** Not shown in usage texts. */
  readonly hidden: boolean
}

const make = (
  kind: FlagKind,
  initial: FlagValue,
  name: string,
  about: string,
  short: string | undefined
): FlagSpec => ({
  name,
  short,
  kind,
  about,
  initial,
  hidden: false
})
export const text = (name: string, about: string, short?: string, initial = ""): FlagSpec =>
  make("string", initial, name, about, short)
export const flag = (name: string, about: string, short?: string): FlagSpec => make("bool", false, name, about, short)
export const duration = (name: string, about: string, initial: bigint, short?: string): FlagSpec =>
  make("duration", initial, name, about, short)
export const list = (name: string, about: string): FlagSpec => make("stringArray", [], name, about, undefined)
export const uint = (name: string, about: string, short?: string): FlagSpec => make("uint", 0n, name, about, short)
export const hidden = (spec: FlagSpec): FlagSpec => ({ ...spec, hidden: true })

// ---- Reading -----------------------------------------------------------------------------------------------------

const booleans: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((word) => [word, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((word) => [word, false] as const)
])
const quote = (word: string): string => JSON.stringify(word)
/** How the reference names a letter: it takes bytes for characters. */
const firstByte = (word: string): string => Buffer.from(word).subarray(0, 1).toString("latin1")
const mostUint = 2n ** 64n - 1n

const readUint = (word: string): Either.Either<bigint, string> => {
  const refuse = (why: string) => Either.left(`strconv.ParseUint: parsing ${quote(word)}: ${why}`)
  if (!/^(\d+|0[xX][\da-fA-F]+)$/.test(word)) return refuse("invalid syntax")
  const value = BigInt(word)
  return value > mostUint ? refuse("value out of range") : Either.right(value)
}

/** One value of a kind, or why not. */
export const readValue = (kind: FlagKind, word: string): Either.Either<FlagValue, string> => {
  switch (kind) {
    case "string":
    case "stringArray":
      return Either.right(word)
    case "uint":
      return readUint(word)
    case "duration":
      return Either.mapLeft(parseGoDuration(word), ({ message }) => message)
    case "bool": {
      const value = booleans.get(word)
      return value === undefined
        ? Either.left(`strconv.ParseBool: parsing ${quote(word)}: invalid syntax`)
        : Either.right(value)
    }
  }
}

/** The values of a call. Asking for a flag that the command does not have is a mistake of the caller. */
export class FlagValues {
  constructor(private readonly values: ReadonlyMap<string, FlagValue>) {}
  private of(name: string): FlagValue {
    const value = this.values.get(name)
    if (value === undefined) throw new Error(`no flag --${name}`)
    return value
  }
  text(name: string): string {
    const value = this.of(name)
    return typeof value === "string" ? value : ""
  }
  is(name: string): boolean {
    return this.of(name) === true
  }
  /** Nanoseconds of a duration, or a number. */
  number(name: string): bigint {
    const value = this.of(name)
    return typeof value === "bigint" ? value : 0n
  }
  list(name: string): ReadonlyArray<string> {
    const value = this.of(name)
    return typeof value === "object" ? value : []
  }
}

export interface ReadFlags {
  readonly values: FlagValues
  readonly words: ReadonlyArray<string>
}

/** Reads flags and words in any order; `--` ends the flags. Errors: the reference's texts. */
export const readFlags = (
  specs: ReadonlyArray<FlagSpec>,
  args: ReadonlyArray<string>
): Either.Either<ReadFlags, string> => {
  const values = new Map<string, FlagValue>(specs.map(({ initial, name }) => [name, initial]))
  const words: Array<string> = []
  const rest = [...args]
  const set = (spec: FlagSpec, word: string): string | undefined => {
    const read = readValue(spec.kind, word)
    if (Either.isLeft(read)) {
      const shown = spec.short === undefined ? `--${spec.name}` : `-${spec.short}, --${spec.name}`
      return `invalid argument ${quote(word)} for ${quote(shown)} flag: ${read.left}`
    }
    const before = values.get(spec.name)
    values.set(spec.name, typeof before === "object" ? [...before, word] : read.right)
    return undefined
  }
  const long = (arg: string): string | undefined => {
    const body = arg.slice(2)
    if (body === "" || body.startsWith("-") || body.startsWith("=")) return `bad flag syntax: ${arg}`
    const equals = body.indexOf("=")
    const name = equals < 0 ? body : body.slice(0, equals)
    const spec = specs.find((known) => known.name === name)
    if (spec === undefined) return `unknown flag: --${name}`
    if (equals >= 0) return set(spec, body.slice(equals + 1))
    if (spec.kind === "bool") return set(spec, "true")
    const next = rest.shift()
    return next === undefined ? `flag needs an argument: ${arg}` : set(spec, next)
  }
  const shorts = (arg: string): string | undefined => {
    for (let letters = arg.slice(1); letters !== ""; ) {
      const letter = letters.slice(0, 1)
      const spec = specs.find((known) => known.short === letter)
      if (spec === undefined) return `unknown shorthand flag: '${firstByte(letters)}' in -${letters}`
      const behind = letters.slice(1)
      let word: string | undefined
      if (behind.length > 1 && behind.startsWith("=")) word = behind.slice(1)
      else if (spec.kind !== "bool") {
        word = behind === "" ? rest.shift() : behind
        if (word === undefined) return `flag needs an argument: '${letter}' in -${letters}`
      }
      const fault = set(spec, word ?? "true")
      if (fault !== undefined) return fault
      letters = word === undefined ? behind : ""
    }
    return undefined
  }
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      words.push(...rest)
      break
    }
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg)
      continue
    }
    const fault = arg.startsWith("--") ? long(arg) : shorts(arg)
    if (fault !== undefined) return Either.left(fault)
  }
  return Either.right({ values: new FlagValues(values), words })
}

// ---- Usage -------------------------------------------------------------------------------------------------------

const initialText = ({ initial, kind }: FlagSpec): string => {
  if (typeof initial === "string") return initial === "" ? "" : ` (default ${quote(initial)})`
  if (typeof initial === "bigint") {
    if (initial === 0n) return ""
    return ` (default ${kind === "duration" ? formatGoDuration(initial) : initial})`
  }
  return ""
}

/** The lines of a usage text, in the order of the names. */
export const flagLines = (specs: ReadonlyArray<FlagSpec>): ReadonlyArray<string> => {
  const rows = specs
    .filter((spec) => !spec.hidden)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((spec) => {
      const kind = spec.kind === "bool" ? "" : ` ${spec.kind}`
      const short = spec.short === undefined ? "      " : `  -${spec.short}, `
      return { left: `${short}--${spec.name}${kind}`, right: `${spec.about}${initialText(spec)}` }
    })
  const width = Math.max(0, ...rows.map(({ left }) => left.length))
  return rows.map(({ left, right }) => `${left.padEnd(width)}   ${right}`)
}

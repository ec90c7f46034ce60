/**
 * Go's words about texts that are no JSON, and where a text's first value ends: encoding/json's scanner. Pure.
 * Source: encoding/json (Unmarshal and Decoder say the end of the text differently); operations-cli.md 1.2.
 */
import * as Either from "effect/Either"

/** Why a text is no JSON, in Go's words. */
class Refused {
  constructor(readonly reason: string) {}
}

const blank = new Set([" ", "\t", "\n", "\r"])
const escapes = new Set(['"', "\\", "/", "b", "f", "n", "r", "t"])
const deepest = 1000

const named: ReadonlyMap<number, string> = new Map([
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0b, "\\v"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x27, "\\'"],
  [0x5c, "\\\\"]
])

/** The first byte of a character as Go shows it: as if it were a character of its own. */
const quoted = (character: string): string => {
  const [byte = 0] = Buffer.from(character)
  const hex = (digits: number): string => byte.toString(16).padStart(digits, "0")
  const bare = byte < 0x20 || byte === 0x7f ? `\\x${hex(2)}` : String.fromCharCode(byte)
  return `'${named.get(byte) ?? bare}'`
}

/** Finds the end of the first value. Throws `Refused`, which does not leave this file. */
class Scanner {
  at = 0
  /** `end` is what is said where the text ends too early. */
  constructor(
    private readonly text: string,
    private readonly end: string
  ) {}

  /** What stands behind the value. */
  behind(): void {
    this.skipBlanks()
    if (this.at < this.text.length) throw this.refuse("after top-level value")
  }
  skipBlanks(): void {
    while (blank.has(this.text[this.at] ?? "")) this.at += 1
  }
  private refuse(where: string): Refused {
    const character = this.text[this.at]
    if (character === undefined) return new Refused(this.end)
    return new Refused(`invalid character ${quoted(character)} ${where}`)
  }
  private digits(where: string): void {
    if (!/[0-9]/.test(this.text[this.at] ?? "")) throw this.refuse(where)
    while (/[0-9]/.test(this.text[this.at] ?? "")) this.at += 1
  }

  value(depth = 0): void {
    if (depth > deepest) throw new Refused("exceeded max depth")
    this.skipBlanks()
    const first = this.text[this.at] ?? ""
    if (first === "{") this.object(depth)
    else if (first === "[") this.array(depth)
    else if (first === '"') this.string()
    else if (first === "-" || /[0-9]/.test(first)) this.number()
    else if (first === "t") this.literal("true")
    else if (first === "f") this.literal("false")
    else if (first === "n") this.literal("null")
    else throw this.refuse("looking for beginning of value")
  }
  private object(depth: number): void {
    this.at += 1
    this.skipBlanks()
    if (this.text[this.at] === "}") {
      this.at += 1
      return
    }
    for (;;) {
      this.skipBlanks()
      if (this.text[this.at] !== '"') throw this.refuse("looking for beginning of object key string")
      this.string()
      this.skipBlanks()
      if (this.text[this.at] !== ":") throw this.refuse("after object key")
      this.at += 1
      this.value(depth + 1)
      if (this.closes("}", "after object key:value pair")) return
    }
  }
  private array(depth: number): void {
    this.at += 1
    this.skipBlanks()
    if (this.text[this.at] === "]") {
      this.at += 1
      return
    }
    for (;;) {
      this.value(depth + 1)
      if (this.closes("]", "after array element")) return
    }
  }
  private closes(bracket: string, where: string): boolean {
    this.skipBlanks()
    const next = this.text[this.at]
    if (next !== bracket && next !== ",") throw this.refuse(where)
    this.at += 1
    return next === bracket
  }
  private string(): void {
    this.at += 1
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined || character < " ") throw this.refuse("in string literal")
      this.at += 1
      if (character === '"') return
      if (character === "\\") this.escape()
    }
  }
  private escape(): void {
    const character = this.text[this.at] ?? ""
    if (character === "u") {
      for (let i = 0; i < 4; i += 1) {
        this.at += 1
        if (!/[0-9a-fA-F]/.test(this.text[this.at] ?? "")) throw this.refuse("in \\u hexadecimal character escape")
      }
    } else if (!escapes.has(character)) throw this.refuse("in string escape code")
    this.at += 1
  }
  private number(): void {
    if (this.text[this.at] === "-") this.at += 1
    if (this.text[this.at] === "0") this.at += 1
    else this.digits("in numeric literal")
    if (this.text[this.at] === ".") {
      this.at += 1
      this.digits("after decimal point in numeric literal")
    }
    if (/[eE]/.test(this.text[this.at] ?? "")) {
      this.at += 1
      if (/[+-]/.test(this.text[this.at] ?? "")) this.at += 1
      this.digits("in exponent of numeric literal")
    }
  }
  private literal(word: string): void {
    for (const expected of word) {
      if (this.text[this.at] !== expected) throw this.refuse(`in literal ${word} (expecting '${expected}')`)
      this.at += 1
    }
  }
}

/** What Go's Decoder reads first; the rest of the text does not matter. */
export const firstJsonValue = (text: string): Either.Either<unknown, string> => {
  const scanner = new Scanner(text, "unexpected EOF")
  scanner.skipBlanks()
  if (scanner.at === text.length) return Either.left("EOF")
  try {
    scanner.value()
    return Either.right(JSON.parse(text.slice(0, scanner.at)))
  } catch (error) {
    return Either.left(error instanceof Refused ? error.reason : String(error))
  }
}

/** What Go's Unmarshal reads: the whole text must be one value. */
export const readGoJson = (text: string): Either.Either<unknown, string> => {
  try {
    return Either.right(JSON.parse(text))
  } catch (error) {
    return Either.left(unmarshalFault(text) ?? String(error))
  }
}

/** At its end Go feeds its scanner a blank, which literals, numbers and escapes complain about. */
const unmarshalFault = (text: string): string | undefined => {
  const scanner = new Scanner(`${text} `, "unexpected end of JSON input")
  try {
    scanner.value()
    scanner.behind()
    return undefined
  } catch (error) {
    return error instanceof Refused ? error.reason : undefined
  }
}

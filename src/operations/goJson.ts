/**
 * Reading the body of a PUT to /logspec as Go's json.Decoder does: the first value counts, what follows is ignored, and
 * the errors are Go's words. Pure.
 * Source: common/flogging/httpadmin; encoding/json's scanner; operations-cli.md 1.2.
 */
import * as Either from "effect/Either"

/** Why a text is no JSON, in Go's words. */
class Refused {
  constructor(readonly reason: string) {}
}

const blank = new Set([" ", "\t", "\n", "\r"])
const escapes = new Set(['"', "\\", "/", "b", "f", "n", "r", "t"])
const deepest = 1000

/** Finds the end of the first value. Throws `Refused`, which does not leave this file. */
class Scanner {
  at = 0
  constructor(private readonly text: string) {}

  skipBlanks(): void {
    while (blank.has(this.text[this.at] ?? "")) this.at += 1
  }
  private refuse(where: string): Refused {
    const character = this.text[this.at]
    if (character === undefined) return new Refused("unexpected EOF")
    const shown = character === "'" ? "\\'" : character === '"' ? '"' : JSON.stringify(character).slice(1, -1)
    return new Refused(`invalid character '${shown}' ${where}`)
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

const firstValue = (text: string): Either.Either<unknown, string> => {
  const scanner = new Scanner(text)
  scanner.skipBlanks()
  if (scanner.at === text.length) return Either.left("EOF")
  try {
    scanner.value()
    return Either.right(JSON.parse(text.slice(0, scanner.at)))
  } catch (error) {
    return Either.left(error instanceof Refused ? error.reason : String(error))
  }
}

const goName = (value: unknown): string =>
  Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value

/** The `spec` of the body; keys match in any case, the last one wins, null and absence are empty. */
export const readLogSpec = (text: string): Either.Either<string, string> =>
  Either.flatMap(firstValue(text), (value) => {
    if (value === null) return Either.right("")
    if (typeof value !== "object" || Array.isArray(value)) {
      return Either.left(`json: cannot unmarshal ${goName(value)} into Go value of type httpadmin.LogSpec`)
    }
    let spec = ""
    for (const [key, item] of Object.entries(value)) {
      if (key.toLowerCase() !== "spec" || item === null) continue
      if (typeof item !== "string") {
        return Either.left(`json: cannot unmarshal ${goName(item)} into Go struct field LogSpec.spec of type string`)
      }
      spec = item
    }
    return Either.right(spec)
  })

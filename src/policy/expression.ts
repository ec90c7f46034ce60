/**
 * The expression engine underneath the policy language. Fabric hands policy text to a general expression evaluator
 * three times over and clients show that evaluator's complaints, so its tokens, its transition rules and its texts are
 * kept here (identity-policy-config rules 47 to 50); arithmetic and comparison, which no policy needs, are refused.
 * Pure: no Effect, no state.
 */
import * as Either from "effect/Either"
import { PolicyTextInvalid } from "./errors.js"

/** What an expression can evaluate to: text, a number, a truth value, a list of arguments, or a caller's own value. */
export type Value<A> =
  | { readonly _tag: "text"; readonly text: string }
  | { readonly _tag: "number"; readonly number: number }
  | { readonly _tag: "boolean"; readonly boolean: boolean }
  | { readonly _tag: "custom"; readonly custom: A }

/** A function of the language: from its evaluated arguments to a value, or a refusal. */
export type Fn<A> = (args: ReadonlyArray<Value<A>>) => Either.Either<Value<A>, PolicyTextInvalid>

export const text = (value: string): Value<never> => ({ _tag: "text", text: value })
export const number = (value: number): Value<never> => ({ _tag: "number", number: value })

type Kind =
  | "UNKNOWN"
  | "PREFIX"
  | "NUMERIC"
  | "BOOLEAN"
  | "STRING"
  | "VARIABLE"
  | "FUNCTION"
  | "SEPARATOR"
  | "COMPARATOR"
  | "LOGICALOP"
  | "MODIFIER"
  | "CLAUSE"
  | "CLAUSE_CLOSE"
  | "TERNARY"

interface Token {
  readonly kind: Kind
  /** As the reference would print it inside brackets. */
  readonly shown: string
  readonly text: string
  readonly number: number
}

const operands: ReadonlyArray<Kind> = ["PREFIX", "NUMERIC", "BOOLEAN", "VARIABLE", "FUNCTION", "STRING", "CLAUSE"]
const afterOperand: ReadonlyArray<Kind> = [
  "MODIFIER",
  "COMPARATOR",
  "LOGICALOP",
  "CLAUSE_CLOSE",
  "TERNARY",
  "SEPARATOR"
]

const next: Readonly<Record<Kind, ReadonlyArray<Kind>>> = {
  UNKNOWN: operands,
  CLAUSE: [...operands, "CLAUSE_CLOSE"],
  CLAUSE_CLOSE: [
    "COMPARATOR",
    "MODIFIER",
    "NUMERIC",
    "BOOLEAN",
    "VARIABLE",
    "STRING",
    "CLAUSE",
    "CLAUSE_CLOSE",
    "LOGICALOP",
    "TERNARY",
    "SEPARATOR"
  ],
  NUMERIC: afterOperand,
  BOOLEAN: afterOperand,
  STRING: afterOperand,
  VARIABLE: afterOperand,
  MODIFIER: [...operands, "CLAUSE_CLOSE"],
  COMPARATOR: [...operands, "CLAUSE_CLOSE"],
  LOGICALOP: [...operands, "CLAUSE_CLOSE"],
  PREFIX: ["NUMERIC", "BOOLEAN", "VARIABLE", "FUNCTION", "CLAUSE", "CLAUSE_CLOSE"],
  TERNARY: ["PREFIX", "NUMERIC", "BOOLEAN", "STRING", "VARIABLE", "FUNCTION", "CLAUSE", "SEPARATOR"],
  FUNCTION: ["CLAUSE"],
  SEPARATOR: operands
}

const mayEnd: ReadonlySet<Kind> = new Set(["CLAUSE_CLOSE", "NUMERIC", "BOOLEAN", "STRING", "VARIABLE"])

const prefixSymbols = new Set(["-", "!", "~"])
const symbols = new Map<string, Kind>([
  ...["+", "-", "*", "/", "%", "**", "&", "|", "^", ">>", "<<"].map((s) => [s, "MODIFIER"] as const),
  ...["&&", "||"].map((s) => [s, "LOGICALOP"] as const),
  ...["==", "!=", ">", ">=", "<", "<=", "=~", "!~"].map((s) => [s, "COMPARATOR"] as const),
  ...["?", ":", "??"].map((s) => [s, "TERNARY"] as const)
])

const isSpace = (c: string): boolean => /^\s$/u.test(c)
const isLetter = (c: string): boolean => /^\p{L}$/u.test(c)
const isDigit = (c: string): boolean => /^\p{Nd}$/u.test(c)
const isNumeric = (c: string): boolean => isDigit(c) || c === "."
const isQuote = (c: string): boolean => c === "'" || c === '"'
const isVariableName = (c: string): boolean => isLetter(c) || isDigit(c) || c === "_"
const isSymbol = (c: string): boolean => !(isDigit(c) || isLetter(c) || c === "(" || c === ")" || isQuote(c))

const refuse = (detail: string) => Either.left(new PolicyTextInvalid({ detail }))

class Lexer {
  position = 0
  readonly source: ReadonlyArray<string>
  constructor(source: string) {
    this.source = Array.from(source)
  }
  /**
   * Reads while `condition` holds; a backslash takes the next character as it is. `quoted` keeps white space, otherwise
   * leading white space is skipped and later white space ends the token. False when the end came first.
   */
  readWhile(quoted: boolean, condition: (c: string) => boolean): readonly [string, boolean] {
    let out = ""
    while (this.position < this.source.length) {
      let c = this.source[this.position++] ?? ""
      if (c === "\\") {
        c = this.source[this.position++] ?? ""
        out += c
        continue
      }
      if (isSpace(c)) {
        if (!quoted && out.length > 0) return [out, true]
        if (!quoted) continue
      }
      if (condition(c)) out += c
      else {
        this.position--
        return [out, true]
      }
    }
    return [out, false]
  }
}

const token = (kind: Kind, text: string, number = 0, shown = text): Token => ({ kind, text, number, shown })

/** `undefined` at the end of the text. */
const readToken = (
  lexer: Lexer,
  previous: Kind,
  functions: ReadonlySet<string>
): Either.Either<Token | undefined, PolicyTextInvalid> => {
  let c = ""
  do {
    if (lexer.position >= lexer.source.length) return Either.right(undefined)
    c = lexer.source[lexer.position++] ?? ""
  } while (isSpace(c))
  if (isNumeric(c)) {
    lexer.position--
    const [digits] = lexer.readWhile(false, isNumeric)
    if (!/^(\d+\.?\d*|\.\d+)$/.test(digits)) return refuse(`Unable to parse numeric value '${digits}' to float64\n`)
    return Either.right(token("NUMERIC", digits, Number(digits), String(Number(digits))))
  }
  if (c === ",") return Either.right(token("SEPARATOR", ","))
  if (c === "[") {
    const [name, completed] = lexer.readWhile(true, (c) => c !== "]")
    if (!completed) return refuse("Unclosed parameter bracket")
    lexer.position++
    return Either.right(token("VARIABLE", name))
  }
  if (isLetter(c)) {
    lexer.position--
    const [name] = lexer.readWhile(false, isVariableName)
    if (functions.has(name)) return Either.right(token("FUNCTION", name, 0, "function"))
    if (name === "true" || name === "false") return Either.right(token("BOOLEAN", name))
    if (name === "in" || name === "IN") return Either.right(token("COMPARATOR", "in"))
    return Either.right(token("VARIABLE", name))
  }
  if (isQuote(c)) {
    const [content, completed] = lexer.readWhile(true, (c) => !isQuote(c))
    if (!completed) return refuse("Unclosed string literal")
    lexer.position++
    return Either.right(token("STRING", content))
  }
  // The reference prints the code points of parentheses.
  if (c === "(") return Either.right(token("CLAUSE", "(", 0, "40"))
  if (c === ")") return Either.right(token("CLAUSE_CLOSE", ")", 0, "41"))
  lexer.position--
  const [symbol] = lexer.readWhile(false, isSymbol)
  if (next[previous].includes("PREFIX") && prefixSymbols.has(symbol)) return Either.right(token("PREFIX", symbol))
  const kind = symbols.get(symbol)
  return kind === undefined ? refuse(`Invalid token: '${symbol}'`) : Either.right(token(kind, symbol))
}

const tokenize = (
  source: string,
  functions: ReadonlySet<string>
): Either.Either<ReadonlyArray<Token>, PolicyTextInvalid> => {
  const lexer = new Lexer(source)
  const tokens: Array<Token> = []
  let previous: Kind = "UNKNOWN"
  let open = 0
  for (;;) {
    const read = readToken(lexer, previous, functions)
    if (Either.isLeft(read)) return Either.left(read.left)
    if (read.right === undefined) break
    tokens.push(read.right)
    previous = read.right.kind
    open += previous === "CLAUSE" ? 1 : previous === "CLAUSE_CLOSE" ? -1 : 0
  }
  return open === 0 ? Either.right(tokens) : refuse("Unbalanced parenthesis")
}

const checkSyntax = (tokens: ReadonlyArray<Token>): Either.Either<void, PolicyTextInvalid> => {
  let last: Token = token("UNKNOWN", "", 0, "<nil>")
  for (const current of tokens) {
    if (!next[last.kind].includes(current.kind)) {
      if (last.kind === "VARIABLE" && current.kind === "CLAUSE") return refuse(`Undefined function ${last.text}`)
      return refuse(
        `Cannot transition token types from ${last.kind} [${last.shown}] to ${current.kind} [${current.shown}]`
      )
    }
    last = current
  }
  return mayEnd.has(last.kind) ? Either.right(undefined) : refuse("Unexpected end of expression")
}

/** Deeper nesting than any policy has; keeps hostile text from exhausting the stack. */
const maxDepth = 500

class Evaluator<A> {
  position = 0
  constructor(
    readonly tokens: ReadonlyArray<Token>,
    readonly functions: ReadonlyMap<string, Fn<A>>,
    readonly variables: ReadonlyMap<string, Value<A>>,
    readonly source: string
  ) {}

  peek(): Kind | undefined {
    return this.tokens[this.position]?.kind
  }

  /** A comma separated list up to a closing parenthesis or the end. */
  list(depth: number): Either.Either<ReadonlyArray<Value<A>>, PolicyTextInvalid> {
    if (depth > maxDepth) return refuse(`policy is nested more than ${maxDepth} levels deep`)
    const values: Array<Value<A>> = []
    if (this.peek() === "CLAUSE_CLOSE" || this.peek() === undefined) return Either.right(values)
    for (;;) {
      const value = this.value(depth)
      if (Either.isLeft(value)) return Either.left(value.left)
      values.push(...value.right)
      const after = this.peek()
      if (after === "SEPARATOR") this.position++
      else if (after === "CLAUSE_CLOSE" || after === undefined) return Either.right(values)
      else return refuse(`invalid policy string '${this.source}'`)
    }
  }

  /** One operand; a parenthesised list spreads into the list around it, as the reference's separator does. */
  private value(depth: number): Either.Either<ReadonlyArray<Value<A>>, PolicyTextInvalid> {
    const current = this.tokens[this.position++]
    switch (current?.kind) {
      case "NUMERIC":
        return Either.right([number(current.number)])
      case "BOOLEAN":
        return Either.right([{ _tag: "boolean", boolean: current.text === "true" }])
      case "STRING":
        return Either.right([text(current.text)])
      case "VARIABLE": {
        const bound = this.variables.get(current.text)
        return bound === undefined
          ? refuse(`unrecognized token '${current.text}' in policy string`)
          : Either.right([bound])
      }
      case "FUNCTION": {
        this.position++ // checkSyntax: an opening parenthesis
        const args = this.list(depth + 1)
        if (Either.isLeft(args)) return args
        this.position++
        const fn = this.functions.get(current.text)
        if (fn === undefined) return refuse(`Undefined function ${current.text}`)
        return Either.map(fn(args.right), (result) => [result])
      }
      case "CLAUSE": {
        const inner = this.list(depth + 1)
        this.position++
        return inner
      }
      case "PREFIX": {
        const operand = this.value(depth + 1)
        if (Either.isLeft(operand)) return operand
        const [only] = operand.right
        if (current.text === "-" && only?._tag === "number") return Either.right([number(-only.number)])
        return refuse(`invalid policy string '${this.source}'`)
      }
      default:
        return refuse(`invalid policy string '${this.source}'`)
    }
  }
}

/**
 * Evaluates one expression.
 * Out: its value, or `undefined` where the reference has no single value (nothing, or a bare list). Errors: the text is
 * malformed, names an unknown variable or function, uses an operator, or a function refused.
 */
export const evaluate = <A>(
  source: string,
  functions: ReadonlyMap<string, Fn<A>>,
  variables: ReadonlyMap<string, Value<A>>
): Either.Either<Value<A> | undefined, PolicyTextInvalid> => {
  const tokens = tokenize(source, new Set(functions.keys()))
  if (Either.isLeft(tokens)) return Either.left(tokens.left)
  const syntax = checkSyntax(tokens.right)
  if (Either.isLeft(syntax)) return Either.left(syntax.left)
  const evaluator = new Evaluator(tokens.right, functions, variables, source)
  const values = evaluator.list(0)
  if (Either.isLeft(values)) return Either.left(values.left)
  if (evaluator.position < tokens.right.length) return refuse(`invalid policy string '${source}'`)
  return Either.right(values.right.length === 1 ? values.right[0] : undefined)
}

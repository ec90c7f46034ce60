/**
 * The part of Go's text/template that names in crypto-config.yaml use: fields, string and number literals, print and
 * printf, pipelines, trim marks and comments. Control structures are refused by name.
 */
import * as Either from "effect/Either"

/** Fields that a template may name. */
export type TemplateData = Readonly<Record<string, string | number>>

type Value = string | number

class TemplateFault extends Error {}

const fault = (text: string): never => {
  throw new TemplateFault(text)
}

const ACTION = /\{\{(- )?(?:\/\*[\s\S]*?\*\/|((?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|[^"`])*?))( -)?\}\}/g

/** Renders a template; the failure is the reference's text as far as it matters. */
export const renderTemplate = (input: string, data: TemplateData): Either.Either<string, string> => {
  try {
    return Either.right(render(input, data))
  } catch (error) {
    if (error instanceof TemplateFault) return Either.left(error.message)
    throw error
  }
}

const render = (input: string, data: TemplateData): string => {
  let out = ""
  let last = 0
  let trimNext = false
  for (const match of input.matchAll(ACTION)) {
    const [whole, trimBefore, body, trimAfter] = match
    const text = plainText(input.slice(last, match.index))
    const left = trimNext ? text.trimStart() : text
    out += trimBefore === undefined ? left : left.trimEnd()
    if (body !== undefined) out += String(pipeline(body.trim(), data))
    trimNext = trimAfter !== undefined
    last = match.index + whole.length
  }
  const rest = plainText(input.slice(last))
  return out + (trimNext ? rest.trimStart() : rest)
}

const plainText = (text: string): string =>
  text.includes("{{") ? fault("Error parsing template: template: parse:1: unclosed action") : text

const CONTROL = /^(if|range|with|end|else|define|template|block|break|continue)\b/
const TOKEN = /\s*("(?:[^"\\\n]|\\.)*"|`[^`]*`|\||-?\d+|\.[A-Za-z_]\w*|[A-Za-z_]\w*|\S)/g

const pipeline = (body: string, data: TemplateData): Value => {
  if (body === "") return fault("Error parsing template: template: parse:1: missing value for command")
  const control = CONTROL.exec(body)?.[1]
  if (control !== undefined)
    return fault(`Error parsing template: template: parse:1: "${control}" is not supported here`)
  const commands: Array<Array<string>> = [[]]
  for (const [, token = ""] of body.matchAll(TOKEN)) {
    if (token === "|") commands.push([])
    else commands[commands.length - 1]?.push(token)
  }
  let piped: Value | undefined
  for (const command of commands) piped = run(command, piped, data)
  return piped ?? ""
}

const run = (command: ReadonlyArray<string>, piped: Value | undefined, data: TemplateData): Value => {
  const [head, ...rest] = command
  if (head === undefined) return fault("Error parsing template: template: parse:1: missing value for command")
  const values = [...rest.map((token) => operand(token, data)), ...(piped === undefined ? [] : [piped])]
  if (/^[A-Za-z_]/.test(head)) return call(head, values)
  if (values.length > 0) {
    return fault(
      `Error executing template: template: parse:1: executing "parse" at <${head}>: can't give argument to non-function ${head}`
    )
  }
  return operand(head, data)
}

const operand = (token: string, data: TemplateData): Value => {
  if (/^-?\d+$/.test(token)) return Number(token)
  if (token.startsWith("`")) return token.slice(1, -1)
  if (token.startsWith('"')) return unquote(token)
  if (token.startsWith(".") && token.length > 1) {
    const name = token.slice(1)
    const value = Object.hasOwn(data, name) ? data[name] : undefined
    return (
      value ??
      fault(
        `Error executing template: template: parse:1: executing "parse" at <${token}>: can't evaluate field ${name}`
      )
    )
  }
  if (/^[A-Za-z_]/.test(token))
    return fault(`Error parsing template: template: parse:1: function "${token}" not defined`)
  return fault(`Error parsing template: template: parse:1: unexpected "${token}" in command`)
}

const unquote = (token: string): string => {
  try {
    const value: unknown = JSON.parse(token)
    if (typeof value === "string") return value
  } catch {
    // An escape that JSON does not know: answered below.
  }
  return fault(`Error parsing template: template: parse:1: invalid syntax in ${token}`)
}

const call = (name: string, values: ReadonlyArray<Value>): Value => {
  switch (name) {
    case "print":
      return values.map(String).join("")
    case "println":
      return `${values.map(String).join(" ")}\n`
    case "printf": {
      const [format, ...rest] = values
      return typeof format === "string" ? sprintf(format, rest) : fault(wrongArguments(name))
    }
    case "len": {
      const [value] = values
      return typeof value === "string" ? Buffer.byteLength(value) : fault(wrongArguments(name))
    }
    default:
      return fault(`Error parsing template: template: parse:1: function "${name}" not defined`)
  }
}

const wrongArguments = (name: string): string =>
  `Error executing template: template: parse:1: executing "parse" at <${name}>: wrong arguments for ${name}`

const VERB = /%(%|([-0 +]*)(\d*)([a-zA-Z]))/g

/** %s %v %d %x %X %q with flags 0 and - and a width. */
const sprintf = (format: string, values: ReadonlyArray<Value>): string => {
  let next = 0
  return format.replace(VERB, (_, percent: string, flags: string, width: string, verb: string) => {
    if (percent === "%") return "%"
    const value = values[next++]
    if (value === undefined) return `%!${verb}(MISSING)`
    const text = formatted(verb, value) ?? `%!${verb}(${typeof value === "number" ? "int" : "string"}=${value})`
    const size = Number(width || "0")
    if (flags?.includes("-") === true) return text.padEnd(size)
    return text.padStart(size, flags?.includes("0") === true ? "0" : " ")
  })
}

const formatted = (verb: string, value: Value): string | undefined => {
  switch (verb) {
    case "s":
      return typeof value === "string" ? value : undefined
    case "v":
      return String(value)
    case "d":
      return typeof value === "number" ? String(value) : undefined
    case "q":
      return typeof value === "string" ? JSON.stringify(value) : undefined
    case "x":
      return typeof value === "number" ? value.toString(16) : Buffer.from(value).toString("hex")
    case "X":
      return formatted("x", value)?.toUpperCase()
    default:
      return undefined
  }
}

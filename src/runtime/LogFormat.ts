/**
 * The three log formats of FABRIC_LOGGING_FORMAT, pure: a record in, a line out.
 * Source: operations-cli.md 2.3.
 */
import type { Level } from "./LogSpec.js"

export type FieldValue = string | number | bigint | boolean | null | undefined
export type Fields = Readonly<Record<string, FieldValue>>

export interface LogRecord {
  readonly level: Level
  readonly module: string
  /** Where in the module: Fabric prints the Go function, we print the operation. */
  readonly operation: string
  /** Milliseconds since the epoch. */
  readonly time: number
  /** Running number of the record in this node. */
  readonly id: number
  readonly message: string
  readonly fields: Fields
}

export type Formatter = (record: LogRecord) => string

export const defaultFormat =
  "%{color}%{time:2006-01-02 15:04:05.000 MST} [%{module}] %{shortfunc} -> %{level:.4s} %{id:03x}%{color:reset} %{message}"

// ---- Console -----------------------------------------------------------------------------------------------------

const colours: Readonly<Record<Level, number>> = {
  payload: 0,
  debug: 36,
  info: 34,
  warn: 33,
  error: 31,
  dpanic: 35,
  panic: 35,
  fatal: 35
}

const capital = (level: Level): string => (level === "payload" ? "LEVEL(-2)" : level.toUpperCase())

const pad = (value: number, width: number): string => String(value).padStart(width, "0")

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
const layoutToken = /2006|Jan|Mon|MST|Z07:00|-0700|01|02|15|03|04|05|PM|06|[.,](?:0+|9+)/g

/** Formats a time by a Go layout, always in UTC: a node's log must not depend on where it stands. */
const goTime = (layout: string) => {
  const tokens = layout.split(layoutToken)
  const verbs = layout.match(layoutToken) ?? []
  return (time: number): string => {
    const date = new Date(time)
    const part = (verb: string): string => {
      switch (verb) {
        case "2006":
          return String(date.getUTCFullYear())
        case "06":
          return pad(date.getUTCFullYear() % 100, 2)
        case "Jan":
          return months[date.getUTCMonth()] ?? ""
        case "Mon":
          return days[date.getUTCDay()] ?? ""
        case "01":
          return pad(date.getUTCMonth() + 1, 2)
        case "02":
          return pad(date.getUTCDate(), 2)
        case "15":
          return pad(date.getUTCHours(), 2)
        case "03":
          return pad(date.getUTCHours() % 12 === 0 ? 12 : date.getUTCHours() % 12, 2)
        case "04":
          return pad(date.getUTCMinutes(), 2)
        case "05":
          return pad(date.getUTCSeconds(), 2)
        case "PM":
          return date.getUTCHours() < 12 ? "AM" : "PM"
        case "MST":
          return "UTC"
        case "Z07:00":
          return "Z"
        case "-0700":
          return "+0000"
        default: {
          const fraction = `${pad(date.getUTCMilliseconds(), 3)}000000`.slice(0, verb.length - 1)
          if (!verb.endsWith("9")) return `${verb[0]}${fraction}`
          const trimmed = fraction.replace(/0+$/, "")
          return trimmed === "" ? "" : `${verb[0]}${trimmed}`
        }
      }
    }
    let out = tokens[0] ?? ""
    verbs.forEach((verb, i) => {
      out += part(verb) + (tokens[i + 1] ?? "")
    })
    return out
  }
}

/** Go's `%<tail>` for a string (`.4s`, `-10s`, `5s`) or a number (`03x`, `d`, `5d`). */
const goVerb = (tail: string) => {
  const found = /^(-?)(0?)(\d*)(?:\.(\d+))?([sdxXvq])$/.exec(tail)
  const [, left = "", zero = "", width = "", precision, verb = "v"] = found ?? []
  return (value: string | number): string => {
    let text = typeof value === "number" ? value.toString(verb.toLowerCase() === "x" ? 16 : 10) : value
    if (verb === "X") text = text.toUpperCase()
    if (precision !== undefined && typeof value === "string") text = text.slice(0, Number(precision))
    if (verb === "q") text = JSON.stringify(text)
    const to = Number(width)
    return left === "-" ? text.padEnd(to) : text.padStart(to, zero === "0" ? "0" : " ")
  }
}

const needsQuotes = /[\s="\\]|^$/

const logfmtValue = (value: FieldValue): string => {
  if (value === null || value === undefined) return "null"
  const text = String(value)
  return needsQuotes.test(text) ? JSON.stringify(text) : text
}

const pairs = (fields: Fields): string => {
  let out = ""
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) out += ` ${key}=${logfmtValue(value)}`
  }
  return out
}

const verb = (name: string, tail: string): Formatter | undefined => {
  const text = goVerb(tail === "" ? (name === "id" ? "d" : "s") : tail)
  switch (name) {
    case "color":
      if (tail === "reset") return () => "\u001b[0m"
      return (r) => (tail === "bold" ? `\u001b[${colours[r.level]};1m` : `\u001b[${colours[r.level]}m`)
    case "id":
      return (r) => text(r.id)
    case "level":
      return (r) => text(capital(r.level))
    case "message":
      return (r) => text(r.message)
    case "module":
      return (r) => text(r.module)
    case "shortfunc":
      return (r) => text(r.operation)
    case "time": {
      const format = goTime(tail === "" ? "2006-01-02T15:04:05.999Z07:00" : tail)
      return (r) => format(r.time)
    }
    default:
      return undefined
  }
}

const consoleFormatter = (format: string): Formatter | undefined => {
  const parts: Array<Formatter> = []
  let last = 0
  for (const match of format.matchAll(/%\{([a-z]+)(?::(.*?[^\\]))?\}/g)) {
    const literal = format.slice(last, match.index)
    if (literal !== "") parts.push(() => literal)
    const part = verb(match[1] ?? "", match[2] ?? "")
    if (part === undefined) return undefined
    parts.push(part)
    last = match.index + match[0].length
  }
  const rest = format.slice(last)
  return (record) => {
    let line = ""
    for (const part of parts) line += part(record)
    return `${line}${rest}${pairs(record.fields)}\n`
  }
}

// ---- JSON and logfmt ---------------------------------------------------------------------------------------------

const jsonFormatter: Formatter = (r) => {
  const fields: Record<string, unknown> = {
    level: r.level,
    ts: r.time / 1000,
    name: r.module,
    caller: r.operation,
    msg: r.message
  }
  for (const [key, value] of Object.entries(r.fields))
    fields[key] = typeof value === "bigint" ? value.toString() : value
  return `${JSON.stringify(fields)}\n`
}

const logfmtFormatter: Formatter = (r) =>
  `ts=${r.time / 1000} level=${r.level} name=${r.module} caller=${r.operation} msg=${logfmtValue(r.message)}${pairs(r.fields)}\n`

/** The formatter for a FABRIC_LOGGING_FORMAT value; empty means the default. Undefined: an unknown verb. */
export const formatter = (format: string): Formatter | undefined => {
  if (format === "json") return jsonFormatter
  if (format === "logfmt") return logfmtFormatter
  return consoleFormatter(format === "" ? defaultFormat : format)
}

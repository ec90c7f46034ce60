/**
 * The grammar of FABRIC_LOGGING_SPEC, pure.
 * Source: operations-cli.md 2.1, peer-endorse-validate.md 2.7 (last item).
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/** Severity, ascending. `payload` lies below debug as in Fabric. */
export type Level = "payload" | "debug" | "info" | "warn" | "error" | "dpanic" | "panic" | "fatal"

const order: Readonly<Record<Level, number>> = {
  payload: -2,
  debug: -1,
  info: 0,
  warn: 1,
  error: 2,
  dpanic: 3,
  panic: 4,
  fatal: 5
}

/** A number that grows with severity (zap's numbering). */
export const severity = (level: Level): number => order[level]

/** The name under which a level is stored, shown in `/logspec` and used as a metric label. */
export const canonicalName = (level: Level): string => (level === "payload" ? "Level(-2)" : level)

const names: ReadonlyMap<string, Level> = new Map<string, Level>([
  ["payload", "payload"],
  ["debug", "debug"],
  ["info", "info"],
  ["notice", "info"],
  ["warning", "warn"],
  ["warn", "warn"],
  ["error", "error"],
  ["critical", "error"],
  ["dpanic", "dpanic"],
  ["panic", "panic"],
  ["fatal", "fatal"]
])

/** Accepts all-lower or all-upper names only; `Info` is none. */
export const parseLevel = (text: string): Level | undefined => {
  const lower = text.toLowerCase()
  return text === lower || text === text.toUpperCase() ? names.get(lower) : undefined
}

export class LogSpecInvalid extends Data.TaggedError("LogSpecInvalid")<{
  readonly spec: string
  readonly reason: string
}> {
  override get message() {
    return `invalid logging specification '${this.spec}': ${this.reason}`
  }
}

/** A parsed spec: `levelOf` is asked for each record, so its answers are cached per logger name. */
export interface LogSpec {
  /** Normal form: entries sorted as text, then the default, joined by `:`. */
  readonly text: string
  readonly levelOf: (logger: string) => Level
}

const loggerName = /^[\p{L}\p{Nd}_#:-]+(\.[\p{L}\p{Nd}_#:-]+)*$/u
/** Logger names come from our own modules and from Admin calls; a flood of the latter must not grow the cache. */
const cacheLimit = 4096

const build = (entries: ReadonlyMap<string, Level>, fallback: Level): LogSpec => {
  const cache = new Map<string, Level>()
  const lookUp = (logger: string): Level => {
    const exact = entries.get(`${logger}.`)
    if (exact !== undefined) return exact
    for (let name = logger; name !== ""; name = name.slice(0, Math.max(name.lastIndexOf("."), 0))) {
      const level = entries.get(name)
      if (level !== undefined) return level
    }
    return fallback
  }
  return {
    text: [
      ...[...entries].map(([name, level]) => `${name}=${canonicalName(level)}`).sort(),
      canonicalName(fallback)
    ].join(":"),
    levelOf: (logger) => {
      const known = cache.get(logger)
      if (known !== undefined) return known
      const level = lookUp(logger)
      if (cache.size < cacheLimit) cache.set(logger, level)
      return level
    }
  }
}

/** Parses a spec; the empty text means `info`. On error the caller keeps the spec it had. */
export const parseLogSpec = (spec: string): Either.Either<LogSpec, LogSpecInvalid> => {
  const bad = (reason: string) => Either.left(new LogSpecInvalid({ spec, reason }))
  const entries = new Map<string, Level>()
  let fallback: Level = "info"
  for (const segment of spec.split(":")) {
    const parts = segment.split("=")
    if (parts.length === 1) {
      const level = segment === "" ? "info" : parseLevel(segment)
      if (level === undefined) return bad(`bad segment '${segment}'`)
      fallback = level
      continue
    }
    const [loggers, levelText] = parts
    if (parts.length !== 2 || loggers === undefined || levelText === undefined) return bad(`bad segment '${segment}'`)
    if (loggers === "") return bad(`no logger specified in segment '${segment}'`)
    const level = parseLevel(levelText)
    if (level === undefined) return bad(`bad segment '${segment}'`)
    for (const logger of loggers.split(",")) {
      if (!loggerName.test(logger.replace(/\.$/, ""))) return bad(`bad logger name '${logger}'`)
      entries.set(logger, level)
    }
  }
  return Either.right(build(entries, fallback))
}

/** The spec in force when nothing is set. */
export const infoSpec: LogSpec = build(new Map(), "info")

/**
 * Structured logging under Fabric's rules: `Log.module("orderer.consensus.solo")` gives a logger that asks the log spec
 * first and prints Fabric's line. One `Logging` per node, so that several nodes live in one process with their own
 * levels and sinks; code that was given none logs nowhere.
 * Source: operations-cli.md section 2; anchors C16.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type { Fields, Formatter } from "./LogFormat.js"
import { formatter } from "./LogFormat.js"
import type { Level, LogSpec, LogSpecInvalid } from "./LogSpec.js"
import { infoSpec, parseLogSpec, severity } from "./LogSpec.js"

export type { Fields, FieldValue } from "./LogFormat.js"
export type { Level } from "./LogSpec.js"

export class LogFormatInvalid extends Data.TaggedError("LogFormatInvalid")<{ readonly format: string }> {
  override get message() {
    return `invalid log format '${this.format}'`
  }
}

/** Told of every record that passes by; feeds the metrics logging_entries_checked and logging_entries_written. */
export interface LogObserver {
  readonly checked: (level: Level) => void
  readonly written: (level: Level) => void
}

/** One node's log: spec, format and sink. Writes are synchronous calls of `write`. */
export class NodeLog {
  private spec: LogSpec = infoSpec
  private observer: LogObserver | undefined
  private count = 0

  constructor(
    private readonly format: Formatter,
    private readonly write: (line: string) => void,
    private readonly now: () => number
  ) {}

  /** The active spec in normal form, as `/logspec` shows it. */
  get specText(): string {
    return this.spec.text
  }
  /** Replaces the spec; on error the old one stays in force. */
  activate(spec: string): Either.Either<void, LogSpecInvalid> {
    return Either.map(parseLogSpec(spec), (parsed) => {
      this.spec = parsed
    })
  }
  /** The level of one logger, for the Admin service. */
  levelOf(module: string): Level {
    return this.spec.levelOf(module)
  }
  observe(observer: LogObserver): void {
    this.observer = observer
  }
  enabled(module: string, level: Level): boolean {
    return severity(level) >= severity(this.spec.levelOf(module))
  }
  log(level: Level, module: string, operation: string, message: string, fields: Fields): void {
    this.observer?.checked(level)
    if (!this.enabled(module, level)) return
    this.count += 1
    this.write(this.format({ level, module, operation, time: this.now(), id: this.count, message, fields }))
    this.observer?.written(level)
  }
}

const silent = new NodeLog(
  () => "",
  () => {},
  () => 0
)

/** The log of the node that the running fiber belongs to. Silent unless `Logging` was provided. */
export class CurrentLog extends Context.Reference<CurrentLog>()("runtime/Log/CurrentLog", {
  defaultValue: (): NodeLog => silent
}) {}

// ---- Loggers -----------------------------------------------------------------------------------------------------

/** A module's logger for callbacks and hot loops: plain functions. */
export interface SyncLog {
  readonly enabled: (level: Level) => boolean
  readonly debug: (message: string, fields?: Fields) => void
  readonly info: (message: string, fields?: Fields) => void
  readonly warning: (message: string, fields?: Fields) => void
  readonly error: (message: string, fields?: Fields) => void
}

/** A module's logger for effects. */
export interface ModuleLog {
  /** The same logger with another operation name (Fabric's short function). */
  readonly at: (operation: string) => ModuleLog
  readonly enabled: (level: Level) => Effect.Effect<boolean>
  readonly debug: (message: string, fields?: Fields) => Effect.Effect<void>
  readonly info: (message: string, fields?: Fields) => Effect.Effect<void>
  readonly warning: (message: string, fields?: Fields) => Effect.Effect<void>
  readonly error: (message: string, fields?: Fields) => Effect.Effect<void>
  /** The log line of a panic or fatal of the reference; the caller fails with a tagged error, nothing exits here. */
  readonly fatal: (message: string, fields?: Fields) => Effect.Effect<void>
  /** The same logger as plain functions, bound to the node of the running fiber. */
  readonly sync: Effect.Effect<SyncLog>
}

const none: Fields = {}

const syncLog = (log: NodeLog, name: string, operation: string): SyncLog => ({
  enabled: (level) => log.enabled(name, level),
  debug: (message, fields = none) => log.log("debug", name, operation, message, fields),
  info: (message, fields = none) => log.log("info", name, operation, message, fields),
  warning: (message, fields = none) => log.log("warn", name, operation, message, fields),
  error: (message, fields = none) => log.log("error", name, operation, message, fields)
})

/** The logger of a module, named as Fabric names it (`gossip.state`, `orderer.common.server`). */
export const module = (name: string, operation: string = name.slice(name.lastIndexOf(".") + 1)): ModuleLog => {
  const at =
    (level: Level) =>
    (message: string, fields: Fields = none): Effect.Effect<void> =>
      Effect.map(CurrentLog, (log) => log.log(level, name, operation, message, fields))
  return {
    at: (other) => module(name, other),
    enabled: (level) => Effect.map(CurrentLog, (log) => log.enabled(name, level)),
    debug: at("debug"),
    info: at("info"),
    warning: at("warn"),
    error: at("error"),
    fatal: at("fatal"),
    sync: Effect.map(CurrentLog, (log) => syncLog(log, name, operation))
  }
}

// ---- Layers ------------------------------------------------------------------------------------------------------

export interface LoggingOptions {
  /** FABRIC_LOGGING_SPEC; empty means `info`. */
  readonly spec: string
  /** FABRIC_LOGGING_FORMAT; empty means the default. */
  readonly format: string
  /** Where lines go; each ends with a line feed. */
  readonly write: (line: string) => void
  /** Milliseconds since the epoch; the real time unless a test says otherwise. */
  readonly now?: () => number
}

export const make = (options: LoggingOptions): Either.Either<NodeLog, LogSpecInvalid | LogFormatInvalid> => {
  const format = formatter(options.format)
  if (format === undefined) return Either.left(new LogFormatInvalid({ format: options.format }))
  const log = new NodeLog(format, options.write, options.now ?? Date.now)
  return Either.map(log.activate(options.spec), () => log)
}

const levels: Readonly<Record<LogLevel.LogLevel["_tag"], Level>> = {
  All: "debug",
  Trace: "debug",
  Debug: "debug",
  Info: "info",
  Warning: "warn",
  Error: "error",
  Fatal: "fatal",
  None: "debug"
}

/** Lines of Effect itself (unhandled fiber failures among them) go the same way. */
const bridge = (log: NodeLog) =>
  Layer.mergeAll(
    Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ cause, logLevel, message }) => {
        const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
        const fields = Cause.isEmpty(cause) ? none : { error: Cause.pretty(cause) }
        log.log(levels[logLevel._tag], "effect", "fiber", text, fields)
      })
    ),
    Logger.minimumLogLevel(LogLevel.Debug)
  )

/** Puts a log in force for everything built below. */
export const layerOf = (log: NodeLog): Layer.Layer<never> => Layer.merge(Layer.succeed(CurrentLog, log), bridge(log))

/** Stage `log`: reads spec and format; a bad one fails the start as in the reference. */
export const layer = (options: LoggingOptions): Layer.Layer<never, LogSpecInvalid | LogFormatInvalid> =>
  Layer.unwrapEffect(Effect.map(make(options), layerOf))

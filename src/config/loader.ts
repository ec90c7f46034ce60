/**
 * Loading core.yaml and orderer.yaml: file, environment, defaults, decoded whole and immutable, every fault named.
 * Source: orderer.md 2.2-2.4, peer-endorse-validate.md 2.1; anchors B10.
 */
import { basename, dirname } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { type Assembled, assemble, type Rules, shown } from "./assemble.js"
import { type CoreValues, CoreYaml } from "./core/schema.js"
import { ConfigInvalid, type ConfigIssue, ConfigUnreadable, type Origin } from "./errors.js"
import { type Environment, findFile, folders, readText } from "./find.js"
import { type OrdererValues, OrdererYaml } from "./orderer/schema.js"
import { layoutOf } from "./schema.js"
import { parseYaml, type Tree } from "./yaml.js"

export interface LoadOptions {
  readonly env: Environment
  /** The working folder. */
  readonly cwd: string
  /** Values that beat file and environment, by key; flags of the command line (`chaincode.mode`: `dev`). */
  readonly overrides?: Readonly<Record<string, string>>
}

/** Where a loaded configuration came from. */
export interface ConfigSource {
  readonly file: string
  /** Folder of the file. */
  readonly folder: string
  /** Origin of every key, by key: `peer.tls.enabled`. */
  readonly origins: ReadonlyMap<string, Origin>
  /** Keys of the file that nobody reads; worth a warning each. */
  readonly notes: ReadonlyArray<string>
}

export interface CoreConfig extends CoreValues {
  readonly source: ConfigSource
}
export interface OrdererConfig extends OrdererValues {
  readonly source: ConfigSource
}

const orderer: Rules = { prefix: "ORDERER", exact: true }
const core: Rules = { prefix: "CORE", exact: false }

interface Loaded<A> {
  readonly values: A
  readonly source: ConfigSource
}

const mapstructure = (issues: ReadonlyArray<ConfigIssue>): string => {
  const lines = issues.map(({ reference }) => reference).filter((line) => line !== "")
  return `${lines.length} error(s) decoding:\n\n${lines
    .map((line) => `* ${line}`)
    .sort()
    .join("\n")}`
}

/** The faults of values that did not fit their leaf. */
const typeIssues = (error: ParseResult.ParseError, { leaves }: Assembled): ReadonlyArray<ConfigIssue> =>
  ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message, path }) => {
    const assigned = leaves.get(path.map(String).join("."))
    const fault = assigned?.given === undefined ? undefined : assigned.info.fault(assigned.given)
    const key = assigned?.key ?? path.map(String).join(".")
    return {
      key,
      origin: assigned?.origin ?? { source: "default" },
      found: assigned?.info.secret === true ? "a secret" : shown(assigned?.given),
      want: fault?.want ?? message,
      reference: fault?.reference(key) ?? message
    }
  })

const noLoggingLevel =
  "CORE_LOGGING_LEVEL is no longer supported, please use the FABRIC_LOGGING_SPEC environment variable"

const legacyLogging = (rules: Rules, tree: Tree, env: Environment): boolean => {
  const logging = tree.get("logging")?.value
  const level = logging?.kind === "map" ? logging.entries.get("level")?.value : undefined
  return rules === core && ((env.CORE_LOGGING_LEVEL ?? "") !== "" || level !== undefined)
}

const decode = <A, I>(
  schema: Schema.Schema<A, I>,
  rules: Rules,
  file: string,
  text: string,
  options: LoadOptions,
  reference: (issues: ReadonlyArray<ConfigIssue>) => string
): Either.Either<Loaded<A>, ConfigInvalid | ConfigUnreadable> =>
  Either.gen(function* () {
    const name = basename(file)
    const tree = yield* parseYaml(text, name)
    const folder = dirname(file)
    const overrides = new Map(Object.entries(options.overrides ?? {}))
    const assembled = assemble(layoutOf(schema), { rules, env: options.env, file: name, folder, tree, overrides })
    const values = Schema.decodeUnknownEither(schema, { errors: "all" })(assembled.raw)
    const issues = [...assembled.issues, ...(Either.isLeft(values) ? typeIssues(values.left, assembled) : [])]
    if (Either.isLeft(values) || issues.length > 0) {
      return yield* Either.left(new ConfigInvalid({ file, issues, reference: reference(issues), panic: false }))
    }
    const notes = [...assembled.notes, ...(legacyLogging(rules, tree, options.env) ? [noLoggingLevel] : [])]
    const origins = new Map([...assembled.leaves.values()].map(({ key, origin }) => [key, origin]))
    return { values: values.right, source: { file, folder, origins, notes } }
  })

// ---- Orderer -----------------------------------------------------------------------------------------------------

/** What the reference checks after it has read the file; a fault is a panic there. */
const kafkaIssues = ({ kafka }: OrdererValues): ReadonlyArray<ConfigIssue> => {
  const missing = (key: string, reference: string): ConfigIssue => ({
    key,
    origin: { source: "default" },
    found: "nothing",
    want: "a value",
    reference
  })
  const tls = (key: string) => `General.Kafka.TLS.${key} must be set if General.Kafka.TLS.Enabled is set to true.`
  const sasl = (key: string) =>
    `General.Kafka.SASLPlain.${key} must be set if General.Kafka.SASLPlain.Enabled is set to true.`
  const issues: Array<ConfigIssue> = []
  if (kafka.tls.enabled) {
    if (kafka.tls.certificate === "") issues.push(missing("Kafka.TLS.Certificate", tls("Certificate")))
    if (kafka.tls.privateKey === "") issues.push(missing("Kafka.TLS.PrivateKey", tls("PrivateKey")))
    if (kafka.tls.rootCAs.length === 0) issues.push(missing("Kafka.TLS.RootCAs", tls("CertificatePool")))
  }
  if (kafka.saslPlain.enabled) {
    if (kafka.saslPlain.user === "") issues.push(missing("Kafka.SASLPlain.User", sasl("User")))
    if (kafka.saslPlain.password === "") issues.push(missing("Kafka.SASLPlain.Password", sasl("Password")))
  }
  return issues
}

/** `decodeOrderer` for a text that is at hand. `file` gives names and the folder of relative paths. */
export const decodeOrderer = (
  file: string,
  text: string,
  options: LoadOptions
): Either.Either<OrdererConfig, ConfigInvalid | ConfigUnreadable> =>
  Either.gen(function* () {
    const reference = (issues: ReadonlyArray<ConfigIssue>) =>
      `Error unmarshaling config into struct: ${mapstructure(issues)}`
    const { source, values } = yield* decode(OrdererYaml, orderer, file, text, options, reference)
    const issues = kafkaIssues(values)
    const [first] = issues
    if (first !== undefined) {
      return yield* Either.left(new ConfigInvalid({ file, issues, reference: first.reference, panic: true }))
    }
    return { ...values, source }
  })

/** Finds and loads orderer.yaml. The caller prints failures after `failed to parse config:  `. */
export const loadOrdererConfig = (
  options: LoadOptions
): Effect.Effect<OrdererConfig, ConfigInvalid | ConfigUnreadable> =>
  Effect.suspend(() => {
    const file = findFile("orderer", folders(options.env, options.cwd).folders)
    const unreadable = (line: number | undefined, reason: string) =>
      new ConfigUnreadable({ file, line, reason: `Error reading configuration: ${reason}` })
    if (file === undefined) return unreadable(undefined, 'Unsupported Config Type ""')
    return Either.flatMap(readText(file), (text) => decodeOrderer(file, text, options)).pipe(
      Either.mapLeft((error) => (error._tag === "ConfigUnreadable" ? unreadable(error.line, error.reason) : error))
    )
  })

// ---- Peer --------------------------------------------------------------------------------------------------------

/** `loadCoreConfig` for a text that is at hand. */
export const decodeCore = (
  file: string,
  text: string,
  options: LoadOptions
): Either.Either<CoreConfig, ConfigInvalid | ConfigUnreadable> =>
  Either.map(
    decode(
      CoreYaml,
      core,
      file,
      text,
      options,
      (issues) => `error when reading core config file: ${mapstructure(issues)}`
    ),
    ({ source, values }) => ({ ...values, source })
  )

/**
 * Finds and loads core.yaml. Values that do not fit are refused, where the reference takes zero for them in silence;
 * unknown keys are ignored with a note. The caller prints failures after `Fatal error when initializing core config : `.
 */
export const loadCoreConfig = (options: LoadOptions): Effect.Effect<CoreConfig, ConfigInvalid | ConfigUnreadable> =>
  Effect.suspend(() => {
    const places = folders(options.env, options.cwd)
    const failed = (file: string | undefined, line: number | undefined, reason: string) =>
      new ConfigUnreadable({ file, line, reason })
    if (places.missing !== undefined) {
      return failed(undefined, undefined, `FABRIC_CFG_PATH ${places.missing} does not exist`)
    }
    const file = findFile("core", places.folders)
    if (file === undefined) {
      return failed(
        undefined,
        undefined,
        "Could not find config file. Please make sure that FABRIC_CFG_PATH is set to a path which contains core.yaml"
      )
    }
    return Either.flatMap(readText(file), (text) => decodeCore(file, text, options)).pipe(
      Either.mapLeft((error) =>
        error._tag === "ConfigUnreadable"
          ? failed(file, error.line, `error when reading core config file: ${error.reason}`)
          : error
      )
    )
  })

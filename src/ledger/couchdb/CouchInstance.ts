/**
 * A CouchDB server: requests with retries and metrics. The only user of nano, which is loaded with the first instance.
 * Source: ledger-privatedata.md 2.1, 3.L; ledger/util/couchdb/couchdb.go, couchdbutil.go, metrics.go.
 */
import * as Effect from "effect/Effect"
import type { RequestOptions, ServerScope } from "nano"
import * as Log from "../../runtime/Log.js"
import type { Histogram, MetricsShape } from "../../runtime/Metrics.js"
import { textOf } from "../../runtime/Stage.js"
import { isJsonObject, marshalJson } from "../statedb/goJson.js"
import { CouchFailed } from "./errors.js"

const log = Log.module("couchdb")

/** `ledger.state.couchDBConfig`. */
export interface CouchSettings {
  /** `host:port`. */
  readonly couchDBAddress: string
  readonly username: string
  readonly password: string
  /** Tries after the first one. */
  readonly maxRetries: number
  readonly maxRetriesOnStartup: number
  /** Milliseconds, 0 for no limit. */
  readonly requestTimeout: number
  /** Records that one request of a query brings. */
  readonly internalQueryLimit: number
  /** Documents written in one request. */
  readonly maxBatchUpdateSize: number
  readonly autoWarmIndexes: boolean
  readonly warmIndexesAfterNBlocks: number
  readonly createGlobalChangesDB: boolean
}

/** A request; `name` is its label in the metrics. */
export interface CouchRequest {
  readonly name: string
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE"
  readonly db?: string
  readonly path?: string
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
  /** Instead of the settings' `maxRetries`. */
  readonly retries?: number
}

/** Milliseconds before the second try; doubled before each further one. */
const FIRST_WAIT = 125
const USERS = "_users"

export class CouchInstance {
  private constructor(
    private readonly server: ServerScope,
    readonly settings: CouchSettings,
    private readonly times: Histogram<"database" | "function_name" | "result">
  ) {}

  /** Connects: the server must answer, be CouchDB 2 or later, and let us make its system databases. */
  static make(settings: CouchSettings, metrics: MetricsShape): Effect.Effect<CouchInstance, CouchFailed> {
    return Effect.gen(function* () {
      const { password, username } = settings
      const nano = yield* Effect.promise(() => import("nano"))
      const server = yield* Effect.try({
        try: () =>
          nano.default({
            url: `http://${settings.couchDBAddress}`,
            headers:
              username !== "" && password !== ""
                ? { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` }
                : {}
          }),
        catch: () => new CouchFailed({ reason: `error parsing CouchDB URL: http://${settings.couchDBAddress}` })
      })
      const times = metrics.histogram({
        namespace: "couchdb",
        name: "processing_time",
        help: "Time taken in seconds for the function to complete request to CouchDB",
        labelNames: ["database", "function_name", "result"]
      })
      const instance = new CouchInstance(server, settings, times)
      yield* instance.verify
      return instance
    })
  }

  /** Whether the server answers at all, asked once. */
  readonly health: Effect.Effect<void, CouchFailed> = Effect.suspend(() =>
    this.request({ name: "HealthCheck", method: "HEAD", retries: 0 })
  ).pipe(
    Effect.mapError((error) => new CouchFailed({ reason: `failed to connect to couch db [${error.reason}]` })),
    Effect.asVoid
  )

  /** The answer's body. A request without answer, or with one of 500 and above, is made again. */
  request(request: CouchRequest): Effect.Effect<unknown, CouchFailed> {
    const retries = request.retries ?? this.settings.maxRetries
    const attempt = (number: number): Effect.Effect<unknown, CouchFailed> =>
      Effect.catchAll(this.once(request), (error) => {
        if (number > retries || (error.status !== undefined && error.status < 500)) return Effect.fail(error)
        const wait = FIRST_WAIT * 2 ** (number - 1)
        return log
          .warning(`Retrying couchdb request in ${wait}ms. Attempt:${number}  Error:${error.reason}`)
          .pipe(Effect.zipRight(Effect.sleep(wait)), Effect.zipRight(attempt(number + 1)))
      })
    return attempt(1)
  }

  /** A database that must be there: made when it is not, with the user of the settings as its only one. */
  ensureDatabase(db: string): Effect.Effect<void, CouchFailed> {
    const exists = Effect.as(this.request({ name: "GetDatabaseInfo", method: "GET", db }), true)
    const present = Effect.catchIf(
      exists,
      ({ status }) => status === 404,
      () => Effect.succeed(false)
    )
    return Effect.gen(this, function* () {
      if (!(yield* present)) {
        yield* Effect.catchAll(this.request({ name: "CreateDatabaseIfNotExist", method: "PUT", db }), (error) =>
          // an answer that got lost may have been a good one
          Effect.flatMap(present, (made) => (made ? Effect.void : Effect.fail(error)))
        )
        yield* log.info(`Created state database ${db}`)
      }
      const { password, username } = this.settings
      if (username === "" && password === "") return
      const only = { names: [username], roles: [] }
      const secured = this.request({
        name: "ApplyDatabaseSecurity",
        method: "PUT",
        db,
        path: "_security",
        body: { admins: only, members: only }
      })
      yield* Effect.catchIf(
        secured,
        // CouchDB 3 keeps its users to its administrators by itself, and lets nobody say otherwise
        ({ status }) => db === USERS && status === 403,
        ({ reason }) => log.debug(`Permissions of ${db} stay as they are: ${reason}`)
      )
    })
  }

  private readonly verify: Effect.Effect<void, CouchFailed> = Effect.suspend(() =>
    Effect.gen(this, function* () {
      const { createGlobalChangesDB, maxRetriesOnStartup } = this.settings
      const within = (text: string) => (error: CouchFailed) => new CouchFailed({ reason: `${text}: ${error.reason}` })
      const info = yield* Effect.mapError(
        this.request({ name: "VerifyCouchConfig", method: "GET", retries: maxRetriesOnStartup }),
        within("unable to connect to CouchDB, check the hostname and port")
      )
      const systemDatabases = [USERS, "_replicator", ...(createGlobalChangesDB ? ["_global_changes"] : [])]
      for (const db of systemDatabases)
        yield* Effect.mapError(
          this.ensureDatabase(db),
          within("unable to connect to CouchDB. Check the admin username and password")
        )
      const version = isJsonObject(info) && typeof info.version === "string" ? info.version : ""
      if (!(Number.parseInt(version, 10) >= 2))
        return yield* new CouchFailed({
          reason: `CouchDB must be at least version 2.0.0. Detected version ${version}`
        })
    })
  )

  private once(request: CouchRequest): Effect.Effect<unknown, CouchFailed> {
    return Effect.suspend(() => {
      const began = performance.now()
      const observe = (result: string) =>
        this.times
          .with({ database: request.db ?? "", function_name: request.name, result })
          .observe((performance.now() - began) / 1000)
      return Effect.tryPromise({
        try: (aborted) => {
          const signal = this.limited(aborted)
          return orAborted(this.server.request(optionsOf(request, signal)), signal)
        },
        catch: failureOf
      }).pipe(
        // nano gives an empty text where it could not read the answer: it broke off, or was not CouchDB's
        Effect.filterOrFail(
          isRead,
          () => new CouchFailed({ reason: "http error calling couchdb: the answer is not whole, or no JSON" })
        ),
        Effect.tap(() => observe(request.method === "PUT" || request.path === "_bulk_docs" ? "201" : "200")),
        Effect.tapError(({ status }) => Effect.sync(() => observe(String(status ?? 0))))
      )
    })
  }

  private limited(aborted: AbortSignal): AbortSignal {
    const { requestTimeout } = this.settings
    return requestTimeout > 0 ? AbortSignal.any([aborted, AbortSignal.timeout(requestTimeout)]) : aborted
  }
}

/**
 * nano hands the signal to fetch; its types do not say so. Bodies are written here: `JSON.stringify` ends on values that
 * are nested deeply.
 */
const optionsOf = (
  { body, db, method, path, query }: CouchRequest,
  signal: AbortSignal
): RequestOptions & { readonly signal: AbortSignal } => ({
  method,
  signal,
  ...(db === undefined ? {} : { db }),
  ...(path === undefined ? {} : { path }),
  ...(query === undefined ? {} : { qs: query }),
  ...(body === undefined ? {} : { body: Buffer.from(marshalJson(body)) })
})

/** nano never settles a request whose answer it stumbles over: the signal ends that wait as well. */
const orAborted = <A>(request: Promise<A>, signal: AbortSignal): Promise<A> =>
  Promise.race([
    request,
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    })
  ])

const isRead = (answer: unknown): answer is object =>
  typeof answer === "object" && answer !== null && !(answer instanceof Uint8Array)

/** An error of nano in the reference's words. */
const failureOf = (error: unknown): CouchFailed => {
  const field = (name: string): unknown =>
    typeof error === "object" && error !== null && name in error ? Reflect.get(error, name) : undefined
  const status = field("statusCode")
  if (typeof status !== "number") {
    // fetch keeps to itself why a connection failed
    const wrapped = error instanceof Error ? error.cause : undefined
    return new CouchFailed({
      reason: `http error calling couchdb: ${textOf(error)}${wrapped === undefined ? "" : `: ${textOf(wrapped)}`}`
    })
  }
  const text = (name: string) => String(field(name) ?? "")
  return new CouchFailed({
    status,
    reason: `error handling CouchDB request. Error:${text("error")},  Status Code:${status},  Reason:${text("reason")}`
  })
}

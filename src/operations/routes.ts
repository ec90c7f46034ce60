/**
 * What the operations service answers: status, headers and body of every path, to the byte.
 * Source: operations-cli.md 1.2; core/operations, core/middleware, common/flogging/httpadmin.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { NodeLog } from "../runtime/Log.js"
import type { MetricsShape } from "../runtime/Metrics.js"
import type { Checks } from "./checks.js"
import { readLogSpec } from "./goJson.js"

export interface Request {
  readonly method: string
  readonly path: string
  /** Behind the question mark. */
  readonly query: string
  readonly body: string
  /** The caller's X-Request-Id. */
  readonly requestId: string | undefined
  /** The caller showed a certificate that verifies. */
  readonly certified: boolean
}

export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A page that the node adds: JSON for those who may read metrics. */
export type Page = (query: URLSearchParams) => Effect.Effect<{ readonly status: number; readonly body: unknown }>

export interface Services {
  /** By path. */
  readonly pages: ReadonlyMap<string, Page>
  readonly checks: Checks
  readonly log: NodeLog
  readonly metrics: MetricsShape
  /** /metrics exists. */
  readonly prometheus: boolean
  readonly tls: boolean
  readonly version: string
  readonly commitSha: string
  readonly newRequestId: Effect.Effect<string>
  readonly healthTimeout: Duration.DurationInput
}

const json = { "Content-Type": "application/json" }
const plain = (status: number): Response => ({ status, headers: {}, body: "" })

const notFound: Response = {
  status: 404,
  headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
  body: "404 page not found\n"
}

/** Go escapes these in every JSON text it writes. */
const goJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)

const health = ({ checks, healthTimeout }: Services, { method }: Request): Effect.Effect<Response> => {
  if (method !== "GET") return Effect.succeed(plain(405))
  return Effect.gen(function* () {
    const failed = yield* Effect.timeoutOption(Effect.disconnect(checks.run), healthTimeout)
    if (Option.isNone(failed)) return plain(408)
    const time = new Date(yield* Clock.currentTimeMillis).toISOString()
    if (failed.value.length === 0) return { status: 200, headers: json, body: goJson({ status: "OK", time }) }
    const body = goJson({ status: "Service Unavailable", time, failed_checks: failed.value })
    return { status: 503, headers: json, body }
  })
}

const logSpec = ({ log }: Services, { body, method }: Request): Response => {
  const answer = (status: number, value: unknown): Response => ({ status, headers: json, body: `${goJson(value)}\n` })
  if (method === "GET") return answer(200, { spec: log.specText })
  if (method !== "PUT") return answer(400, { error: `invalid request method: ${method}` })
  const activated = Either.flatMap(readLogSpec(body), (spec) =>
    Either.mapLeft(log.activate(spec), (invalid) => invalid.message)
  )
  return Either.isLeft(activated) ? answer(400, { error: activated.left }) : plain(204)
}

const version = ({ commitSha, version }: Services, { method }: Request): Response => {
  if (method !== "GET")
    return { status: 400, headers: json, body: goJson({ Error: `invalid request method: ${method}` }) }
  const body = goJson({
    CommitSHA: commitSha === "" ? undefined : commitSha,
    Version: version === "" ? undefined : version
  })
  return { status: 200, headers: json, body }
}

const metricsPage = ({ metrics }: Services): Effect.Effect<Response> =>
  Effect.map(metrics.exposition, (page) =>
    page === undefined ? notFound : { status: 200, headers: { "Content-Type": page.contentType }, body: page.body }
  )

/** Numbers of 64 bits become texts: JSON's readers cut them. */
const exact = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value)

const addedPage = (page: Page, { method, query }: Request): Effect.Effect<Response> => {
  const response = (status: number, value: unknown): Response => ({
    status,
    headers: json,
    body: `${JSON.stringify(value, exact)}\n`
  })
  if (method !== "GET") return Effect.succeed(response(400, { error: `invalid request method: ${method}` }))
  return Effect.map(page(new URLSearchParams(query)), ({ body, status }) => response(status, body))
}

/** Answers one request. */
export const answer = (services: Services, request: Request): Effect.Effect<Response> => {
  const route = (secure: boolean, response: Effect.Effect<Response>): Effect.Effect<Response> =>
    Effect.gen(function* () {
      if (secure && services.tls && !request.certified) return plain(401)
      const id = request.requestId ?? ""
      const requestId = id === "" ? yield* services.newRequestId : id
      const { body, headers, status } = yield* response
      return { status, headers: { "X-Request-Id": requestId, ...headers }, body }
    })
  switch (request.path) {
    case "/healthz":
      return route(false, health(services, request))
    case "/version":
      return route(
        false,
        Effect.sync(() => version(services, request))
      )
    case "/logspec":
      return route(
        true,
        Effect.sync(() => logSpec(services, request))
      )
    case "/metrics":
      return services.prometheus ? route(true, metricsPage(services)) : Effect.succeed(notFound)
    default: {
      const page = services.pages.get(request.path)
      return page === undefined ? Effect.succeed(notFound) : route(true, addedPage(page, request))
    }
  }
}

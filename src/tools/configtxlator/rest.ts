/**
 * configtxlator's REST interface (operations-cli 7; common/tools/configtxlator/rest): a pure function from request to
 * response, and the server around it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { computeUpdate, decodeConfig } from "../../channelconfig/index.js"
import { closing } from "../../runtime/closing.js"
import { common } from "../../wire/index.js"
import { deepMarshalJson, deepUnmarshalJson, messageNamed, plain } from "../protolator/index.js"
import { sanityCheck } from "./sanityCheck.js"

export interface RestRequest {
  readonly method: string
  readonly path: string
  readonly contentType: string
  readonly body: Uint8Array
}
export interface RestResponse {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array | string
}

const answer = (status: number, text: string): RestResponse => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body: `${text}\n`
})
const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const attempt = <A>(call: () => A): Either.Either<A, RestResponse> =>
  Either.try({ try: call, catch: (cause) => answer(400, messageOf(cause)) })
const badRequest = (error: { readonly message: string }): RestResponse => answer(400, error.message)

const namedType = (name: string) => {
  const type = messageNamed(decodeURIComponent(name))
  return type === undefined ? Either.left(answer(404, "message name not found")) : Either.right(type)
}

const decode = (name: string, body: Uint8Array): Either.Either<RestResponse, RestResponse> =>
  Either.gen(function* () {
    const type = yield* namedType(name)
    const message = yield* attempt(() => type.decode(body))
    const json = yield* Either.mapLeft(deepMarshalJson(plain(type), message), badRequest)
    return { status: 200, contentType: "application/json", body: json }
  })

const encode = (name: string, body: Uint8Array): Either.Either<RestResponse, RestResponse> =>
  Either.gen(function* () {
    const type = yield* namedType(name)
    const json = Buffer.from(body).toString("utf8")
    const message = yield* Either.mapLeft(deepUnmarshalJson(plain(type), json), badRequest)
    const bytes = yield* attempt(() => type.encode(message))
    return { status: 200, contentType: "application/octet-stream", body: bytes }
  })

const configField = async (form: FormData, name: string): Promise<Either.Either<common.Config, RestResponse>> => {
  const bad = (text: string) => answer(400, `Error with field '${name}': ${text}`)
  const file = form.get(name)
  if (file === null || typeof file === "string") {
    return Either.left(bad("error reading field bytes: http: no such file"))
  }
  return Either.mapLeft(decodeConfig(new Uint8Array(await file.arrayBuffer())), (error) =>
    bad(`error unmarshaling field bytes: ${error.message}`)
  )
}

const computeUpdateFromConfigs = async ({ body, contentType }: RestRequest): Promise<RestResponse> => {
  const unreadable = (why: string) => answer(400, `Error with field 'original': error reading field bytes: ${why}`)
  if (!/^multipart\/form-data\b/i.test(contentType)) {
    return unreadable("request Content-Type isn't multipart/form-data")
  }
  let form: FormData
  try {
    form = await new Response(body, { headers: { "content-type": contentType } }).formData()
  } catch (cause) {
    return unreadable(messageOf(cause))
  }
  const original = await configField(form, "original")
  if (Either.isLeft(original)) return original.left
  const updated = await configField(form, "updated")
  if (Either.isLeft(updated)) return updated.left
  const update = computeUpdate(original.right, updated.right)
  if (Either.isLeft(update)) return answer(400, `Error computing update: ${update.left.message}`)
  const channel = form.get("channel")
  const channelId = typeof channel === "string" ? channel : ""
  return {
    status: 200,
    contentType: "application/octet-stream",
    body: common.ConfigUpdate.encode({ ...update.right, channelId })
  }
}

/** Go writes an empty list as null. */
const orNull = <A>(list: ReadonlyArray<A>): ReadonlyArray<A> | null => (list.length === 0 ? null : list)

const verifyConfig = (body: Uint8Array): RestResponse => {
  const config = decodeConfig(body)
  if (Either.isLeft(config)) {
    return answer(400, `Error unmarshaling data to common.Config': ${config.left.message}`)
  }
  const { elementErrors, elementWarnings, generalErrors } = sanityCheck(config.right)
  const json = {
    general_errors: orNull(generalErrors),
    element_warnings: orNull(elementWarnings),
    element_errors: orNull(elementErrors)
  }
  return { status: 200, contentType: "text/plain; charset=utf-8", body: JSON.stringify(json) }
}

/** Answers one request; never rejects. */
export const handle = async (request: RestRequest): Promise<RestResponse> => {
  const [, translate, name] = /^\/protolator\/(encode|decode)\/([^/]+)$/.exec(request.path) ?? []
  const known =
    name !== undefined ||
    request.path === "/configtxlator/compute/update-from-configs" ||
    request.path === "/configtxlator/config/verify"
  if (!known) return answer(404, "404 page not found")
  if (request.method !== "POST") return { status: 405, contentType: "text/plain; charset=utf-8", body: "" }
  try {
    if (name !== undefined) return Either.merge((translate === "encode" ? encode : decode)(name, request.body))
    if (request.path.endsWith("/verify")) return verifyConfig(request.body)
    return await computeUpdateFromConfigs(request)
  } catch (cause) {
    return answer(400, messageOf(cause))
  }
}

// ----------------------------------------------------------------------------------------------------------- server

/** Larger than any configuration block that an orderer takes. */
const maxBody = 100 * 1024 * 1024

/** The body; undefined when it is too large. Rejects when the client breaks off. */
const readBody = async (request: IncomingMessage): Promise<Uint8Array | undefined> => {
  const chunks: Array<Uint8Array> = []
  let size = 0
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) continue
    size += chunk.length
    if (size > maxBody) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * What cross-origin rules add to a response. Out: headers, and the status with which a preflight ends here; undefined
 * lets the request go on.
 */
export const corsAnswer = (
  origins: ReadonlyArray<string>,
  headers: IncomingMessage["headers"],
  method: string
): { readonly headers: Readonly<Record<string, string>>; readonly status: number | undefined } => {
  const { origin } = headers
  const preflight = method === "OPTIONS"
  const allowed = origin !== undefined && origin !== "" && (origins.includes("*") || origins.includes(origin))
  if (!allowed) return { headers: {}, status: origins.length > 0 && preflight ? 200 : undefined }
  const out: Record<string, string> = { "Access-Control-Allow-Origin": origins.includes("*") ? "*" : origin }
  if (origins.length > 1) out.Vary = "Origin"
  if (!preflight) return { headers: out, status: undefined }
  const wanted = headers["access-control-request-method"]
  if (wanted === undefined) return { headers: {}, status: 400 }
  if (wanted !== "POST") return { headers: {}, status: 405 }
  const simple = new Set(["", "accept", "accept-language", "content-language", "origin"])
  const asked = (headers["access-control-request-headers"] ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => !simple.has(name))
  if (asked.some((name) => name !== "content-type")) return { headers: {}, status: 403 }
  if (asked.length > 0) out["Access-Control-Allow-Headers"] = "Content-Type"
  return { headers: out, status: 200 }
}

const serve = async (
  request: IncomingMessage,
  response: ServerResponse,
  origins: ReadonlyArray<string>
): Promise<void> => {
  const method = request.method ?? "GET"
  const cors = corsAnswer(origins, request.headers, method)
  for (const [name, value] of Object.entries(cors.headers)) response.setHeader(name, value)
  if (cors.status !== undefined) {
    response.writeHead(cors.status).end()
    return
  }
  const body = await readBody(request)
  const path = (request.url ?? "/").split("?")[0] ?? "/"
  const answered: RestResponse =
    body === undefined
      ? answer(413, "request body too large")
      : await handle({ method, path, contentType: request.headers["content-type"] ?? "", body })
  response.writeHead(answered.status, {
    "Content-Type": answered.contentType,
    "Content-Length": Buffer.byteLength(answered.body)
  })
  response.end(answered.body)
}

/** The address could not be listened on. */
export class BindFailed extends Data.TaggedError("BindFailed")<{ readonly address: string; readonly cause: unknown }> {
  override get message(): string {
    return `Could not bind to address '${this.address}': listen tcp ${this.address}: ${messageOf(this.cause)}`
  }
}

/**
 * Listens until the scope closes. Out: the port, the chosen one where 0 was asked for.
 * Errors: the address is taken or not ours.
 */
export const listen = (
  hostname: string,
  port: number,
  origins: ReadonlyArray<string>
): Effect.Effect<number, BindFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const address = `${hostname}:${port}`
    const server = yield* Effect.acquireRelease(
      Effect.sync((): Server => {
        const made = createServer((request, response) => {
          request.on("error", () => response.destroy())
          response.on("error", () => request.destroy())
          serve(request, response, origins).catch(() => response.destroy())
        })
        made.on("clientError", (_, socket) => socket.destroy())
        return made
      }),
      (server) =>
        closing("configtxlator's REST server", () => {
          server.closeAllConnections()
          return new Promise((resolve) => server.close(resolve))
        })
    )
    yield* Effect.async<void, BindFailed>((resume) => {
      const onError = (cause: Error) => resume(new BindFailed({ address, cause }))
      server.once("error", onError)
      server.listen(port, hostname, () => {
        server.off("error", onError)
        server.on("error", () => {})
        resume(Effect.void)
      })
    })
    const bound: string | AddressInfo | null = server.address()
    return typeof bound === "object" && bound !== null ? bound.port : port
  })

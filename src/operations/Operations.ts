/**
 * The operations service: an HTTP server for health, metrics, log spec and version, up from early in the start until the
 * end. node:http directly: platform-node would cost more start time than the whole server, and its router and headers
 * are not Go's.
 * Source: operations-cli.md 1; core/operations/system.go.
 */
import { randomUUID, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import type * as net from "node:net"
import * as tls from "node:tls"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { bindReason, joinAddress, splitAddress } from "../config/address.js"
import { goFileError } from "../config/find.js"
import { cipherList } from "../config/suites.js"
import { decodePemAll } from "../crypto/pem.js"
import { closing } from "../runtime/closing.js"
import * as Log from "../runtime/Log.js"
import { Metrics } from "../runtime/Metrics.js"
import { Checks, type HealthCheck } from "./checks.js"
import { type CheckerExists, OperationsFailed } from "./errors.js"
import { declareVersion, observeLog } from "./metrics.js"
import { answer, type Page, type Request, type Services } from "./routes.js"

export interface OperationsTls {
  /** Paths of PEM files, as they stand in the configuration. */
  readonly certificateFile: string
  readonly keyFile: string
  /** Demand certificates in the handshake; otherwise only /logspec and /metrics need one. */
  readonly clientAuthRequired: boolean
  readonly clientRootCAFiles: ReadonlyArray<string>
}

export interface OperationsOptions {
  /** `host:port`; empty: any port of the loopback. */
  readonly listenAddress: string
  /** Undefined: plain text. */
  readonly tls?: OperationsTls | undefined
  /** What /version and the metric fabric_version tell. */
  readonly version: string
  readonly commitSha: string
  /** The metrics go to Prometheus: /metrics exists. */
  readonly prometheus: boolean
  /** Limit of all checks together; 30 seconds. */
  readonly healthTimeout?: Duration.DurationInput
}

export class Operations extends Context.Tag("operations/Operations")<
  Operations,
  {
    /** Where it listens: `host:port`. */
    readonly address: string
    /** Fails when the listener ends by itself; never succeeds. */
    readonly died: Effect.Effect<never, OperationsFailed>
    /** Reads certificate and key anew; true when they are other ones. What cannot be used leaves the old ones in place. */
    readonly reloadCertificate: Effect.Effect<boolean, OperationsFailed>
    /** Adds a component to /healthz until the scope closes. */
    readonly registerChecker: (component: string, check: HealthCheck) => Effect.Effect<void, CheckerExists, Scope.Scope>
    /** Serves a page of the node's own at a path, guarded like /metrics, until the scope closes. */
    readonly addPage: (path: string, page: Page) => Effect.Effect<void, never, Scope.Scope>
  }
>() {
  static readonly layer = (options: OperationsOptions): Layer.Layer<Operations, OperationsFailed, Metrics> =>
    Layer.scoped(Operations, make(options))
}

const logger = Log.module("operations.runner")

/** Bytes of a request's body; the reference has no limit, a log spec needs none near this. */
const largestBody = 1024 * 1024

// ---- TLS ---------------------------------------------------------------------------------------------------------

const read = (file: string): Either.Either<Buffer, OperationsFailed> =>
  Either.try({
    try: () => readFileSync(file),
    catch: (error) => new OperationsFailed({ reason: goFileError(file, error) })
  })

/** Certificates of a PEM file; what does not parse is passed over, as in the reference. */
const certificatesIn = (pem: Buffer): ReadonlyArray<string> =>
  decodePemAll(pem).flatMap(({ bytes, type }) => {
    try {
      return type === "CERTIFICATE" ? [new X509Certificate(bytes).toString()] : []
    } catch {
      return []
    }
  })

const tlsOptions = (options: OperationsTls): Either.Either<https.ServerOptions, OperationsFailed> =>
  Either.gen(function* () {
    const cert = yield* read(options.certificateFile)
    const key = yield* read(options.keyFile)
    const roots: Array<string> = []
    for (const file of options.clientRootCAFiles) roots.push(...certificatesIn(yield* read(file)))
    const context: tls.SecureContextOptions = { cert, key, ca: roots, minVersion: "TLSv1.2", ciphers: cipherList }
    yield* Either.try({
      try: () => tls.createSecureContext(context),
      catch: (error) =>
        new OperationsFailed({ reason: `tls: ${error instanceof Error ? error.message : String(error)}` })
    })
    return { ...context, requestCert: true, rejectUnauthorized: options.clientAuthRequired }
  })

// ---- HTTP --------------------------------------------------------------------------------------------------------

const from = ({ remoteAddress, remotePort }: net.Socket): string =>
  remoteAddress === undefined ? "unknown" : joinAddress(remoteAddress, remotePort ?? 0)

const certified = (socket: net.Socket): boolean =>
  socket instanceof tls.TLSSocket && socket.authorized && socket.getPeerX509Certificate() !== undefined

/** The request with its body, or undefined when the body is too large or breaks off. */
const receive = (incoming: http.IncomingMessage): Effect.Effect<Request | undefined> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    incoming.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= largestBody) chunks.push(chunk)
      else resume(Effect.succeed(undefined))
    })
    incoming.on("error", () => resume(Effect.succeed(undefined)))
    incoming.on("end", () => {
      const { headers, method = "GET", socket, url = "/" } = incoming
      const id = headers["x-request-id"]
      const request: Request = {
        method,
        path: url.split("?")[0] ?? "/",
        query: url.slice((url.split("?")[0] ?? "").length + 1),
        body: Buffer.concat(chunks).toString("utf8"),
        requestId: Array.isArray(id) ? id[0] : id,
        certified: certified(socket)
      }
      resume(Effect.succeed(request))
    })
  })

const respond = (
  services: Services,
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const request = yield* receive(incoming)
    if (request === undefined) {
      outgoing.writeHead(413, { Connection: "close" }).end()
      return
    }
    const { body, headers, status } = yield* answer(services, request)
    outgoing.writeHead(status, { ...headers, ...(status === 204 ? {} : { "Content-Length": Buffer.byteLength(body) }) })
    outgoing.end(body)
  })

const listen = (server: http.Server | https.Server, address: string): Effect.Effect<string, OperationsFailed> => {
  const target = splitAddress(address === "" ? "127.0.0.1:0" : address)
  const failed = (reason: string) => new OperationsFailed({ reason: `listen tcp ${address}: ${reason}` })
  if (Either.isLeft(target)) return failed(target.left)
  const { host, port } = target.right
  return Effect.async((resume) => {
    const onError = (error: NodeJS.ErrnoException): void => resume(failed(bindReason(error)))
    server.once("error", onError)
    server.listen({ port, ...(host === "" ? {} : { host }) }, () => {
      server.off("error", onError)
      const bound = server.address()
      resume(
        Effect.succeed(typeof bound === "object" && bound !== null ? joinAddress(bound.address, bound.port) : address)
      )
    })
  })
}

const minutes2 = 120_000
const seconds10 = 10_000

export const make = (
  options: OperationsOptions
): Effect.Effect<Context.Tag.Service<Operations>, OperationsFailed, Metrics | Scope.Scope> =>
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const log = yield* Log.CurrentLog
    const warn = yield* logger.sync
    declareVersion(metrics, options.version)
    log.observe(observeLog(metrics))

    const checks = new Checks()
    const pages = new Map<string, Page>()
    const services: Services = {
      checks,
      pages,
      log,
      metrics,
      prometheus: options.prometheus,
      tls: options.tls !== undefined,
      version: options.version,
      commitSha: options.commitSha,
      newRequestId: Effect.sync(() => randomUUID()),
      healthTimeout: options.healthTimeout ?? "30 seconds"
    }
    const run = Runtime.runFork(yield* Effect.runtime<never>())
    const connections = new Connections()
    const handle: http.RequestListener = (incoming, outgoing) => {
      connections.serving(incoming.socket, outgoing)
      outgoing.on("error", () => {})
      const fiber = run(respond(services, incoming, outgoing))
      outgoing.once("close", () => fiber.unsafeInterruptAsFork(fiber.id()))
      fiber.addObserver((exit) => {
        if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause)) return
        warn.error("request failed", { error: Cause.pretty(exit.cause) })
        if (!outgoing.headersSent) outgoing.writeHead(500).end()
      })
    }
    const limits: http.ServerOptions = {
      requestTimeout: seconds10,
      headersTimeout: seconds10,
      keepAliveTimeout: seconds10
    }
    const secure = options.tls === undefined ? undefined : yield* tlsOptions(options.tls)
    const server =
      secure === undefined ? http.createServer(limits, handle) : https.createServer({ ...limits, ...secure }, handle)
    server.timeout = minutes2
    server.on("clientError", (_, socket) => {
      if (socket.writable)
        socket.end(
          "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
        )
      else socket.destroy()
    })
    server.on("tlsClientError", (error: Error, socket: tls.TLSSocket) => {
      // OpenSSL's texts end with a line feed
      warn.error(`http: TLS handshake error from ${from(socket)}: ${error.message.trim().replace(/\s+/g, " ")}`)
      socket.on("error", () => {})
      socket.destroy()
    })
    // A certificate that is shown must verify, demanded or not.
    server.prependListener("secureConnection", (socket: tls.TLSSocket) => {
      socket.on("error", () => {})
      if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) socket.destroy()
    })

    server.on("connection", (socket: net.Socket) => connections.opened(socket))
    server.on("secureConnection", (socket: tls.TLSSocket) => connections.opened(socket))
    yield* Effect.addFinalizer(() => stop(server, connections))
    const address = yield* listen(server, options.listenAddress)
    // errors of accepting one connection pass; a listener that closes, and not by our doing, is gone
    server.on("error", (error) => warn.error("operations server failed", { error: error.message }))
    const death = yield* Deferred.make<never, OperationsFailed>()
    server.on("close", () => {
      if (connections.stopping) return
      Deferred.unsafeDone(
        death,
        new OperationsFailed({ reason: `the listener on ${address} has ended: its socket was closed` })
      )
    })
    yield* logger.debug(`operations service listens on ${address}`)
    let current = secure
    const reloadCertificate = Effect.gen(function* () {
      if (options.tls === undefined || current === undefined || !(server instanceof https.Server)) return false
      const next = yield* tlsOptions(options.tls)
      if (String(next.cert) === String(current.cert) && String(next.key) === String(current.key)) return false
      current = next
      // the whole context: what is left out goes back to Node's defaults
      server.setSecureContext(next)
      return true
    })
    return {
      address,
      died: Deferred.await(death),
      reloadCertificate,
      registerChecker: (component, check) => checks.register(component, check),
      addPage: (path, page) =>
        Effect.acquireRelease(
          Effect.sync(() => void pages.set(path, page)),
          () => Effect.sync(() => pages.delete(path))
        )
    }
  })

/** Open connections, and which of them has a request under way. */
class Connections {
  /** By the caller's address: under TLS a handshake makes a second socket of the first. */
  private readonly all = new Map<string, net.Socket>()
  private readonly busy = new Set<net.Socket>()
  private ending = false

  get stopping(): boolean {
    return this.ending
  }

  opened(socket: net.Socket): void {
    const key = `${socket.remoteAddress}:${socket.remotePort}`
    this.all.set(key, socket)
    socket.once("close", () => {
      this.busy.delete(socket)
      if (this.all.get(key) === socket) this.all.delete(key)
    })
  }
  serving(socket: net.Socket, outgoing: http.ServerResponse): void {
    this.busy.add(socket)
    outgoing.once("close", () => {
      this.busy.delete(socket)
      if (this.ending) socket.destroy()
    })
  }
  endIdle(): void {
    this.ending = true
    for (const socket of this.all.values()) if (!this.busy.has(socket)) socket.destroy()
  }
  endAll(): void {
    for (const socket of this.all.values()) socket.destroy()
  }
}

/** Lets requests under way end, for five seconds at most. */
const stop = (server: http.Server | https.Server, connections: Connections): Effect.Effect<void> =>
  closing("operations service", () => {
    connections.endIdle()
    if (!server.listening) return Promise.resolve()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  }).pipe(Effect.zipRight(Effect.sync(() => connections.endAll())))

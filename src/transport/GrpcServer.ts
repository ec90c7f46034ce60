/**
 * A gRPC server: object first (the socket is bound, nobody is served), services added by the layers that own them,
 * served by `Listen.layer` on top of all. Closing goes the other way: no new connections, the services' calls end, the
 * server cuts what is left.
 * Source: design.md sections 2-3; core/comm/server.go; peer-endorse-validate.md 2.3; orderer.md 3.10.
 */
import * as grpc from "@grpc/grpc-js"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Log from "../runtime/Log.js"
import { Metrics } from "../runtime/Metrics.js"
import { textOf } from "../runtime/Stage.js"
import { Connections } from "./connections.js"
import { bidiAsRaw, makeRunner, type Run, serverStreamAsRaw, stopping, unaryAsRaw } from "./effectHandlers.js"
import { type BindFailed, ListenerDied, ServiceRefused, type TlsMaterialInvalid } from "./errors.js"
import {
  type BidiHandler,
  type Handlers,
  type MethodDefinition,
  type RawHandler,
  rawHandler,
  type ServerStreamHandler,
  type ServiceDefinition,
  type UnaryHandler
} from "./handlers.js"
import { declareCallMetrics, declareConnectionMetrics, observerOf } from "./observe.js"
import { type CallServices, maxMessageSize, serveCall } from "./serverCall.js"
import { shiftedJudge } from "./shiftedJudge.js"
import type { Throttle } from "./Throttle.js"
import { certificatesOf, checkKeyPair, type KeyPair, type ServerTls, serverContext } from "./tls.js"

export interface ServerKeepalive {
  /** Idle time after which the server pings; Fabric's default is two hours. */
  readonly interval: Duration.DurationInput
  /** Wait for the ping's answer; Fabric's default is 20 seconds. */
  readonly timeout: Duration.DurationInput
}

export interface ServerOptions {
  /** `host:port` to listen on; port 0 takes any. */
  readonly address: string
  /** Undefined: plain text. */
  readonly tls?: ServerTls | undefined
  readonly keepalive?: ServerKeepalive
  /** Limit for TLS handshake and HTTP/2 beginning of a connection; 5 seconds as in Fabric. */
  readonly connectionTimeout?: Duration.DurationInput
  /** Shared by all servers that count together; undefined: no limit (the chaincode server). */
  readonly throttle?: Throttle
  /** Call metrics, connection metrics and the access log; off for the chaincode server. */
  readonly observed?: boolean
  /** Ours: connections at a time. */
  readonly maxConnections?: number
  /** Ours: calls at a time on one connection. */
  readonly maxCallsPerConnection?: number
  /** How long interrupted handlers may take to clean up before their service's dependencies close; 5 seconds. */
  readonly handlerGrace?: Duration.DurationInput
  /** How long connections may take to end after the services closed, before they are cut; 1 second. */
  readonly stopGrace?: Duration.DurationInput
}

/** Slots of the throttle that the reference puts before a node's servers. */
export const defaultThrottleSize = 2500

export interface GrpcServerShape {
  /** Where it is bound: `host:port`. */
  readonly address: string
  readonly port: number
  readonly tlsEnabled: boolean
  readonly mutualTls: boolean
  /**
   * Adds a service for as long as the caller's scope lives; its handlers run in that scope. After it, callers of the
   * service are told Unavailable.
   */
  readonly addService: <S extends ServiceDefinition, R = never>(
    definition: S,
    handlers: Handlers<S, R>
  ) => Effect.Effect<void, ServiceRefused, R | Scope.Scope>
  /** Serves from now until the scope closes; connections made since the start are served first. */
  readonly serve: Effect.Effect<void, never, Scope.Scope>
  /** Replaces the authorities of client certificates, for handshakes from now on. PEM bundles. No effect without mutual TLS. */
  readonly setClientRootCAs: (bundles: ReadonlyArray<Uint8Array>) => Effect.Effect<void, TlsMaterialInvalid>
  /** Replaces the server's certificate and key, for handshakes from now on. */
  readonly reloadServerCert: (pair: KeyPair) => Effect.Effect<void, TlsMaterialInvalid>
  /** The certificate shown by handshakes from now on, PEM; undefined without TLS. */
  readonly certificate: () => Uint8Array | undefined
  /** Fails when the listener ends by itself; never succeeds. */
  readonly died: Effect.Effect<never, ListenerDied>
  /** Open connections, for tests and diagnosis. */
  readonly connections: Effect.Effect<number>
}

/** The node's main server. */
export class GrpcServer extends Context.Tag("transport/GrpcServer")<GrpcServer, GrpcServerShape>() {
  /** Stage: the object with its bound socket. */
  static readonly layer = (options: ServerOptions): Layer.Layer<GrpcServer, BindFailed | TlsMaterialInvalid, Metrics> =>
    Layer.scoped(GrpcServer, make(options))
}

const accessLog = Log.module("comm.grpc.server")
const commLog = Log.module("core.comm")

const millis = (input: Duration.DurationInput | undefined, otherwise: number): number =>
  input === undefined ? otherwise : Duration.toMillis(input)

const isRaw = (handler: unknown): handler is RawHandler =>
  typeof handler === "object" && handler !== null && "_tag" in handler && handler._tag === "RawHandler"

// The shape of a method says what its handler is: `Handlers` has held the caller to it.
const isBidi = <R>(handler: unknown, method: MethodDefinition): handler is BidiHandler<R> =>
  typeof handler === "function" && method.requestStream
const isServerStream = <R>(handler: unknown, method: MethodDefinition): handler is ServerStreamHandler<R> =>
  typeof handler === "function" && !method.requestStream && method.responseStream
const isUnary = <R>(handler: unknown, method: MethodDefinition): handler is UnaryHandler<R> =>
  typeof handler === "function" && !method.requestStream && !method.responseStream

/** A handler of any form as callbacks; undefined when there is none. */
export const asRaw = <R>(run: Run<R>, handler: unknown, method: MethodDefinition): RawHandler | undefined => {
  if (isRaw(handler)) return handler
  if (isBidi<R>(handler, method)) return bidiAsRaw(run, handler)
  if (isServerStream<R>(handler, method)) return serverStreamAsRaw(run, handler)
  if (isUnary<R>(handler, method)) return unaryAsRaw(run, handler)
  return undefined
}

const idle = (): void => {}

const asBytes = (message: Buffer): Uint8Array => message
const asBuffer = (message: Uint8Array): Buffer =>
  Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength)

/** Milliseconds until a drained connection is cut, should its server outlive it; a stopped server is kept as long. */
const drainGrace = 15_000

const unthrottled: Throttle["acquire"] = (granted) => {
  granted()
  return idle
}

/** Takes the place of a service whose scope has closed. */
const stopped = rawHandler((call) => {
  call.fail(stopping)
  return { message: idle, halfClosed: idle, closed: idle }
})

/** Keeps grpc-js's own streams from being made: who starts this call starts ours. */
class TakenCall extends grpc.ServerInterceptingCall {
  constructor(
    base: grpc.ServerInterceptingCallInterface,
    private readonly take: () => void
  ) {
    super(base)
  }
  override start(): void {
    this.take()
  }
}

/** A server of its own, for those beside the main one (chaincode, admin). */
export const make = (
  options: ServerOptions
): Effect.Effect<GrpcServerShape, BindFailed | TlsMaterialInvalid, Metrics | Scope.Scope> =>
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const observed = options.observed ?? true
    const log = yield* commLog.sync
    const calls = observed ? yield* accessLog.sync : undefined
    const callMetrics = observed ? declareCallMetrics(metrics) : undefined
    const connectionMetrics = observed ? declareConnectionMetrics(metrics) : { opened: idle, closed: idle }

    // ---- TLS material ----
    let tls = options.tls
    if (tls !== undefined) yield* checkKeyPair("server certificate", tls)
    let roots = tls?.requireClientCert === true ? yield* certificatesOf("client root CAs", tls.clientRootCAs) : []
    const judge =
      tls?.timeShift === undefined || !tls.requireClientCert
        ? undefined
        : shiftedJudge(tls.timeShift, "clientAuth", () => roots)

    const death = yield* Deferred.make<never, ListenerDied>()
    const connections = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Connections({
            address: options.address,
            tls:
              tls === undefined
                ? undefined
                : { context: serverContext(tls, roots), requireClientCert: tls.requireClientCert },
            judge,
            connectionTimeout: millis(options.connectionTimeout, 5000),
            maxConnections: options.maxConnections ?? Number.POSITIVE_INFINITY,
            log,
            died: (reason) => Deferred.unsafeDone(death, new ListenerDied({ address: options.address, reason })),
            ...connectionMetrics
          })
      ),
      (made) => made.close
    )
    const port = yield* connections.bind
    const { address } = connections
    const caller = (base: grpc.ServerInterceptingCallInterface) => connections.caller(base.getPeer())

    // ---- Calls ----
    const acquire = options.throttle?.acquire ?? unthrottled
    const defect = (path: string, error: unknown): void =>
      log.error(`handler of ${path} failed`, { error: textOf(error) })
    const methods = new Map<string, CallServices>()
    const registered = new Set<string>()
    const active = new Set<string>()
    const intercept: grpc.ServerInterceptor = (method, base) => {
      const services = methods.get(method.path)
      return new TakenCall(base, () => {
        if (services !== undefined) serveCall(base, services)
      })
    }
    const server = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new grpc.Server({
            interceptors: [intercept],
            "grpc.max_receive_message_length": maxMessageSize,
            "grpc.max_send_message_length": maxMessageSize,
            "grpc.keepalive_time_ms": millis(options.keepalive?.interval, 7_200_000),
            "grpc.keepalive_timeout_ms": millis(options.keepalive?.timeout, 20_000),
            "grpc.enable_channelz": 0,
            ...(options.maxCallsPerConnection === undefined
              ? {}
              : { "grpc.max_concurrent_streams": options.maxCallsPerConnection })
          })
      ),
      (made) =>
        Effect.zipRight(
          connections.emptied.pipe(Effect.interruptible, Effect.timeoutOption(options.stopGrace ?? "1 second")),
          Effect.sync(() => made.forceShutdown())
        )
    )

    const addService: GrpcServerShape["addService"] = <S extends ServiceDefinition, R>(
      definition: S,
      handlers: Handlers<S, R>
    ) =>
      Effect.gen(function* () {
        const service = definition.name
        if (active.has(service)) return yield* new ServiceRefused({ service, reason: "it is there already" })
        const given = new Map<string, unknown>(Object.entries(handlers))
        const run = yield* makeRunner<R>(service, options.handlerGrace ?? "5 seconds", defect)
        for (const [name, method] of Object.entries(definition.methods)) {
          const handler = asRaw(run, given.get(name), method)
          if (handler === undefined) continue
          const { path } = method
          const observe = observerOf(service, name, method, { metrics: callMetrics, log: calls })
          methods.set(path, { path, handler, caller, observe, acquire, defect })
          if (registered.has(path)) continue
          registered.add(path)
          // For grpc-js every method is a stream of bytes; the call is taken from it before its handler would run.
          server.register(path, idle, asBuffer, asBytes, "bidi")
        }
        active.add(service)
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            active.delete(service)
            for (const { path } of Object.values(definition.methods)) {
              const services = methods.get(path)
              if (services !== undefined) methods.set(path, { ...services, handler: stopped })
            }
          })
        )
      })

    const serve = Effect.acquireRelease(
      Effect.sync(() => {
        const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
        connections.serve((socket) => injector.injectConnection(socket))
        return injector
      }),
      (injector) =>
        Effect.sync(() => {
          connections.stopAccepting()
          injector.drain(drainGrace) // tells clients to go elsewhere; calls under way go on
        })
    ).pipe(Effect.asVoid)

    // ---- TLS at run time ----
    const replace = (next: ServerTls): Effect.Effect<void> =>
      Effect.sync(() => {
        tls = next
        connections.replaceContext(serverContext(next, roots))
      })
    const setClientRootCAs: GrpcServerShape["setClientRootCAs"] = (bundles) =>
      Effect.gen(function* () {
        const next = yield* certificatesOf("Failed to set client root certificate(s)", bundles)
        if (tls?.requireClientCert !== true) return
        roots = next
        yield* replace(tls)
      })
    const reloadServerCert: GrpcServerShape["reloadServerCert"] = (pair) =>
      Effect.gen(function* () {
        yield* checkKeyPair("server certificate", pair)
        if (tls !== undefined) yield* replace({ ...tls, ...pair })
      })

    return {
      address,
      port,
      tlsEnabled: tls !== undefined,
      mutualTls: tls?.requireClientCert === true,
      addService,
      serve,
      setClientRootCAs,
      reloadServerCert,
      certificate: () => tls?.certificate,
      died: Deferred.await(death),
      connections: Effect.sync(() => connections.count)
    }
  })

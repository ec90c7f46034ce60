/**
 * A connection to a gRPC server, proven ready before it is handed out, closed with its scope.
 * Source: core/comm/client.go, config.go.
 */
import * as net from "node:net"
import * as grpc from "@grpc/grpc-js"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { splitAddress } from "../config/address.js"
import { textOf } from "../runtime/Stage.js"
import { type ClientStream, StreamCall, unaryCall } from "./clientCall.js"
import { CheckedCredentials } from "./clientCredentials.js"
import { ConnectFailed, type GrpcFailure, type TlsMaterialInvalid } from "./errors.js"
import type { MethodDefinition } from "./handlers.js"
import { maxMessageSize } from "./serverCall.js"
import { shiftedJudge } from "./shiftedJudge.js"
import { type ClientTls, certificatesOf, clientContext } from "./tls.js"

export interface ClientKeepalive {
  /** Idle time after which the client pings, with or without calls. */
  readonly interval: Duration.DurationInput
  /** Wait for the ping's answer before the connection counts as lost. */
  readonly timeout: Duration.DurationInput
}

export interface ConnectOptions {
  /** Undefined: plain text. */
  readonly tls?: ClientTls & {
    /** Judges the server's certificate as of that long ago (`--tlsHandshakeTimeShift`). */
    readonly timeShift?: Duration.Duration
  }
  /** Fabric's defaults: one minute and 20 seconds. */
  readonly keepalive?: ClientKeepalive
  /** Three seconds, as in Fabric. */
  readonly connectTimeout?: Duration.DurationInput
  /** What happens when the connection is lost: made anew with a growing pause (default), or the channel is done. */
  readonly reconnect?: false | { readonly initial: Duration.DurationInput; readonly max: Duration.DurationInput }
  /** Keep trying until the timeout when the server refuses connections; otherwise that fails at once, as in Fabric. */
  readonly patient?: boolean
}

export interface CallOptions {
  /** Time that the call may take; the server is told. */
  readonly deadline?: Duration.DurationInput
}

/** A ready connection. */
export interface Channel {
  readonly address: string
  /** DER of the certificate that the server showed last; undefined in plain text. */
  readonly serverCertificateDer: Effect.Effect<Uint8Array | undefined>
  readonly unary: (
    method: Pick<MethodDefinition, "path">,
    request: Uint8Array,
    options?: CallOptions
  ) => Effect.Effect<Uint8Array, GrpcFailure>
  /** Opens a stream that is cancelled with the scope. Its failures show in `next` and `send`. */
  readonly bidi: (
    method: Pick<MethodDefinition, "path">,
    options?: CallOptions
  ) => Effect.Effect<ClientStream, never, Scope.Scope>
  /** One request, many answers. */
  readonly serverStream: (
    method: Pick<MethodDefinition, "path">,
    request: Uint8Array,
    options?: CallOptions
  ) => Effect.Effect<Pick<ClientStream, "next">, GrpcFailure, Scope.Scope>
  /** Comes when the connection that was ready is lost or closed for the first time. */
  readonly lost: Effect.Effect<void>
}

const millis = (input: Duration.DurationInput | undefined, otherwise: number): number =>
  input === undefined ? otherwise : Duration.toMillis(input)

/** Whether the server's port takes TCP connections now; undefined or why not. */
const probe = (host: string, port: number, timeout: number): Effect.Effect<string | undefined> =>
  Effect.async((resume) => {
    const socket = net.connect({ host: host === "" ? "127.0.0.1" : host, port, timeout })
    const end = (reason: string | undefined): void => {
      socket.destroy()
      resume(Effect.succeed(reason))
    }
    socket.once("connect", () => end(undefined))
    socket.once("timeout", () => end(`dial tcp ${host}:${port}: i/o timeout`))
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const why =
        error.code === "ECONNREFUSED"
          ? "connect: connection refused"
          : error.code === "ENOTFOUND"
            ? `lookup ${host}: no such host`
            : textOf(error)
      end(`error while dialing: dial tcp ${host}:${port}: ${why}`)
    })
    return Effect.sync(() => socket.destroy())
  })

/** Waits for the channel's state to differ from `from`; false when the time ran out. */
const changed = (channel: grpc.Channel, from: grpc.connectivityState, deadline: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    channel.watchConnectivityState(from, deadline, (error) => resume(Effect.succeed(error === undefined)))
  })

const { READY, SHUTDOWN, TRANSIENT_FAILURE } = grpc.connectivityState

/** Opens a connection and waits until it is ready. It is closed with the scope. */
export const connect = (
  address: string,
  options: ConnectOptions = {}
): Effect.Effect<Channel, ConnectFailed | TlsMaterialInvalid, Scope.Scope> =>
  Effect.gen(function* () {
    const target = splitAddress(address)
    if (Either.isLeft(target)) {
      const reason = `error while dialing: dial tcp: ${target.left}`
      return yield* new ConnectFailed({ address, reason, timedOut: false })
    }
    const { host, port } = target.right

    // ---- The channel ----
    let certificateDer: Uint8Array | undefined
    let lastFailure: string | undefined
    const { tls } = options
    const roots =
      tls?.timeShift === undefined ? [] : yield* certificatesOf("error adding root certificate", tls.rootCerts ?? [])
    const credentials =
      tls === undefined
        ? grpc.credentials.createInsecure()
        : new CheckedCredentials({
            context: yield* clientContext(tls),
            host,
            serverNameOverride: tls.serverNameOverride === "" ? undefined : tls.serverNameOverride,
            judge: tls.timeShift === undefined ? undefined : shiftedJudge(tls.timeShift, "serverAuth", () => roots),
            done: (result) => {
              if ("failure" in result) lastFailure = result.failure
              else certificateDer = result.certificateDer
            }
          })
    const { reconnect } = options
    const authority = tls?.serverNameOverride
    const channel = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new grpc.Channel(`dns:${address}`, credentials, {
            "grpc.max_receive_message_length": maxMessageSize,
            "grpc.max_send_message_length": maxMessageSize,
            "grpc.keepalive_time_ms": millis(options.keepalive?.interval, 60_000),
            "grpc.keepalive_timeout_ms": millis(options.keepalive?.timeout, 20_000),
            "grpc.keepalive_permit_without_calls": 1,
            "grpc.use_local_subchannel_pool": 1, // connections are not shared between the nodes of a process
            "grpc.enable_http_proxy": 0,
            "grpc.enable_retries": 0,
            "grpc.enable_channelz": 0,
            "grpc.service_config_disable_resolution": 1,
            ...(authority === undefined || authority === "" ? {} : { "grpc.default_authority": authority }),
            ...(reconnect === undefined || reconnect === false
              ? {}
              : {
                  "grpc.initial_reconnect_backoff_ms": Duration.toMillis(reconnect.initial),
                  "grpc.max_reconnect_backoff_ms": Duration.toMillis(reconnect.max)
                })
          })
      ),
      (made) => Effect.sync(() => made.close())
    )

    // ---- Readiness ----
    const limit = Date.now() + millis(options.connectTimeout, 3000)
    for (let state = channel.getConnectivityState(true); state !== READY; state = channel.getConnectivityState(true)) {
      if (state === TRANSIENT_FAILURE && options.patient !== true) {
        const reason = lastFailure ?? (yield* probe(host, port, Math.max(1, limit - Date.now())))
        if (reason !== undefined) return yield* new ConnectFailed({ address, reason, timedOut: false })
      }
      if (!(yield* changed(channel, state, limit))) {
        const reason = lastFailure ?? `no answer from ${address}`
        return yield* new ConnectFailed({ address, reason, timedOut: true })
      }
    }

    // ---- Loss ----
    const loss = yield* Deferred.make<void>()
    const fork = Runtime.runFork(yield* Effect.runtime<never>())
    const watch = (): void => {
      const state = channel.getConnectivityState(false)
      if (state === READY) {
        channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, watch)
        return
      }
      fork(Deferred.succeed(loss, undefined))
      if (reconnect === false && state !== SHUTDOWN) channel.close()
    }
    watch()

    const deadlineOf = (call: CallOptions | undefined): number =>
      call?.deadline === undefined ? Number.POSITIVE_INFINITY : Date.now() + Duration.toMillis(call.deadline)
    const bidi: Channel["bidi"] = ({ path }, call) =>
      Effect.acquireRelease(
        Effect.sync(() => new StreamCall(channel, path, deadlineOf(call))),
        (stream) => Effect.sync(() => stream.cancel())
      )
    return {
      address,
      serverCertificateDer: Effect.sync(() => certificateDer),
      unary: ({ path }, request, call) => Effect.suspend(() => unaryCall(channel, path, request, deadlineOf(call))),
      bidi,
      serverStream: (method, request, call) =>
        Effect.gen(function* () {
          const stream = yield* bidi(method, call)
          yield* stream.send(request)
          yield* stream.end
          return { next: stream.next }
        }),
      lost: Deferred.await(loss)
    }
  })

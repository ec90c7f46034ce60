/**
 * The forms in which a service answers calls: Effects on raw bytes (`UnaryHandler`, `BidiHandler`, `ServerStreamHandler`)
 * and, for hot services, callbacks (`RawHandler`, `pipelined`).
 * Source: design.md section 2; anchors B7, C8.
 */
import type * as Effect from "effect/Effect"

/** What a handler may know of its call. */
export interface CallInfo {
  /** `/orderer.AtomicBroadcast/Broadcast`. */
  readonly path: string
  /** `host:port` of the caller. */
  readonly peer: string
  /** The certificate that the caller showed in its TLS handshake; verified only under mutual TLS. */
  readonly clientCertificateDer: Uint8Array | undefined
  /** A header of the call: the first value under that name. */
  readonly metadata: (name: string) => string | undefined
  /** Milliseconds since the epoch; undefined when the caller set none. */
  readonly deadline: number | undefined
  /** True once the caller has gone or the deadline has passed. */
  readonly cancelled: boolean
}

/** The caller's messages, pulled one at a time: what is not pulled stays in the network. */
export interface CallIn {
  /**
   * The next message; undefined after the caller's last one. One pull at a time. When the call is cancelled the
   * handler's fiber is interrupted here.
   */
  readonly next: Effect.Effect<Uint8Array | undefined>
}

/** The way back. */
export interface CallOut {
  /** Hands a message over; waits first while more than a fixed number of bytes is unsent (the reader is slow). */
  readonly send: (message: Uint8Array) => Effect.Effect<void>
}

/**
 * Answers one request. A `GrpcFailure` chooses the code; any other failure becomes Unknown with its message as the text;
 * a defect becomes Internal without text and is logged.
 */
export type UnaryHandler<R = never> = (request: Uint8Array, call: CallInfo) => Effect.Effect<Uint8Array, unknown, R>

/** Serves one stream; its success ends the stream with OK, its failure as for unary calls. */
export type BidiHandler<R = never> = (incoming: CallIn, out: CallOut, call: CallInfo) => Effect.Effect<void, unknown, R>

/** One request, many answers. */
export type ServerStreamHandler<R = never> = (
  request: Uint8Array,
  out: CallOut,
  call: CallInfo
) => Effect.Effect<void, unknown, R>

// ---- Callbacks ---------------------------------------------------------------------------------------------------

/** One call in callback form. All methods may be called at any time; after the end they do nothing. */
export interface ServerCall {
  readonly info: CallInfo
  /** Asks for one more message: answered by `message` or `halfClosed`, never in the stack of a `message` before it. */
  read(): void
  /** Sends a message. False: the reader is slow, wait for `drained` before sending more. */
  send(message: Uint8Array): boolean
  /** Ends the call with OK after what was sent. */
  end(): void
  /** Ends the call with a status, chosen from `failure` as for Effects. */
  fail(failure: unknown): void
}

/** What happens on a call. None of these may throw; one that does ends its call with Internal and a log line. */
export interface CallEvents {
  readonly message: (message: Uint8Array) => void
  /** The caller has sent its last message. */
  readonly halfClosed: () => void
  /** Fewer unsent bytes than the mark again, after a `send` that returned false. */
  readonly drained?: () => void
  /** The call is over, whoever ended it. Called once; let go of everything. */
  readonly closed: () => void
}

/**
 * A handler without fibers: one callback a message. For streams whose rate matters; everything asynchronous in it is
 * its own business, and so is ending the call.
 */
export interface RawHandler {
  readonly _tag: "RawHandler"
  readonly open: (call: ServerCall) => CallEvents
}

export const rawHandler = (open: (call: ServerCall) => CallEvents): RawHandler => ({ _tag: "RawHandler", open })

// ---- Services ----------------------------------------------------------------------------------------------------

/** A method as `wire/services.ts` describes it. */
export interface MethodDefinition {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
}

export interface ServiceDefinition {
  /** `orderer.AtomicBroadcast`. */
  readonly name: string
  readonly methods: Readonly<Record<string, MethodDefinition>>
}

/** The handler that a method's shape asks for; a method given with plain booleans takes any. */
export type HandlerOf<M extends MethodDefinition, R> =
  | RawHandler
  | (M["requestStream"] extends true
      ? BidiHandler<R>
      : M["responseStream"] extends true
        ? ServerStreamHandler<R>
        : UnaryHandler<R>)

/** Handlers by method; a method left out answers Unimplemented. */
export type Handlers<S extends ServiceDefinition, R> = {
  readonly [M in keyof S["methods"]]?: HandlerOf<S["methods"][M], R>
}

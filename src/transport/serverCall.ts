/**
 * One call on the server, below grpc-js's streams: messages are pulled one at a time and written with a bound on what
 * is unsent, so that neither a fast nor a slow caller costs memory. grpc-js hands its call over through a server
 * interceptor; its own Duplex (which reads sixteen messages ahead, of 100 MiB each) is never made.
 * Source: design.md section 2; anchors C8.
 */
import type * as grpc from "@grpc/grpc-js"
import { textOf } from "../runtime/Stage.js"
import { GrpcFailure } from "./errors.js"
import type { CallEvents, CallInfo, RawHandler, ServerCall } from "./handlers.js"
import { Code, statusText } from "./status.js"

/** Bytes handed to the network and not yet taken by it, per call, from which a sender has to wait. */
export const unsentMark = 256 * 1024
/** Fabric's limit of one message, both ways, bytes. */
export const maxMessageSize = 100 * 1024 * 1024
/** What a message costs beside its bytes. */
const perMessage = 128

/** The end of a call as metrics and the access log see it. */
export interface CallEnd {
  readonly code: number
  /** The failure's text as Go would log it; undefined for OK. */
  readonly error: string | undefined
}

/** Told of every call of a server: metrics, access log. Plain calls, one per message. */
export interface CallObserver {
  readonly received: () => void
  readonly sent: () => void
  readonly ended: (end: CallEnd) => void
}

/** What a handler's failure means on the wire, and its text as Go would log it. */
export const failureOf = (
  failure: unknown
): { readonly code: number; readonly details: string; readonly error: string } => {
  if (failure instanceof GrpcFailure) {
    return { code: failure.code, details: statusText(failure.details), error: failure.message }
  }
  const text = textOf(failure)
  return { code: Code.Unknown, details: statusText(text), error: text }
}

/** Where a call comes from. */
export interface Caller {
  readonly address: string
  readonly certificateDer: Uint8Array | undefined
  /** The certificate's subject as Go prints it, made when first asked for. */
  readonly subject: string | undefined
}

type Base = grpc.ServerInterceptingCallInterface

class Info implements CallInfo {
  cancelled = false
  constructor(
    readonly path: string,
    private readonly base: Base,
    private readonly headers: grpc.Metadata,
    private readonly caller: Caller
  ) {}
  get peer(): string {
    return this.caller.address
  }
  get clientCertificateDer(): Uint8Array | undefined {
    return this.caller.certificateDer
  }
  get deadline(): number | undefined {
    const deadline = this.base.getDeadline()
    const at = deadline instanceof Date ? deadline.getTime() : deadline
    return Number.isFinite(at) ? at : undefined
  }
  metadata(name: string): string | undefined {
    return this.headers.get(name)[0]?.toString()
  }
}

/** What a call needs of its server. */
export interface CallServices {
  readonly path: string
  readonly handler: RawHandler
  readonly caller: (base: Base) => Caller
  /** Starts the observation of a call; called when its headers are in. */
  readonly observe: (call: CallInfo, caller: Caller) => CallObserver
  /** Asks for a slot; `granted` may come at once. The result gives the slot back or leaves the queue. */
  readonly acquire: (granted: () => void) => () => void
  /** A callback of a handler threw. */
  readonly defect: (path: string, error: unknown) => void
}

const noEvents: CallEvents = { message: () => {}, halfClosed: () => {}, closed: () => {} }

/** One call; also what grpc-js tells of it. A class, for there is one per call and closures add up. */
class Served implements ServerCall {
  private observer: CallObserver | undefined
  private begun: Info | undefined
  private events = noEvents
  private release: () => void = nothing
  private over = false
  /** Reads asked for and not begun. */
  private wanted = 0
  /** A read is begun and not answered. */
  private reading = false
  private pumping = false
  private unsent = 0
  private full = false

  constructor(
    private readonly base: Base,
    private readonly services: CallServices
  ) {}

  // ---- For the handler ---------------------------------------------------------------------------------------------

  get info(): CallInfo {
    if (this.begun === undefined) throw new Error("call used before it began")
    return this.begun
  }
  read(): void {
    this.wanted += 1
    this.pump()
  }
  send(message: Uint8Array): boolean {
    if (this.over) return true
    if (message.byteLength > maxMessageSize) {
      const details = `grpc: trying to send message larger than max (${message.byteLength} vs. ${maxMessageSize})`
      this.fail(new GrpcFailure({ code: Code.ResourceExhausted, details }))
      return true
    }
    const size = message.byteLength + perMessage
    this.unsent += size
    this.observer?.sent()
    this.base.sendMessage(message, () => this.taken(size))
    if (this.unsent >= unsentMark) this.full = true
    return !this.full
  }
  end(): void {
    this.endWith(Code.OK, "OK", undefined)
  }
  fail(failure: unknown): void {
    const { code, details, error } = failureOf(failure)
    this.endWith(code, details, error)
  }

  // ---- From grpc-js ------------------------------------------------------------------------------------------------

  onReceiveMetadata(headers: grpc.Metadata): void {
    const { services } = this
    const caller = services.caller(this.base)
    const begun = new Info(services.path, this.base, headers, caller)
    this.begun = begun
    this.observer = services.observe(begun, caller)
    this.release = services.acquire(() => this.open())
    if (this.over) this.release()
  }
  onReceiveMessage(message: Uint8Array): void {
    this.reading = false
    if (this.over) return
    this.observer?.received()
    try {
      this.events.message(message)
    } catch (error) {
      this.broken(error)
    }
    this.pump()
  }
  onReceiveHalfClose(): void {
    this.reading = false
    if (this.over) return
    try {
      this.events.halfClosed()
    } catch (error) {
      this.broken(error)
    }
  }
  onCancel(): void {
    const { begun } = this
    if (this.over) return
    if (begun !== undefined) begun.cancelled = true
    const late = begun?.deadline !== undefined && begun.deadline <= Date.now()
    this.finish(late ? deadlineExceeded : canceled)
  }

  // ---- Inside ------------------------------------------------------------------------------------------------------

  /** The call has its slot. */
  private open(): void {
    if (this.over) return
    this.pumping = true // a read asked for in `open` may be answered at once: hold it until the events are known
    try {
      const opened = this.services.handler.open(this)
      // The type says that nothing has changed; `open` may well have ended the call.
      if (this.isOver()) opened.closed()
      else this.events = opened
    } catch (error) {
      this.broken(error)
    }
    this.pumping = false
    this.pump()
  }
  private isOver(): boolean {
    return this.over
  }
  /** Loops instead of recursing: a frame may hold thousands of small messages, each answered in `startRead`'s stack. */
  private pump(): void {
    if (this.pumping) return
    this.pumping = true
    while (this.wanted > 0 && !this.reading && !this.over) {
      this.wanted -= 1
      this.reading = true
      this.base.startRead()
    }
    this.pumping = false
  }
  /** The network has taken a message. */
  private taken(size: number): void {
    this.unsent -= size
    if (!this.full || this.unsent >= unsentMark / 2) return
    this.full = false
    if (this.over) return
    try {
      this.events.drained?.()
    } catch (error) {
      this.broken(error)
    }
  }
  private broken(error: unknown): void {
    this.services.defect(this.services.path, error)
    this.endWith(Code.Internal, "internal error", String(error))
  }
  private endWith(code: number, details: string, error: string | undefined): void {
    if (this.over) return
    this.base.sendStatus({ code, details })
    this.finish(code === Code.OK ? ok : { code, error })
  }
  private finish(end: CallEnd): void {
    this.over = true
    const { events, observer, release } = this
    // HTTP/2 may hold on to a stream for long after its end (see LiveSet): not to all that its handler made
    this.events = noEvents
    this.observer = undefined
    this.release = nothing
    release()
    observer?.ended(end)
    try {
      events.closed()
    } catch (error) {
      this.services.defect(this.services.path, error)
    }
  }
}

const nothing = (): void => {}
const ok: CallEnd = { code: Code.OK, error: undefined }
const canceled: CallEnd = { code: Code.Canceled, error: "context canceled" }
const deadlineExceeded: CallEnd = { code: Code.DeadlineExceeded, error: "context deadline exceeded" }

/** Serves one call of grpc-js. `base` is its call; nobody else listens to it. */
export const serveCall = (base: Base, services: CallServices): void => base.start(new Served(base, services))

/**
 * One call on the server, below grpc-js's streams: messages are pulled one at a time and written with a bound on what
 * is unsent, so that neither a fast nor a slow caller costs memory. grpc-js hands its call over through a server
 * interceptor; its own Duplex (which reads sixteen messages ahead, of 100 MiB each) is never made.
 * Source: design.md section 2; anchors C8.
 */
import type * as grpc from "@grpc/grpc-js"
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
  const text = failure instanceof Error ? failure.message : String(failure)
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

/** Serves one call of grpc-js. `base` is its call; nobody else listens to it. */
export const serveCall = (base: Base, services: CallServices): void => {
  const { path } = services
  let observer: CallObserver | undefined
  let info: Info | undefined
  let events = noEvents
  let release: () => void = () => {}
  let over = false
  // Reads asked for and not begun, one begun and not answered.
  let wanted = 0
  let reading = false
  let pumping = false
  let unsent = 0
  let full = false

  const finish = (end: CallEnd): void => {
    over = true
    release()
    observer?.ended(end)
    const { closed } = events
    events = noEvents
    try {
      closed()
    } catch (error) {
      services.defect(path, error)
    }
  }

  const endWith = (code: number, details: string, error: string | undefined): void => {
    if (over) return
    base.sendStatus({ code, details })
    finish({ code, error })
  }

  const guard = (callback: () => void): void => {
    try {
      callback()
    } catch (error) {
      services.defect(path, error)
      endWith(Code.Internal, "internal error", String(error))
    }
  }

  /** Loops instead of recursing: a frame may hold thousands of small messages, each answered in `startRead`'s stack. */
  const pump = (): void => {
    if (pumping) return
    pumping = true
    while (wanted > 0 && !reading && !over) {
      wanted -= 1
      reading = true
      base.startRead()
    }
    pumping = false
  }

  const call: ServerCall = {
    get info(): CallInfo {
      if (info === undefined) throw new Error("call used before it began")
      return info
    },
    read: () => {
      wanted += 1
      pump()
    },
    send: (message) => {
      if (over) return true
      if (message.byteLength > maxMessageSize) {
        const details = `grpc: trying to send message larger than max (${message.byteLength} vs. ${maxMessageSize})`
        endWith(Code.ResourceExhausted, details, new GrpcFailure({ code: Code.ResourceExhausted, details }).message)
        return true
      }
      const size = message.byteLength + perMessage
      unsent += size
      observer?.sent()
      base.sendMessage(message, () => {
        unsent -= size
        if (full && unsent < unsentMark / 2) {
          full = false
          if (!over) guard(() => events.drained?.())
        }
      })
      if (unsent >= unsentMark) full = true
      return !full
    },
    end: () => endWith(Code.OK, "OK", undefined),
    fail: (failure) => {
      const { code, details, error } = failureOf(failure)
      endWith(code, details, error)
    }
  }

  base.start({
    onReceiveMetadata: (headers) => {
      const caller = services.caller(base)
      const begun = new Info(path, base, headers, caller)
      info = begun
      observer = services.observe(begun, caller)
      release = services.acquire(() => {
        if (over) return
        pumping = true // a read asked for in `open` may be answered at once: hold it until the events are known
        guard(() => {
          const opened = services.handler.open(call)
          if (over) opened.closed()
          else events = opened
        })
        pumping = false
        pump()
      })
      if (over) release()
    },
    onReceiveMessage: (message: Uint8Array) => {
      reading = false
      if (over) return
      observer?.received()
      guard(() => events.message(message))
      pump()
    },
    onReceiveHalfClose: () => {
      reading = false
      if (over) return
      guard(() => events.halfClosed())
    },
    onCancel: () => {
      if (info !== undefined) info.cancelled = !over
      if (over) return
      const late = info?.deadline !== undefined && info.deadline <= Date.now()
      finish(
        late
          ? { code: Code.DeadlineExceeded, error: "context deadline exceeded" }
          : { code: Code.Canceled, error: "context canceled" }
      )
    }
  })
}

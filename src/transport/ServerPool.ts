/**
 * A gRPC server without a network: services are registered as on the real one and called by clients of the same process.
 * The same handlers run; what is left out is HTTP/2, TLS and the sockets. For the orderer's benchmark mode and for tests.
 * Source: orderer.md 2.1 (benchmark); orderer/common/performance of Fabric before 1.4 (its pseudo server pool).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Log from "../runtime/Log.js"
import { textOf } from "../runtime/Stage.js"
import { makeRunner } from "./effectHandlers.js"
import { GrpcFailure, ServiceRefused } from "./errors.js"
import { asRaw, GrpcServer, type GrpcServerShape } from "./GrpcServer.js"
import type { CallEvents, Handlers, RawHandler, ServerCall, ServiceDefinition } from "./handlers.js"
import { failureOf } from "./serverCall.js"
import { Code } from "./status.js"

/** What a client hears on its call. None of these may throw. */
export interface PoolEvents {
  /** An answer; its bytes are the server's own. */
  readonly message: (bytes: Uint8Array) => void
  /** The call is over: OK without a failure. Called once. */
  readonly ended: (failure: GrpcFailure | undefined) => void
}

/** One call from the client's side. */
export interface PoolCall {
  /** Hands a message over; it waits until the server reads it. */
  readonly send: (message: Uint8Array) => void
  readonly halfClose: () => void
  readonly cancel: () => void
}

export class ServerPool extends Context.Tag("transport/ServerPool")<
  ServerPool,
  {
    /** Calls a method by its path, such as `/orderer.AtomicBroadcast/Broadcast`. */
    readonly open: (path: string, events: PoolEvents) => PoolCall
  }
>() {}

const name = "in process"
const log = Log.module("core.comm")

/** One call between the two sides; messages reach the handler one at a time, when it asks for one. */
const openCall = (
  path: string,
  handler: RawHandler,
  events: PoolEvents,
  defect: (path: string, error: unknown) => void
): PoolCall => {
  const info = {
    path,
    peer: name,
    clientCertificateDer: undefined,
    metadata: () => undefined,
    deadline: undefined,
    cancelled: false
  }
  let inbox: Array<Uint8Array> = []
  let taken = 0
  let served: CallEvents | undefined
  let wanted = false
  let scheduled = false
  let halfClosed = false
  let over = false
  const guarded = (callback: () => void) => {
    try {
      callback()
    } catch (error) {
      defect(path, error)
      finish(new GrpcFailure({ code: Code.Internal, details: "internal error" }))
    }
  }
  const finish = (failure: GrpcFailure | undefined) => {
    if (over) return
    over = true
    inbox = []
    info.cancelled ||= failure?.code === Code.Canceled
    guarded(() => served?.closed())
    events.ended(failure)
  }
  const deliver = () => {
    scheduled = false
    if (over || !wanted || served === undefined) return
    const message = inbox[taken]
    if (message === undefined && !halfClosed) return
    wanted = false
    if (message === undefined) return guarded(served.halfClosed)
    taken += 1
    if (taken === inbox.length || taken === 1024) {
      inbox = inbox.slice(taken)
      taken = 0
    }
    const { message: receive } = served
    guarded(() => receive(message))
  }
  const schedule = () => {
    if (scheduled || !wanted || over) return
    scheduled = true
    queueMicrotask(deliver)
  }
  const server: ServerCall = {
    info,
    read: () => {
      wanted = true
      schedule()
    },
    send: (message) => {
      if (!over) events.message(message)
      return true
    },
    end: () => finish(undefined),
    fail: (failure) => {
      const { code, details } = failureOf(failure)
      finish(new GrpcFailure({ code, details }))
    }
  }
  guarded(() => {
    served = handler.open(server)
    schedule()
  })
  return {
    send: (message) => {
      if (over || halfClosed) return
      inbox.push(message)
      schedule()
    },
    halfClose: () => {
      halfClosed = true
      schedule()
    },
    cancel: () => finish(new GrpcFailure({ code: Code.Canceled, details: "context canceled" }))
  }
}

const refusing = (code: number, details: string, events: PoolEvents): PoolCall => {
  queueMicrotask(() => events.ended(new GrpcFailure({ code, details })))
  return { send: () => {}, halfClose: () => {}, cancel: () => {} }
}

const make = Effect.gen(function* () {
  const sync = yield* log.sync
  const defect = (path: string, error: unknown) => sync.error(`handler of ${path} failed`, { error: textOf(error) })
  const methods = new Map<string, RawHandler>()
  const active = new Set<string>()
  let serving = false
  const addService: GrpcServerShape["addService"] = <S extends ServiceDefinition, R>(
    definition: S,
    handlers: Handlers<S, R>
  ) =>
    Effect.gen(function* () {
      const service = definition.name
      if (active.has(service)) return yield* new ServiceRefused({ service, reason: "it is there already" })
      const given = new Map<string, unknown>(Object.entries(handlers))
      const run = yield* makeRunner<R>(service, "5 seconds", defect)
      for (const [name, method] of Object.entries(definition.methods)) {
        const handler = asRaw(run, given.get(name), method)
        if (handler !== undefined) methods.set(method.path, handler)
      }
      active.add(service)
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          active.delete(service)
          for (const { path } of Object.values(definition.methods)) methods.delete(path)
        })
      )
    })
  const server: GrpcServerShape = {
    address: name,
    port: 0,
    tlsEnabled: false,
    certificate: () => undefined,
    mutualTls: false,
    addService,
    serve: Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => {
          serving = true
        }),
        () =>
          Effect.sync(() => {
            serving = false
          })
      )
    ),
    setClientRootCAs: () => Effect.void,
    reloadServerCert: () => Effect.void,
    died: Effect.never,
    connections: Effect.succeed(0)
  }
  const open = (path: string, events: PoolEvents): PoolCall => {
    const handler = methods.get(path)
    if (!serving) return refusing(Code.Unavailable, "the server pool does not serve", events)
    if (handler === undefined) return refusing(Code.Unimplemented, `unknown method ${path}`, events)
    return openCall(path, handler, events, defect)
  }
  return Context.make(GrpcServer, server).pipe(Context.add(ServerPool, { open }))
})

/** A node's server that nobody outside this process can reach. */
export const layer: Layer.Layer<GrpcServer | ServerPool> = Layer.effectContext(make)

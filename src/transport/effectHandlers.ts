/**
 * Effects as handlers: each call runs in a fiber of the scope that added the service. The caller's going interrupts the
 * fiber, its exit becomes the status, and when the scope closes every fiber is interrupted and its caller told
 * Unavailable.
 * Source: anchors B7, C5-C7.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { closingEffect } from "../runtime/closing.js"
import { LiveSet } from "../runtime/LiveSet.js"
import { GrpcFailure } from "./errors.js"
import type { BidiHandler, CallEvents, CallIn, CallOut, RawHandler, ServerCall } from "./handlers.js"
import { rawHandler, type ServerStreamHandler, type UnaryHandler } from "./handlers.js"
import { Code } from "./status.js"
import { Turns } from "./Turns.js"

/** What callers hear while the server stops: the text of the reference's closed connection. */
export const stopping = new GrpcFailure({ code: Code.Unavailable, details: "transport is closing" })

export interface Run<R> {
  /** Starts a handler's fiber, whose exit ends the call. */
  (effect: Effect.Effect<void, unknown, R>, call: ServerCall, path: string): Fiber.RuntimeFiber<void, unknown>
  /** When the calls of the service begin. */
  readonly turns: Turns
}

/** A runner whose fibers end with the scope. `defect` is told of failures that nobody declared. */
export const makeRunner = <R>(
  service: string,
  grace: Duration.DurationInput,
  defect: (path: string, error: unknown) => void
): Effect.Effect<Run<R>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const fork = Runtime.runFork(yield* Effect.runtime<R>())
    const fibers = new LiveSet<Fiber.RuntimeFiber<void, unknown>>()
    let stopped = false
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        stopped = true
        const running = fibers.all()
        for (const fiber of running) fiber.unsafeInterruptAsFork(fiber.id())
        return running.length === 0 ? Effect.void : closingEffect(`calls of ${service}`, Fiber.awaitAll(running), grace)
      })
    )
    const run = (effect: Effect.Effect<void, unknown, R>, call: ServerCall, path: string) => {
      const fiber = fork(stopped ? Effect.interrupt : effect, { immediate: true })
      const place = fibers.add(fiber)
      fiber.addObserver((exit) => {
        fibers.delete(place)
        if (Exit.isSuccess(exit)) return call.end()
        const failure = Cause.failureOption(exit.cause)
        if (Option.isSome(failure)) return call.fail(failure.value)
        if (Cause.isInterruptedOnly(exit.cause)) return call.fail(stopping)
        defect(path, Cause.pretty(exit.cause))
        call.fail(new GrpcFailure({ code: Code.Internal, details: "internal error" }))
      })
      return fiber
    }
    return Object.assign(run, { turns: new Turns() })
  })

/** What a running fiber needs from the events of its call. */
const closing = (fiber: () => Fiber.RuntimeFiber<void, unknown> | undefined) => () => {
  const running = fiber()
  // one that has ended would be started again, to hear that it is interrupted
  if (running !== undefined && running.unsafePoll() === null) running.unsafeInterruptAsFork(running.id())
}

const noRequest = new GrpcFailure({ code: Code.Internal, details: "unexpected EOF" })

/** One request, then `serve`; further requests are ignored. */
const single =
  <R>(
    run: Run<R>,
    serve: (request: Uint8Array, call: ServerCall) => Effect.Effect<void, unknown, R>,
    drained?: (call: ServerCall) => () => void
  ) =>
  (call: ServerCall): CallEvents => {
    let fiber: Fiber.RuntimeFiber<void, unknown> | undefined
    let state: "open" | "requested" | "closed" = "open"
    const interrupt = closing(() => fiber)
    call.read()
    return {
      message: (request) => {
        if (state !== "open") return
        state = "requested"
        run.turns.take(() => {
          if (state !== "requested") return
          fiber = run(
            Effect.suspend(() => serve(request, call)),
            call,
            call.info.path
          )
        })
      },
      halfClosed: () => {
        if (state === "open") call.fail(noRequest)
      },
      ...(drained === undefined ? {} : { drained: drained(call) }),
      closed: () => {
        state = "closed"
        interrupt()
      }
    }
  }

export const unaryAsRaw = <R>(run: Run<R>, handler: UnaryHandler<R>): RawHandler =>
  rawHandler(
    single(run, (request, call) =>
      Effect.flatMap(handler(request, call.info), (answer) => {
        call.send(answer)
        return Effect.void
      })
    )
  )

/** The sending half: waits while the call is full. Several fibers may send. */
class Outgoing implements CallOut {
  private writable = true
  private readonly waiters = new Set<() => void>()
  constructor(private readonly call: ServerCall) {}

  readonly drained = (): void => {
    this.writable = true
    const waiting = [...this.waiters]
    this.waiters.clear()
    for (const wake of waiting) wake()
  }
  readonly send = (message: Uint8Array): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!this.writable) return Effect.zipRight(this.writableAgain, this.send(message))
      this.writable = this.call.send(message)
      return Effect.void
    })
  private readonly writableAgain = Effect.async<void>((resume) => {
    const wake = (): void => resume(Effect.void)
    this.waiters.add(wake)
    return Effect.sync(() => this.waiters.delete(wake))
  })
}

/** The receiving half: one message is read ahead while the handler works on the one before it. */
class Incoming implements CallIn {
  private ahead: Uint8Array | undefined
  private ended = false
  private waiter: ((message: Uint8Array | undefined) => void) | undefined
  constructor(private readonly call: ServerCall) {
    call.read()
  }

  readonly message = (message: Uint8Array): void => {
    const { waiter } = this
    if (waiter === undefined) {
      this.ahead = message
      return
    }
    this.waiter = undefined
    waiter(message)
    this.call.read()
  }
  readonly halfClosed = (): void => {
    this.ended = true
    const { waiter } = this
    this.waiter = undefined
    waiter?.(undefined)
  }
  readonly next: Effect.Effect<Uint8Array | undefined> = Effect.suspend(() => {
    const { ahead } = this
    if (ahead !== undefined) {
      this.ahead = undefined
      this.call.read()
      return Effect.succeed(ahead)
    }
    return this.ended ? Effect.succeed(undefined) : this.arrival
  })
  private readonly arrival = Effect.async<Uint8Array | undefined>((resume) => {
    const waiter = (message: Uint8Array | undefined): void => resume(Effect.succeed(message))
    this.waiter = waiter
    return Effect.sync(() => {
      if (this.waiter === waiter) this.waiter = undefined
    })
  })
}

export const bidiAsRaw = <R>(run: Run<R>, handler: BidiHandler<R>): RawHandler =>
  rawHandler((call) => {
    const incoming = new Incoming(call)
    const out = new Outgoing(call)
    const fiber = run(handler(incoming, out, call.info), call, call.info.path)
    return {
      message: incoming.message,
      halfClosed: incoming.halfClosed,
      drained: out.drained,
      closed: closing(() => fiber)
    }
  })

export const serverStreamAsRaw = <R>(run: Run<R>, handler: ServerStreamHandler<R>): RawHandler =>
  rawHandler((call) => {
    const out = new Outgoing(call)
    return single(
      run,
      (request) => handler(request, out, call.info),
      () => out.drained
    )(call)
  })

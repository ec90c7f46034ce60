/**
 * The service orderer.AtomicBroadcast: Broadcast and Deliver bound to the node's channels.
 * Source: orderer.md 3.5, 3.6; orderer/common/server/server.go.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { blockResponse, declareDeliverMetrics, makeDeliverHandler } from "../../deliver/index.js"
import { closing, closingEffect } from "../../runtime/closing.js"
import * as Log from "../../runtime/Log.js"
import { Metrics } from "../../runtime/Metrics.js"
import { type CallIn, GrpcServer, rawHandler, type ServiceRefused } from "../../transport/index.js"
import { AtomicBroadcast as definition } from "../../wire/services.js"
import { type BroadcastOptions, BroadcastStream } from "../broadcast/BroadcastStream.js"
import { declareBroadcastMetrics } from "../broadcast/metrics.js"
import { VerifyLane } from "../broadcast/VerifyLane.js"
import { Registrar } from "../multichannel/Registrar.js"
import { makeTracer, type Tracer } from "./tracing.js"

const log = Log.module("orderer.common.broadcast")

export interface ServiceOptions {
  /** General.Authentication.TimeWindow, milliseconds. */
  readonly timeWindow: number
  /** False with General.Authentication.NoExpirationChecks. */
  readonly checkExpiration: boolean
  /** Debug.BroadcastTraceDir and DeliverTraceDir; empty: off. */
  readonly broadcastTraceDir: string
  readonly deliverTraceDir: string
}

/** How long streams may wait at the end for what consensus has of them. */
const stopLimit = "3 seconds"

const traced = (incoming: CallIn, trace: Tracer | undefined): CallIn =>
  trace === undefined
    ? incoming
    : {
        next: Effect.tap(incoming.next, (message) =>
          Effect.sync(() => {
            if (message !== undefined) trace(message)
          })
        )
      }

/** Broadcast's streams end before the layer does: what consensus has of them is answered, callers are told Unavailable. */
const makeBroadcast = (trace: Tracer | undefined) =>
  Effect.gen(function* () {
    const registrar = yield* Registrar
    const metrics = declareBroadcastMetrics(yield* Metrics)
    const sync = yield* log.sync
    const defect = (error: unknown) => sync.error("Broadcast handler failed", { error: String(error) })
    const guard = (callback: () => void) => {
      try {
        callback()
      } catch (error) {
        defect(error)
      }
    }
    const lane = new VerifyLane(defect)
    yield* Effect.addFinalizer(() => closing("verifying worker", () => lane.close()))
    const fork = yield* FiberSet.makeRuntime<never>()
    const run: BroadcastOptions["run"] = (effect, done) => {
      fork(effect).addObserver((exit) => {
        const failure = Exit.isFailure(exit) ? Cause.failureOption(exit.cause) : Option.none()
        const outcome = Exit.isSuccess(exit)
          ? Either.right(undefined)
          : Option.isSome(failure)
            ? Either.left(failure.value)
            : undefined
        if (Exit.isFailure(exit) && Cause.isDie(exit.cause)) defect(Cause.squash(exit.cause))
        guard(() => done(outcome))
      })
    }
    const options: BroadcastOptions = {
      channel: (id) => registrar.channelOrSystem(id),
      lane,
      guard,
      metrics,
      log: sync,
      run,
      clock: () => performance.now(),
      trace
    }
    const streams = new Set<BroadcastStream>()
    let lastEnded = () => {}
    yield* Effect.addFinalizer(() => {
      for (const stream of streams) stream.stop()
      const ended = Effect.async<void>((resume) => {
        lastEnded = () => resume(Effect.void)
        if (streams.size === 0) lastEnded()
      })
      const abandoned = Effect.sync(() => {
        for (const stream of streams) guard(() => stream.abandon())
      })
      return Effect.zipRight(closingEffect("broadcast streams", ended, stopLimit), abandoned)
    })
    return rawHandler((call) => {
      const stream = new BroadcastStream(call, options)
      streams.add(stream)
      return {
        message: (message) => stream.message(message),
        halfClosed: () => stream.halfClosed(),
        drained: () => stream.drained(),
        closed: () => {
          stream.closed()
          streams.delete(stream)
          if (streams.size === 0) lastEnded()
        }
      }
    })
  })

const makeDeliver = (options: ServiceOptions, trace: Tracer | undefined) =>
  Effect.gen(function* () {
    const registrar = yield* Registrar
    const server = yield* GrpcServer
    const metrics = declareDeliverMetrics(yield* Metrics)
    const handler = makeDeliverHandler({
      channel: (id) => registrar.channel(id)?.deliver,
      blockMessage: blockResponse,
      filtered: false,
      timeWindow: options.timeWindow,
      mutualTls: server.mutualTls,
      checkExpiration: options.checkExpiration,
      metrics
    })
    return (...[incoming, out, call]: Parameters<typeof handler>) => handler(traced(incoming, trace), out, call)
  })

/** Serves until the scope closes; the channels must outlive it. */
export const layer = (options: ServiceOptions): Layer.Layer<never, ServiceRefused, Registrar | GrpcServer | Metrics> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const server = yield* GrpcServer
      const Broadcast = yield* makeBroadcast(yield* makeTracer(options.broadcastTraceDir, "Broadcast"))
      const Deliver = yield* makeDeliver(options, yield* makeTracer(options.deliverTraceDir, "Deliver"))
      yield* server.addService(definition, { Broadcast, Deliver })
    })
  )

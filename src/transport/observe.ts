/**
 * What every call leaves behind: metrics under Fabric's names and one access log line.
 * Source: common/grpcmetrics, common/grpclogging, core/comm/metrics.go; operations-cli.md 2.4, 3.2.
 */
import type { Fields, SyncLog } from "../runtime/Log.js"
import type { MetricsShape } from "../runtime/Metrics.js"
import type { CallInfo, MethodDefinition } from "./handlers.js"
import type { Caller, CallObserver } from "./serverCall.js"
import { codeName } from "./status.js"

const grpcServer = { namespace: "grpc", subsystem: "server" } as const
const method = ["service", "method"] as const
const ended = ["service", "method", "code"] as const

/** The metrics of one server kind; declared once per node and shared by its servers. */
export const declareCallMetrics = (metrics: MetricsShape) => ({
  unary: {
    duration: metrics.histogram({
      ...grpcServer,
      name: "unary_request_duration",
      help: "The time to complete a unary request.",
      labelNames: ended
    }),
    received: metrics.counter({
      ...grpcServer,
      name: "unary_requests_received",
      help: "The number of unary requests received.",
      labelNames: method
    }),
    completed: metrics.counter({
      ...grpcServer,
      name: "unary_requests_completed",
      help: "The number of unary requests completed.",
      labelNames: ended
    })
  },
  stream: {
    duration: metrics.histogram({
      ...grpcServer,
      name: "stream_request_duration",
      help: "The time to complete a stream request.",
      labelNames: ended
    }),
    received: metrics.counter({
      ...grpcServer,
      name: "stream_requests_received",
      help: "The number of stream requests received.",
      labelNames: method
    }),
    completed: metrics.counter({
      ...grpcServer,
      name: "stream_requests_completed",
      help: "The number of stream requests completed.",
      labelNames: ended
    }),
    messagesReceived: metrics.counter({
      ...grpcServer,
      name: "stream_messages_received",
      help: "The number of stream messages received.",
      labelNames: method
    }),
    messagesSent: metrics.counter({
      ...grpcServer,
      name: "stream_messages_sent",
      help: "The number of stream messages sent.",
      labelNames: method
    })
  }
})

export type CallMetrics = ReturnType<typeof declareCallMetrics>

/** Connections opened and closed. */
export const declareConnectionMetrics = (metrics: MetricsShape) => {
  const help = "gRPC connections opened. Open minus closed is the active number of connections."
  const of = (name: string) => metrics.counter({ namespace: "grpc", subsystem: "comm", name, help }).with({})
  const opened = of("conn_opened")
  const closed = of("conn_closed")
  return { opened: () => opened.add(1), closed: () => closed.add(1) }
}

/** A counter that is told of single events and passes them on once per turn of the event loop: cheap per message. */
const batched = (counter: { readonly add: (delta?: number) => void }): (() => void) => {
  let pending = 0
  const flush = (): void => {
    const delta = pending
    pending = 0
    counter.add(delta)
  }
  return () => {
    if (pending === 0) setImmediate(flush)
    pending += 1
  }
}

/** A Go duration for a log field: `1.234567ms`, `12.5s`, `1m2.5s`. */
export const durationText = (ms: number): string => {
  const trim = (value: number, scale: number): string => String(Math.round(value * scale) / scale)
  if (ms < 0.001) return `${Math.round(ms * 1e6)}ns`
  if (ms < 1) return `${trim(ms * 1000, 1e3)}µs`
  if (ms < 1000) return `${trim(ms, 1e6)}ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${trim(seconds, 1e9)}s`
  const minutes = Math.floor(seconds / 60)
  const rest = `${trim(seconds - minutes * 60, 1e9)}s`
  return minutes < 60 ? `${minutes}m${rest}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${rest}`
}

export interface ObserveOptions {
  readonly metrics: CallMetrics | undefined
  /** Logger `comm.grpc.server`. */
  readonly log: SyncLog | undefined
}

const ignore = (): void => {}

/** Observers of one method's calls. */
export const observerOf = (
  service: string,
  methodName: string,
  definition: MethodDefinition,
  { log, metrics }: ObserveOptions
): ((call: CallInfo, caller: Caller) => CallObserver) => {
  const labels = { service: service.replaceAll(".", "_"), method: methodName.replaceAll(".", "_") }
  const streams = definition.requestStream || definition.responseStream
  const family = streams ? metrics?.stream : metrics?.unary
  const begun = family?.received.with(labels)
  const received = streams && metrics !== undefined ? batched(metrics.stream.messagesReceived.with(labels)) : ignore
  const sent = streams && metrics !== undefined ? batched(metrics.stream.messagesSent.with(labels)) : ignore
  const byCode = new Map<number, { readonly observe: (seconds: number) => void; readonly add: () => void }>()
  const endOf = (code: number) => {
    let handles = byCode.get(code)
    if (handles === undefined) {
      const all = { ...labels, code: codeName(code) }
      const duration = family?.duration.with(all)
      const completed = family?.completed.with(all)
      handles = { observe: (s) => duration?.observe(s), add: () => completed?.add(1) }
      byCode.set(code, handles)
    }
    return handles
  }
  const text = streams ? "streaming call completed" : "unary call completed"

  return (call, caller) => {
    const start = performance.now()
    begun?.add(1)
    return {
      received,
      sent,
      ended: ({ code, error }) => {
        const ms = performance.now() - start
        const handles = endOf(code)
        handles.observe(ms / 1000)
        handles.add()
        if (log === undefined || !log.enabled("info")) return
        const fields: Fields = {
          "grpc.service": service,
          "grpc.method": methodName,
          "grpc.request_deadline": call.deadline === undefined ? undefined : new Date(call.deadline).toISOString(),
          "grpc.peer_address": call.peer,
          "grpc.peer_subject": caller.subject,
          error,
          "grpc.code": codeName(code),
          "grpc.call_duration": durationText(ms)
        }
        log.info(text, fields)
      }
    }
  }
}

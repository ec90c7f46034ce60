/** Counters of the connections. Source: gossip-discovery.md 2; gossip/metrics/metrics.go. */
import type { MetricsShape } from "../../runtime/Metrics.js"

export interface CommMetrics {
  readonly sent: () => void
  readonly received: () => void
  /** A message was dropped because its connection's queue was full. */
  readonly overflowed: () => void
}

export const declareCommMetrics = (metrics: MetricsShape): CommMetrics => {
  const counter = (name: string, help: string) => {
    const made = metrics.counter({ namespace: "gossip", subsystem: "comm", name, help })
    let handle: ReturnType<typeof made.with> | undefined
    return () => {
      handle ??= made.with({}) // a series appears with its first use
      handle.add(1)
    }
  }
  return {
    sent: counter("messages_sent", "Number of messages sent"),
    received: counter("messages_received", "Number of messages received"),
    overflowed: counter("overflow_count", "Number of outgoing queue buffer overflows")
  }
}

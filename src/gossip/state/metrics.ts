/** Metrics of state transfer. Source: gossip-discovery.md 2; gossip/metrics/metrics.go. */
import type { MetricsShape } from "../../runtime/Metrics.js"

export interface StateMetrics {
  readonly height: (height: bigint) => void
  /** Seconds from the start of a block's validation to its commit. */
  readonly committed: (seconds: number) => void
  readonly bufferSize: (blocks: number) => void
}

/** Declared once per node; the result makes the handles of a channel. */
export const makeStateMetrics = (metrics: MetricsShape): ((channel: string) => StateMetrics) => {
  const labelNames = ["channel"] as const
  const height = metrics.gauge({
    namespace: "gossip",
    subsystem: "state",
    name: "height",
    help: "Current ledger height",
    labelNames
  })
  const duration = metrics.histogram({
    namespace: "gossip",
    subsystem: "state",
    name: "commit_duration",
    help: "Time it takes to commit a block in seconds",
    labelNames
  })
  const size = metrics.gauge({
    namespace: "gossip",
    subsystem: "payload_buffer",
    name: "size",
    help: "Size of the payload buffer",
    labelNames
  })
  return (channel) => ({
    height: (blocks) => height.with({ channel }).set(Number(blocks)),
    committed: (seconds) => duration.with({ channel }).observe(seconds),
    bufferSize: (blocks) => size.with({ channel }).set(blocks)
  })
}

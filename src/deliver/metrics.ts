/** Metrics of Deliver under Fabric's names. Source: orderer.md 3.12; common/deliver/metrics.go. */
import type { MetricsShape } from "../runtime/Metrics.js"

const labels = ["channel", "filtered"] as const

/** Counts of one request's channel, tagged once per request. */
export interface RequestMetrics {
  readonly received: () => void
  readonly completed: (success: boolean) => void
  readonly blockSent: () => void
}

export interface DeliverMetrics {
  readonly streamOpened: () => void
  readonly streamClosed: () => void
  readonly request: (channel: string, filtered: boolean) => RequestMetrics
}

/** Declares them in a node's registry; call once per node. */
export const declareDeliverMetrics = (metrics: MetricsShape): DeliverMetrics => {
  const declare = { namespace: "deliver" } as const
  const opened = metrics.counter({ ...declare, name: "streams_opened", help: "Deliver streams opened." })
  const closed = metrics.counter({ ...declare, name: "streams_closed", help: "Deliver streams closed." })
  const received = metrics.counter({
    ...declare,
    name: "requests_received",
    help: "Deliver requests received.",
    labelNames: labels
  })
  const completed = metrics.counter({
    ...declare,
    name: "requests_completed",
    help: "Deliver requests completed.",
    labelNames: [...labels, "success"] as const
  })
  const sent = metrics.counter({
    ...declare,
    name: "blocks_sent",
    help: "Blocks sent by Deliver.",
    labelNames: labels
  })
  return {
    streamOpened: () => opened.with({}).add(1),
    streamClosed: () => closed.with({}).add(1),
    request: (channel, isFiltered) => {
      const filtered = String(isFiltered)
      const blocks = sent.with({ channel, filtered })
      return {
        received: () => received.with({ channel, filtered }).add(1),
        completed: (success) => completed.with({ channel, filtered, success: String(success) }).add(1),
        blockSent: () => blocks.add(1)
      }
    }
  }
}

/** Metrics of private data. Source: gossip-discovery.md 2; gossip/metrics/metrics.go. */
import type { MetricsShape } from "../../runtime/Metrics.js"

const help = {
  validation: "Time it takes to validate a block (in seconds)",
  list_missing: "Time it takes to list the missing private data (in seconds)",
  fetch: "Time it takes to fetch missing private data from peers (in seconds)",
  commit_block: "Time it takes to commit private data and the corresponding block (in seconds)",
  purge: "Time it takes to purge private data (in seconds)",
  send: "Time it takes to send a missing private data element (in seconds)",
  reconciliation: "Time it takes for reconciliation to complete (in seconds)",
  pull: "Time it takes to pull a missing private data element (in seconds)",
  retrieve: "Time it takes to retrieve missing private data elements from the ledger (in seconds)"
} as const

export type PrivateDataStep = keyof typeof help

/** Seconds that a step took. */
export type PrivateDataMetrics = (step: PrivateDataStep, seconds: number) => void

/** Declared once per node; the result makes the handles of a channel. */
export const makePrivateDataMetrics = (metrics: MetricsShape): ((channel: string) => PrivateDataMetrics) => {
  const declare = (step: PrivateDataStep) =>
    metrics.histogram({
      namespace: "gossip",
      subsystem: "privdata",
      name: `${step}_duration`,
      help: help[step],
      labelNames: ["channel"]
    })
  const histograms = {
    validation: declare("validation"),
    list_missing: declare("list_missing"),
    fetch: declare("fetch"),
    commit_block: declare("commit_block"),
    purge: declare("purge"),
    send: declare("send"),
    reconciliation: declare("reconciliation"),
    pull: declare("pull"),
    retrieve: declare("retrieve")
  }
  return (channel) => (step, seconds) => histograms[step].with({ channel }).observe(seconds)
}

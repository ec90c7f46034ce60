/** Metrics of block cutting under Fabric's names. Source: orderer.md 3.12; orderer/common/blockcutter/metrics.go. */
import type { MetricsShape } from "../../runtime/Metrics.js"

/** One channel's handle. */
export interface CutterMetrics {
  /** Seconds from a block's first message to its cut. */
  readonly filled: (seconds: number) => void
}

/** Declares them in a node's registry; call once per node, then once per channel what it gives. */
export const declareCutterMetrics = (metrics: MetricsShape): ((channel: string) => CutterMetrics) => {
  const fill = metrics.histogram({
    namespace: "blockcutter",
    name: "block_fill_duration",
    help: "Seconds from the first message of a block to its cut.",
    labelNames: ["channel"]
  })
  return (channel) => ({ filled: (seconds) => fill.with({ channel }).observe(seconds) })
}

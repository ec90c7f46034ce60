/** Metrics that every node has, and the choice of where metrics go. Source: operations-cli.md 1.1, 3.1, 3.2. */
import type { Level, LogObserver } from "../runtime/Log.js"
import type { MetricsShape } from "../runtime/Metrics.js"

/** The constant 1 with the version as its label. */
export const declareVersion = (metrics: MetricsShape, version: string): void =>
  metrics
    .gauge({ namespace: "", name: "fabric_version", help: "The active version of Fabric.", labelNames: ["version"] })
    .with({ version })
    .set(1)

/** Counts log records by level. */
export const observeLog = (metrics: MetricsShape): LogObserver => {
  const counter = (name: string, help: string) => {
    const all = metrics.counter({ namespace: "logging", name, help, labelNames: ["level"] })
    const byLevel = new Map<Level, { readonly add: (delta?: number) => void }>()
    return (level: Level): void => {
      let one = byLevel.get(level)
      if (one === undefined) {
        one = all.with({ level: level === "payload" ? "Level(-2)" : level })
        byLevel.set(level, one)
      }
      one.add(1)
    }
  }
  return {
    checked: counter("entries_checked", "Number of log entries checked against the active logging level"),
    written: counter("entries_written", "Number of log entries that are written")
  }
}

/** What a configured provider means; any other word disables metrics with a warning. */
export const providerOf = (
  word: string
): { readonly provider: "prometheus" | "statsd" | "disabled"; readonly warning?: string } => {
  if (word === "prometheus" || word === "statsd" || word === "disabled") return { provider: word }
  return { provider: "disabled", warning: `Unknown provider type: ${word}; metrics disabled` }
}

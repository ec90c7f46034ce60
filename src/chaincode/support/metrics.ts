/** The metrics of launching and executing chaincode. Source: chaincode.md R101. */
import type { Counter, Histogram, MetricsShape } from "../../runtime/Metrics.js"
import { messageTypeName } from "../shim/messages.js"

export interface ShimSeries {
  readonly received: () => void
  /** `seconds` from the arrival to the reply. */
  readonly completed: (success: boolean, seconds: number) => void
}

export interface ChaincodeMetrics {
  readonly launchDuration: Histogram<"chaincode" | "success">
  readonly launchFailures: Counter<"chaincode">
  readonly launchTimeouts: Counter<"chaincode">
  readonly executeTimeouts: Counter<"chaincode">
  /** Series of one request type on one channel for one chaincode, made once and kept by the handler. */
  readonly shim: (type: number, channel: string, chaincode: string) => ShimSeries
}

export const declareMetrics = (metrics: MetricsShape): ChaincodeMetrics => {
  const namespace = "chaincode"
  const received = metrics.counter({
    namespace,
    name: "shim_requests_received",
    help: "The number of chaincode shim requests received.",
    labelNames: ["type", "channel", "chaincode"]
  })
  const completed = metrics.counter({
    namespace,
    name: "shim_requests_completed",
    help: "The number of chaincode shim requests completed.",
    labelNames: ["type", "channel", "chaincode", "success"]
  })
  const duration = metrics.histogram({
    namespace,
    name: "shim_request_duration",
    help: "The time to complete chaincode shim requests.",
    labelNames: ["type", "channel", "chaincode", "success"]
  })
  return {
    launchDuration: metrics.histogram({
      namespace,
      name: "launch_duration",
      help: "The time to launch a chaincode.",
      labelNames: ["chaincode", "success"]
    }),
    launchFailures: metrics.counter({
      namespace,
      name: "launch_failures",
      help: "The number of chaincode launches that have failed.",
      labelNames: ["chaincode"]
    }),
    launchTimeouts: metrics.counter({
      namespace,
      name: "launch_timeouts",
      help: "The number of chaincode launches that have timed out.",
      labelNames: ["chaincode"]
    }),
    executeTimeouts: metrics.counter({
      namespace,
      name: "execute_timeouts",
      help: "The number of chaincode executions (Init or Invoke) that have timed out.",
      labelNames: ["chaincode"]
    }),
    shim: (type, channel, chaincode) => {
      const labels = { type: messageTypeName(type), channel, chaincode }
      const arrived = received.with(labels)
      const series = (success: string) => ({
        count: completed.with({ ...labels, success }),
        time: duration.with({ ...labels, success })
      })
      let good: ReturnType<typeof series> | undefined
      let bad: ReturnType<typeof series> | undefined
      return {
        received: () => arrived.add(1),
        completed: (success, seconds) => {
          let used = success ? good : bad
          if (used === undefined) {
            used = series(String(success))
            if (success) good = used
            else bad = used
          }
          used.time.observe(seconds)
          used.count.add(1)
        }
      }
    }
  }
}

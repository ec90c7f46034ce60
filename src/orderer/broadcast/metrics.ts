/** Metrics of Broadcast under Fabric's names. Source: orderer.md 3.12; orderer/common/broadcast/metrics.go. */
import type { MetricsShape } from "../../runtime/Metrics.js"
import { common } from "../../wire/index.js"
import { headerTypeName } from "../../wire/protoutil.js"

const labelNames = ["channel", "type", "status"] as const

/** Times of one message, on a monotonic clock in milliseconds. */
export interface MessageTimes {
  readonly received: number
  /** When judging ended; undefined when it ended with the answer. */
  readonly validated: number | undefined
}

export interface BroadcastMetrics {
  /** One message was answered now. */
  readonly answered: (
    channel: string,
    type: number | undefined,
    status: number,
    times: MessageTimes,
    now: number
  ) => void
}

interface Handles {
  readonly validate: { readonly observe: (seconds: number) => void }
  readonly enqueue: { readonly observe: (seconds: number) => void }
  readonly processed: { readonly add: (delta?: number) => void }
}

/** Clients choose channel and type: beyond this many series of both, the rest is counted as `unknown`. */
const seriesLimit = 2000

/** Declares them in a node's registry; call once per node. */
export const declareBroadcastMetrics = (metrics: MetricsShape): BroadcastMetrics => {
  const declare = { namespace: "broadcast", labelNames } as const
  const validate = metrics.histogram({ ...declare, name: "validate_duration", help: "Seconds to judge a message." })
  const enqueue = metrics.histogram({
    ...declare,
    name: "enqueue_duration",
    help: "Seconds to hand a message to consensus."
  })
  const processed = metrics.counter({ ...declare, name: "processed_count", help: "Messages answered." })
  const made = new Map<string, Handles>()
  const handlesOf = (channel: string, type: number | undefined, status: number): Handles => {
    const key = `${status} ${type} ${channel}`
    const known = made.get(key)
    if (known !== undefined) return known
    if (made.size >= seriesLimit && channel !== "unknown") return handlesOf("unknown", undefined, status)
    const labels = {
      channel,
      type: type === undefined ? "unknown" : headerTypeName(type),
      status: common.StatusInfo.nameOf(status) ?? String(status)
    }
    const handles = {
      validate: validate.with(labels),
      enqueue: enqueue.with(labels),
      processed: processed.with(labels)
    }
    made.set(key, handles)
    return handles
  }
  // messages come in runs of one channel and type
  let latest: { readonly channel: string; readonly type: number | undefined; readonly status: number } & Handles = {
    ...handlesOf("unknown", undefined, 0),
    channel: "unknown",
    type: undefined,
    status: 0
  }
  return {
    answered: (channel, type, status, { received, validated }, now) => {
      if (latest.channel !== channel || latest.type !== type || latest.status !== status) {
        latest = { ...handlesOf(channel, type, status), channel, type, status }
      }
      const handles = latest
      handles.validate.observe(((validated ?? now) - received) / 1000)
      if (validated !== undefined) handles.enqueue.observe((now - validated) / 1000)
      handles.processed.add(1)
    }
  }
}

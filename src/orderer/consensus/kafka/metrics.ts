/**
 * Metrics of Kafka under Fabric's names, and what is counted for them: traffic by broker and topic, published every
 * minute.
 * Source: orderer.md 3.12; orderer/consensus/kafka/metrics.go.
 */
import type { MetricsShape } from "../../../runtime/Metrics.js"
import { Mean, Rate } from "./meters.js"

/** A request that was answered, as kafkajs tells of it. */
export interface AnsweredRequest {
  /** host:port */
  readonly broker: string
  /** Bytes of the answer. */
  readonly size: number
  /** Milliseconds. */
  readonly duration: number
}

interface BrokerTraffic {
  readonly incoming: Rate
  readonly outgoing: Rate
  readonly requests: Rate
  readonly responses: Rate
  readonly requestSize: Mean
  readonly latency: Mean
  readonly responseSize: Mean
  /** Written since the last answer. */
  unaccounted: number
  readonly connections: Set<() => void>
}

interface TopicTraffic {
  readonly sent: Rate
  readonly batchSize: Mean
  readonly recordsPerRequest: Mean
}

/** What all clients of one node send and receive. */
export class Traffic {
  private readonly brokers = new Map<string, BrokerTraffic>()
  private readonly topics = new Map<string, TopicTraffic>()
  private readonly ids = new Map<string, number>()

  /** In: milliseconds on the node's clock. */
  constructor(private readonly now: () => number) {}

  /** The brokers' numbers; traffic of addresses without one is not published. */
  know(brokers: ReadonlyArray<{ readonly nodeId: number; readonly host: string; readonly port: number }>): void {
    for (const { host, nodeId, port } of brokers) this.ids.set(`${host}:${port}`, nodeId)
  }

  /** A new connection; `written` gives the bytes written to it so far. */
  connection(
    broker: string,
    written: () => number
  ): { readonly received: (bytes: number) => void; readonly close: () => void } {
    const traffic = this.broker(broker)
    let seen = 0
    const account = () => {
      const bytes = written()
      traffic.outgoing.mark(this.now(), bytes - seen)
      traffic.unaccounted += bytes - seen
      seen = bytes
    }
    traffic.connections.add(account)
    return {
      received: (bytes) => traffic.incoming.mark(this.now(), bytes),
      close: () => {
        account()
        traffic.connections.delete(account)
      }
    }
  }

  request({ broker, duration, size }: AnsweredRequest): void {
    const traffic = this.broker(broker)
    const now = this.now()
    for (const account of traffic.connections) account()
    traffic.requests.mark(now)
    traffic.requestSize.update(traffic.unaccounted)
    traffic.unaccounted = 0
    traffic.latency.update(duration)
    traffic.responses.mark(now)
    traffic.responseSize.update(size)
  }

  /** Records posted to a topic in one request. */
  produced(topic: string, records: number, bytes: number): void {
    let traffic = this.topics.get(topic)
    if (traffic === undefined) {
      traffic = { sent: new Rate(this.now()), batchSize: new Mean(), recordsPerRequest: new Mean() }
      this.topics.set(topic, traffic)
    }
    traffic.sent.mark(this.now(), records)
    traffic.batchSize.update(bytes)
    traffic.recordsPerRequest.update(records)
  }

  *brokerTraffic(): Iterable<readonly [id: string, BrokerTraffic]> {
    for (const [address, traffic] of this.brokers) {
      const id = this.ids.get(address)
      if (id !== undefined) yield [String(id), traffic]
    }
  }

  topicTraffic(): Iterable<readonly [topic: string, TopicTraffic]> {
    return this.topics
  }

  private broker(address: string): BrokerTraffic {
    let traffic = this.brokers.get(address)
    if (traffic === undefined) {
      const now = this.now()
      traffic = {
        incoming: new Rate(now),
        outgoing: new Rate(now),
        requests: new Rate(now),
        responses: new Rate(now),
        requestSize: new Mean(),
        latency: new Mean(),
        responseSize: new Mean(),
        unaccounted: 0,
        connections: new Set()
      }
      this.brokers.set(address, traffic)
    }
    return traffic
  }
}

export interface KafkaMetrics {
  /** The offset in the metadata of a channel's newest block. */
  readonly lastOffsetPersisted: (channel: string, offset: bigint) => void
  /** Sets the gauges of brokers and topics. */
  readonly publish: (traffic: Traffic, now: number) => void
}

/** Declares them in a node's registry; call once per node. */
export const declareKafkaMetrics = (metrics: MetricsShape): KafkaMetrics => {
  const gauge = <L extends string>(label: L, name: string, help: string) =>
    metrics.gauge({ namespace: "consensus", subsystem: "kafka", name, help, labelNames: [label] })
  const offset = gauge("channel", "last_offset_persisted", "Offset in the metadata of the newest block.")
  const incoming = gauge("broker_id", "incoming_byte_rate", "Bytes per second read from a broker.")
  const outgoing = gauge("broker_id", "outgoing_byte_rate", "Bytes per second written to a broker.")
  const requests = gauge("broker_id", "request_rate", "Requests per second to a broker.")
  const requestSize = gauge("broker_id", "request_size", "Mean bytes of a request to a broker.")
  const latency = gauge("broker_id", "request_latency", "Mean milliseconds until a broker's answer.")
  const responses = gauge("broker_id", "response_rate", "Answers per second of a broker.")
  const responseSize = gauge("broker_id", "response_size", "Mean bytes of a broker's answer.")
  const batchSize = gauge("topic", "batch_size", "Mean bytes posted to a topic in one request.")
  const sent = gauge("topic", "record_send_rate", "Records per second posted to a topic.")
  const records = gauge("topic", "records_per_request", "Mean number of records posted in one request.")
  const compression = gauge("topic", "compression_ratio", "Mean compression ratio in percent; nothing is compressed.")
  return {
    lastOffsetPersisted: (channel, value) => offset.with({ channel }).set(Number(value)),
    publish: (traffic, now) => {
      for (const [broker_id, each] of traffic.brokerTraffic()) {
        incoming.with({ broker_id }).set(each.incoming.perSecond(now))
        outgoing.with({ broker_id }).set(each.outgoing.perSecond(now))
        requests.with({ broker_id }).set(each.requests.perSecond(now))
        requestSize.with({ broker_id }).set(each.requestSize.mean)
        latency.with({ broker_id }).set(each.latency.mean)
        responses.with({ broker_id }).set(each.responses.perSecond(now))
        responseSize.with({ broker_id }).set(each.responseSize.mean)
      }
      for (const [topic, each] of traffic.topicTraffic()) {
        batchSize.with({ topic }).set(each.batchSize.mean)
        sent.with({ topic }).set(each.sent.perSecond(now))
        records.with({ topic }).set(each.recordsPerRequest.mean)
        compression.with({ topic }).set(100)
      }
    }
  }
}

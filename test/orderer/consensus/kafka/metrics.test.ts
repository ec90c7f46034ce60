import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Mean, Rate } from "../../../../src/orderer/consensus/kafka/meters.js"
import { declareKafkaMetrics, Traffic } from "../../../../src/orderer/consensus/kafka/metrics.js"
import { prometheus } from "../../../../src/runtime/Metrics.js"

describe("meters", () => {
  it("a rate starts with the first tick's, nears a steady one, and fades in a minute", () => {
    const rate = new Rate(0)
    for (let at = 0; at < 5000; at += 100) rate.mark(at)
    expect(rate.perSecond(4999)).toBe(0)
    expect(rate.perSecond(5000)).toBe(10)
    for (let at = 5000; at < 605_000; at += 100) rate.mark(at, 2)
    expect(rate.perSecond(605_000)).toBeCloseTo(20, 3)
    expect(rate.perSecond(665_000)).toBeCloseTo(20 * Math.exp(-1), 3)
  })
  it("the mean is that of the latest 1028", () => {
    const mean = new Mean()
    expect(mean.mean).toBe(0)
    for (let value = 0; value < 2000; value++) mean.update(value)
    expect(mean.mean).toBeCloseTo((2000 - 1028 + 1999) / 2)
  })
})

describe("metrics (3.12)", () => {
  it.effect("have Fabric's names and labels; brokers show under their number", () =>
    Effect.gen(function* () {
      const registry = prometheus()
      const metrics = declareKafkaMetrics(registry)
      let now = 0
      const traffic = new Traffic(() => now)
      let written = 0
      const known = traffic.connection("127.0.0.1:9092", () => written)
      const unknown = traffic.connection("127.0.0.1:1", () => 5)
      traffic.know([{ nodeId: 7, host: "127.0.0.1", port: 9092 }])
      written = 100
      traffic.request({ broker: "127.0.0.1:9092", size: 40, duration: 3 })
      written = 400
      traffic.request({ broker: "127.0.0.1:9092", size: 60, duration: 5 })
      known.received(108)
      traffic.produced("mychannel", 4, 4000)
      known.close()
      unknown.close()
      now = 5000
      metrics.lastOffsetPersisted("mychannel", -3n)
      metrics.publish(traffic, now)
      const page = yield* registry.exposition
      const lines = page?.body.split("\n").filter((line) => line.startsWith("consensus_"))
      expect(lines?.sort()).toEqual([
        'consensus_kafka_batch_size{topic="mychannel"} 4000',
        'consensus_kafka_compression_ratio{topic="mychannel"} 100',
        'consensus_kafka_incoming_byte_rate{broker_id="7"} 21.6',
        'consensus_kafka_last_offset_persisted{channel="mychannel"} -3',
        'consensus_kafka_outgoing_byte_rate{broker_id="7"} 80',
        'consensus_kafka_record_send_rate{topic="mychannel"} 0.8',
        'consensus_kafka_records_per_request{topic="mychannel"} 4',
        'consensus_kafka_request_latency{broker_id="7"} 4',
        'consensus_kafka_request_rate{broker_id="7"} 0.4',
        'consensus_kafka_request_size{broker_id="7"} 200',
        'consensus_kafka_response_rate{broker_id="7"} 0.4',
        'consensus_kafka_response_size{broker_id="7"} 50'
      ])
    })
  )
})

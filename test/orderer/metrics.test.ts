/** An orderer's metrics held against the sheet: names, kinds, labels, buckets; the Prometheus page, and StatsD's lines (check 27). */
import { createSocket } from "node:dgram"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultBuckets, ledgerBuckets } from "../../src/runtime/Metrics.js"
import { parsePrometheus } from "../peer/stages/prometheusText.js"
import {
  broadcastOne,
  createMychannel,
  deliverAll,
  message,
  seekMessage,
  signerOf,
  temporaryFolder,
  waitForHeight
} from "./support/node.js"
import { start } from "./support/program.js"

type Kind = "counter" | "gauge" | "histogram"
const call = "service method"
/** operations-cli.md 3.2 and 3.3: what an orderer without Kafka shows once it has been used. */
const expected: ReadonlyArray<readonly [statsd: string, kind: Kind, labels: string]> = [
  ["blockcutter.block_fill_duration", "histogram", "channel"],
  ["broadcast.enqueue_duration", "histogram", "channel type status"],
  ["broadcast.processed_count", "counter", "channel type status"],
  ["broadcast.validate_duration", "histogram", "channel type status"],
  ["deliver.blocks_sent", "counter", "channel filtered"],
  ["deliver.requests_completed", "counter", "channel filtered success"],
  ["deliver.requests_received", "counter", "channel filtered"],
  ["deliver.streams_closed", "counter", ""],
  ["deliver.streams_opened", "counter", ""],
  ["fabric_version", "gauge", "version"],
  ["grpc.comm.conn_closed", "counter", ""],
  ["grpc.comm.conn_opened", "counter", ""],
  ["grpc.server.stream_messages_received", "counter", call],
  ["grpc.server.stream_messages_sent", "counter", call],
  ["grpc.server.stream_request_duration", "histogram", `${call} code`],
  ["grpc.server.stream_requests_completed", "counter", `${call} code`],
  ["grpc.server.stream_requests_received", "counter", call],
  ["ledger.blockchain_height", "gauge", "channel"],
  ["ledger.blockstorage_commit_time", "histogram", "channel"],
  ["logging.entries_checked", "counter", "level"],
  ["logging.entries_written", "counter", "level"]
]
const nameOf = (statsd: string) => statsd.replaceAll(".", "_")

/** An orderer that has done what orderers do: created a channel, ordered, refused, delivered. */
const used = (env: Record<string, string>) =>
  Effect.gen(function* () {
    const node = yield* start(yield* temporaryFolder, env)
    yield* createMychannel(node)
    const user = yield* signerOf("user1")
    expect(yield* broadcastOne(node.client, message(user, "mychannel", "taken"))).toEqual({ status: 200, info: "" })
    expect((yield* broadcastOne(node.client, message(user, "nowhere", "refused")))?.status).toBe(404)
    expect((yield* broadcastOne(node.client, new Uint8Array([0x0a, 1, 0xff])))?.status).toBe(400)
    yield* waitForHeight(node, "mychannel", 2n)
    expect((yield* deliverAll(node.client, seekMessage(user, "mychannel", 0n, 1n))).status).toBe(200)
    return node
  })

describe("metrics of an orderer", { timeout: 60_000 }, () => {
  it.scopedLive("on the Prometheus page", () =>
    Effect.gen(function* () {
      const node = yield* used({ ORDERER_METRICS_PROVIDER: "prometheus" })
      const look = Effect.promise(async () => {
        const response = await fetch(`http://${node.operationsAddress}/metrics`)
        return parsePrometheus(await response.text())
      })
      yield* Effect.repeat(Effect.delay(look, "10 millis"), { until: (page) => page.has("deliver_streams_closed") })
      const page = yield* look
      const shown = [...page.keys()].filter((name) => !name.startsWith("process_")).sort()
      // a closed connection shows when one was closed
      const always = expected.filter(([name]) => name !== "grpc.comm.conn_closed").map(([name]) => nameOf(name))
      expect(shown.filter((name) => name !== "grpc_comm_conn_closed")).toEqual(always.sort())
      for (const [statsd, kind, labels] of expected) {
        const family = page.get(nameOf(statsd))
        if (family === undefined) continue
        expect({ statsd, kind: family.type }).toEqual({ statsd, kind })
        const names = new Set(
          family.samples.flatMap((sample) => [...sample.labels.keys()]).filter((label) => label !== "le")
        )
        expect({ statsd, labels: [...names].sort() }).toEqual({
          statsd,
          labels: labels.split(" ").filter(Boolean).sort()
        })
        if (kind !== "histogram") continue
        const bounds = new Set(family.samples.flatMap(({ labels: of }) => of.get("le") ?? []))
        const buckets = statsd === "ledger.blockstorage_commit_time" ? ledgerBuckets : defaultBuckets
        expect([...bounds]).toEqual([...buckets.map(String), "+Inf"])
      }
      const value = (name: string, labels: Record<string, string>) =>
        page
          .get(name)
          ?.samples.find((sample) => Object.entries(labels).every(([label, text]) => sample.labels.get(label) === text))
          ?.value
      const count = "broadcast_processed_count"
      expect(value(count, { channel: "mychannel", type: "ENDORSER_TRANSACTION", status: "SUCCESS" })).toBe(1)
      expect(value(count, { channel: "mychannel", type: "CONFIG_UPDATE", status: "SUCCESS" })).toBe(1)
      expect(value(count, { channel: "nowhere", status: "NOT_FOUND" })).toBe(1)
      expect(value(count, { channel: "unknown", type: "unknown", status: "BAD_REQUEST" })).toBe(1)
      expect(value("ledger_blockchain_height", { channel: "mychannel" })).toBe(2)
      expect(value("ledger_blockchain_height", { channel: "sys" })).toBe(2)
      expect(value("deliver_blocks_sent", { channel: "mychannel", filtered: "false" })).toBe(2)
      expect(value("fabric_version", { version: "1.4.12" })).toBe(1)
      expect(
        value("grpc_server_stream_requests_received", { service: "orderer_AtomicBroadcast", method: "Deliver" })
      ).toBe(1)
    })
  )

  it.scopedLive("as StatsD's lines", () =>
    Effect.gen(function* () {
      const lines = new Set<string>()
      const socket = yield* Effect.acquireRelease(
        Effect.async<ReturnType<typeof createSocket>>((resume) => {
          const made = createSocket("udp4")
          made.on("message", (data) => {
            for (const line of data.toString().split("\n")) if (line !== "") lines.add(line)
          })
          made.bind(0, "127.0.0.1", () => resume(Effect.succeed(made)))
        }),
        (made) => Effect.sync(() => made.close())
      )
      yield* used({
        ORDERER_METRICS_PROVIDER: "statsd",
        ORDERER_METRICS_STATSD_ADDRESS: `127.0.0.1:${socket.address().port}`,
        ORDERER_METRICS_STATSD_WRITEINTERVAL: "100ms",
        ORDERER_METRICS_STATSD_PREFIX: "ordering"
      })
      const wanted = [
        /^ordering\.broadcast\.processed_count\.mychannel\.ENDORSER_TRANSACTION\.SUCCESS:1\.000000\|c$/,
        /^ordering\.broadcast\.processed_count\.nowhere\.ENDORSER_TRANSACTION\.NOT_FOUND:1\.000000\|c$/,
        /^ordering\.broadcast\.validate_duration\.mychannel\.ENDORSER_TRANSACTION\.SUCCESS:\d+\.\d{6}\|ms$/,
        /^ordering\.broadcast\.enqueue_duration\.mychannel\.ENDORSER_TRANSACTION\.SUCCESS:\d+\.\d{6}\|ms$/,
        /^ordering\.blockcutter\.block_fill_duration\.mychannel:\d+\.\d{6}\|ms$/,
        /^ordering\.deliver\.requests_completed\.mychannel\.false\.true:1\.000000\|c$/,
        /^ordering\.ledger\.blockchain_height\.mychannel:2\.000000\|g$/,
        /^ordering\.ledger\.blockstorage_commit_time\.mychannel:\d+\.\d{6}\|ms$/,
        /^ordering\.grpc\.server\.stream_requests_received\.orderer_AtomicBroadcast\.Deliver:1\.000000\|c$/
      ]
      const missing = Effect.sync(() =>
        wanted.filter((form) => ![...lines].some((line) => form.test(line))).map(String)
      )
      const left = yield* Effect.repeat(Effect.delay(missing, "50 millis"), {
        until: (none) => none.length === 0
      }).pipe(Effect.timeoutTo({ duration: "20 seconds", onSuccess: (none) => none, onTimeout: () => ["timed out"] }))
      expect(left.length === 0 ? [] : yield* missing).toEqual([])
    })
  )
})

/** A peer's metrics held against the sheet: names, kinds, labels, buckets; the Prometheus page, and StatsD's lines. */
import { createSocket } from "node:dgram"
import { it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect } from "vitest"
import { filteredBlocks, peerBlocks, system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { defaultBuckets, ledgerBuckets, Metrics } from "../../../src/runtime/Metrics.js"
import { chainInfo, join, propose, statusOf } from "../node/calls.js"
import { recordedBlocks, serveChain } from "../node/serveChain.js"
import { type RunningPeer, startPeer, tempFolder } from "../node/support.js"
import { genesisBlock, person } from "../support.js"
import { elsewhere, peerMetrics, processMetrics } from "./metricNames.js"
import { type Family, parsePrometheus } from "./prometheusText.js"

let admin: Signer
let user: Signer
let stranger: Signer
beforeAll(async () => {
  ;[admin, user, stranger] = await Promise.all([
    person("Org1MSP", "Admin"),
    person("Org1MSP", "User1"),
    person("OrdererMSP", "Admin")
  ])
})

const height = 12

/** A peer that has done what peers do: joined, committed, endorsed, refused, delivered. */
const used = (environment: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const orderer = yield* serveChain(recordedBlocks.slice(0, height))
    const peer = yield* startPeer({ folder: yield* tempFolder, orderer: orderer.address, environment })
    const client = yield* peer.connect()
    expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
    yield* peer.table.get("mychannel")?.pipeline.reached(BigInt(height)) ?? Effect.die("not joined")
    yield* chainInfo(client, user)
    const ask = (signer: Signer, chaincode: string) =>
      Effect.either(propose(client, signer, { channelId: "mychannel", chaincode, args: ["x"] }))
    yield* ask(stranger, "asset")
    yield* ask(user, "nobody")
    yield* Effect.either(propose(client, user, { ...system.getChainInfo("mychannel"), channelId: "nowhere" }))
    const request = { channelId: "mychannel", signer: user, seek: { start: "oldest", stop: 3n } } as const
    for (const read of [peerBlocks, filteredBlocks])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const blocks = yield* read(client, request)
          for (let number = 0; number < 4; number += 1) yield* blocks.next
        })
      )
    return peer
  })

const page = (peer: RunningPeer): Effect.Effect<ReadonlyMap<string, Family>> =>
  Effect.promise(async () => {
    const response = await fetch(`http://${peer.operations}/metrics`)
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
    return parsePrometheus(await response.text())
  })

describe("declared", () => {
  it.scopedLive("exactly the reference's metrics, with its kinds, labels and buckets", () =>
    Effect.gen(function* () {
      const peer = yield* used()
      const declared = Context.get(peer.context, Metrics).declared()
      for (const { buckets, kind, labels, name } of declared) {
        const expected = peerMetrics.get(name)
        if (expected === undefined) return expect.fail(`${name} is no metric of Fabric's peer`)
        expect([name, kind, labels]).toEqual([name, expected.kind, expected.labels])
        if (kind === "histogram")
          expect([name, buckets]).toEqual([name, expected.ledgerBuckets === true ? ledgerBuckets : defaultBuckets])
      }
      const there = new Set(declared.map(({ name }) => name))
      expect([...peerMetrics.keys()].filter((name) => !there.has(name) && !elsewhere.includes(name))).toEqual([])
    })
  )
})

describe("the Prometheus page", () => {
  it.scopedLive("shows what was used, well formed, and nothing that is not Fabric's or the process's", () =>
    Effect.gen(function* () {
      const peer = yield* used()
      const families = yield* page(peer)
      for (const [name, { samples, type }] of families) {
        if (processMetrics.includes(name)) continue
        const expected = peerMetrics.get(name)
        if (expected === undefined) return expect.fail(`${name} is no metric of Fabric's peer`)
        expect([name, type]).toEqual([name, expected.kind])
        for (const { labels } of samples)
          expect([name, [...labels.keys()].filter((label) => label !== "le").sort()]).toEqual([
            name,
            [...expected.labels].sort()
          ])
      }
      const value = (name: string, labels: Readonly<Record<string, string>> = {}): number | undefined =>
        families
          .get(name.replace(/_(?:count|bucket|sum)$/, ""))
          ?.samples.find(
            (sample) =>
              sample.name === name && Object.entries(labels).every(([key, text]) => sample.labels.get(key) === text)
          )?.value ??
        families
          .get(name)
          ?.samples.find((sample) => Object.entries(labels).every(([key, text]) => sample.labels.get(key) === text))
          ?.value
      expect(value("fabric_version", { version: "1.4.12" })).toBe(1)
      expect(value("ledger_blockchain_height", { channel: "mychannel" })).toBe(height)
      expect(value("ledger_block_processing_time_count", { channel: "mychannel" })).toBe(height)
      expect(value("deliver_streams_opened")).toBe(2)
      expect(value("deliver_blocks_sent", { channel: "mychannel", filtered: "false" })).toBe(4)
      expect(value("deliver_blocks_sent", { channel: "mychannel", filtered: "true" })).toBe(4)
      expect(value("endorser_proposals_received")).toBe(5)
      expect(value("endorser_proposal_acl_failures", { channel: "mychannel" })).toBe(1)
      expect(
        value("grpc_server_unary_requests_completed", {
          service: "protos_Endorser",
          method: "ProcessProposal",
          code: "OK"
        })
      ).toBeGreaterThanOrEqual(2)
      expect(
        value("grpc_server_stream_messages_sent", { service: "protos_Deliver", method: "DeliverFiltered" })
      ).toBeGreaterThanOrEqual(4)
      expect(value("grpc_comm_conn_opened")).toBe(1)
      expect(value("logging_entries_written", { level: "info" })).toBeGreaterThan(0)
      expect(value("ledger_transaction_count", { transaction_type: "CONFIG", chaincode: "unknown" })).toBeGreaterThan(0)
    })
  )

  it.scopedLive("the log spec of the running node: set, refused, back", () =>
    Effect.gen(function* () {
      const peer = yield* startPeer({ folder: yield* tempFolder })
      const ask = (method: string, body?: string) =>
        Effect.promise(async () => {
          const response = await fetch(`http://${peer.operations}/logspec`, {
            method,
            ...(body === undefined ? {} : { body })
          })
          return `${response.status} ${await response.text()}`.trim()
        })
      expect(yield* ask("GET")).toBe('200 {"spec":"info"}')
      const client = yield* peer.connect()
      expect(peer.lines.join("")).not.toContain("DEBUG")
      expect(yield* ask("PUT", '{"spec":"endorser=debug:protoutils=debug:warn"}')).toBe("204")
      expect(yield* ask("GET")).toBe('200 {"spec":"endorser=debug:protoutils=debug:warn"}')
      const lines = peer.lines.length
      yield* join(client, admin, genesisBlock())
      // access log lines are info: they are gone
      expect(peer.lines.slice(lines).join("")).not.toContain("unary call completed")
      expect(yield* ask("PUT", '{"spec":"a=b=c"}')).toMatch(/^400 .*bad segment 'a=b=c'/)
      expect(yield* ask("PUT", "{}")).toBe("204")
      expect(yield* ask("GET")).toBe('200 {"spec":"info"}')
    })
  )
})

// ---- StatsD --------------------------------------------------------------------------------------------------------

/** Lines that arrive on a UDP port. */
const listener = Effect.gen(function* () {
  const lines: Array<string> = []
  const socket = yield* Effect.acquireRelease(
    Effect.async<ReturnType<typeof createSocket>>((resume) => {
      const made = createSocket("udp4")
      made.on("message", (packet) => {
        expect(packet.length).toBeLessThanOrEqual(1432)
        lines.push(...packet.toString().trimEnd().split("\n"))
      })
      made.bind(0, "127.0.0.1", () => resume(Effect.succeed(made)))
    }),
    (made) => Effect.sync(() => made.close())
  )
  return { lines, address: `127.0.0.1:${socket.address().port}` }
})

const suffixes = { counter: "c", gauge: "g", histogram: "ms" } as const

describe("StatsD", () => {
  it.scopedLive("gets the same metrics as lines, and gauges of the runtime", () =>
    Effect.gen(function* () {
      const { address, lines } = yield* listener
      yield* Effect.scoped(
        used({
          CORE_METRICS_PROVIDER: "statsd",
          CORE_METRICS_STATSD_ADDRESS: address,
          CORE_METRICS_STATSD_PREFIX: "org1.peer0",
          CORE_METRICS_STATSD_WRITEINTERVAL: "100ms"
        })
      )
      while (!lines.some((line) => line.startsWith("org1.peer0.deliver.streams_opened")))
        yield* Effect.sleep("5 millis")
      const stems = [...peerMetrics.values()].map(({ kind, labels, statsd }) => ({ kind, labels, statsd }))
      const runtime = new Map<string, number>()
      const seen = new Set<string>()
      for (const line of lines) {
        const [, name = "", value = "", suffix = ""] =
          /^org1\.peer0\.([\w.:()-]+):(-?\d+\.\d{6})\|(c|g|ms)$/.exec(line) ?? expect.fail(`no line of StatsD: ${line}`)
        if (name.startsWith("go.")) {
          expect(suffix).toBe("g")
          runtime.set(name, Number(value))
          continue
        }
        const stem =
          stems.find(({ statsd }) => name === statsd || name.startsWith(`${statsd}.`)) ??
          expect.fail(`no metric of Fabric's: ${line}`)
        seen.add(stem.statsd)
        expect([line, suffix]).toEqual([line, suffixes[stem.kind]])
        // a label may be empty; none holds a dot
        const labels = name === stem.statsd ? [] : name.slice(stem.statsd.length + 1).split(".")
        expect([line, labels.length]).toEqual([line, stem.labels.length])
      }
      for (const name of [
        "fabric_version",
        "deliver.blocks_sent",
        "endorser.proposal_duration",
        "grpc.server.unary_requests_completed",
        "ledger.blockchain_height",
        "ledger.block_processing_time",
        "logging.entries_written"
      ])
        expect(seen).toContain(name)
      expect(lines.some((line) => line.startsWith("org1.peer0.fabric_version.1_4_12:1.000000|g"))).toBe(true)
      expect(lines).toContain(`org1.peer0.ledger.blockchain_height.mychannel:${height}.000000|g`)
      for (const name of ["go.goroutine_count", "go.mem.heap_alloc_bytes", "go.mem.heap_sys_bytes"])
        expect([name, (runtime.get(name) ?? 0) > 0]).toEqual([name, true])
      expect([...runtime.keys()]).toContain("go.mem.gc_completed_count")
    })
  )
})

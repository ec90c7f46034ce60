import * as dgram from "node:dgram"
import * as net from "node:net"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import * as Metrics from "../../src/runtime/Metrics.js"

const declaration = {
  namespace: "ledger",
  name: "blockchain_height",
  help: "Height of the chain in blocks.",
  labelNames: ["channel"]
} as const

describe("prometheus", () => {
  it("shows Fabric's names, a series only after its first use", async () => {
    const metrics = Metrics.prometheus()
    const height = metrics.gauge<"channel">(declaration)
    const page = async () => (await Effect.runPromise(metrics.exposition))?.body ?? ""
    assert.notInclude(await page(), "ledger_blockchain_height")
    height.with({ channel: "mychannel" }).set(7)
    metrics.counter({ namespace: "grpc", subsystem: "comm", name: "conn_opened", help: "h" }).with({}).add()
    metrics.histogram({ namespace: "x", name: "y", help: "h" }).with({}).observe(0.3)
    const body = await page()
    assert.include(body, 'ledger_blockchain_height{channel="mychannel"} 7\n')
    assert.include(body, "grpc_comm_conn_opened 1\n")
    assert.include(body, 'x_y_bucket{le="0.25"} 0\n')
    assert.include(body, 'x_y_bucket{le="0.5"} 1\n')
    assert.match(body, /process_cpu_seconds_total \d/)
  })
  it("lets two places declare the same metric", async () => {
    const metrics = Metrics.prometheus()
    metrics.gauge<"channel">(declaration).with({ channel: "a" }).set(1)
    metrics.gauge<"channel">(declaration).with({ channel: "b" }).set(2)
    const page = await Effect.runPromise(metrics.exposition)
    assert.include(page?.body ?? "", 'ledger_blockchain_height{channel="b"} 2')
  })
})

const use = (network: "udp" | "tcp", port: number) =>
  Effect.gen(function* () {
    const metrics = yield* Metrics.Metrics
    metrics.gauge<"channel">(declaration).with({ channel: "my.chan|nel" }).set(7)
    const counter = metrics.counter({ namespace: "c", name: "n", help: "h" }).with({})
    counter.add()
    counter.add(2)
    metrics.histogram({ namespace: "t", name: "s", help: "h" }).with({}).observe(0.25)
  }).pipe(
    Effect.provide(
      Metrics.layer({
        provider: "statsd",
        statsd: { network, address: `127.0.0.1:${port}`, writeInterval: Duration.seconds(30), prefix: "pre" }
      })
    )
  )

const expected = ["pre.t.s:0.250000|ms", "pre.c.n:3.000000|c", "pre.ledger.blockchain_height.my_chan_nel:7.000000|g"]

describe("statsd", () => {
  it("flushes over udp at the end of its scope", async () => {
    const socket = dgram.createSocket("udp4")
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve))
    const message = new Promise<string>((resolve) => socket.once("message", (m) => resolve(m.toString())))
    await Effect.runPromise(use("udp", socket.address().port))
    const lines = (await message).trim().split("\n")
    assert.deepEqual(
      lines.filter((line) => !line.startsWith("pre.go.")),
      expected
    )
    assert.match(lines.find((line) => line.startsWith("pre.go.mem.heap_alloc_bytes:")) ?? "", /:\d+\.0{6}\|g$/)
    socket.close()
  })
  it("needs a listener on tcp", async () => {
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    await new Promise((resolve) => server.close(resolve))
    const error = await Effect.runPromise(Effect.flip(use("tcp", port)))
    assert.equal(error._tag, "StatsdUnreachable")
  })
})

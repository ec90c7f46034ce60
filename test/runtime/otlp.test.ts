/** Traces exported to a collector: a local HTTP server that takes what an OpenTelemetry collector takes. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { OtlpOptions } from "../../src/runtime/Otlp.js"
import { traced } from "../../src/runtime/Tracing.js"

interface Received {
  readonly path: string | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: unknown
}

const collector = (status: number) =>
  Effect.gen(function* () {
    const received: Array<Received> = []
    const server = createServer((request, response) => {
      let text = ""
      request.setEncoding("utf8").on("data", (part: string) => {
        text += part
      })
      request.on("end", () => {
        received.push({ path: request.url, headers: request.headers, body: JSON.parse(text) })
        response.writeHead(status, { "Content-Type": "application/json" }).end("{}")
      })
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    )
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const options: OtlpOptions = {
      endpoint: `http://127.0.0.1:${port}/v1/traces`,
      headers: new Map([["x-key", "k1"]]),
      serviceName: "peer peer0",
      serviceVersion: "1.4.12",
      interval: Duration.seconds(60)
    }
    return { received, options }
  })

const plain = { captureStackTrace: false }
const work = Effect.annotateCurrentSpan({ block: 7n, transaction: "ab" }).pipe(
  Effect.zipRight(Effect.withSpan(Effect.fail(new Error("no")), "inner", plain)),
  Effect.withSpan("outer", plain),
  Effect.ignore
)

/** Spans as OTLP's JSON has them. */
const spansOf = (body: unknown): ReadonlyArray<Record<string, unknown>> => {
  const text = JSON.stringify(body)
  const parsed: {
    readonly resourceSpans: ReadonlyArray<{
      readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Record<string, unknown>> }>
    }>
  } = JSON.parse(text)
  return parsed.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
}

describe("OTLP", () => {
  it.scopedLive("sends ended spans with resource and headers; the last ones at the stop", () =>
    Effect.gen(function* () {
      const { options, received } = yield* collector(200)
      yield* traced({ otlp: options })(work)
      assert.lengthOf(received, 1)
      const [request] = received
      assert.strictEqual(request?.path, "/v1/traces")
      assert.include(request?.headers, { "x-key": "k1", "content-type": "application/json" })
      const text = JSON.stringify(request?.body)
      assert.include(text, '"key":"service.name","value":{"stringValue":"peer peer0"}')
      assert.include(text, '"key":"service.version","value":{"stringValue":"1.4.12"}')
      const [inner, outer] = spansOf(request?.body)
      assert.deepStrictEqual([inner?.name, outer?.name], ["inner", "outer"])
      assert.match(String(inner?.traceId), /^[0-9a-f]{32}$/)
      assert.strictEqual(inner?.traceId, outer?.traceId)
      assert.strictEqual(inner?.parentSpanId, outer?.spanId)
      assert.include(text, '"key":"transaction","value":{"stringValue":"ab"}')
      assert.include(JSON.stringify(inner?.status), '"code":2')
      assert.isAtLeast(Number(outer?.endTimeUnixNano), Number(outer?.startTimeUnixNano))
    })
  )

  it.scopedLive("writes the same spans to the trace file when there is one", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "otlp-"))
      const file = join(folder, "spans.jsonl")
      const { options, received } = yield* collector(200)
      yield* traced({ file, otlp: options })(work)
      const lines = readFileSync(file, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      const ids = (spans: ReadonlyArray<Record<string, unknown>>) => spans.map(({ spanId }) => String(spanId))
      assert.deepStrictEqual(ids(lines), ids(spansOf(received[0]?.body)))
      assert.strictEqual(lines[0].traceId, spansOf(received[0]?.body)[0]?.traceId)
      rmSync(folder, { recursive: true })
    })
  )

  it.scopedLive("a collector that refuses, or is not there, costs spans and no more", () =>
    Effect.gen(function* () {
      const { options, received } = yield* collector(400)
      assert.strictEqual(yield* traced({ otlp: options })(Effect.zipRight(work, Effect.succeed(1))), 1)
      assert.lengthOf(received, 1)
      const gone = { ...options, endpoint: "http://127.0.0.1:1/v1/traces" }
      assert.strictEqual(yield* traced({ otlp: gone })(Effect.zipRight(work, Effect.succeed(2))), 2)
    })
  )
})

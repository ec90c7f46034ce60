import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import { traced } from "../../src/runtime/Tracing.js"

const plain = { captureStackTrace: false }
const work = Effect.annotateCurrentSpan({ block: 7n, transaction: "ab" }).pipe(
  Effect.zipRight(Effect.withSpan(Effect.fail("no"), "inner", plain)),
  Effect.withSpan("outer", plain),
  Effect.ignore
)

describe("tracing", () => {
  it("writes ended spans as JSON lines, children with their parent's trace", async () => {
    const folder = mkdtempSync(join(tmpdir(), "trace-"))
    const file = join(folder, "spans.jsonl")
    await Effect.runPromise(traced({ file })(work))
    const spans = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      spans.map(({ attributes, name, ok }) => [name, ok, attributes]),
      [
        ["inner", false, {}],
        ["outer", false, { block: "7", transaction: "ab" }]
      ]
    )
    assert.equal(spans[0].traceId, spans[1].traceId)
    assert.equal(spans[0].parentSpanId, spans[1].spanId)
    rmSync(folder, { recursive: true })
  })
  it("loses spans, nothing else, when the file cannot be written", async () => {
    await Effect.runPromise(traced({ file: "/nowhere/spans.jsonl" })(work))
  })
  it("is off when no file is named", async () => {
    assert.equal(await Effect.runPromise(traced({ file: "" })(Effect.succeed(1))), 1)
  })
})

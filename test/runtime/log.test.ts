import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { assert, describe, it } from "vitest"
import * as Log from "../../src/runtime/Log.js"
import { formatter } from "../../src/runtime/LogFormat.js"
import { parseLogSpec } from "../../src/runtime/LogSpec.js"

const spec = (text: string) => Either.getOrThrow(parseLogSpec(text))
const refused = (text: string) =>
  Either.match(parseLogSpec(text), { onLeft: (e) => e.message, onRight: (s) => `accepted as ${s.text}` })

describe("log spec (operations-cli.md 2.1)", () => {
  it("takes the last bare level, empty segments as info", () => {
    assert.equal(spec("").text, "info")
    assert.equal(spec("debug:warning").text, "warn")
    assert.equal(spec("debug:").text, "info")
  })
  it("shows entries sorted, then the default", () => {
    assert.equal(spec("b=debug:a,c=ERROR:warn").text, "a=error:b=debug:c=error:warn")
    assert.equal(spec("a=payload").text, "a=Level(-2):info")
  })
  it("looks names up by prefix, exact with a trailing dot", () => {
    const s = spec("gossip=debug:gossip.comm.=error")
    assert.equal(s.levelOf("gossip.state.x"), "debug")
    assert.equal(s.levelOf("gossip.comm"), "error")
    assert.equal(s.levelOf("gossip.comm.conn"), "debug")
    assert.equal(s.levelOf("gossiping"), "info")
    assert.equal(spec("gossip.=debug").levelOf("gossip.comm"), "info")
  })
  it.each([
    ["bad=nonsense", "bad segment 'bad=nonsense'"],
    ["Info", "bad segment 'Info'"],
    ["a=b=debug", "bad segment 'a=b=debug'"],
    ["=debug", "no logger specified in segment '=debug'"],
    [".a=debug", "bad logger name '.a'"],
    ["a,,b=debug", "bad logger name ''"]
  ])("refuses %s", (text, reason) => {
    assert.equal(refused(text), `invalid logging specification '${text}': ${reason}`)
  })
})

const record = {
  level: "info",
  module: "nodeCmd",
  operation: "serve",
  time: Date.UTC(2026, 10, 21, 2, 44, 46, 771),
  id: 6,
  message: "Running in chaincode development mode",
  fields: { channel: "my channel", block: 5n }
} as const

const format = (text: string) => {
  const made = formatter(text)
  assert.isDefined(made)
  return made?.(record)
}

describe("log formats (operations-cli.md 2.3)", () => {
  it("prints the reference's console line", () => {
    assert.equal(
      format(""),
      '\u001b[34m2026-11-21 02:44:46.771 UTC [nodeCmd] serve -> INFO 006\u001b[0m Running in chaincode development mode channel="my channel" block=5\n'
    )
  })
  it("knows Go layouts and verb tails", () => {
    assert.equal(
      format("%{time} %{level:-7s}|%{module:10s}|%{id:5d}"),
      '2026-11-21T02:44:46.771Z INFO   |   nodeCmd|    6 channel="my channel" block=5\n'
    )
  })
  it("prints json and logfmt", () => {
    assert.deepEqual(JSON.parse(format("json") ?? ""), {
      level: "info",
      ts: 1795229086.771,
      name: "nodeCmd",
      caller: "serve",
      msg: record.message,
      channel: "my channel",
      block: "5"
    })
    assert.include(
      format("logfmt") ?? "",
      'level=info name=nodeCmd caller=serve msg="Running in chaincode development mode"'
    )
  })
  it("refuses an unknown verb", () => {
    assert.isUndefined(formatter("%{nonsense}"))
  })
})

describe("module loggers", () => {
  it("ask the node's spec and reach only the node's sink", async () => {
    const lines: Array<string> = []
    const log = Log.module("gossip.comm")
    const live = Log.layer({ spec: "gossip=debug:error", format: "%{module} %{message}", write: (l) => lines.push(l) })
    await Effect.runPromise(
      Effect.gen(function* () {
        yield* log.debug("one", { n: 1 })
        yield* Log.module("ledger").info("two")
        const sync = yield* Log.module("ledger").sync
        sync.error("three")
        yield* Effect.logError("four")
      }).pipe(Effect.provide(live))
    )
    await Effect.runPromise(log.error("to nobody"))
    assert.deepEqual(lines, ["gossip.comm one n=1\n", "ledger three\n", "effect four\n"])
  })
})

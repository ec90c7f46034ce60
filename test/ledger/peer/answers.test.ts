/** Go's answers to questions about the final state of the recorded chain, asked of the ledger as the chaincode does. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import type { StateIterator, TxSimulator } from "../../../src/ledger/simulator/index.js"
import { toHex } from "../../../src/wire/protoutil.js"
import { run, tempDir, text } from "../support.js"
import { chainA, decidedBefore, filterOf } from "../vectors.js"

interface Question {
  readonly args: ReadonlyArray<string>
  readonly payload: string
}
const isQuestion = (value: unknown): value is Question =>
  typeof value === "object" && value !== null && "args" in value && "payload" in value && Array.isArray(value.args)

const questions = (): ReadonlyArray<Question> => {
  const file = path.join(import.meta.dirname, "..", "..", "vectors", "chain-a", "answers.json")
  const parsed: unknown = JSON.parse(fs.readFileSync(file, "utf8"))
  return Array.isArray(parsed) ? parsed.filter(isQuestion) : []
}

const rows = (iterator: StateIterator): Array<readonly [string, string]> => {
  const found: Array<readonly [string, string]> = []
  for (let entry = iterator.next(); entry !== undefined; entry = iterator.next())
    found.push([entry.key, text(entry.value)])
  return found
}

/** The shim's way to ask: simple ranges without a start begin at U+0001, composite ones end behind U+10FFFF. */
const compositeKey = (type: string, ...attributes: ReadonlyArray<string>) =>
  `\0${[type, ...attributes].map((part) => `${part}\0`).join("")}`

const ask = (
  ledger: PeerLedgerShape,
  sim: TxSimulator,
  args: ReadonlyArray<string>
): Effect.Effect<string, unknown> => {
  const [name, a = "", b = "", c = "", d = ""] = args
  const start = a === "" ? "\u0001" : a
  const json = (value: unknown) => Effect.succeed(JSON.stringify(value))
  if (name === "range") return json(rows(sim.getStateRange("sink", start, b)))
  if (name === "page") {
    const iterator = sim.getStateRangePage("sink", d === "" ? start : d, b, Number(c))
    const found = rows(iterator)
    return json({ rows: found, n: found.length, bookmark: iterator.bookmark() })
  }
  if (name === "ckrange") {
    const prefix = compositeKey(a, ...args.slice(2))
    return json(
      rows(sim.getStateRange("sink", prefix, `${prefix}\u{10FFFF}`)).map(([key, value]) => [
        key.split("\0").slice(2, -1),
        value
      ])
    )
  }
  if (name === "get") return Effect.succeed(text(sim.getState("sink", a) ?? new Uint8Array(0)))
  if (name === "hpriv") return Effect.succeed(toHex(sim.getPrivateDataHash("sink", a, b) ?? new Uint8Array(0)))
  if (name === "gsbe")
    return Effect.succeed(text(sim.getStateMetadata("sink", a).get("VALIDATION_PARAMETER") ?? new Uint8Array(0)))
  return Effect.map(ledger.newHistoryQueryExecutor, (executor) => {
    const iterator = executor.getHistoryForKey("sink", a)
    const changes: Array<unknown> = []
    for (let change = iterator.next(); change !== undefined; change = iterator.next())
      changes.push([change.txId, text(change.value), change.isDelete])
    return JSON.stringify(changes)
  })
}

describe("the recorded chain's final state", () => {
  it("gives Go's answers: ranges, pages, bookmarks, composite keys, history, hashes", () =>
    run(
      Effect.gen(function* () {
        const provider = yield* makeLedgerProvider({ root: path.join(yield* tempDir, "l"), historyEnabled: true })
        const [genesis, ...blocks] = chainA("orderer")
        const ledger = yield* provider.create(genesis ?? new Uint8Array(0))
        const stored = chainA("peer")
        for (const [i, block] of blocks.entries())
          yield* ledger.commit({ block, codes: decidedBefore(filterOf(stored[i + 1] ?? new Uint8Array(0))) })
        let asked = 0
        for (const { args, payload } of questions()) {
          if (args[0] === "gpriv") continue // the blocks do not hold it
          const simulator = yield* ledger.newTxSimulator("q")
          const answer = yield* ask(ledger, simulator, args)
          simulator.done()
          expect(answer, args.join(" ")).toBe(Buffer.from(payload, "base64").toString())
          asked += 1
        }
        expect(asked).toBe(12)
      })
    ))
})

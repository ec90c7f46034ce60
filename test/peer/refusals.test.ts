/** What is kept of refusals, and what is told of a block full of them. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect, test } from "vitest"
import { makeBlockRefusals, makeRefusals } from "../../src/peer/refusals/index.js"
import { layerOf, make as makeLog } from "../../src/runtime/Log.js"
import type { Refusal } from "../../src/validation/index.js"
import { protos } from "../../src/wire/index.js"

const refusal = (txId: string, reason = "no", channel = "ch"): Refusal => ({ channel, txId, check: "form", reason })
const reasons = (found: ReadonlyArray<Refusal>) => found.map(({ reason }) => reason)

describe("kept", () => {
  test("are the newest ids, and the newest causes of one id", () => {
    const { add, find } = makeRefusals(2)
    for (const id of ["a", "b", "c"]) add(refusal(id))
    expect(find("a")).toEqual([])
    for (const n of [1, 2, 3, 4, 5]) add(refusal("b", String(n)))
    expect(reasons(find("b"))).toEqual(["2", "3", "4", "5"])
    // asked for again, `b` is the newest: `c` goes
    add(refusal("d"))
    expect([find("b").length, find("c").length, find("d").length]).toEqual([4, 0, 1])
  })
  test("are told by channel; without an id, or with an endless one, nothing is kept", () => {
    const { add, find } = makeRefusals(10)
    add(refusal("a", "1", "one"))
    add(refusal("a", "2", "two"))
    expect([reasons(find("a")), reasons(find("a", "two")), find("a", "three")]).toEqual([["1", "2"], ["2"], []])
    add(refusal(""))
    add(refusal("x".repeat(1000)))
    expect([find(""), find("x".repeat(1000))]).toEqual([[], []])
  })
})

test("a block full of conflicts is told in few lines and kept in full", () => {
  const lines: Array<string> = []
  const log = Either.getOrThrow(makeLog({ spec: "info", format: "%{message}", write: (line) => void lines.push(line) }))
  const kept = makeRefusals(1000)
  const code = protos.TxValidationCode.MVCC_READ_CONFLICT
  const txs = Array.from({ length: 100 }, (_, i) => ({ txId: `t${i}`, type: 3, code, chaincode: undefined }))
  const block = { number: 7n, txs: [{ ...txs[0], txId: "ok", type: 3, code: 0, chaincode: undefined }, ...txs] }
  const { committed, refused } = makeBlockRefusals("ch", kept)
  // validation told of the second already; another block's refusals are not this one's
  refused({ ...refusal("t0", "told before"), block: 7n, position: 1 })
  refused({ ...refusal("later"), block: 8n, position: 0 })
  const whole = {
    ...block,
    block: new Uint8Array(),
    codes: new Uint8Array(),
    commitHash: undefined,
    updatedChaincodes: []
  }
  Effect.runSync(Effect.provide(committed(whole), layerOf(log)))
  expect(lines.length).toBe(21)
  expect(lines[20]).toContain("80 more transactions of block [7] are not valid")
  expect(kept.find("ok")).toEqual([])
  expect(reasons(kept.find("t0"))).toEqual(["told before"])
  expect(kept.find("t99")).toMatchObject([
    { check: "read conflict", code: "MVCC_READ_CONFLICT", block: 7n, position: 100 }
  ])
  expect(kept.find("later")).toEqual([])
})

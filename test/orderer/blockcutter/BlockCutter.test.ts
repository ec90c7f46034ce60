import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { BatchLimits } from "../../../src/orderer/blockcutter/BlockCutter.js"
import { BlockCutter, messageSize } from "../../../src/orderer/blockcutter/BlockCutter.js"

const items = (batches: ReadonlyArray<{ readonly items: ReadonlyArray<string> }>) => batches.map((batch) => batch.items)
const limits: BatchLimits = { maxMessageCount: 3, preferredMaxBytes: 100 }

describe("BlockCutter, cutter table (acceptance check 12)", () => {
  it("(a) isolates a message above the preferred size after cutting what is pending", () => {
    const cutter = new BlockCutter<string>()
    expect(cutter.ordered("a", 10, limits, 1)).toEqual({ batches: [], pending: true })
    const big = cutter.ordered("big", 101, limits, 5)
    expect(big).toEqual({
      batches: [
        { items: ["a"], since: 1 },
        { items: ["big"], since: 5 }
      ],
      pending: false
    })
    expect(cutter.cut()).toBeUndefined()
  })
  it("(a) isolates it alone when nothing is pending", () => {
    expect(items(new BlockCutter<string>().ordered("big", 101, limits, 0).batches)).toEqual([["big"]])
  })
  it("(b) does not cut on an exact fit to the preferred size", () => {
    const cutter = new BlockCutter<string>()
    cutter.ordered("a", 60, limits, 0)
    expect(cutter.ordered("b", 40, limits, 0)).toEqual({ batches: [], pending: true })
    expect(cutter.pendingCount).toBe(2)
  })
  it("(b) a message of exactly the preferred size is not isolated", () => {
    expect(new BlockCutter<string>().ordered("a", 100, limits, 0)).toEqual({ batches: [], pending: true })
  })
  it("(c) cuts at once when the count is reached", () => {
    const cutter = new BlockCutter<string>()
    cutter.ordered("a", 1, limits, 2)
    cutter.ordered("b", 1, limits, 3)
    expect(cutter.ordered("c", 1, limits, 4)).toEqual({
      batches: [{ items: ["a", "b", "c"], since: 2 }],
      pending: false
    })
  })
  it("(d) overflow cuts the pending batch and leaves the message pending with its own start", () => {
    const cutter = new BlockCutter<string>()
    cutter.ordered("a", 60, limits, 2)
    expect(cutter.ordered("b", 41, limits, 3)).toEqual({ batches: [{ items: ["a"], since: 2 }], pending: true })
    expect(cutter.cut()).toEqual({ items: ["b"], since: 3 })
  })
  it("overflow with a count of one gives two batches", () => {
    const cutter = new BlockCutter<string>()
    cutter.ordered("a", 60, limits, 0)
    const tight = { maxMessageCount: 1, preferredMaxBytes: 100 }
    expect(items(cutter.ordered("b", 41, tight, 0).batches)).toEqual([["a"], ["b"]])
  })
  it("obeys limits that shrink while messages are pending", () => {
    const cutter = new BlockCutter<string>()
    cutter.ordered("a", 60, limits, 0)
    expect(items(cutter.ordered("b", 10, { maxMessageCount: 10, preferredMaxBytes: 50 }, 0).batches)).toEqual([["a"]])
  })
  it("sums in 32 bits as the reference does", () => {
    const cutter = new BlockCutter<string>()
    const huge = { maxMessageCount: 10, preferredMaxBytes: 0xffffffff }
    cutter.ordered("a", 0xfffffff0, huge, 0)
    expect(cutter.ordered("b", 0x20, huge, 0)).toEqual({ batches: [], pending: true })
  })
  it("counts payload and signature only", () => {
    expect(messageSize({ payload: new Uint8Array(7), signature: new Uint8Array(5) })).toBe(12)
  })
})

// ---- The rules once more, as plainly as they can be said, against random sequences ---------------------------------

type Event =
  | { readonly kind: "message"; readonly size: number }
  | { readonly kind: "timeout" }
  | { readonly kind: "config"; readonly limits: BatchLimits }

interface Block {
  readonly ids: ReadonlyArray<string>
}

/** A model that keeps the list of pending sizes and recomputes everything from it. */
const model = (events: ReadonlyArray<Event>, first: BatchLimits): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let pending: Array<{ id: string; size: number }> = []
  let current = first
  const flush = () => {
    if (pending.length > 0) blocks.push({ ids: pending.map(({ id }) => id) })
    pending = []
  }
  for (const [index, event] of events.entries()) {
    if (event.kind === "timeout") {
      flush()
      continue
    }
    if (event.kind === "config") {
      flush()
      blocks.push({ ids: [`config ${index}`] })
      current = event.limits
      continue
    }
    const id = `m${index}`
    if (event.size > current.preferredMaxBytes) {
      flush()
      blocks.push({ ids: [id] })
      continue
    }
    const sum = pending.reduce((total, { size }) => total + size, 0)
    if (sum + event.size > current.preferredMaxBytes) flush()
    pending.push({ id, size: event.size })
    if (pending.length >= current.maxMessageCount) flush()
  }
  flush()
  return blocks
}

const real = (events: ReadonlyArray<Event>, first: BatchLimits): ReadonlyArray<Block> => {
  const cutter = new BlockCutter<string>()
  const blocks: Array<Block> = []
  let current = first
  const flush = () => {
    const batch = cutter.cut()
    if (batch !== undefined) blocks.push({ ids: batch.items })
  }
  for (const [index, event] of events.entries()) {
    if (event.kind === "timeout") {
      flush()
      continue
    }
    if (event.kind === "config") {
      flush()
      blocks.push({ ids: [`config ${index}`] })
      current = event.limits
      continue
    }
    const before = cutter.pendingCount
    const { batches, pending } = cutter.ordered(`m${index}`, event.size, current, index)
    for (const batch of batches) blocks.push({ ids: batch.items })
    expect(pending).toBe(cutter.pendingCount > 0)
    expect(batches.length).toBeLessThanOrEqual(before === 0 ? 1 : 2)
  }
  flush()
  return blocks
}

const limitsArbitrary: fc.Arbitrary<BatchLimits> = fc.record({
  maxMessageCount: fc.integer({ min: 1, max: 6 }),
  preferredMaxBytes: fc.integer({ min: 1, max: 60 })
})
const eventArbitrary: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant("message" as const), size: fc.integer({ min: 0, max: 70 }) })
  },
  { weight: 2, arbitrary: fc.constant({ kind: "timeout" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("config" as const), limits: limitsArbitrary }) }
)

describe("BlockCutter against a model", () => {
  it("agrees on 10,000 random sequences of sizes, counts, timeouts and config messages", () => {
    fc.assert(
      fc.property(fc.array(eventArbitrary, { maxLength: 60 }), limitsArbitrary, (events, first) => {
        const blocks = real(events, first)
        expect(blocks).toEqual(model(events, first))
        const sent = events.flatMap((event, index) => (event.kind === "message" ? [`m${index}`] : []))
        expect(blocks.flatMap(({ ids }) => ids).filter((id) => id.startsWith("m"))).toEqual(sent)
      }),
      { numRuns: 10_000 }
    )
  })
})

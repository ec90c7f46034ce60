import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LiveMap, LiveSet, type Place } from "../../src/runtime/LiveSet.js"

describe("LiveSet", () => {
  it("holds who came and has not left, in the order of coming", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 60 }), (steps) => {
        const set = new LiveSet<number>()
        const model: Array<{ readonly value: number; readonly place: Place<number> }> = []
        for (const [at, step] of steps.entries()) {
          if (step >= 0) model.push({ value: at, place: set.add(at) })
          else for (const { place } of model.splice(-step % (model.length + 1), 1)) set.delete(place)
        }
        expect(set.all()).toEqual(model.map(({ value }) => value))
        expect(set.size).toBe(model.length)
      })
    )
  })

  it("forgets a member once, and leaves nothing in its place", () => {
    const set = new LiveSet<string>()
    const [first, second] = [set.add("a"), set.add("b")]
    set.delete(first)
    set.delete(first)
    expect(set.all()).toEqual(["b"])
    expect(set.size).toBe(1)
    expect(first).toEqual({ value: undefined, previous: undefined, next: undefined })
    set.delete(second)
    expect(set.all()).toEqual([])
  })
})

describe("LiveMap", () => {
  it("finds members by key until they are deleted, and keeps the first of a key", () => {
    const map = new LiveMap<string>()
    expect(map.add("k", "first")).toBe(true)
    expect(map.add("k", "second")).toBe(false)
    expect(map.add("l", "other")).toBe(true)
    expect([map.get("k"), map.get("m"), map.size]).toEqual(["first", undefined, 2])
    map.delete("k")
    map.delete("k")
    expect([map.get("k"), map.size]).toEqual([undefined, 1])
    expect(map.all()).toEqual(["other"])
    expect(map.add("k", "again")).toBe(true)
  })
})

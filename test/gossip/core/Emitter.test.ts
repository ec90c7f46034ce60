import { describe, expect, it } from "vitest"
import { Emitter } from "../../../src/gossip/core/Emitter.js"
import { SimClock, SimTimers } from "../../../src/gossip/simulation/SimClock.js"
import { referenceSettings } from "../../../src/gossip/simulation/settings.js"

const made = (propagateIterations = 1) => {
  const clock = new SimClock()
  const bursts: Array<ReadonlyArray<number>> = []
  const { push } = referenceSettings("a:1", "", [])
  const emitter = new Emitter<number>({ ...push, propagateIterations }, new SimTimers(clock), (burst) =>
    bursts.push(burst)
  )
  return { clock, bursts, emitter }
}

describe("the emitter", () => {
  it("flushes after its latency, or at once when the burst is full", () => {
    const { clock, bursts, emitter } = made()
    emitter.add(1)
    emitter.add(2)
    clock.advance(9)
    expect(bursts).toEqual([])
    clock.advance(1)
    expect(bursts).toEqual([[1, 2]])
    for (let i = 0; i < 25; i++) emitter.add(i)
    expect(bursts.map(({ length }) => length)).toEqual([2, 10, 10])
    clock.advance(10)
    expect(bursts.map(({ length }) => length)).toEqual([2, 10, 10, 5])
    expect(emitter.size).toBe(0)
  })

  it("sends each message as often as configured", () => {
    const { clock, bursts, emitter } = made(3)
    emitter.add(1)
    clock.advance(10)
    emitter.add(2)
    clock.advance(100)
    expect(bursts).toEqual([[1], [1, 2], [1, 2], [2]])
    expect(emitter.size).toBe(0)
  })

  it("rests while nothing waits, and for good after its stop", () => {
    const { clock, bursts, emitter } = made()
    clock.advance(10_000)
    expect(clock.steps).toBe(0)
    emitter.add(1)
    emitter.stop()
    emitter.add(2)
    clock.advance(1000)
    expect(bursts).toEqual([])
    const none = made(0)
    none.emitter.add(1)
    none.clock.advance(1000)
    expect(none.bursts).toEqual([])
  })
})

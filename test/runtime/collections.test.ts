import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { fitCollections, growingPercent, ofProcess } from "../../src/runtime/collections.js"

const MIB = 1 << 20

describe("growingPercent", () => {
  it("leaves a small process with a modest load room", () => {
    expect(growingPercent(80 * MIB, 0)).toBe(200)
    expect(growingPercent(189 * MIB, 0.74)).toBe(200)
  })
  it("gives the memory of a large or busy one back early", () => {
    expect(growingPercent(190 * MIB, 0)).toBe(30)
    expect(growingPercent(80 * MIB, 0.75)).toBe(30)
    expect(growingPercent(80 * MIB, 1.9)).toBe(30)
  })
})

describe("fitCollections", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("tightens at once when the process becomes large or busy, and leaves room again after ten seconds without", () => {
    const flags: Array<string> = []
    const state = { resident: 80 * MIB, cpu: 5_000_000, now: 1000, load: 0.2 }
    const stop = fitCollections({
      resident: () => state.resident,
      cpu: () => state.cpu,
      now: () => state.now,
      setFlag: (flag) => void flags.push(flag)
    })
    /** So many seconds at the load. */
    const pass = (seconds: number): ReadonlyArray<string> => {
      for (let i = 0; i < seconds; i++) {
        state.now += 1000
        state.cpu += state.load * 1_000_000
        vi.advanceTimersByTime(1000)
      }
      return flags.splice(0)
    }
    expect(flags.splice(0)).toEqual(["--heap-growing-percent=30"])
    expect(pass(9)).toEqual([])
    expect(pass(20)).toEqual(["--heap-growing-percent=200"])
    state.load = 1.8
    expect(pass(1)).toEqual(["--heap-growing-percent=30"])
    expect(pass(20)).toEqual([])
    // a pause in a high load is none
    state.load = 0.3
    expect(pass(9)).toEqual([])
    state.load = 1.8
    expect(pass(1)).toEqual([])
    state.load = 0.3
    expect(pass(9)).toEqual([])
    expect(pass(1)).toEqual(["--heap-growing-percent=200"])
    state.resident = 250 * MIB
    expect(pass(3)).toEqual(["--heap-growing-percent=30"])
    state.resident = 120 * MIB
    expect(pass(10)).toEqual(["--heap-growing-percent=200"])
    stop()
    state.load = 1.8
    expect(pass(5)).toEqual([])
  })
})

describe("ofProcess", () => {
  it("reads this process", () => {
    const flags: Array<string> = []
    const { cpu, now, resident, setFlag } = ofProcess(process, (flag) => void flags.push(flag))
    expect(resident()).toBeGreaterThan(10 * MIB)
    const [before, began] = [cpu(), now()]
    while (now() - began < 30) Math.sqrt(now())
    // the scheduler may have given the processor to others, but not for a thousand times as long
    expect(cpu() - before).toBeGreaterThan(30)
    setFlag("--a-flag")
    expect(flags).toEqual(["--a-flag"])
  })
})

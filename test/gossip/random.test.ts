import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { pick, seededRandom, systemRandom } from "../../src/gossip/random.js"

describe("picking", () => {
  it("gives as many different eligible elements as there are, up to k", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(20), fc.uniqueArray(fc.nat(100)), fc.func(fc.boolean()), (seed, k, pool, f) => {
        const eligible = (n: number) => f(n)
        const chosen = pick(seededRandom(seed), k, pool, eligible)
        const able = pool.filter(eligible)
        expect(new Set(chosen).size).toBe(chosen.length)
        expect(chosen.every((n) => able.includes(n))).toBe(true)
        expect(chosen.length).toBe(Math.min(k, able.length))
      })
    )
  })

  it("gives every element its chance", () => {
    const random = seededRandom(1)
    const counts = new Map<number, number>()
    const pool = Array.from({ length: 10 }, (_, i) => i)
    for (let i = 0; i < 10_000; i++) for (const n of pick(random, 3, pool)) counts.set(n, (counts.get(n) ?? 0) + 1)
    for (const n of pool) expect(Math.abs((counts.get(n) ?? 0) - 3000)).toBeLessThan(300)
  })

  it("never gives nonce 0, and the same numbers for the same seed", () => {
    const numbers = (seed: number) => {
      const random = seededRandom(seed)
      return Array.from({ length: 100 }, () => random.nonce())
    }
    expect(numbers(7)).toEqual(numbers(7))
    expect(numbers(7)).not.toEqual(numbers(8))
    expect(numbers(7).every((n) => n > 0n && n < 1n << 64n)).toBe(true)
    expect(systemRandom.nonce()).not.toBe(0n)
    expect(systemRandom.below(1)).toBe(0)
  })
})

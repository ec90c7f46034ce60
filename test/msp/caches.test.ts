import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BoundedCache } from "../../src/msp/BoundedCache.js"
import { MspManager } from "../../src/msp/index.js"
import { setup } from "../../src/msp/setup.js"
import { X509Msp } from "../../src/msp/X509Msp.js"
import { ca, configOf, creator, issue, mspOf, NOW, role, textOf } from "./support.js"

describe("a bounded cache", () => {
  it("never holds more than its limit, and always what was just put in", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.tuple(fc.boolean(), fc.nat(20))), (limit, steps) => {
        const cache = new BoundedCache<number, string>(limit)
        for (const [put, key] of steps) {
          if (put) {
            cache.set(key, `v${key}`)
            expect(cache.get(key)).toBe(`v${key}`)
          } else expect([undefined, `v${key}`]).toContain(cache.get(key))
          expect(cache.size).toBeLessThanOrEqual(limit)
        }
      })
    )
  })

  it("lets the entry go that was used longest ago", () => {
    const cache = new BoundedCache<string, number>(2)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.get("a")
    cache.set("c", 3)
    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([1, undefined, 3])
  })
})

describe("an MSP", () => {
  const root = ca()
  const leaf = issue(root)

  it("answers the same object for the same bytes, and the same verdict", () => {
    const own = mspOf({ roots: [root] })
    const bytes = creator(leaf)
    const first = Either.getOrThrow(own.deserializeIdentity(bytes))
    expect(Either.getOrThrow(own.deserializeIdentity(Uint8Array.from(bytes)))).toBe(first)
    expect(own.satisfiesPrincipal(first, role("PEER"))).toBe(own.satisfiesPrincipal(first, role("PEER")))
    expect(own.validate(first)).toBe(own.validate(first))
    const manager = new MspManager([own])
    expect(Either.getOrThrow(manager.deserializeIdentity(bytes))).toBe(first)
    expect(textOf(manager.satisfiesPrincipal(first, role("MEMBER")))).toBe("")
    expect(textOf(manager.validate(first))).toBe("")
  })

  it("works on when more identities come than it keeps", () => {
    const state = Either.getOrThrow(setup(configOf({ roots: [root] }), { version: "1.3", now: NOW }))
    const own = new X509Msp(state, { identities: 3, principalsPerIdentity: 2 })
    const creators = Array.from({ length: 8 }, () => creator(issue(root)))
    for (const bytes of [...creators, ...creators]) {
      const identity = Either.getOrThrow(own.deserializeIdentity(bytes))
      for (const name of ["MEMBER", "ADMIN", "PEER", "CLIENT"] as const) {
        expect(Either.isRight(own.satisfiesPrincipal(identity, role(name)))).toBe(name === "MEMBER")
      }
    }
  })

  it("keeps no verdict of one MSP for another", () => {
    const without = mspOf({ roots: [root] })
    const within = mspOf({ roots: [root], admins: [leaf] })
    const identity = Either.getOrThrow(without.deserializeIdentity(creator(leaf)))
    expect(textOf(without.satisfiesPrincipal(identity, role("ADMIN")))).toBe("This identity is not an admin")
    expect(textOf(within.satisfiesPrincipal(identity, role("ADMIN")))).toBe("")
  })

  it("gives a cached verdict in less than 5 us", () => {
    const own = mspOf({ roots: [root] })
    const manager = new MspManager([own])
    const bytes = creator(leaf)
    const principal = role("MEMBER")
    const once = () => {
      const identity = manager.deserializeIdentity(bytes)
      if (Either.isRight(identity)) manager.satisfiesPrincipal(identity.right, principal)
    }
    for (let i = 0; i < 2000; i++) once()
    const rounds = Array.from({ length: 20 }, () => {
      const start = performance.now()
      for (let i = 0; i < 500; i++) once()
      return ((performance.now() - start) * 1000) / 500
    })
    expect(Math.min(...rounds)).toBeLessThan(5)
  })
})

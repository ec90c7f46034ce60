import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type AliveView, aliveView } from "../../../src/gossip/membership/alive.js"
import { MemberTable } from "../../../src/gossip/membership/MemberTable.js"
import { newer } from "../../../src/gossip/supersede.js"
import { type AliveOptions, alive, person } from "../support.js"

const a = person("Org1", "a")

const view = (options: AliveOptions, who = a): AliveView => {
  const found = aliveView(alive(who, options))
  if (found === undefined) throw new Error("no alive message")
  return found
}

describe("who is alive", () => {
  it("learns, refreshes, buries and resurrects", () => {
    const table = new MemberTable()
    expect(table.apply(view({ seq: 1n, endpoint: "a:1" }), 0)).toBe("learned")
    expect(table.apply(view({ seq: 1n, endpoint: "other:1" }), 5)).toBe("ignored")
    expect(table.alive().map(({ endpoint }) => endpoint)).toEqual(["a:1"])
    expect(table.apply(view({ seq: 2n, endpoint: "b:1" }), 10)).toBe("refreshed")
    expect(table.alive().map(({ endpoint, lastSeen }) => [endpoint, lastSeen])).toEqual([["b:1", 10]])
    expect(table.silent(20, 10)).toEqual([])
    expect(table.silent(21, 10).length).toBe(1)
    const { key } = view({ seq: 1n })
    expect(table.bury(key)?.endpoint).toBe("b:1")
    expect(table.bury(key)).toBeUndefined()
    expect([table.aliveCount, table.deadMembers().length]).toEqual([0, 1])
    // dead needs strictly newer, or membership flaps (trap 23)
    expect(table.apply(view({ seq: 2n }), 30)).toBe("ignored")
    expect(table.aliveCount).toBe(0)
    expect(table.apply(view({ seq: 3n }), 40)).toBe("resurrected")
    expect([table.aliveCount, table.deadMembers().length]).toEqual([1, 0])
    table.forget(key)
    expect(table.get(key)).toBeUndefined()
  })

  it("never blanks an internal endpoint that it knows (trap 9)", () => {
    const table = new MemberTable()
    table.apply(view({ seq: 1n, endpoint: "out:1", internal: "in:1" }), 0)
    const secret = table.alive()[0]?.envelope.secretEnvelope
    const stripped = view({ seq: 2n, endpoint: "out:2" })
    table.apply(stripped, 1)
    expect(table.alive()[0]).toMatchObject({ endpoint: "out:2", internalEndpoint: "in:1" })
    // and it is told on, beside the newer message as it came
    expect(secret).toBeDefined()
    expect(table.alive()[0]?.envelope).toEqual({ ...stripped.source.envelope, secretEnvelope: secret })
    table.apply(view({ seq: 3n, endpoint: "out:2", internal: "in:3" }), 2)
    expect(table.alive()[0]?.internalEndpoint).toBe("in:3")
    table.bury(view({ seq: 3n }).key)
    table.apply(view({ seq: 4n, endpoint: "out:4" }), 3)
    expect(table.alive()[0]).toMatchObject({ endpoint: "out:4", internalEndpoint: "in:3" })
  })

  it("notes the dead of others only where they are not known", () => {
    const table = new MemberTable()
    expect(table.learnDead(view({ seq: 5n }), 0)).toBe(true)
    expect(table.learnDead(view({ seq: 6n }), 0)).toBe(false)
    expect(table.aliveCount).toBe(0)
    expect(table.apply(view({ seq: 5n }), 0)).toBe("ignored")
    expect(table.apply(view({ seq: 6n }), 0)).toBe("resurrected")
    expect(table.learnDead(view({ seq: 9n }), 0)).toBe(false)
    expect(table.aliveCount).toBe(1)
  })

  it("takes only an alive message with member, PKI-ID and time", () => {
    const { message, envelope } = alive(a, { seq: 1n })
    const of = (aliveMsg: Partial<NonNullable<typeof message.aliveMsg>>) =>
      message.aliveMsg === undefined
        ? undefined
        : aliveView({ envelope, message: { ...message, aliveMsg: { ...message.aliveMsg, ...aliveMsg } } })
    expect(of({})).toBeDefined()
    expect(of({ membership: undefined })).toBeUndefined()
    expect(of({ timestamp: undefined })).toBeUndefined()
    expect(of({ membership: { endpoint: "", metadata: a.pkiId, pkiId: new Uint8Array(0) } })).toBeUndefined()
    expect(aliveView({ envelope, message: { ...message, aliveMsg: undefined } })).toBeUndefined()
  })

  it("knows of each member the newest message, alive or dead but never both, in any order of arrival", () => {
    const people = ["a", "b"].map((name) => person("Org1", name))
    const step = fc.record({
      who: fc.nat(1),
      incNum: fc.bigInt(0n, 2n),
      seqNum: fc.bigInt(0n, 3n),
      what: fc.constantFrom("alive", "dead", "bury")
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const table = new MemberTable()
        const newest = new Map<string, { readonly incNum: bigint; readonly seqNum: bigint }>()
        for (const { who, what, incNum, seqNum } of steps) {
          const seen = view({ inc: incNum, seq: seqNum }, people[who])
          const known = newest.get(seen.key)
          if (what === "bury") table.bury(seen.key)
          else {
            if (what === "alive") table.apply(seen, 0)
            else table.learnDead(seen, 0)
            const counts = what === "alive" ? known === undefined || newer(seen.time, known) : known === undefined
            if (counts) newest.set(seen.key, { incNum, seqNum })
          }
          const all = [...table.alive(), ...table.deadMembers()]
          expect(new Set(all.map(({ key }) => key)).size).toBe(all.length)
          for (const { key, time } of all) expect(newest.get(key)).toEqual({ incNum: time.incNum, seqNum: time.seqNum })
          expect(all.length).toBe(newest.size)
        }
      })
    )
  })
})

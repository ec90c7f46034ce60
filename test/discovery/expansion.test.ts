/** Which principals satisfy a policy (gossip-discovery.md 3.12 rules 8 and 9). */
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { satisfyingSets } from "../../src/discovery/expansion.js"
import { comparable, comparableSet, mergeSets } from "../../src/discovery/principals.js"
import { parsePolicy } from "../../src/policy/index.js"
import { common } from "../../src/wire/index.js"

/** A principal alone is no policy text: it stands in an OR. */
const policy = (text: string): common.SignaturePolicyEnvelope =>
  Either.getOrThrow(parsePolicy(text.startsWith("'") ? `OR(${text})` : text))

const nameOf = (principal: common.MSPPrincipal): string => common.MSPRole.decode(principal.principal).mspIdentifier
const sets = (text: string): ReadonlyArray<string> =>
  satisfyingSets(policy(text)).map((set) => set.map(nameOf).join(""))

/** Organisations of one letter, so that a set reads as a word. */
const m = (letter: string) => `'${letter}.member'`

describe("the sets that satisfy a policy", () => {
  it("come in the reference's order", () => {
    expect(sets(`OR(${m("A")}, ${m("B")})`)).toEqual(["A", "B"])
    expect(sets(`AND(${m("A")}, ${m("B")})`)).toEqual(["AB"])
    expect(sets(`OutOf(2, ${m("A")}, ${m("B")}, ${m("C")})`)).toEqual(["AB", "AC", "BC"])
  })

  it("hold their principals breadth first, choices of lower vertices after those without them", () => {
    expect(sets(`OR(AND(${m("A")}, ${m("B")}), ${m("C")})`)).toEqual(["C", "AB"])
    expect(sets(`AND(OR(${m("A")}, ${m("B")}), ${m("C")})`)).toEqual(["CA", "CB"])
    expect(sets(`OR(AND(${m("A")}, OR(${m("B")}, ${m("C")})), ${m("D")})`)).toEqual(["D", "AB", "AC"])
  })

  it("are none when a leaf names no principal, or a threshold cannot be met", () => {
    const { identities, rule } = policy(`AND(${m("A")}, ${m("B")})`)
    const with1 = common.SignaturePolicyEnvelope.create({ rule, identities: identities.slice(0, 1) })
    expect(satisfyingSets(with1)).toEqual([])
    const impossible = common.SignaturePolicyEnvelope.create({
      identities,
      rule: { nOutOf: { n: 3, rules: [{ signedBy: 0 }, { signedBy: 1 }] } }
    })
    expect(satisfyingSets(impossible)).toEqual([])
    expect(satisfyingSets(common.SignaturePolicyEnvelope.create({ identities, rule: { nOutOf: { n: 0 } } }))).toEqual(
      []
    )
    expect(satisfyingSets(common.SignaturePolicyEnvelope.create({ identities }))).toEqual([])
  })

  it("stay bounded: a vertex of too many combinations loses random members, and the same dice give the same sets", () => {
    const members = Array.from({ length: 30 }, (_, i) => `'O${i}.member'`).join(", ")
    const big = policy(`OutOf(15, ${members})`)
    const dice = () => {
      let seed = 7
      return () => {
        seed = (seed * 16_807) % 2_147_483_647
        return seed / 2_147_483_647
      }
    }
    const found = satisfyingSets(big, dice())
    expect(found.length).toBeGreaterThan(0)
    expect(found.length).toBeLessThanOrEqual(10_000)
    expect(found.every((set) => set.length === 15)).toBe(true)
    expect(satisfyingSets(big, dice())).toEqual(found)
  })

  /** A naive model: choose, then look whether the rule holds. */
  interface Tree {
    readonly leaf?: number
    readonly n?: number
    readonly of?: ReadonlyArray<Tree>
  }
  const letters = "ABCDEF"
  const tree = (depth: number): fc.Arbitrary<Tree> => {
    const leaf = fc.record({ leaf: fc.nat({ max: letters.length - 1 }) })
    if (depth === 0) return leaf
    const inner = fc
      .array(tree(depth - 1), { minLength: 1, maxLength: 3 })
      .chain((of) => fc.integer({ min: 1, max: of.length }).map((n) => ({ n, of })))
    return fc.oneof({ weight: 1, arbitrary: leaf }, { weight: 2, arbitrary: inner })
  }
  const ruleOf = ({ leaf, n, of }: Tree): NonNullable<Parameters<typeof common.SignaturePolicy.create>[0]> =>
    of === undefined ? { signedBy: leaf ?? 0 } : { nOutOf: { n: n ?? 1, rules: of.map(ruleOf) } }
  const model = ({ leaf, n, of }: Tree): ReadonlyArray<string> => {
    if (of === undefined) return [letters[leaf ?? 0] ?? ""]
    const choose = (from: number, left: number): ReadonlyArray<ReadonlyArray<Tree>> => {
      if (left === 0) return [[]]
      const item = of[from]
      if (item === undefined) return []
      return [...choose(from + 1, left - 1).map((rest) => [item, ...rest]), ...choose(from + 1, left)]
    }
    return choose(0, n ?? 1).flatMap((chosen) =>
      chosen.map(model).reduce((sofar, next) => sofar.flatMap((a) => next.map((b) => a + b)), [""])
    )
  }
  const sorted = (words: ReadonlyArray<string>) => words.map((word) => [...word].sort().join("")).sort()

  it("are those of a naive model, for any policy", () => {
    const identities = policy(`AND(${[...letters].map(m).join(", ")})`).identities
    fc.assert(
      fc.property(tree(3), (shape) => {
        const envelope = common.SignaturePolicyEnvelope.create({
          identities,
          rule: common.SignaturePolicy.create(ruleOf(shape))
        })
        const found = satisfyingSets(envelope).map((set) => set.map(nameOf).join(""))
        expect(sorted(found)).toEqual(sorted(model(shape)))
      }),
      { numRuns: 300 }
    )
  })
})

describe("what several chaincodes require together", () => {
  const all = (text: string) => satisfyingSets(policy(text)).map((set) => comparableSet(set) ?? [])
  const words = (sets: ReturnType<typeof mergeSets>) =>
    sets.map((set) => set.map(({ mspId, role }) => `${mspId}${role === 0 ? "" : role}`).join("")).sort()

  it("is the larger set where one contains the other", () => {
    expect(words(mergeSets(all(m("A")), all(`AND(${m("A")}, ${m("B")})`)))).toEqual(["AB"])
    expect(words(mergeSets(all(`AND(${m("A")}, ${m("B")})`), all(m("A"))))).toEqual(["AB"])
  })

  it("is both where neither contains the other", () => {
    expect(words(mergeSets(all(m("A")), all(m("B"))))).toEqual(["BA"])
  })

  it("asks a peer where the other asks a member: a peer is one", () => {
    expect(words(mergeSets(all("'A.member'"), all("'A.peer'")))).toEqual(["A3"])
    expect(words(mergeSets(all("'A.peer'"), all("'A.member'")))).toEqual(["A3"])
    expect(words(mergeSets(all("'A.admin'"), all("'A.peer'")))).toEqual(["A3A1"])
  })

  it("counts: two of one organisation are not covered by one", () => {
    expect(words(mergeSets(all("AND('A.member', 'A.member')"), all("'A.peer'")))).toEqual(["A3A"])
  })

  it("drops what includes something smaller", () => {
    expect(words(mergeSets(all(`OR(${m("A")}, ${m("B")})`), all(`OR(${m("A")}, ${m("C")})`)))).toEqual(["A", "CB"])
  })

  it("satisfies both policies, for any two (property)", () => {
    const names = ["A", "B", "C"].flatMap((org) => [`'${org}.member'`, `'${org}.peer'`])
    const text = fc
      .array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 })
      .chain((of) => fc.integer({ min: 1, max: of.length }).map((n) => `OutOf(${n}, ${of.join(", ")})`))
    const covers = (set: ReadonlyArray<{ mspId: string; role: number | undefined }>, wanted: typeof set) =>
      wanted.every((one) =>
        set.some((other) => other.mspId === one.mspId && (one.role === 0 || other.role === one.role))
      )
    fc.assert(
      fc.property(text, text, (one, other) => {
        for (const set of mergeSets(all(one), all(other))) {
          expect(all(one).some((wanted) => covers(set, wanted))).toBe(true)
          expect(all(other).some((wanted) => covers(set, wanted))).toBe(true)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("takes roles and organisational units only", () => {
    const principal = common.MSPPrincipal.create({ principalClassification: 2, principal: new Uint8Array([1]) })
    expect(comparable(principal)).toBeUndefined()
    expect(comparable(common.MSPPrincipal.create({ principal: new Uint8Array([255]) }))).toBeUndefined()
  })
})

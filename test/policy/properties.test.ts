/** Random policies and signature sets against a model written from the rules' words; the language both ways. */
import * as Either from "effect/Either"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Identity } from "../../src/msp/index.js"
import {
  fromEnvelope,
  nOutOf,
  parsePolicy,
  printPolicy,
  rolePrincipal,
  type SignedData,
  signedBy,
  verifyAhead
} from "../../src/policy/index.js"
import { utf8 } from "../../src/wire/bytes.js"
import { common } from "../../src/wire/index.js"
import { fakeMsps } from "./fakes.js"

// ------------------------------------------------------------------------------------------------- evaluation

type Rule = { readonly leaf: number } | { readonly n: number; readonly rules: ReadonlyArray<Rule> }
interface Signer {
  readonly name: string
  readonly known: boolean
  readonly roles: ReadonlyArray<number>
  readonly good: boolean
}

const letters = ["A", "B", "C", "D"]

const rule: fc.Arbitrary<Rule> = fc.letrec<{ rule: Rule }>((tie) => ({
  rule: fc.oneof(
    { maxDepth: 4, depthSize: "medium" },
    fc.record({ leaf: fc.nat(3) }),
    fc.record({ n: fc.integer({ min: 0, max: 4 }), rules: fc.array(tie("rule"), { maxLength: 4 }) })
  )
})).rule

const signer: fc.Arbitrary<Signer> = fc.record({
  name: fc.constantFrom("s", "t", "u", "v"),
  known: fc.constant(true),
  roles: fc.subarray([0, 1, 2, 3]),
  good: fc.integer({ min: 0, max: 4 }).map((n) => n > 0)
})
const signers = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: signer },
    signer.map((s) => ({ ...s, known: false }))
  ),
  {
    maxLength: 20
  }
)

const message = (r: Rule): common.SignaturePolicy =>
  "leaf" in r ? signedBy(r.leaf) : nOutOf(r.n, r.rules.map(message))
const policyOf = (r: Rule) =>
  Either.getOrThrow(
    fromEnvelope(
      common.SignaturePolicyEnvelope.create({
        rule: message(r),
        identities: letters.map((letter) => ({ principalClassification: 0, principal: utf8(letter) }))
      }),
      fakeMsps
    )
  )
const signatures = (set: ReadonlyArray<Signer>): ReadonlyArray<SignedData> =>
  set.map(({ good, known, name, roles }) => ({
    data: utf8("data"),
    identity: utf8(`${known ? name : "unknown"}:${roles.map((r) => letters[r]).join(",")}`),
    signature: utf8(good ? "good" : "bad")
  }))

/**
 * The rules in plain words, with sets instead of marks: unknown signers out; of equal names the first stays; a leaf takes
 * the first free signer who fits and signed well; a gate asks all, and keeps what satisfied rules took.
 */
const model = (r: Rule, set: ReadonlyArray<Signer>): boolean => {
  const known = set.filter((s) => s.known)
  const distinct = known.filter((s, i) => known.findIndex((other) => other.name === s.name) === i)
  const ask = (r: Rule, taken: ReadonlySet<Signer>): ReadonlySet<Signer> | undefined => {
    if ("leaf" in r) {
      const who = distinct.find((s) => !taken.has(s) && s.roles.includes(r.leaf) && s.good)
      return who === undefined ? undefined : new Set([...taken, who])
    }
    let now = taken
    let satisfied = 0
    for (const inner of r.rules) {
      const after = ask(inner, now)
      if (after === undefined) continue
      satisfied++
      now = after
    }
    return satisfied >= r.n ? now : undefined
  }
  return ask(r, new Set()) !== undefined
}

describe("signature policies", () => {
  it("decide as the model does", () => {
    fc.assert(
      fc.property(rule, signers, (r, set) => {
        const outcome = policyOf(r).evaluate(signatures(set))
        expect(Either.isRight(outcome)).toBe(model(r, set))
      }),
      { numRuns: 2000 }
    )
  })

  it("ask only for verifications that were announced, and decide the same from verdicts made ahead", async () => {
    await fc.assert(
      fc.asyncProperty(rule, signers, async (r, set) => {
        const policy = policyOf(r)
        const data = signatures(set)
        const announced = policy.verifications(data)
        const ahead = await verifyAhead(announced)
        const asked: Array<Uint8Array> = []
        const outcome = policy.evaluate(data, (identity, message, signature) => {
          asked.push(signature)
          return ahead(identity, message, signature)
        })
        expect(Either.isRight(outcome)).toBe(model(r, set))
        expect(new Set(asked).size).toBe(asked.length)
        for (const signature of asked) expect(announced.some((v) => v.signature === signature)).toBe(true)
      }),
      { numRuns: 500 }
    )
  })

  it("verdicts made ahead are found by content, so that nothing is verified twice", async () => {
    const one: Rule = { n: 1, rules: [{ leaf: 0 }] }
    const signer: Signer = { name: "a", known: true, roles: [0], good: true }
    let inLine = 0
    const counting = (identity: Identity): Identity => ({
      ...identity,
      verify: (data, signature) => {
        inLine++
        return identity.verify(data, signature)
      }
    })
    const announced = policyOf(one)
      .verifications(signatures([signer]))
      .map((v) => ({ ...v, identity: counting(v.identity) }))
    const ahead = await verifyAhead(announced)
    // The set is built anew, as a caller does that decodes the same block twice.
    const asked = policyOf(one).evaluate(signatures([signer]), (identity, data, signature) =>
      ahead(counting(identity), data, signature)
    )
    expect(Either.isRight(asked)).toBe(true)
    expect(inLine).toBe(0)
    const [first] = announced
    if (first === undefined) throw new Error("nothing announced")
    expect(ahead(first.identity, utf8("other data"), utf8("bad"))).toBe(false)
    expect(inLine).toBe(1)
  })

  it("order of signatures and of rules matters (trap 12)", () => {
    const fails: Rule = { n: 2, rules: [{ n: 1, rules: [{ leaf: 0 }, { leaf: 1 }] }, { leaf: 1 }] }
    const holds: Rule = { n: 2, rules: [{ leaf: 1 }, { n: 1, rules: [{ leaf: 0 }, { leaf: 1 }] }] }
    const a: Signer = { name: "a", known: true, roles: [0], good: true }
    const b: Signer = { name: "b", known: true, roles: [1], good: true }
    expect(Either.isRight(policyOf(fails).evaluate(signatures([a, b])))).toBe(false)
    expect(Either.isRight(policyOf(holds).evaluate(signatures([a, b])))).toBe(true)
  })

  it("a bad signature before a good one of the same identity counts (trap 13)", () => {
    const one: Rule = { n: 1, rules: [{ leaf: 0 }] }
    const bad: Signer = { name: "a", known: true, roles: [0], good: false }
    const good: Signer = { ...bad, good: true }
    expect(Either.isRight(policyOf(one).evaluate(signatures([bad, good])))).toBe(false)
    expect(Either.isRight(policyOf(one).evaluate(signatures([good, bad])))).toBe(true)
  })

  it("refuses nesting that would exhaust the stack", () => {
    let deep = signedBy(0)
    for (let i = 0; i < 1500; i++) {
      deep = { signedBy: undefined, nOutOf: { n: 1, rules: [deep], unknown: undefined }, unknown: undefined }
    }
    const compiled = fromEnvelope(
      { version: 0, rule: deep, identities: [rolePrincipal("A", 0)], unknown: undefined },
      fakeMsps
    )
    expect(Either.isLeft(compiled)).toBe(true)
  })
})

// --------------------------------------------------------------------------------------------------- language

const principal = fc
  .tuple(
    fc.oneof(fc.constantFrom("Org1MSP", "a.b", "x-1", "1", "-", "A..B"), fc.stringMatching(/^[a-zA-Z0-9.-]{1,8}$/)),
    fc.constantFrom("member", "admin", "client", "peer", "orderer")
  )
  .map(([mspId, role]) => `${mspId}.${role}`)

const sentence: fc.Arbitrary<string> = fc.letrec<{ gate: string; operand: string }>((tie) => ({
  gate: fc
    .tuple(
      fc.constantFrom("AND", "and", "And", "OR", "or", "Or", "OutOf", "outof", "OUTOF"),
      fc.array(tie("operand"), { minLength: 1, maxLength: 4 }),
      fc.nat(5),
      fc.constantFrom(", ", ",", " ,\t", "  ,\n ")
    )
    .map(([gate, operands, n, separator]) =>
      gate.toLowerCase() === "outof"
        ? `${gate}(${[String(Math.min(n, operands.length + 1)), ...operands].join(separator)})`
        : `${gate}(${operands.join(separator)})`
    ),
  operand: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(principal, fc.constantFrom("'", '"')).map(([p, quote]) => `${quote}${p}${quote}`),
    tie("gate")
  )
})).gate

describe("the policy language", () => {
  it("what is parsed prints to text that parses to the same envelope", () => {
    fc.assert(
      fc.property(sentence, (text) => {
        const envelope = Either.getOrThrow(parsePolicy(text))
        const printed = Either.getOrThrow(printPolicy(envelope))
        expect(Either.getOrThrow(parsePolicy(printed))).toEqual(envelope)
        expect(Either.getOrThrow(printPolicy(Either.getOrThrow(parsePolicy(printed))))).toBe(printed)
      }),
      { numRuns: 500 }
    )
  })

  it("no text makes the parser throw", () => {
    const pieces = fc.constantFrom(
      "AND",
      "OR(",
      ")",
      "'",
      '"',
      ",",
      "A.member",
      "1",
      ".",
      "-",
      "[",
      "]",
      "\\",
      " ",
      "é",
      "outof("
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.array(pieces).map((p) => p.join(""))
        ),
        (text) => {
          parsePolicy(text)
        }
      ),
      { numRuns: 2000 }
    )
    expect(Either.isLeft(parsePolicy("OR(".repeat(100_000) + ")".repeat(100_000)))).toBe(true)
  })

  it("numbers inner gates before the principals around them (rule 49)", () => {
    const envelope = Either.getOrThrow(parsePolicy("OR('A.member', AND('B.member','C.member'))"))
    const ids = envelope.identities.map((p) => common.MSPRole.decode(p.principal).mspIdentifier)
    expect(ids).toEqual(["B", "C", "A"])
    expect(envelope.rule).toEqual(nOutOf(1, [signedBy(2), nOutOf(2, [signedBy(0), signedBy(1)])]))
  })
})

/** Why a policy does not hold: the same decision as the policy's own, and what people read. */
import * as Either from "effect/Either"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  explainPolicy,
  explainSignaturePolicy,
  explanationLines,
  fromEnvelope,
  nOutOf,
  PolicyManager,
  parsePolicy,
  type SignedData,
  signedBy
} from "../../src/policy/index.js"
import { utf8 } from "../../src/wire/bytes.js"
import { common } from "../../src/wire/index.js"
import { firstBundle, person } from "../peer/support.js"
import { fakeMsps } from "./fakes.js"

const letters = ["A", "B", "C", "D"]
const rule: fc.Arbitrary<common.SignaturePolicy> = fc.letrec<{ rule: common.SignaturePolicy }>((tie) => ({
  rule: fc.oneof(
    { maxDepth: 4, depthSize: "medium" },
    fc.nat(3).map(signedBy),
    fc
      .record({ n: fc.integer({ min: 0, max: 4 }), rules: fc.array(tie("rule"), { maxLength: 4 }) })
      .map(({ n, rules }) => nOutOf(n, rules))
  )
})).rule
const signature = fc.record({
  identity: fc
    .tuple(fc.constantFrom("s", "t", "u", "unknown"), fc.subarray(letters))
    .map(([name, roles]) => utf8(`${name}:${roles.join(",")}`)),
  data: fc.constant(utf8("data")),
  signature: fc.constantFrom("good", "good", "good", "bad").map(utf8)
})
const envelopeOf = (made: common.SignaturePolicy) =>
  common.SignaturePolicyEnvelope.create({
    rule: made,
    identities: letters.map((letter) => ({ principalClassification: 0, principal: utf8(letter) }))
  })
const set = fc.array(signature, { maxLength: 8 })

describe("decides as the policy", () => {
  it("of signatures", () => {
    fc.assert(
      fc.property(rule, set, (made, signed) => {
        const envelope = envelopeOf(made)
        const verdict = Either.getOrThrow(fromEnvelope(envelope, fakeMsps)).evaluate(signed)
        const bytes = common.SignaturePolicyEnvelope.encode(envelope)
        const { finding, signers } = explainSignaturePolicy("p", bytes, signed, fakeMsps)
        expect(finding.satisfied).toBe(Either.isRight(verdict))
        expect(signers.length).toBe(signed.length)
      }),
      { numRuns: 1000 }
    )
  })
  it("that counts others", () => {
    const { ALL, ANY, MAJORITY } = common.ImplicitMetaPolicy_Rule
    const meta = (value: number) => ({
      policy: {
        type: common.Policy_PolicyType.IMPLICIT_META,
        value: common.ImplicitMetaPolicy.encode({ rule: value, subPolicy: "P" })
      }
    })
    const kinds = fc.array(fc.option(rule), { maxLength: 4 })
    fc.assert(
      fc.property(kinds, set, fc.constantFrom<number>(ANY, ALL, MAJORITY, 7), (groups, signed, counting) => {
        const below = groups.map((made, i) => {
          const value = made === null ? undefined : common.SignaturePolicyEnvelope.encode(envelopeOf(made))
          const policy = value === undefined ? {} : { policy: { type: common.Policy_PolicyType.SIGNATURE, value } }
          return [`g${i}`, value === undefined ? {} : { policies: new Map([["P", policy]]) }] as const
        })
        const root = common.ConfigGroup.create({ groups: new Map(below), policies: new Map([["P", meta(counting)]]) })
        const manager = Either.getOrThrow(PolicyManager.make("Channel", root, fakeMsps))
        const verdict = manager.getPolicy("/Channel/P").evaluate(signed)
        const { finding } = explainPolicy(manager, "/Channel/P", signed, fakeMsps)
        expect([finding.path, finding.satisfied]).toEqual(["/Channel/P", Either.isRight(verdict)])
        expect(finding.parts.map(({ path }) => path)).toEqual(groups.map((_, i) => `/Channel/g${i}/P`))
      }),
      { numRuns: 500 }
    )
  })
})

describe("tells people", () => {
  const data = utf8("what was signed")
  const signed = async (org: "Org1MSP" | "Org2MSP", who: string, message = data): Promise<SignedData> => {
    const signer = await person(org, who)
    return { data, identity: signer.serialized, signature: signer.sign(message) }
  }
  it("which organisation's admins are missing", async () => {
    const { mspManager, policyManager } = firstBundle()
    const lines = explanationLines(
      explainPolicy(policyManager, "/Channel/Application/Admins", [await signed("Org1MSP", "User1")], mspManager)
    )
    expect(lines).toEqual([
      "  FAILED /Channel/Application/Admins: MAJORITY Admins - 0 of 2 hold, 2 are needed",
      expect.stringMatching(
        /^ {4}FAILED \/Channel\/Application\/Org1\w*\/Admins: OR\('Org1MSP\.admin'\) - 0 of the 1 rules needed hold$/
      ),
      expect.stringMatching(/^ {6}FAILED 'Org1MSP\.admin' - signer 0: .*admin/),
      expect.stringMatching(/^ {4}FAILED \/Channel\/Application\/Org2\w*\/Admins: OR\('Org2MSP\.admin'\) /),
      expect.stringMatching(/^ {6}FAILED 'Org2MSP\.admin' - signer 0: .*Org2MSP/),
      expect.stringMatching(/^ {2}signer 0: Org1MSP .*CN=User1@org1\.example\.com$/)
    ])
  })
  it("whose signature does not hold, and who signed twice", async () => {
    const { mspManager } = firstBundle()
    const policy = common.SignaturePolicyEnvelope.encode(
      Either.getOrThrow(parsePolicy("AND('Org1MSP.member','Org2MSP.member')"))
    )
    const bad = await signed("Org2MSP", "User1", utf8("something else"))
    const good = await signed("Org1MSP", "User1")
    const lines = explanationLines(explainSignaturePolicy("chaincode cc", policy, [good, bad, good], mspManager))
    expect(lines).toEqual([
      "  FAILED chaincode cc: AND('Org1MSP.member', 'Org2MSP.member') - 1 of the 2 rules needed hold",
      "    ok     'Org1MSP.member' by signer 0",
      expect.stringMatching(
        /^ {4}FAILED 'Org2MSP\.member' - signer 0: .*; signer 1: fits, but its signature does not hold$/
      ),
      expect.stringMatching(/^ {2}signer 0: Org1MSP .*, signature holds$/),
      expect.stringMatching(/^ {2}signer 1: Org2MSP .*, signature does NOT hold$/),
      expect.stringMatching(/^ {2}signer 2: Org1MSP .* - does not count: signed before/)
    ])
  })
  it("that nobody signed, that there is no policy, that the bytes are none", () => {
    const { mspManager, policyManager } = firstBundle()
    expect(explanationLines(explainPolicy(policyManager, "/Channel/Nope", [], mspManager))).toEqual([
      "  FAILED /Channel/Nope - there is no such policy",
      "  nobody signed"
    ])
    expect(explanationLines(explainSignaturePolicy("p", utf8("\u0001\u0001"), [], mspManager))[0]).toMatch(
      /^ {2}FAILED p - Error unmarshaling to SignaturePolicy/
    )
    const odd = { data, identity: utf8("no identity"), signature: utf8("") }
    const [, line] = explanationLines(explainSignaturePolicy("p", utf8(""), [odd], mspManager))
    expect(line).toMatch(/^ {2}signer 0: .* - does not count: /)
  })
})

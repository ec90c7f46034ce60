/** Implicit meta policies and the manager's paths (identity-policy-config rules 52 to 56a, acceptance check 19). */
import * as Either from "effect/Either"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  acceptAll,
  PolicyManager,
  parseImplicitMeta,
  printImplicitMeta,
  rejectAll,
  signedByAnyMember,
  signedByMspMember
} from "../../src/policy/index.js"
import { toHex } from "../../src/wire/bytes.js"
import { common } from "../../src/wire/index.js"
import { fakeMsps } from "./fakes.js"

const signature = (envelope: common.SignaturePolicyEnvelope) => ({
  policy: { type: common.Policy_PolicyType.SIGNATURE, value: common.SignaturePolicyEnvelope.encode(envelope) }
})
const meta = (rule: number, subPolicy = "P") => ({
  policy: {
    type: common.Policy_PolicyType.IMPLICIT_META,
    value: common.ImplicitMetaPolicy.encode({ rule, subPolicy })
  }
})
const { ALL, ANY, MAJORITY } = common.ImplicitMetaPolicy_Rule

const make = (group: Parameters<typeof common.ConfigGroup.create>[0]) =>
  PolicyManager.make("Channel", common.ConfigGroup.create(group), fakeMsps)
const text = (outcome: Either.Either<unknown, { readonly message: string }>): string =>
  Either.match(outcome, { onLeft: (e) => e.message, onRight: () => "ok" })

describe("implicit meta", () => {
  it("counts missing sub-policies, and stops at its threshold", () => {
    const subGroup = fc.constantFrom("accept", "reject", "missing")
    fc.assert(
      fc.property(fc.array(subGroup, { maxLength: 5 }), fc.constantFrom<number>(ANY, ALL, MAJORITY), (groups, rule) => {
        const manager = Either.getOrThrow(
          make({
            groups: new Map(
              groups.map((kind, i) => [
                `g${i}`,
                kind === "missing"
                  ? {}
                  : { policies: new Map([["P", signature(kind === "accept" ? acceptAll() : rejectAll())]]) }
              ])
            ),
            policies: new Map([["M", meta(rule)]])
          })
        )
        const good = groups.filter((kind) => kind === "accept").length
        const n = groups.length
        const needed = n === 0 ? 0 : rule === ANY ? 1 : rule === ALL ? n : Math.floor(n / 2) + 1
        expect(text(manager.getPolicy("M").evaluate([]))).toBe(
          good >= needed
            ? "ok"
            : `implicit policy evaluation failed - ${good} sub-policies were satisfied, but this policy requires ${needed} of the 'P' sub-policies to be satisfied`
        )
      })
    )
  })

  it("an unknown rule holds only when no sub-policy does", () => {
    const withSub = (envelope: common.SignaturePolicyEnvelope) =>
      Either.getOrThrow(
        make({
          groups: new Map([["g", { policies: new Map([["P", signature(envelope)]]) }]]),
          policies: new Map([["M", meta(7)]])
        })
      )
    expect(text(withSub(rejectAll()).getPolicy("M").evaluate([]))).toBe("ok")
    expect(text(withSub(acceptAll()).getPolicy("M").evaluate([]))).toContain(
      "1 sub-policies were satisfied, but this policy requires 0"
    )
  })

  it("reads and writes its text form", () => {
    for (const rule of ["ANY", "ALL", "MAJORITY"]) {
      const policy = Either.getOrThrow(parseImplicitMeta(`${rule} Admins`))
      expect(printImplicitMeta(policy)).toBe(`${rule} Admins`)
    }
    expect(text(parseImplicitMeta("ANY"))).toBe("expected two space separated tokens, but got 1")
    expect(text(parseImplicitMeta("ANY  Admins"))).toBe("expected two space separated tokens, but got 3")
    expect(text(parseImplicitMeta("any Admins"))).toBe("unknown rule type 'any', expected ALL, ANY, or MAJORITY")
  })
})

describe("the manager", () => {
  const manager = Either.getOrThrow(
    make({
      policies: new Map([["Top", signature(acceptAll())]]),
      groups: new Map([
        [
          "Application",
          {
            policies: new Map([["Readers", signature(acceptAll())]]),
            groups: new Map([["Org1", { policies: new Map([["Admins", signature(acceptAll())]]) }]])
          }
        ]
      ])
    })
  )

  it("finds absolute and relative names from every group", () => {
    const application = manager.manager(["Application"])
    const org1 = manager.manager(["Application", "Org1"])
    for (const [from, name] of [
      [manager, "/Channel/Top"],
      [manager, "Top"],
      [manager, "Application/Readers"],
      [manager, "Application/Org1/Admins"],
      [manager, "/Channel/Application/Org1/Admins"],
      [application, "Org1/Admins"],
      [application, "/Channel/Application/Readers"],
      [org1, "Admins"],
      [manager, "/Channel.Top"]
    ] as const) {
      expect(from?.has(name), name).toBe(true)
      expect(text(from?.getPolicy(name).evaluate([]) ?? Either.left(new Error("no manager")))).toBe("ok")
    }
  })

  it("a miss gives a policy that refuses, and never falls back to a parent", () => {
    const application = manager.manager(["Application"])
    const miss = (from: PolicyManager | undefined, name: string) => {
      expect(from?.has(name), name).toBe(false)
      return text(from?.getPolicy(name).evaluate([]) ?? Either.void)
    }
    expect(miss(manager, "")).toBe("No such policy: ''")
    expect(miss(manager, "/Channel")).toBe("No such policy: '/Channel'")
    expect(miss(manager, "/Channel/")).toBe("No such policy: ''")
    expect(miss(manager, "/Channel/Application/Nope")).toBe("No such policy: 'Application/Nope'")
    expect(miss(manager, "Nope")).toBe("No such policy: 'Nope'")
    expect(miss(manager, "/Other/Top")).toBe("No such policy: '/Other/Top'")
    expect(miss(application, "Top")).toBe("No such policy: 'Top'")
    expect(miss(application, "/Channel/Top")).toBe("No such policy: '/Channel/Top'")
    expect(manager.manager(["Nope"])).toBeUndefined()
    expect(manager.manager([])).toBe(manager)
  })

  it("says which policy does not compile", () => {
    const at = (policy: object) => text(make({ groups: new Map([["G", { policies: new Map([["P", policy]]) }]]) }))
    expect(at({})).toBe("policy P at path Channel/G was nil")
    for (const type of [0, 2, 9]) {
      expect(at({ policy: { type } })).toBe(`policy P at path Channel/G has unknown policy type: ${type}`)
    }
    expect(at({ policy: { type: 1 } })).toBe("policy P at path Channel/G did not compile: Empty policy element")
    expect(at({ policy: { type: 1, value: Buffer.from("garbage") } })).toContain(
      "policy P at path Channel/G did not compile: Error unmarshaling to SignaturePolicy: "
    )
    expect(at({ policy: { type: 3, value: Buffer.from("garbage") } })).toContain(
      "implicit policy P at path Channel/G did not compile: Error unmarshaling to ImplicitMetaPolicy: "
    )
  })
})

describe("ready-made policies", () => {
  const bytes = (envelope: common.SignaturePolicyEnvelope) => toHex(common.SignaturePolicyEnvelope.encode(envelope))
  it("have the reference's bytes (section 4, vectors)", () => {
    expect(bytes(acceptAll())).toBe("12021200")
    expect(bytes(rejectAll())).toBe("120412020801")
    expect(bytes(signedByMspMember("Org1MSP"))).toBe("12081206080112020800" + "1a0b12090a074f7267314d5350")
  })
  it("sort MSP ids by bytes", () => {
    const ids = signedByAnyMember(["b", "\u{1f600}", "\ufb00", "B"]).identities
    expect(ids.map((p) => common.MSPRole.decode(p.principal).mspIdentifier)).toEqual(["B", "b", "\ufb00", "\u{1f600}"])
  })
})

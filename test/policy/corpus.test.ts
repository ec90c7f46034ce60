/**
 * Decisions and texts of Go Fabric 1.4.12, recorded by feeding random policies, signature sets and policy texts to its
 * cauthdsl package (acceptance checks 17 and 18 of identity-policy-config.md).
 */
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { fromEnvelopeBytes, parsePolicy } from "../../src/policy/index.js"
import { fromHex, toHex, utf8 } from "../../src/wire/bytes.js"
import { common } from "../../src/wire/index.js"
import { readCases } from "./corpus.js"
import { fakeMsps } from "./fakes.js"

interface Evaluation {
  readonly policy: string
  readonly set: ReadonlyArray<{ readonly identity: string; readonly signature: string }>
  readonly ok: boolean
  readonly error?: string
}
interface Language {
  readonly text: string
  readonly bytes?: string
  readonly error?: string
}

const read = <A>(name: string): ReadonlyArray<A> => readCases(new URL(`corpus/${name}.jsonl`, import.meta.url))

describe("recorded from Go", () => {
  it("evaluates as Go does", () => {
    const cases = read<Evaluation>("evaluation")
    expect(cases.length).toBeGreaterThan(500)
    for (const { error, ok, policy, set } of cases) {
      const compiled = fromEnvelopeBytes(fromHex(policy), fakeMsps)
      const signatures = set.map(({ identity, signature }) => ({
        data: utf8("d"),
        identity: utf8(identity),
        signature: utf8(signature)
      }))
      const outcome = Either.flatMap(
        Either.mapLeft(compiled, (e) => e.message),
        (p) => Either.mapLeft(p.evaluate(signatures), (e) => e.message)
      )
      expect(outcome, JSON.stringify({ policy, set })).toEqual(ok ? Either.void : Either.left(error))
    }
  })

  it("reads the policy language as Go does", () => {
    // Go prints addresses of functions, evaluates arithmetic and comparisons, and explains their type errors: not kept.
    const differs = /FUNCTION \[0x|cannot be used with the/
    for (const { bytes, error, text } of read<Language>("language")) {
      const parsed = parsePolicy(text)
      const shown = Either.match(parsed, {
        onLeft: (e) => e.message,
        onRight: (envelope) => toHex(common.SignaturePolicyEnvelope.encode(envelope))
      })
      if (error === undefined ? / \+ /.test(text) : differs.test(error) || /==/.test(text)) {
        expect(Either.isLeft(parsed), text).toBe(true)
      } else expect(shown, text).toBe(error ?? bytes)
    }
  })
})

/** Signatures verified in other threads: the verdicts of `verify` in line, whatever becomes of the threads. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { assert } from "vitest"
import type { SignatureJob } from "../../src/crypto/index.js"
import { makeSignatureVerifier } from "../../src/validation/index.js"

const keys = ["P-256", "P-384"].map((namedCurve) => generateKeyPairSync("ec", { namedCurve }))

const job = (which: number, data: Uint8Array, damage: "none" | "data" | "signature" | "other key"): SignatureJob => {
  const hash = which === 0 ? "sha256" : "sha384"
  const { privateKey, publicKey } = keys[which] ?? keys[0] ?? generateKeyPairSync("ec", { namedCurve: "P-256" })
  const der: Uint8Array = sign(hash, data, privateKey)
  const other: KeyObject | undefined = keys[1 - which]?.publicKey
  return {
    key: damage === "other key" && other !== undefined ? other : publicKey,
    hash,
    data: damage === "data" ? Uint8Array.of(...data, 0) : data,
    der: damage === "signature" ? der.subarray(0, der.length - 1) : der
  }
}

const damages = fc.constantFrom("none" as const, "data" as const, "signature" as const, "other key" as const)
const one = fc.oneof(
  { weight: 1, arbitrary: fc.constant(undefined) },
  {
    weight: 9,
    arbitrary: fc.record({ which: fc.nat(1), data: fc.uint8Array({ minLength: 0, maxLength: 300 }), damage: damages })
  }
)

describe("SignatureVerifier", () => {
  for (const processors of [1, 2, 4])
    it.scoped(`gives each signature its own verdict with ${processors} processor(s)`, () =>
      Effect.gen(function* () {
        const { verifyAll } = yield* makeSignatureVerifier(processors)
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(fc.array(one, { maxLength: 80 }), async (cases) => {
              const jobs = cases.map((given) =>
                given === undefined ? undefined : job(given.which, given.data, given.damage)
              )
              const good = await verifyAll(jobs)
              assert.deepEqual(
                [...good],
                cases.map((given) => (given?.damage === "none" ? 1 : 0))
              )
            }),
            { numRuns: 30 }
          )
        )
      })
    )

  it.effect("answers what is under way when its threads end, and afterwards", () =>
    Effect.gen(function* () {
      const jobs = Array.from({ length: 400 }, (_, i) =>
        job(0, Uint8Array.of(i & 255, i >> 8), i % 3 === 0 ? "data" : "none")
      )
      const expected = jobs.map((_, i) => (i % 3 === 0 ? 0 : 1))
      const under = yield* Effect.scoped(
        Effect.gen(function* () {
          const { verifyAll } = yield* makeSignatureVerifier(3)
          return [verifyAll(jobs), verifyAll(jobs)]
        })
      )
      for (const good of yield* Effect.promise(() => Promise.all(under))) assert.deepEqual([...good], expected)
    })
  )
})

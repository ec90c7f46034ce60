import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { loadLocalMsp } from "../../src/msp/index.js"
import { VerifyLane } from "../../src/orderer/broadcast/VerifyLane.js"
import { chainA, msps } from "./support/node.js"

const load = (who: "user1" | "ordererAdmin", mspId: string) =>
  Effect.map(loadLocalMsp({ dir: path.join(chainA, "crypto-config", msps[who]), mspId }), ({ signer }) => signer)

describe("VerifyLane", () => {
  for (const workers of [0, 1, 3]) {
    it.scopedLive(`tells good signatures from bad ones, a thousand at once (workers: ${workers})`, () =>
      Effect.gen(function* () {
        const user = yield* load("user1", "Org1MSP")
        const admin = yield* load("ordererAdmin", "OrdererMSP")
        const defects: Array<unknown> = []
        const lane = new VerifyLane((error) => defects.push(error), { workers })
        yield* Effect.addFinalizer(() => Effect.promise(() => lane.close()))
        const messages = Array.from({ length: 40 }, (_, i) => Buffer.alloc(i * 97, i))
        const signed = messages.map((message) => ({ message, signature: user.sign(message) }))
        const verdicts = yield* Effect.promise(() =>
          Promise.all(
            Array.from({ length: 1000 }, (_, i) => {
              const { message, signature } = signed[i % signed.length] ?? {
                message: Buffer.of(),
                signature: Buffer.of()
              }
              const cases = [
                { identity: user.identity, message, signature, good: true },
                { identity: admin.identity, message, signature, good: false },
                { identity: user.identity, message: Buffer.concat([message, Buffer.of(1)]), signature, good: false },
                { identity: user.identity, message, signature: signature.subarray(1), good: false },
                { identity: user.identity, message, signature: new Uint8Array(), good: false }
              ]
              const chosen = cases[i % cases.length]
              if (chosen === undefined) throw new Error("no case")
              return new Promise<boolean>((resolve) => {
                lane.verify(chosen.identity, chosen.message, chosen.signature, (good) => resolve(good === chosen.good))
              })
            })
          )
        )
        expect(verdicts.filter((right) => !right)).toEqual([])
        expect(defects).toEqual([])
      })
    )
  }
  it.scopedLive("survives a callback that throws", () =>
    Effect.gen(function* () {
      const user = yield* load("user1", "Org1MSP")
      const defects: Array<unknown> = []
      const lane = new VerifyLane((error) => defects.push(error))
      yield* Effect.addFinalizer(() => Effect.promise(() => lane.close()))
      const message = Buffer.from("x")
      const answered = yield* Effect.promise(
        () =>
          new Promise((resolve) => {
            lane.verify(user.identity, message, user.sign(message), () => {
              throw new Error("broken")
            })
            lane.verify(user.identity, message, user.sign(message), resolve)
          })
      )
      expect(answered).toBe(true)
      expect(defects.map(String)).toEqual(["Error: broken"])
    })
  )
})

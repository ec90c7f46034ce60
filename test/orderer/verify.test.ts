import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { loadLocalMsp } from "../../src/msp/index.js"
import { VerifyLane } from "../../src/orderer/broadcast/VerifyLane.js"
import { VerifyWorker } from "../../src/orderer/broadcast/verifyWorker.js"
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
  /** A lane with two threads at most, those that it started, and a backlog of good and bad signatures given to it. */
  const underLoad = (jobs: number, started: (worker: VerifyWorker, index: number) => void) =>
    Effect.gen(function* () {
      const user = yield* load("user1", "Org1MSP")
      const defects: Array<unknown> = []
      const threads: Array<VerifyWorker> = []
      const lane = new VerifyLane((error) => defects.push(error), {
        workers: 2,
        newWorker: (answered, broken) => {
          const worker = new VerifyWorker(answered, broken)
          started(worker, threads.length)
          threads.push(worker)
          return worker
        }
      })
      yield* Effect.addFinalizer(() => Effect.promise(() => lane.close()))
      const message = Buffer.from("message")
      const signature = user.sign(message)
      const answers = yield* Effect.promise(() =>
        Promise.all(
          Array.from({ length: jobs }, (_, i) => {
            const signed = i % 7 === 0 ? Buffer.from("another") : message
            return new Promise<boolean>((resolve) => {
              lane.verify(user.identity, signed, signature, (good) => resolve(good === (i % 7 !== 0)))
            })
          })
        )
      )
      expect(answers.filter((right) => !right)).toEqual([])
      return { defects, threads }
    })

  it.scopedLive("starts another thread for a backlog that lasts, and none for a short one", () =>
    Effect.gen(function* () {
      expect((yield* underLoad(2_000, () => {})).threads).toHaveLength(1)
      // this thread has time: it only waits for the answers
      const { defects, threads } = yield* underLoad(24_000, () => {})
      expect(threads).toHaveLength(2)
      expect(defects).toEqual([])
    })
  )

  it.scopedLive("gives what a lost thread had to another one", () =>
    Effect.gen(function* () {
      const { defects, threads } = yield* underLoad(3_000, (worker, index) => {
        if (index === 0) void worker.terminate()
      })
      expect(threads).toHaveLength(2)
      expect(defects).toHaveLength(1)
    })
  )

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

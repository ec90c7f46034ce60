/** Channels beside each other: the order in which their chains start, and one whose ordering ends (issue 5 part 12). */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ConsenterShape } from "../../src/orderer/consensus/Chain.js"
import { soloConsenter } from "../../src/orderer/consensus/solo/SoloChain.js"
import { createChannel } from "./kafka/support.js"
import {
  broadcastOne,
  createMychannel,
  deliverAll,
  message,
  seekMessage,
  signerOf,
  startNode,
  temporaryFolder,
  textsOf,
  waitForHeight
} from "./support/node.js"

/** Solo with something done to a channel's parts. */
const soloWith = (change: (...args: Parameters<ConsenterShape["chain"]>) => ReturnType<ConsenterShape["chain"]>) =>
  new Map<string, ConsenterShape>([["solo", { chain: change }]])

describe("the registrar", () => {
  it.scopedLive("starts the system channel's chain after all others, whatever their names", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const started: Array<string> = []
      const consenters = soloWith((support, metadata) =>
        Effect.map(soloConsenter.chain(support, metadata), (chain) => ({
          ...chain,
          start: Effect.zipRight(
            Effect.sync(() => started.push(support.channelId)),
            chain.start
          )
        }))
      )
      const names = ["aaa", "mychannel", "zzz"]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const node = yield* startNode({ folder, consenters })
          for (const name of names) yield* createChannel(node, name)
        })
      )
      expect(started).toEqual(["sys", ...names])
      started.length = 0
      yield* startNode({ folder, consenters })
      expect(started).toEqual([...names, "sys"])
    })
  )

  it.scopedLive(
    "a channel whose loop has ended says so and answers so; the others serve; a restart takes it up again",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const user = yield* signerOf("user1")
        const admin = yield* signerOf("ordererAdmin")
        const consenters = soloWith((support, metadata) => {
          const write = () => Effect.die(new Error("the writer is broken"))
          const broken = { ...support, writer: { ...support.writer, write } }
          return soloConsenter.chain(support.channelId === "mychannel" ? broken : support, metadata)
        })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* startNode({ folder, consenters })
            yield* createMychannel(node)
            const channel = node.registrar.channel("mychannel")
            if (channel === undefined) return yield* Effect.die(new Error("no channel"))
            expect(yield* channel.chain.health).toBeUndefined()
            expect(yield* broadcastOne(node.client, message(user, "mychannel", "kept"))).toEqual({
              status: 200,
              info: ""
            })
            const reason = yield* Effect.repeat(Effect.delay(channel.chain.health, "5 millis"), {
              until: (text) => text !== undefined
            })
            expect(reason).toBe("ordering has stopped: the writer is broken")
            expect(yield* broadcastOne(node.client, message(user, "mychannel", "refused"))).toEqual({
              status: 503,
              info: "cannot enqueue: ordering has stopped: the writer is broken"
            })
            expect((yield* deliverAll(node.client, seekMessage(user, "mychannel", 0n, 0n))).status).toBe(503)
            const bestEffort = seekMessage(user, "mychannel", 0n, 0n, { bestEffort: true })
            expect((yield* deliverAll(node.client, bestEffort)).status).toBe(200)
            expect((yield* deliverAll(node.client, seekMessage(admin, "sys", 0n, 0n))).status).toBe(200)
            expect((yield* broadcastOne(node.client, message(admin, "sys", "still")))?.status).toBe(200)
          })
        )
        const again = yield* startNode({ folder })
        yield* waitForHeight(again, "mychannel", 2n)
        const { blocks } = yield* deliverAll(again.client, seekMessage(user, "mychannel", 1n, 1n))
        expect(textsOf(blocks)).toEqual(["kept"])
      })
  )
})

import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { common } from "../../src/wire/index.js"
import { AtomicBroadcast as service } from "../../src/wire/services.js"
import {
  broadcastOne,
  createMychannel,
  message,
  readDelivered,
  seekMessage,
  signerOf,
  startNode,
  temporaryFolder
} from "./support/node.js"
import { envelopeOf, groupOf, updateOf } from "./support/updates.js"

describe("an open Deliver stream whose reader's organisation is removed (acceptance check 16)", () => {
  it.scopedLive("ends with FORBIDDEN before the next block; a reader that stays goes on", () =>
    Effect.gen(function* () {
      const node = yield* startNode({ folder: yield* temporaryFolder })
      yield* createMychannel(node)
      const [admin1, admin2, user1, user2] = yield* Effect.all([
        signerOf("admin1"),
        signerOf("admin2"),
        signerOf("user1"),
        signerOf("user2")
      ])
      const open = (request: Uint8Array) =>
        Effect.gen(function* () {
          const stream = yield* node.client.bidi(service.methods.Deliver)
          yield* stream.send(request)
          return Effect.map(stream.next, (bytes) => {
            const delivered = bytes === undefined ? { status: -1 } : readDelivered(bytes)
            return "status" in delivered
              ? `=${delivered.status}`
              : String(common.Block.decode(delivered.block).header?.number)
          })
        })
      const stays = yield* open(seekMessage(user1, "mychannel", "oldest", 2n ** 64n - 1n))
      const leaves = yield* open(seekMessage(user2, "mychannel", "oldest", 2n ** 64n - 1n))
      expect([yield* stays, yield* leaves]).toEqual(["0", "0"])
      expect((yield* broadcastOne(node.client, message(user2, "mychannel", "one")))?.status).toBe(200)
      expect([yield* stays, yield* leaves]).toEqual(["1", "1"])

      const bundle = node.registrar.channel("mychannel")?.bundles.current()
      if (bundle === undefined) return
      const removal = updateOf(bundle, (root) => void groupOf(root, "Application").groups.delete("Org2MSP"))
      expect(yield* broadcastOne(node.client, envelopeOf(removal, [admin1, admin2]))).toEqual({ status: 200, info: "" })
      // the new config is in force before its block is written: this block is not for Org2 any more
      expect([yield* stays, yield* leaves]).toEqual(["2", "=403"])
      expect((yield* broadcastOne(node.client, message(user2, "mychannel", "two")))?.status).toBe(403)
      expect((yield* broadcastOne(node.client, message(user1, "mychannel", "three")))?.status).toBe(200)
      expect(yield* stays).toBe("3")
    })
  )
})

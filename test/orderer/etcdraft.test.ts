/** etcdraft, which this orderer does not have, is refused by name (sheet 3.1 rule 4, 3.11; issue 5 part 9). */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { StageFailed } from "../../src/runtime/Stage.js"
import { orderer } from "../../src/wire/index.js"
import { genesisWith } from "./support/genesis.js"
import {
  broadcastOne,
  createMychannel,
  deliverAll,
  message,
  seekMessage,
  signerOf,
  temporaryFolder,
  waitForHeight
} from "./support/node.js"
import { start } from "./support/program.js"
import { type Draft, envelopeOf, groupOf, setValue, updateOf } from "./support/updates.js"

const { STATE_MAINTENANCE } = orderer.ConsensusType_State

const consensusType = (type: string, state: number) => (root: Draft) =>
  setValue(groupOf(root, "Orderer"), "ConsensusType", orderer.ConsensusType.encode({ type, state }))

const text = (channel: string) =>
  `Error retrieving consenter of type: etcdraft (channel ${channel} asks for it, this orderer has solo and kafka)`

describe("etcdraft", () => {
  it.scopedLive("as the type of the system channel ends the start, before any channel is served", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = path.join(folder, "raft.block")
      fs.writeFileSync(file, genesisWith(consensusType("etcdraft", 0)))
      const failure = yield* Effect.flip(start(folder, { ORDERER_GENERAL_GENESISFILE: file }))
      expect(failure).toBeInstanceOf(StageFailed)
      expect(failure).toMatchObject({ stage: "channels", exitCode: 2 })
      expect(failure.message).toBe(`channels: ${text("sys")}`)
    })
  )

  it.scopedLive(
    "is what a channel may be migrated to; the orderer serves it to the end and refuses it at the next start",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const admin = yield* signerOf("ordererAdmin")
        yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* start(folder)
            yield* createMychannel(node)
            const update = (change: (root: Draft) => void) => {
              const bundle = node.registrar.channel("mychannel")?.bundles.current()
              if (bundle === undefined) throw new Error("no channel")
              return broadcastOne(node.client, envelopeOf(updateOf(bundle, change), [admin]))
            }
            const ok = { status: 200, info: "" }
            expect(yield* update(consensusType("solo", STATE_MAINTENANCE))).toEqual(ok)
            yield* waitForHeight(node, "mychannel", 2n)
            expect(yield* update(consensusType("etcdraft", STATE_MAINTENANCE))).toEqual(ok)
            yield* waitForHeight(node, "mychannel", 3n)
            // maintenance goes on: no normal messages, orderers may read
            expect(yield* broadcastOne(node.client, message(admin, "mychannel", "x"))).toEqual({
              status: 503,
              info: "normal transactions are rejected: maintenance mode"
            })
            expect((yield* deliverAll(node.client, seekMessage(admin, "mychannel", 0n, 2n))).status).toBe(200)
          })
        )
        const failure = yield* Effect.flip(start(folder))
        expect(failure).toMatchObject({ stage: "channels", exitCode: 2 })
        expect(failure.message).toBe(`channels: ${text("mychannel")}`)
      })
  )
})

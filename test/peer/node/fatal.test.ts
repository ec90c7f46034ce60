/** A channel that can commit no more stops alone: health says so, the others go on, and it recovers by a restart. */
import { writeFileSync } from "node:fs"
import { join as path } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { broadcast, endorse, fetchBlock, ordererBlocks, system } from "../../../src/client/index.js"
import { common } from "../../../src/wire/index.js"
import { broadcastOne, createMychannel, startNode, waitForHeight } from "../../orderer/support/node.js"
import { envelopeOf } from "../../orderer/support/updates.js"
import { bytesOf, person } from "../support.js"
import { chainInfo, join, statusOf } from "./calls.js"
import { type RunningPeer, startPeer, tempFolder } from "./support.js"

/** The recorded request for `mychannel`, made for another name. */
const creationOf = (channelId: string): common.ConfigUpdate & { readonly channelId: string } => {
  const payload = common.Payload.decode(common.Envelope.decode(bytesOf("mychannel.tx")).payload)
  const update = common.ConfigUpdate.decode(common.ConfigUpdateEnvelope.decode(payload.data).configUpdate)
  return { ...update, channelId }
}

const validator = `
export const NewPluginFactory = () => (channel) => ({
  validate: () => {
    if (channel === "mychannel") throw Object.assign(new Error("the disk is on fire"), { name: "ExecutionFailure" })
  }
})`

const health = (peer: RunningPeer) =>
  Effect.promise(async () => {
    const response = await fetch(`http://${peer.operations}/healthz`)
    const body: { readonly failed_checks?: ReadonlyArray<{ readonly component: string; readonly reason: string }> } =
      JSON.parse(await response.text())
    return { status: response.status, failed: body.failed_checks ?? [] }
  })

it.scopedLive(
  "stops alone",
  () =>
    Effect.gen(function* () {
      const [admin, user] = yield* Effect.promise(() =>
        Promise.all([person("Org1MSP", "Admin"), person("Org1MSP", "User1")])
      )
      const orderer = yield* startNode({ folder: yield* tempFolder })
      yield* createMychannel(orderer)
      expect(yield* broadcastOne(orderer.client, envelopeOf(creationOf("other"), [admin]))).toMatchObject({
        status: common.Status.SUCCESS
      })
      yield* waitForHeight(orderer, "other", 1n)

      const folder = yield* tempFolder
      const library = path(folder, "validator.mjs")
      writeFileSync(library, validator)
      const channels = ["mychannel", "other"] as const
      const reached = (peer: RunningPeer, channelId: string) =>
        peer.table.get(channelId)?.pipeline.reached(2n) ?? Effect.die("not joined")

      yield* Effect.scoped(
        Effect.gen(function* () {
          const peer = yield* startPeer({
            folder,
            orderer: orderer.address,
            environment: { CORE_PEER_HANDLERS_VALIDATORS_VSCC_LIBRARY: library }
          })
          const client = yield* peer.connect()
          for (const channelId of channels) {
            const block = yield* fetchBlock(
              orderer.client,
              { channelId, signer: admin, seek: { start: "oldest", stop: "oldest" } },
              ordererBlocks
            )
            expect(statusOf(yield* join(client, admin, block))).toBe("200")
          }
          expect(yield* health(peer)).toEqual({ status: 200, failed: [] })
          for (const channelId of channels) {
            const { envelope } = yield* endorse([client], {
              channelId,
              signer: user,
              ...system.getChainInfo(channelId)
            })
            yield* broadcast(orderer.client, envelope)
          }
          yield* reached(peer, "other")
          const seen = yield* Effect.repeat(health(peer), { until: ({ status }) => status === 503 })
          expect(seen.failed).toMatchObject([{ component: "channel mychannel" }])
          expect(seen.failed[0]?.reason).toContain("the disk is on fire")
          expect(peer.lines.join("")).toContain("[mychannel] the channel has stopped at block [1]")
          // what is committed stays readable, and the other channel commits
          expect((yield* chainInfo(client, user, "mychannel")).height).toBe(1n)
          expect((yield* chainInfo(client, user, "other")).height).toBe(2n)
        })
      )

      const again = yield* startPeer({ folder, orderer: orderer.address })
      yield* reached(again, "mychannel")
      expect(yield* health(again)).toEqual({ status: 200, failed: [] })
      expect((yield* chainInfo(yield* again.connect(), user, "other")).height).toBe(2n)
    }),
  60_000
)

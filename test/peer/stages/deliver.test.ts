/**
 * Deliver and DeliverFiltered of a whole peer: every start with every stop, both behaviours, and a reader whose right goes
 * while it reads is tested where the config changes (security.test.ts). The rules' table is the reference's.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { beforeAll, describe, expect } from "vitest"
import { signedEnvelope } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import type { Channel } from "../../../src/transport/index.js"
import { common, orderer, protos } from "../../../src/wire/index.js"
import { PeerDeliver } from "../../../src/wire/services.js"
import { join, statusOf } from "../node/calls.js"
import { recordedBlocks, serveChain } from "../node/serveChain.js"
import { startPeer, tempFolder } from "../node/support.js"
import { genesisBlock, person } from "../support.js"

let admin: Signer
let user: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
})

type Position = Parameters<typeof orderer.SeekPosition.encode>[0]
const oldest: Position = { oldest: {} }
const newest: Position = { newest: {} }
const at = (number: bigint): Position => ({ specified: { number } })

const starts = { oldest, newest, "0": at(0n), "3": at(3n), "4": at(4n), "5": at(5n) }
const stops = { oldest, newest, "2": at(2n), max: at(2n ** 64n - 1n) }

/** At height 4: blocks and statuses that come; a stream that says nothing more waits. */
const rows: ReadonlyArray<readonly [keyof typeof starts, keyof typeof stops, blocking: string, failing: string]> = [
  ["oldest", "oldest", "0 =200", "0 =200"],
  ["oldest", "newest", "0 1 2 3 =200", "0 1 2 3 =200"],
  ["oldest", "2", "0 1 2 =200", "0 1 2 =200"],
  ["oldest", "max", "0 1 2 3", "0 1 2 3 =404 end"],
  ["newest", "oldest", "3 =200", "3 =200"],
  ["newest", "newest", "3 =200", "3 =200"],
  ["newest", "2", "=400 end", "=400 end"],
  ["newest", "max", "3", "3 =404 end"],
  ["0", "newest", "0 1 2 3 =200", "0 1 2 3 =200"],
  ["3", "oldest", "3 =200", "3 =200"],
  ["3", "2", "=400 end", "=400 end"],
  ["3", "max", "3", "3 =404 end"],
  ["4", "oldest", "", "=404 end"],
  ["4", "newest", "", "=404 end"],
  ["4", "2", "=400 end", "=400 end"],
  ["4", "max", "", "=404 end"],
  ["5", "oldest", "=404 end", "=404 end"],
  ["5", "newest", "=404 end", "=404 end"],
  ["5", "max", "=404 end", "=404 end"]
]

let counter = 0

const said = (bytes: Uint8Array): string => {
  const { block, filteredBlock, status } = protos.DeliverResponse.decode(bytes)
  if (status !== undefined && block === undefined && filteredBlock === undefined) return `=${status}`
  return String(filteredBlock === undefined ? block?.header?.number : filteredBlock.number)
}

/** What one request comes to: as many words as expected and one more, should there be one. */
const ask = (
  client: Channel,
  method: "Deliver" | "DeliverFiltered",
  seek: Parameters<typeof orderer.SeekInfo.encode>[0],
  expected: string
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* client.bidi(PeerDeliver.methods[method])
      yield* stream.send(
        signedEnvelope({
          type: common.HeaderType.DELIVER_SEEK_INFO,
          channelId: "mychannel",
          data: orderer.SeekInfo.encode(seek),
          signer: user,
          now: Date.now(),
          nonce: Buffer.from(`seek ${counter++}`.padEnd(24))
        })
      )
      const words: Array<string> = []
      const next = Effect.map(stream.next, (bytes) => (bytes === undefined ? "end" : said(bytes)))
      for (const _ of expected.split(" ").filter((word) => word !== "")) words.push(yield* next)
      if (!expected.endsWith("end")) {
        // nothing more by now: the stream waits, for a block or for another request
        const more = yield* Effect.timeoutOption(next, "25 millis")
        if (Option.isSome(more)) words.push(more.value)
      }
      return words.join(" ")
    })
  )

describe("seeks at height 4", () => {
  for (const method of ["Deliver", "DeliverFiltered"] as const)
    it.scopedLive(
      method,
      () =>
        Effect.gen(function* () {
          const recorded = yield* serveChain(recordedBlocks.slice(0, 4))
          const peer = yield* startPeer({ folder: yield* tempFolder, orderer: recorded.address, spec: "error" })
          const client = yield* peer.connect()
          expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
          yield* peer.table.get("mychannel")?.pipeline.reached(4n) ?? Effect.die("not joined")
          for (const [start, stop, blocking, failing] of rows) {
            const seek = { start: starts[start], stop: stops[stop] }
            const name = `${start} to ${stop}`
            expect([name, yield* ask(client, method, seek, blocking)]).toEqual([name, blocking])
            const behavior = orderer.SeekInfo_SeekBehavior.FAIL_IF_NOT_READY
            expect([name, yield* ask(client, method, { ...seek, behavior }, failing)]).toEqual([name, failing])
          }
        }),
      180_000
    )
})

/** The recorded chain through a whole peer: joined by cscc, fed by an orderer's Deliver, read back by its services. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beforeAll, expect } from "vitest"
import { peerBlocks, system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { common, protos } from "../../../src/wire/index.js"
import { toHex } from "../../../src/wire/protoutil.js"
import { blockName, bytesOf, genesisBlock, person } from "../support.js"
import { join, propose, statusOf } from "./calls.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { startPeer, tempFolder } from "./support.js"

let admin: Signer
let user: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
})

const slot = (block: common.Block, index: number): string => toHex(block.metadata?.metadata[index] ?? new Uint8Array())

it.scopedLive(
  "commits every recorded block with Go's codes and commit hashes, and again after a restart",
  () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const last = BigInt(recordedBlocks.length)
      const half = 12
      const orderer = yield* serveChain(recordedBlocks.slice(0, half))

      yield* Effect.scoped(
        Effect.gen(function* () {
          const peer = yield* startPeer({ folder, orderer: orderer.address })
          const client = yield* peer.connect()
          expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
          yield* peer.table.get("mychannel")?.pipeline.reached(BigInt(half)) ?? Effect.die("not joined")
        })
      )

      for (const block of recordedBlocks.slice(half)) yield* orderer.append(block)
      const peer = yield* startPeer({ folder, orderer: orderer.address })
      const client = yield* peer.connect()
      yield* peer.table.get("mychannel")?.pipeline.reached(last) ?? Effect.die("not opened")
      // the channel's last configurations let admins only ask for this, two organizations of two
      const asked = yield* propose(client, user, { ...system.getChainInfo("mychannel"), channelId: "mychannel" })
      expect(statusOf(asked)).toMatch(
        /^500 access denied for \[GetChainInfo\]\[mychannel\]: \[failed evaluating policy on signed data during check policy \[/
      )
      const queried = yield* propose(client, user, {
        ...system.getBlockByNumber("mychannel", 3n),
        channelId: "mychannel"
      })
      expect(toHex(queried.response?.payload ?? new Uint8Array())).toBe(toHex(bytesOf(`blocks/${blockName(3)}`)))

      const blocks = yield* peerBlocks(client, {
        channelId: "mychannel",
        signer: user,
        seek: { start: "oldest", stop: last - 1n }
      })
      for (let number = 0; number < Number(last); number += 1) {
        const got = (yield* blocks.next) ?? expect.fail("no block")
        const expected = bytesOf(`blocks/${blockName(number)}`)
        const [a, b] = [common.Block.decode(got), common.Block.decode(expected)]
        expect(slot(a, 2), `codes of block ${number}`).toBe(slot(b, 2))
        expect(slot(a, 4), `commit hash of block ${number}`).toBe(slot(b, 4))
        expect(toHex(got), `block ${number}`).toBe(toHex(expected))
      }
      expect(yield* blocks.next).toBeUndefined()
    }),
  60_000
)

it.scopedLive("runs proposals with the history database off", () =>
  Effect.gen(function* () {
    const orderer = yield* serveChain(recordedBlocks.slice(0, 4))
    const peer = yield* startPeer({
      folder: yield* tempFolder,
      orderer: orderer.address,
      environment: { CORE_LEDGER_HISTORY_ENABLEHISTORYDATABASE: "false" }
    })
    const client = yield* peer.connect()
    expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
    yield* peer.table.get("mychannel")?.pipeline.reached(4n) ?? Effect.die("not joined")
    const listed = yield* propose(client, admin, { ...system.getChaincodes, channelId: "mychannel" })
    expect(statusOf(listed)).toBe("200")
    const { chaincodes } = protos.ChaincodeQueryResponse.decode(listed.response?.payload ?? new Uint8Array())
    expect(chaincodes.map(({ name, version }) => `${name}:${version}`)).toEqual(["other:1.0", "sink:1.0"])
  })
)

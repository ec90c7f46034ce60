/**
 * Every recorded proposal, put to this peer in the state in which Go's peers answered it: same response, same payload
 * bytes. The chain is fed block by block; private data comes from this peer's own endorsements.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beforeAll, expect } from "vitest"
import { ChaincodeServer } from "../../../src/chaincode/server/ChaincodeServer.js"
import { ChaincodeSupport } from "../../../src/chaincode/support/ChaincodeSupport.js"
import { system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { protos } from "../../../src/wire/index.js"
import { toHex } from "../../../src/wire/protoutil.js"
import { Endorser } from "../../../src/wire/services.js"
import { bytesOf, genesisBlock, person } from "../support.js"
import { join, propose, statusOf } from "./calls.js"
import { packageOf, sinkFolder, startChaincode } from "./chaincodes.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { startPeer, tempFolder } from "./support.js"

interface Recorded {
  readonly fn: string
  readonly args: ReadonlyArray<string>
  readonly proposal: string
  readonly response: string
}

let admin: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
})

/** What must be the same on every peer: all but the endorsement. */
const sameEverywhere = (bytes: Uint8Array) => {
  const { payload, response, version } = protos.ProposalResponse.decode(bytes)
  return {
    version,
    status: response?.status,
    message: response?.message,
    result: toHex(response?.payload ?? new Uint8Array()),
    payload: toHex(payload)
  }
}

const recorded: ReadonlyArray<Recorded> = JSON.parse(Buffer.from(bytesOf("proposals.json")).toString())

it.scopedLive.skipIf(sinkFolder === undefined)(
  "answers the recorded proposals with Go's bytes (needs ../shared/chaincode/sink)",
  () =>
    Effect.gen(function* () {
      if (sinkFolder === undefined) return
      let served = 4
      const orderer = yield* serveChain(recordedBlocks.slice(0, served))
      const peer = yield* startPeer({
        folder: yield* tempFolder,
        orderer: orderer.address,
        environment: { CORE_CHAINCODE_MODE: "dev" }
      })
      const client = yield* peer.connect()
      expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
      for (const [name, version] of [
        ["sink", "1.0"],
        ["sink", "2.0"],
        ["other", "1.0"]
      ] as const) {
        const installed = yield* propose(client, admin, system.install(packageOf(name, version, sinkFolder)))
        expect(statusOf(installed)).toBe("200")
      }
      const { address, running } = yield* Effect.all({
        address: Effect.map(ChaincodeServer, ({ endpoint }) => endpoint.address),
        running: Effect.map(ChaincodeSupport, (support) => support.running)
      }).pipe(Effect.provide(peer.context))
      const ids = ["sink:1.0", "sink:2.0", "other:1.0"]
      for (const id of ids) yield* startChaincode(sinkFolder, id, address)
      while ((yield* running).length < ids.length) yield* Effect.sleep("20 millis")

      const channel = peer.table.get("mychannel") ?? expect.fail("not joined")
      let next = 0
      for (;;) {
        yield* channel.pipeline.reached(BigInt(served))
        let why: unknown
        while (next < recorded.length) {
          const one = recorded[next] ?? expect.fail("none")
          const answer = yield* client.unary(Endorser.methods.ProcessProposal, Buffer.from(one.proposal, "base64"))
          const ours = sameEverywhere(answer)
          const theirs = sameEverywhere(Buffer.from(one.response, "base64"))
          if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
            why = { next, args: one.args, ours, theirs }
            break
          }
          next += 1
        }
        if (next === recorded.length) break
        const block = recordedBlocks[served]
        if (block === undefined) expect.fail(`no state gives Go's answer: ${JSON.stringify(why, null, 1)}`)
        yield* orderer.append(block)
        served += 1
      }
      expect(next).toBe(recorded.length)
    }),
  120_000
)

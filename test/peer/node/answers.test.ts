/** The recorded questions at the end of the recorded chain: this peer's answers are Go's, byte for byte. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { ChaincodeServer } from "../../../src/chaincode/server/ChaincodeServer.js"
import { ChaincodeSupport } from "../../../src/chaincode/support/ChaincodeSupport.js"
import { system } from "../../../src/client/index.js"
import { bytesOf, genesisBlock, person } from "../support.js"
import { join, propose, statusOf } from "./calls.js"
import { packageOf, sinkFolder, startChaincode } from "./chaincodes.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { startPeer, tempFolder } from "./support.js"

interface Answer {
  readonly args: ReadonlyArray<string>
  readonly status: number
  readonly payload: string
}
const recorded: ReadonlyArray<Answer> = JSON.parse(Buffer.from(bytesOf("answers.json")).toString())

it.scopedLive.skipIf(sinkFolder === undefined)(
  "answers as Go's peers did (needs ../shared/chaincode/sink)",
  () =>
    Effect.gen(function* () {
      if (sinkFolder === undefined) return
      const [admin, user] = yield* Effect.promise(() =>
        Promise.all([person("Org1MSP", "Admin"), person("Org1MSP", "User1")])
      )
      const orderer = yield* serveChain(recordedBlocks)
      const peer = yield* startPeer({
        folder: yield* tempFolder,
        orderer: orderer.address,
        environment: { CORE_CHAINCODE_MODE: "dev", CORE_PEER_GOSSIP_PVTDATA_PULLRETRYTHRESHOLD: "1ms" }
      })
      const client = yield* peer.connect()
      expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
      const ids = [
        ["sink", "1.0"],
        ["sink", "2.0"],
        ["other", "1.0"]
      ] as const
      for (const [name, version] of ids)
        expect(statusOf(yield* propose(client, admin, system.install(packageOf(name, version, sinkFolder))))).toBe(
          "200"
        )
      const { endpoint } = yield* Effect.provide(ChaincodeServer, peer.context)
      const { running } = yield* Effect.provide(ChaincodeSupport, peer.context)
      for (const [name, version] of ids) yield* startChaincode(sinkFolder, `${name}:${version}`, endpoint.address)
      while ((yield* running).length < ids.length) yield* Effect.sleep("20 millis")
      yield* peer.table.get("mychannel")?.pipeline.reached(BigInt(recordedBlocks.length)) ?? Effect.die("not joined")

      // private data was never in the blocks: a peer that has only these cannot know it
      const asked = recorded.filter(({ args }) => args[0] !== "gpriv")
      expect(asked.length).toBe(recorded.length - 1)
      for (const { args, payload, status } of asked) {
        const { response } = yield* propose(client, user, { channelId: "mychannel", chaincode: "sink", args })
        const ours = [response?.status, Buffer.from(response?.payload ?? []).toString("base64")]
        expect(ours, args.join(" ")).toEqual([status, payload])
      }
    }),
  180_000
)

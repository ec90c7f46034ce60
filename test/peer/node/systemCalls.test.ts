/** lscc, cscc and qscc held against Go's answers: every function, right and wrong arguments, admin, member, stranger. */
import { readFileSync } from "node:fs"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import { genesisBlock, person } from "../support.js"
import { join, statusOf } from "./calls.js"
import { recordedIds } from "./recordedIds.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { startPeer, tempFolder } from "./support.js"
import { systemAnswers } from "./systemCalls.js"

type Answers = Effect.Effect.Success<ReturnType<typeof systemAnswers>>
const expected: Answers = JSON.parse(readFileSync(new URL("systemAnswers.json", import.meta.url), "utf8"))

it.scopedLive(
  "answer as Go's",
  () =>
    Effect.gen(function* () {
      const [admin, member, stranger] = yield* Effect.promise(() =>
        Promise.all([person("Org1MSP", "Admin"), person("Org1MSP", "User1"), person("OrdererMSP", "Admin")])
      )
      const orderer = yield* serveChain(recordedBlocks)
      const peer = yield* startPeer({
        folder: yield* tempFolder,
        orderer: orderer.address,
        environment: { CORE_PEER_GOSSIP_PVTDATA_PULLRETRYTHRESHOLD: "1ms" } // nobody has the chain's private data
      })
      const client = yield* peer.connect()
      expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
      yield* peer.table.get("mychannel")?.pipeline.reached(BigInt(recordedBlocks.length)) ?? Effect.die("not joined")
      const answers = yield* systemAnswers(client, { admin, member, stranger }, recordedIds)
      expect(answers).toEqual(expected)
    }),
  180_000
)

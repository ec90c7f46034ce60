/** Two peers and an orderer in one process: a channel made, joined, a chaincode deployed, transactions on both. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { expect } from "vitest"
import {
  broadcast,
  endorse,
  fetchBlock,
  filteredBlocks,
  ordererBlocks,
  query,
  system
} from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { Lifecycle } from "../../../src/peer/lifecycle/index.js"
import type { Channel } from "../../../src/transport/index.js"
import { protos } from "../../../src/wire/index.js"
import { toHex, toText } from "../../../src/wire/protoutil.js"
import { createMychannel, startNode } from "../../orderer/support/node.js"
import { person } from "../support.js"
import { join, propose, statusOf } from "./calls.js"
import { packageOf, runChaincode, sinkFolder } from "./chaincodes.js"
import { type RunningPeer, startPeer, tempFolder } from "./support.js"

const CHANNEL = "mychannel"

const reached = (peer: RunningPeer, height: bigint) =>
  peer.table.get(CHANNEL)?.pipeline.reached(height) ?? Effect.die("not joined")

it.scopedLive.skipIf(sinkFolder === undefined)(
  "agree on every transaction (needs ../shared/chaincode/sink)",
  () =>
    Effect.gen(function* () {
      if (sinkFolder === undefined) return
      const [admin1, admin2, user1, user2] = yield* Effect.promise(() =>
        Promise.all([
          person("Org1MSP", "Admin"),
          person("Org2MSP", "Admin"),
          person("Org1MSP", "User1"),
          person("Org2MSP", "User1")
        ])
      )
      const orderer = yield* startNode({ folder: yield* tempFolder })
      yield* createMychannel(orderer)
      const genesis = yield* fetchBlock(
        orderer.client,
        { channelId: CHANNEL, signer: admin1, seek: { start: "oldest", stop: "oldest" } },
        ordererBlocks
      )

      const dev = { CORE_CHAINCODE_MODE: "dev" }
      const folder2 = yield* tempFolder
      const peer1 = yield* startPeer({ folder: yield* tempFolder, orderer: orderer.address, environment: dev })
      const scope2 = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
      const options2 = { folder: folder2, org: "Org2MSP", orderer: orderer.address, environment: dev } as const
      const peer2 = yield* Scope.extend(startPeer(options2), scope2)
      const client1 = yield* peer1.connect()
      const client2 = yield* Scope.extend(peer2.connect(), scope2)
      expect(statusOf(yield* join(client1, admin1, genesis))).toBe("200")
      expect(statusOf(yield* join(client2, admin2, genesis))).toBe("200")

      const pack = packageOf("sink", "1.0", sinkFolder)
      expect(statusOf(yield* propose(client1, admin1, system.install(pack)))).toBe("200")
      expect(statusOf(yield* propose(client2, admin2, system.install(pack)))).toBe("200")
      yield* runChaincode(peer1, "sink:1.0", sinkFolder)
      yield* Scope.extend(runChaincode(peer2, "sink:1.0", sinkFolder), scope2)

      const submit = (peers: ReadonlyArray<Channel>, signer: Signer, call: system.SystemCall) =>
        Effect.gen(function* () {
          const { envelope, response, txId } = yield* endorse(peers, { channelId: CHANNEL, signer, ...call })
          yield* broadcast(orderer.client, envelope)
          return { response, txId }
        })
      const sink = (...args: ReadonlyArray<string>): system.SystemCall => ({ chaincode: "sink", args })

      // both peers endorse the instantiation: their records of the package are the same bytes
      yield* submit([client1, client2], admin1, system.deploy("deploy", { channelId: CHANNEL, spec: pack }))
      yield* Effect.all([reached(peer1, 2n), reached(peer2, 2n)])
      const listed = yield* query(client1, { channelId: CHANNEL, signer: user1, ...system.getChaincodes })
      expect(system.lists(protos.ChaincodeQueryResponse.decode(listed.payload), "sink", "1.0")).toBe(true)

      // both know it now as installed and instantiated, which is what gossip and discovery publish
      for (const peer of [peer1, peer2]) {
        const { metadata } = yield* Effect.provide(Lifecycle, peer.context)
        expect(yield* metadata(CHANNEL, "sink", false)).toMatchObject({ name: "sink", version: "1.0" })
      }

      const put = yield* submit([client1, client2], user1, sink("put", "k", "v1"))
      yield* Effect.all([reached(peer1, 3n), reached(peer2, 3n)])
      for (const [client, signer] of [
        [client1, user1],
        [client2, user2]
      ] as const)
        expect(toText((yield* query(client, { channelId: CHANNEL, signer, ...sink("get", "k") })).payload)).toBe("v1")

      // one peer is away while the other goes on; it catches up when it is back
      yield* Scope.close(scope2, Exit.void)
      yield* submit([client1], user1, sink("ev", "happened", "payload", "k"))
      yield* reached(peer1, 4n)
      const again = yield* startPeer(options2)
      yield* reached(again, 4n)
      // and after a restart, from what lies there
      const { chaincodes } = yield* Effect.provide(Lifecycle, again.context)
      expect(chaincodes(CHANNEL).map(({ name, version }) => `${name}:${version}`)).toEqual(["sink:1.0"])
      const hashes = [peer1, again].map(({ table }) =>
        toHex(table.get(CHANNEL)?.ledger.info().currentBlockHash ?? new Uint8Array())
      )
      expect(hashes[0]).toBe(hashes[1])

      const blocks = yield* filteredBlocks(yield* again.connect(), {
        channelId: CHANNEL,
        signer: user2,
        seek: { start: 2n, stop: 3n }
      })
      const second = (yield* blocks.next) ?? expect.fail("no block")
      expect(second.filteredTransactions.map(({ txid, txValidationCode }) => [txid, txValidationCode])).toEqual([
        [put.txId, protos.TxValidationCode.VALID]
      ])
      const third = (yield* blocks.next) ?? expect.fail("no block")
      const [action] = third.filteredTransactions[0]?.transactionActions?.chaincodeActions ?? []
      expect(action?.chaincodeEvent?.eventName).toBe("happened")
      expect(action?.chaincodeEvent?.payload.length).toBe(0)
    }),
  60_000
)

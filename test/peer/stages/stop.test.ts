/**
 * SIGTERM in the middle of work, to a peer that is a process of its own: it ends with 0 in order, every event that it sent
 * is on its ledger, the stream goes on behind it after the restart without gap or repeat, and ports and folder are free.
 */
import { connect as dial } from "node:net"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { afterAll, beforeAll, expect } from "vitest"
import { broadcast, endorse, fetchBlock, filteredBlocks, ordererBlocks, system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { type Channel, connect } from "../../../src/transport/index.js"
import { createMychannel, startNode } from "../../orderer/support/node.js"
import { join, statusOf } from "../node/calls.js"
import { buildProgram, freePort, launch, prepare, removeProgram } from "../node/process.js"
import { tempFolder } from "../node/support.js"
import { person, until } from "../support.js"

let admin: Signer
let user: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
  await buildProgram()
})
afterAll(removeProgram)

const CHANNEL = "mychannel"

const refused = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const socket = dial(port, "127.0.0.1")
    socket.once("connect", () => resume(Effect.succeed(false)))
    socket.once("error", () => resume(Effect.succeed(true)))
    return Effect.sync(() => socket.destroy())
  })

/** Reads events on from a block; tells each transaction with its block, and ends with the connection. */
const follow = (client: Channel, from: bigint, told: (block: bigint, txIds: ReadonlyArray<string>) => void) =>
  Effect.scoped(
    Effect.gen(function* () {
      const events = yield* filteredBlocks(client, {
        channelId: CHANNEL,
        signer: user,
        seek: { start: from, stop: 2n ** 64n - 1n }
      })
      for (let block = yield* events.next; block !== undefined; block = yield* events.next)
        told(
          block.number,
          block.filteredTransactions.map(({ txid, txValidationCode }) => `${txid} ${txValidationCode}`)
        )
    })
  ).pipe(Effect.ignore)

for (const signal of ["SIGTERM", "SIGINT"] as const)
  it.scopedLive(
    `${signal} under load`,
    () =>
      Effect.gen(function* () {
        const orderer = yield* startNode({ folder: yield* tempFolder })
        yield* createMychannel(orderer)
        const folder = yield* tempFolder
        const [port, operations, chaincode] = yield* Effect.all([freePort, freePort, freePort])
        const env = {
          ...prepare(folder, { port, orderer: orderer.address }),
          FABRIC_LOGGING_SPEC: "info:comm.grpc.server=error",
          CORE_OPERATIONS_LISTENADDRESS: `127.0.0.1:${operations}`,
          CORE_PEER_CHAINCODELISTENADDRESS: `127.0.0.1:${chaincode}`
        }
        const first = yield* launch(["node", "start"], env)
        yield* first.says("Started peer with ID=")
        const client = yield* connect(`127.0.0.1:${port}`)
        const block = yield* fetchBlock(
          orderer.client,
          { channelId: CHANNEL, signer: admin, seek: { start: "oldest", stop: "oldest" } },
          ordererBlocks
        )
        expect(statusOf(yield* join(client, admin, block))).toBe("200")

        // ---- Load: eight clients endorse, order and go on; one hears the events ----
        const events: Array<{ readonly block: bigint; readonly txIds: ReadonlyArray<string> }> = []
        const told = (number: bigint, txIds: ReadonlyArray<string>): void => void events.push({ block: number, txIds })
        const reading = yield* Effect.fork(follow(client, 0n, told))
        const ordered = new Set<string>()
        const submit = Effect.gen(function* () {
          const { envelope, txId } = yield* endorse([client], {
            channelId: CHANNEL,
            signer: user,
            ...system.getChainInfo(CHANNEL)
          })
          yield* broadcast(orderer.client, envelope)
          ordered.add(txId)
        })
        const load = yield* Effect.fork(
          Effect.forEach(Array.from({ length: 8 }), () => Effect.forever(submit).pipe(Effect.either), {
            concurrency: 8,
            discard: true
          })
        )
        yield* until(() => events.length > 3)
        first.child.kill(signal)
        expect(yield* first.ended).toBe(0)
        expect(first.output().stdout).toBe("running\n") // the launcher was told, once
        yield* Fiber.join(load)
        yield* Fiber.join(reading)
        const { stderr } = first.output()
        expect(stderr).not.toMatch(/could not close|panic|unhandled|Error: /)
        for (const one of [port, operations, chaincode]) expect([one, yield* refused(one)]).toEqual([one, true])
        const acknowledged = events.length
        expect(events.map((event) => event.block)).toEqual(events.map((_, at) => BigInt(at)))

        // ---- On the same folder and ports; the client goes on where it was ----
        const second = yield* launch(["node", "start"], env)
        yield* second.says("Started peer with ID=")
        const again = yield* connect(`127.0.0.1:${port}`)
        const resumed = yield* Effect.fork(follow(again, BigInt(acknowledged), told))
        const heard = () => new Set(events.flatMap(({ txIds }) => txIds.map((txId) => txId.split(" ")[0] ?? "")))
        yield* until(() => [...ordered].every((txId) => heard().has(txId)))
        expect(events.map((event) => event.block)).toEqual(events.map((_, at) => BigInt(at)))
        const all = events.slice(1).flatMap(({ txIds }) => txIds)
        expect(all.every((txId) => txId.endsWith(" 0"))).toBe(true)
        expect(new Set(all).size).toBe(all.length)
        resumed.unsafeInterruptAsFork(resumed.id())
        second.child.kill(signal)
        expect(yield* second.ended).toBe(0)
        expect(ordered.size).toBeGreaterThan(0)
      }),
    300_000
  )

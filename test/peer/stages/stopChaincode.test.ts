/**
 * SIGTERM to a peer whose chaincode was started by hand (dev mode), in the middle of a hundred calls: it ends with 0 in
 * order, no call hangs, and the chaincode's process sees its stream end.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import { afterAll, beforeAll, expect } from "vitest"
import { broadcast, endorse, fetchBlock, ordererBlocks, query, system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { connect } from "../../../src/transport/index.js"
import { createMychannel, startNode } from "../../orderer/support/node.js"
import { chainInfo, join, propose, statusOf } from "../node/calls.js"
import { packageOf, sinkFolder, startChaincode } from "../node/chaincodes.js"
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
const calls = 100

/** Stages released according to the log, in order, and those acquired. */
const stagesOf = (stderr: string) => {
  const of = (what: string) =>
    [...stderr.matchAll(/\[stage\] (.+?) -> DEBU \w+.*?(acquired|releasing)/g)]
      .filter(([, , did]) => did === what)
      .map(([, stage]) => stage ?? "")
  return { acquired: of("acquired"), released: of("releasing") }
}

it.scopedLive.skipIf(sinkFolder === undefined)(
  "SIGTERM during a hundred calls to a chaincode that was started by hand (needs ../shared/chaincode/sink)",
  () =>
    Effect.gen(function* () {
      if (sinkFolder === undefined) return
      const orderer = yield* startNode({ folder: yield* tempFolder })
      yield* createMychannel(orderer)
      const [port, chaincode] = yield* Effect.all([freePort, freePort])
      const env = {
        ...prepare(yield* tempFolder, { port, orderer: orderer.address }),
        FABRIC_LOGGING_SPEC: "info:stage=debug",
        CORE_CHAINCODE_MODE: "dev",
        CORE_PEER_CHAINCODELISTENADDRESS: `127.0.0.1:${chaincode}`
      }
      const peer = yield* launch(["node", "start"], env)
      yield* peer.says("Started peer with ID=")
      const client = yield* connect(`127.0.0.1:${port}`)
      const first = { channelId: CHANNEL, signer: admin, seek: { start: "oldest", stop: "oldest" } } as const
      const block = yield* fetchBlock(orderer.client, first, ordererBlocks)
      expect(statusOf(yield* join(client, admin, block))).toBe("200")
      const pack = packageOf("sink", "1.0", sinkFolder)
      expect(statusOf(yield* propose(client, admin, system.install(pack)))).toBe("200")
      const sink = yield* startChaincode(sinkFolder, "sink:1.0", `127.0.0.1:${chaincode}`, { debug: true })
      yield* until(() => sink.output().includes("Successfully established communication with peer node"))
      const deployment = system.deploy("deploy", { channelId: CHANNEL, spec: pack })
      const { envelope } = yield* endorse([client], { channelId: CHANNEL, signer: admin, ...deployment })
      yield* broadcast(orderer.client, envelope)
      yield* Effect.repeat(Effect.delay(chainInfo(client, admin), "20 millis"), {
        until: ({ height }) => height === 2n
      })

      // ---- A hundred calls, each after the other ends anew; none may be left without an end ----
      const tally = { answered: 0, failed: 0, hung: 0 }
      const call = (args: ReadonlyArray<string>) =>
        query(client, { channelId: CHANNEL, signer: user, chaincode: "sink", args }).pipe(
          Effect.timeoutOption("60 seconds"),
          Effect.either,
          Effect.tap((outcome) => {
            if (Either.isLeft(outcome)) tally.failed += 1
            else if (outcome.right._tag === "None") tally.hung += 1
            else tally.answered += 1
          })
        )
      // calls that answer at once, that write, and that are inside the chaincode when the signal comes
      const kinds = [["noop"], ["put", "k", "v"], ["slow", "50"], ["slow", "1500"]] as const
      const load = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: calls }, (_, i) => kinds[i % kinds.length] ?? ["noop"]),
          (args) => Effect.repeat(call(args), { while: Either.isRight }),
          { concurrency: "unbounded", discard: true }
        )
      )
      yield* until(() => tally.answered >= calls)
      peer.child.kill("SIGTERM")
      expect(yield* peer.ended).toBe(0)
      yield* Fiber.join(load)
      expect(tally.hung).toBe(0)
      // every one of them was told in the end
      expect(tally.failed).toBe(calls)

      const { stderr } = peer.output()
      expect(stderr).not.toMatch(/could not close|panic|unhandled|Error: /)
      const { acquired, released } = stagesOf(stderr)
      expect(acquired.length).toBeGreaterThan(20)
      expect(released).toEqual(acquired.toReversed())

      yield* until(() => /Chat stream (ending|with peer - on error)/.test(sink.output()))
      yield* until(() => sink.child.exitCode !== null || sink.child.signalCode !== null)
      expect([sink.child.exitCode, sink.child.signalCode]).toEqual([0, null])
    }),
  180_000
)

/** The program as a process: signals, kill -9 in the middle of commits, failures that the user sees. */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { peerBlocks } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { connect } from "../../../src/transport/index.js"
import { toHex } from "../../../src/wire/protoutil.js"
import { blockName, bytesOf, genesisBlock, person } from "../support.js"
import { join, statusOf } from "./calls.js"
import { buildProgram, freePort, launch, prepare, removeProgram, runToEnd } from "./process.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { tempFolder } from "./support.js"

let admin: Signer
let user: Signer
beforeAll(async () => {
  await buildProgram()
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
})

afterAll(removeProgram)

const started = "Started peer with ID="

describe("signals", () => {
  it.scopedLive(
    "SIGUSR1 logs a dump and it goes on; SIGTERM ends it with 0 while a stream waits",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        const orderer = yield* serveChain(recordedBlocks.slice(0, 4))
        const peer = yield* launch(["node", "start"], prepare(yield* tempFolder, { port, orderer: orderer.address }))
        yield* peer.says(`${started}[name:"peer0" ], network ID=[test], address=[127.0.0.1:${port}]`)
        const client = yield* connect(`127.0.0.1:${port}`)
        expect(statusOf(yield* join(client, admin, genesisBlock()))).toBe("200")
        yield* peer.says("Committed block [3]")
        const waiting = yield* peerBlocks(client, {
          channelId: "mychannel",
          signer: user,
          seek: { start: 4n, stop: 4n }
        })
        yield* Effect.fork(Effect.either(waiting.next))
        peer.child.kill("SIGUSR1")
        yield* peer.says("Go routines report:")
        peer.child.kill("SIGTERM")
        expect(yield* peer.ended).toBe(0)
        expect(peer.output().stderr).toContain("Received signal: 15 (terminated)")
        expect(peer.output().stderr).not.toContain("could not close")
      }),
    60_000
  )
})

describe("kill -9", () => {
  const cycles = process.env.FABRIC_EFFECT_LONG === undefined ? 4 : 25
  it.scopedLive(
    "in the middle of commits, again and again: the chain is whole in the end, byte for byte",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        const port = yield* freePort
        const orderer = yield* serveChain(recordedBlocks.slice(0, 2))
        const env = prepare(folder, { port, orderer: orderer.address })
        let served = 2
        for (let cycle = 0; cycle < cycles; cycle += 1) {
          const peer = yield* launch([], env)
          yield* peer.says(started)
          if (cycle === 0) {
            const answer = yield* join(yield* connect(`127.0.0.1:${port}`), admin, genesisBlock())
            expect(statusOf(answer)).toBe("200")
          }
          yield* peer.says("Starting deliver with block")
          // more blocks than it can have committed when it is killed
          const more = Math.ceil((recordedBlocks.length - served) / (cycles - cycle + 1))
          const first = served
          for (; served < Math.min(recordedBlocks.length, first + more); served += 1)
            yield* orderer.append(recordedBlocks[served] ?? new Uint8Array())
          yield* peer.says(`Validated block [${first}]`)
          peer.child.kill("SIGKILL")
          expect(yield* peer.ended).toBe("SIGKILL")
        }
        for (; served < recordedBlocks.length; served += 1)
          yield* orderer.append(recordedBlocks[served] ?? new Uint8Array())
        const peer = yield* launch(["node", "start"], env)
        yield* peer.says(`Committed block [${recordedBlocks.length - 1}]`)
        const client = yield* connect(`127.0.0.1:${port}`)
        const last = BigInt(recordedBlocks.length - 1)
        const blocks = yield* peerBlocks(client, {
          channelId: "mychannel",
          signer: user,
          seek: { start: "oldest", stop: last }
        })
        for (let number = 0; number <= Number(last); number += 1)
          expect(toHex((yield* blocks.next) ?? new Uint8Array()), `block ${number}`).toBe(
            toHex(bytesOf(`blocks/${blockName(number)}`))
          )
        peer.child.kill("SIGTERM")
        expect(yield* peer.ended).toBe(0)
      }),
    cycles * 20_000 + 60_000
  )
})

describe("a start that fails", () => {
  it.scopedLive(
    "tells stage, cause and remedy on stderr, without a trace",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        const port = yield* freePort
        const env = prepare(folder, { port })
        const missing = yield* runToEnd(["node", "start"], { ...env, CORE_PEER_MSPCONFIGPATH: "/nowhere" })
        expect(missing.code).toBe(1)
        expect(missing.stderr).toContain("Error: stage identity failed\n")
        expect(missing.stderr).toContain(
          'cause:  Cannot run peer because cannot init crypto, folder "/nowhere" does not exist\n'
        )
        expect(missing.stderr).toContain("remedy: ")
        expect(missing.stderr).not.toContain("    at ")
        const unset = yield* runToEnd(["node", "start"], { ...env, FABRIC_CFG_PATH: "/nowhere" })
        expect([unset.code, unset.stderr]).toEqual([
          1,
          expect.stringContaining("Fatal error when initializing core config : FABRIC_CFG_PATH /nowhere does not exist")
        ])
        const spec = yield* runToEnd(["node", "start"], { ...env, FABRIC_LOGGING_SPEC: "borken" })
        expect(spec.code).toBe(2)
        expect(spec.stderr).toContain("invalid logging specification 'borken': bad segment 'borken'")
      }),
    60_000
  )
})

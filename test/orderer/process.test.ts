/** The program as a process: signals, kill -9. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { type Channel, connect } from "../../src/transport/index.js"
import { common, orderer } from "../../src/wire/index.js"
import { sha256, toHex } from "../../src/wire/protoutil.js"
import { AtomicBroadcast as service } from "../../src/wire/services.js"
import {
  broadcastOne,
  chainA,
  deliverAll,
  message,
  numbersOf,
  seekMessage,
  signedUpdate,
  signerOf,
  temporaryFolder
} from "./support/node.js"
import { environment, freePort, launch, startProcess } from "./support/process.js"

describe("signals (acceptance check 28)", () => {
  it.scopedLive("SIGTERM ends it with 0 while streams are open; SIGUSR1 logs a dump and it goes on", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const port = yield* freePort
      const { child, ended, output } = yield* startProcess(environment(folder, port))
      const client = yield* connect(`127.0.0.1:${port}`)
      const admin = yield* signerOf("ordererAdmin")
      const waiting = yield* Effect.fork(
        Effect.either(deliverAll(client, seekMessage(admin, "sys", "newest", 2n ** 64n - 1n)))
      )
      child.kill("SIGUSR1")
      const { status } = yield* deliverAll(client, seekMessage(admin, "sys", 0n, 0n))
      expect(status).toBe(200)
      expect(output().stderr).toContain("Go routines report:")
      child.kill("SIGTERM")
      expect(yield* Effect.promise(() => ended)).toBe(0)
      expect(output().stderr).toContain("Received signal: 15 (terminated)")
      yield* Fiber.join(waiting)
    })
  )
  it.scopedLive("SIGINT while it starts", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { child, ended } = yield* launch(["start"], environment(folder, yield* freePort))
      yield* Effect.async<void>((resume) => {
        child.stderr?.once("data", () => resume(Effect.void))
      })
      child.kill("SIGINT")
      expect(yield* Effect.promise(() => ended)).toBe(0)
    })
  )
})

// ---- Kill -9 under load ---------------------------------------------------------------------------------------------

const hashOf = (envelope: Uint8Array) => toHex(sha256(envelope))

/** Sends messages over streams until the node goes away; notes every acknowledged one. */
const sendUntilKilled = (
  client: Channel,
  make: () => Uint8Array,
  acknowledged: Set<string>,
  enough: Deferred.Deferred<void>,
  target: number
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* client.bidi(service.methods.Broadcast)
      const sent: Array<string> = []
      const push = Effect.suspend(() => {
        const bytes = make()
        sent.push(hashOf(bytes))
        return stream.send(bytes)
      })
      for (let i = 0; i < 50; i++) yield* push
      while (true) {
        const answer = yield* stream.next
        if (answer === undefined) return
        const hash = sent.shift()
        if (orderer.BroadcastResponse.decode(answer).status !== common.Status.SUCCESS || hash === undefined) return
        acknowledged.add(hash)
        if (acknowledged.size >= target) yield* Deferred.succeed(enough, undefined)
        yield* push
      }
    })
  ).pipe(Effect.ignore)

describe("kill -9 under load (acceptance check 21, issue 5 part 7)", () => {
  it.scopedLive(
    "loses no acknowledged message and doubles none",
    () =>
      Effect.gen(function* () {
        const kills = process.env.FABRIC_EFFECT_LONG === undefined ? 2 : 20
        const folder = yield* temporaryFolder
        const user = yield* signerOf("user1")
        const admin = yield* signerOf("admin1")
        const acknowledged = new Set<string>()
        let count = 0
        const make = () => message(user, "mychannel", `message ${count++}`)
        for (let kill = 0; kill < kills; kill++) {
          const port = yield* freePort
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { child, ended } = yield* startProcess(environment(folder, port))
              const client = yield* connect(`127.0.0.1:${port}`)
              if (kill === 0) {
                const created = yield* broadcastOne(
                  client,
                  signedUpdate(path.join(chainA, "mychannel.tx"), "mychannel", [admin])
                )
                expect(created).toEqual({ status: 200, info: "" })
                while ((yield* deliverAll(client, seekMessage(user, "mychannel", 0n, 0n))).status !== 200) {
                  yield* Effect.sleep("10 millis")
                }
              }
              const enough = yield* Deferred.make<void>()
              const target = acknowledged.size + 200 + 37 * kill
              const streams = yield* Effect.forkAll(
                Array.from({ length: 4 }, () => sendUntilKilled(client, make, acknowledged, enough, target))
              )
              yield* Deferred.await(enough)
              child.kill("SIGKILL")
              expect(yield* Effect.promise(() => ended)).toBe("SIGKILL")
              yield* Fiber.join(streams)
            })
          )
        }
        const port = yield* freePort
        yield* startProcess(environment(folder, port))
        const client = yield* connect(`127.0.0.1:${port}`)
        // what the journal replayed is cut at the latest by the batch timeout: a later message comes behind it
        const last = make()
        expect(yield* broadcastOne(client, last)).toEqual({ status: 200, info: "" })
        acknowledged.add(hashOf(last))
        const seen = new Map<string, number>()
        for (let from = 0n; !seen.has(hashOf(last)); ) {
          const { blocks } = yield* deliverAll(client, seekMessage(user, "mychannel", from, from))
          expect(numbersOf(blocks)).toEqual([Number(from)])
          from += 1n
          for (const bytes of blocks) {
            for (const entry of common.Block.decode(bytes).data?.data ?? []) {
              seen.set(hashOf(entry), (seen.get(hashOf(entry)) ?? 0) + 1)
            }
          }
        }
        expect([...acknowledged].filter((hash) => !seen.has(hash))).toEqual([])
        expect([...seen].filter(([, times]) => times > 1)).toEqual([])
        expect(acknowledged.size).toBeGreaterThan(400)
        expect(fs.readdirSync(path.join(folder, "ledger/chains/mychannel/solo")).length).toBeLessThan(kills + 3)
      }),
    600_000
  )
})

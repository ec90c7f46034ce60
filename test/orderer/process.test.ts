/** The program as a process: signals, kill -9. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Log from "../../src/runtime/Log.js"
import * as Program from "../../src/runtime/Program.js"
import { type Channel, connect } from "../../src/transport/index.js"
import { common, orderer } from "../../src/wire/index.js"
import { sha256, toHex } from "../../src/wire/protoutil.js"
import { AtomicBroadcast as service } from "../../src/wire/services.js"
import { genesisWith } from "./support/genesis.js"
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
import { environment, freePort, launch, type Started, startProcess } from "./support/process.js"
import { stagesLogged } from "./support/program.js"
import { groupOf, setValue } from "./support/updates.js"

const stagesInLog = { FABRIC_LOGGING_SPEC: "info:stage=debug" }

const untilPrinted = ({ output, ended }: Started, text: string): Effect.Effect<void> =>
  Effect.raceFirst(
    Effect.asVoid(
      Effect.repeat(Effect.delay(Effect.sync(output), "5 millis"), { until: ({ stderr }) => stderr.includes(text) })
    ),
    Effect.flatMap(
      Effect.promise(() => ended),
      (code) => Effect.die(new Error(`ended with ${code}: ${output().stderr}`))
    )
  )

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

/** Starts the node again and looks for every acknowledged message: each must be there once. */
const checkChain = (folder: string, channelId: string, make: () => Uint8Array, acknowledged: Set<string>) =>
  Effect.gen(function* () {
    const port = yield* freePort
    yield* startProcess(environment(folder, port))
    const client = yield* connect(`127.0.0.1:${port}`)
    const reader = yield* signerOf(channelId === "sys" ? "ordererAdmin" : "user1")
    // what the journal replayed is cut at the latest by the batch timeout: a later message comes behind it
    const last = make()
    expect(yield* broadcastOne(client, last)).toEqual({ status: 200, info: "" })
    acknowledged.add(hashOf(last))
    const seen = new Map<string, number>()
    for (let from = 0n; !seen.has(hashOf(last)); ) {
      const { blocks } = yield* deliverAll(client, seekMessage(reader, channelId, from, from))
      expect(numbersOf(blocks)).toEqual([Number(from)])
      from += 1n
      for (const bytes of blocks) {
        for (const entry of common.Block.decode(bytes).data?.data ?? []) {
          seen.set(hashOf(entry), (seen.get(hashOf(entry)) ?? 0) + 1)
        }
      }
    }
    const doubled = [...seen].filter(([, times]) => times > 1)
    if (process.env.FABRIC_EFFECT_LONG !== undefined) {
      console.log(`${acknowledged.size} acknowledged, ${seen.size} in the chain, ${doubled.length} doubled`)
    }
    expect([...acknowledged].filter((hash) => !seen.has(hash))).toEqual([])
    expect(doubled).toEqual([])
  })

describe("signals (acceptance check 28)", { timeout: 120_000 }, () => {
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
      expect(output().stdout).toBe("running\n") // the launcher was told, once
      yield* Fiber.join(waiting)
    })
  )
  for (const stage of ["metrics", "ledgers", "gRPC server", "channels"] as const) {
    it.scopedLive(`SIGINT while it starts, behind stage ${stage}`, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const started = yield* launch(["start"], { ...environment(folder, yield* freePort), ...stagesInLog })
        yield* untilPrinted(started, `[stage] ${stage} -> `)
        started.child.kill("SIGINT")
        expect(yield* Effect.promise(() => started.ended)).toBe(0)
        const { acquired, released } = stagesLogged(started.output().stderr)
        expect(acquired).toContain(stage)
        expect(released).toEqual(acquired.toReversed())
        expect(started.output().stderr).not.toContain("Error: ")
        if (stage === "metrics") expect(started.output().stdout).toBe("")
      })
    )
  }

  it.scopedLive(
    "SIGTERM during Kafka's retries: it serves, says what it waits for, and ends in reverse (check 23)",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const port = yield* freePort
        const genesis = path.join(folder, "kafka.block")
        const brokers = orderer.KafkaBrokers.encode({ brokers: ["127.0.0.1:1"] })
        fs.writeFileSync(
          genesis,
          genesisWith(
            (root) => setValue(groupOf(root, "Orderer"), "KafkaBrokers", brokers),
            "syskafka",
            "genesis-kafka.block"
          )
        )
        const started = yield* startProcess({
          ...environment(folder, port),
          ...stagesInLog,
          ORDERER_GENERAL_GENESISFILE: genesis,
          ORDERER_KAFKA_RETRY_SHORTINTERVAL: "200ms",
          ORDERER_KAFKA_TOPIC_REPLICATIONFACTOR: "1"
        })
        yield* untilPrinted(started, "trying again in")
        const client = yield* connect(`127.0.0.1:${port}`)
        const admin = yield* signerOf("ordererAdmin")
        expect(yield* broadcastOne(client, message(admin, "syskafka", "early"))).toEqual({
          status: 503,
          info: "backing Kafka cluster has not completed booting; try again later"
        })
        expect((yield* deliverAll(client, seekMessage(admin, "syskafka", 0n, 0n))).status).toBe(503)
        started.child.kill("SIGTERM")
        expect(yield* Effect.promise(() => started.ended)).toBe(0)
        const { acquired, released } = stagesLogged(started.output().stderr)
        expect(released).toEqual(acquired.toReversed())
      })
  )

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const) {
    it.scopedLive(`a first ${signal} interrupts, a second one ends the process at once`, () =>
      Effect.gen(function* () {
        const log = Either.getOrThrow(Log.make({ spec: "", format: "", write: () => {} }))
        const before = new Set(process.listeners(signal))
        const releasing = yield* Deferred.make<void>()
        const released = yield* Deferred.make<void>()
        const slow = Effect.acquireRelease(Effect.void, () =>
          Effect.zipRight(Deferred.succeed(releasing, undefined), Deferred.await(released))
        )
        const killed: Array<number> = []
        const ended = Program.run(Effect.scoped(Effect.zipRight(slow, Effect.never)), {
          log,
          write: () => {},
          kill: (number) => killed.push(number)
        })
        const raise = () => {
          for (const listener of process.listeners(signal)) if (!before.has(listener)) listener(signal)
        }
        raise()
        yield* Deferred.await(releasing)
        expect(killed).toEqual([])
        raise()
        expect(killed).toEqual([code])
        yield* Deferred.succeed(released, undefined)
        expect(yield* Effect.promise(() => ended)).toBe(0)
        expect(process.listeners(signal).filter((listener) => !before.has(listener))).toEqual([])
      })
    )
  }

  it.scopedLive("SIGTERM under load: ends in reverse, and what was acknowledged is in the chain, once", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const port = yield* freePort
      const started = yield* startProcess({ ...environment(folder, port), ...stagesInLog })
      const client = yield* connect(`127.0.0.1:${port}`)
      const admin = yield* signerOf("ordererAdmin")
      const acknowledged = new Set<string>()
      let count = 0
      const make = () => message(admin, "sys", `message ${count++}`)
      const enough = yield* Deferred.make<void>()
      const streams = yield* Effect.forkAll(
        Array.from({ length: 4 }, () => sendUntilKilled(client, make, acknowledged, enough, 500))
      )
      yield* Deferred.await(enough)
      started.child.kill("SIGTERM")
      expect(yield* Effect.promise(() => started.ended)).toBe(0)
      yield* Fiber.join(streams)
      const { acquired, released } = stagesLogged(started.output().stderr)
      expect(acquired.length).toBeGreaterThan(10)
      expect(released).toEqual(acquired.toReversed())
      yield* checkChain(folder, "sys", make, acknowledged)
    })
  )
})

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
        yield* checkChain(folder, "mychannel", make, acknowledged)
        expect(acknowledged.size).toBeGreaterThan(400)
        expect(fs.readdirSync(path.join(folder, "ledger/chains/mychannel/solo")).length).toBeLessThan(kills + 3)
      }),
    600_000
  )
})

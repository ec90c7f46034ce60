/** Orderers of one topic under random load with config updates, stopped at random points (checks 18, 20, 21). */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Broker, layer as brokerLayer } from "../../kafka/broker.js"
import { missing } from "../../kafka/missing.js"
import { onBroker } from "../../kafka/suite.js"
import { chainA, msps, temporaryFolder } from "../support/node.js"
import { environment, freePort, type Started, startProcess } from "../support/process.js"
import { judge, makeLoad, type Outcome, sendTo, untilAcknowledged, updateNowAndThen } from "./load.js"
import { freshName, genesis, settings, startKafkaNode, until, untilOpen } from "./support.js"

const long = process.env.FABRIC_EFFECT_LONG !== undefined
const seed = Number(process.env.KAFKA_TEST_SEED ?? Date.now() % 1_000_000)

const goOrderer = process.env.FABRIC_GO_ORDERER

/** A slow machine is no lost answer: nothing is posted twice. */
const patient = settings({ ORDERER_KAFKA_RETRY_NETWORKTIMEOUTS_READTIMEOUT: "30s" })

const good = (outcome: Outcome, brokerStopped: boolean) => {
  expect({ ...outcome, seed }).toMatchObject({ different: [], missing: [], doubled: [], seed })
  if (!brokerStopped) expect(outcome.repeated).toBe(0)
}

/** A Go orderer 1.4.12 (FABRIC_GO_ORDERER names the program) on a genesis block and a port. */
const startGo = (program: string, folder: string, genesisFile: string, port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const msp = path.join(chainA, "crypto-config", msps.orderer)
      fs.writeFileSync(
        path.join(folder, "orderer.yaml"),
        `
General:
  LedgerType: file
  ListenAddress: 127.0.0.1
  ListenPort: ${port}
  GenesisMethod: file
  GenesisFile: ${genesisFile}
  LocalMSPDir: ${msp}
  LocalMSPID: OrdererMSP
  BCCSP: {Default: SW, SW: {Hash: SHA2, Security: 256}}
  Authentication: {TimeWindow: 15m}
FileLedger: {Location: ${path.join(folder, "ledger")}}
Kafka:
  Retry: {ShortInterval: 200ms, ShortTotal: 60s}
  Topic: {ReplicationFactor: 1}
Operations: {ListenAddress: "127.0.0.1:0"}
Metrics: {Provider: disabled}
`
      )
      const child = spawn(program, ["start"], { env: { FABRIC_CFG_PATH: folder }, stdio: ["ignore", "ignore", "pipe"] })
      let text = ""
      child.stderr.on("data", (chunk) => {
        text += chunk
      })
      const ended = new Promise((resolve) => child.on("close", resolve))
      return { child, ended, text: () => text }
    }),
    ({ child, ended }) => {
      child.kill("SIGKILL")
      return Effect.promise(() => ended)
    }
  )

/** A node that can be stopped and started again on its folder. */
interface Member {
  readonly address: () => string
  /** Stops it at once and starts it again. */
  readonly restart: Effect.Effect<void, unknown>
}

describe.skipIf(missing !== undefined)("two orderers under random load", () => {
  onBroker(brokerLayer(), (it) => {
    const run = (
      channelId: string,
      members: readonly [Member, Member],
      restarts: number,
      messages: number,
      brokerStopped = false
    ) =>
      Effect.gen(function* () {
        const { address } = yield* Broker
        const load = yield* makeLoad(channelId, seed)
        const senders = yield* Effect.forkAll(members.map((member) => sendTo(load, member.address, 2)))
        const updates = yield* Effect.fork(updateNowAndThen(load, () => members.map((member) => member.address()), 150))
        for (let i = 0; i < restarts; i++) {
          yield* untilAcknowledged(load, messages + load.random(messages))
          yield* members[load.random(2)]?.restart ?? Effect.void
        }
        yield* untilAcknowledged(load, messages)
        load.stopped = true
        yield* Fiber.join(senders)
        const updated = yield* Fiber.join(updates)
        const outcome = yield* judge(
          load,
          members.map((member) => member.address()),
          address,
          restarts === 0
        )
        if (long)
          console.log(`${restarts} restarts${brokerStopped ? " of the broker" : ""}: ${JSON.stringify(outcome)}`)
        good(outcome, brokerStopped)
        expect(outcome.configBlocks).toBeGreaterThan(0)
        expect(updated).toBeGreaterThan(0)
        return outcome
      })

    it.scoped(
      "in this process, halted and started again",
      () =>
        Effect.gen(function* () {
          const { address } = yield* Broker
          const channelId = freshName("sys")
          const first = genesis({ channelId, brokers: [address], count: 20, timeout: "100ms" })
          const member = Effect.gen(function* () {
            const folder = yield* temporaryFolder
            const parent = yield* Effect.scope
            const start = Effect.gen(function* () {
              const scope = yield* Scope.fork(parent, parent.strategy)
              const node = yield* Scope.extend(startKafkaNode({ folder, genesis: first, settings: patient }), scope)
              return { node, scope }
            })
            let current = yield* start
            yield* untilOpen(current.node)
            return {
              address: () => current.node.address,
              restart: Effect.gen(function* () {
                yield* Scope.close(current.scope, Exit.void)
                current = yield* start
              })
            } satisfies Member
          })
          yield* run(channelId, [yield* member, yield* member], long ? 20 : 3, 150)
        }),
      long ? 600_000 : 120_000
    )

    it.scoped(
      "as processes, killed with -9 and started again",
      () =>
        Effect.gen(function* () {
          const { address } = yield* Broker
          const channelId = freshName("sys")
          const file = path.join(yield* temporaryFolder, "genesis.block")
          fs.writeFileSync(file, genesis({ channelId, brokers: [address], count: 20, timeout: "100ms" }))
          const member = Effect.gen(function* () {
            const port = yield* freePort
            const env = {
              ...environment(yield* temporaryFolder, port),
              ORDERER_GENERAL_GENESISFILE: file,
              ORDERER_KAFKA_TOPIC_REPLICATIONFACTOR: "1",
              ORDERER_KAFKA_RETRY_SHORTINTERVAL: "200ms"
            }
            const scope = yield* Effect.scope
            const start = Scope.extend(startProcess(env), scope)
            let current: Started = yield* start
            yield* until(() => current.output().stderr.includes("Start phase completed successfully"))
            return {
              address: () => `127.0.0.1:${port}`,
              restart: Effect.gen(function* () {
                current.child.kill("SIGKILL")
                expect(yield* Effect.promise(() => current.ended)).toBe("SIGKILL")
                current = yield* start
              })
            } satisfies Member
          })
          const members = yield* Effect.all([member, member], { concurrency: 2 })
          yield* run(channelId, members, long ? 10 : 1, 300)
        }),
      long ? 1_200_000 : 120_000
    )

    it.scoped.skipIf(!long)(
      "while the broker is killed and started again",
      () =>
        Effect.gen(function* () {
          const broker = yield* Broker
          const channelId = freshName("sys")
          const first = genesis({ channelId, brokers: [broker.address], count: 20, timeout: "100ms" })
          const member = Effect.gen(function* () {
            const node = yield* startKafkaNode({ folder: yield* temporaryFolder, genesis: first })
            yield* untilOpen(node)
            const restart = Effect.gen(function* () {
              yield* broker.stop
              yield* Effect.sleep("1 second")
              yield* broker.start
            })
            return { address: () => node.address, restart } satisfies Member
          })
          yield* run(channelId, [yield* member, yield* member], 5, 500, true)
        }),
      600_000
    )

    it.scoped.skipIf(goOrderer === undefined)(
      "ours and Go's: blocks equal in header, data and slots 1 to 4",
      () =>
        Effect.gen(function* () {
          const { address } = yield* Broker
          const channelId = freshName("sys")
          const folder = yield* temporaryFolder
          const first = genesis({ channelId, brokers: [address], count: 20, timeout: "100ms" })
          const ours = yield* startKafkaNode({ folder, genesis: first })
          const port = yield* freePort
          const go = yield* startGo(goOrderer ?? "", yield* temporaryFolder, path.join(folder, "genesis.block"), port)
          yield* untilOpen(ours)
          yield* until(() => go.text().includes("Start phase completed successfully"))
          const member = (at: string): Member => ({ address: () => at, restart: Effect.void })
          const members = [member(ours.address), member(`127.0.0.1:${port}`)] as const
          const outcome = yield* run(channelId, members, 0, long ? 20_000 : 2000)
          console.log(`beside Go: ${JSON.stringify(outcome)}`)
        }),
      long ? 1_200_000 : 120_000
    )
  })
})

/** The program's stages in this process: order of acquisition and release, restarts, several nodes, health. */
import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { StageFailed } from "../../src/runtime/Stage.js"
import { toHex } from "../../src/wire/protoutil.js"
import {
  broadcastAll,
  chainA,
  createMychannel,
  deliverAll,
  message,
  seekMessage,
  signerOf,
  temporaryFolder,
  textsOf,
  waitForHeight
} from "./support/node.js"
import { health, stages, start } from "./support/program.js"

describe("stages", () => {
  it.scopedLive("are released in the exact reverse of their acquisition", () =>
    Effect.gen(function* () {
      const journal: Array<string> = []
      const scope = yield* Scope.make()
      const node = yield* Scope.extend(start(yield* temporaryFolder, {}, journal), scope)
      yield* createMychannel(node)
      expect(journal).toEqual(stages.map((stage) => `+${stage}`))
      journal.length = 0
      yield* Scope.close(scope, Exit.void)
      expect(journal).toEqual(stages.toReversed().map((stage) => `-${stage}`))
    })
  )
  it.scopedLive("a failing one releases those before it", () =>
    Effect.gen(function* () {
      const journal: Array<string> = []
      const exit = yield* Effect.exit(
        Effect.scoped(start(yield* temporaryFolder, { ORDERER_GENERAL_LISTENADDRESS: "192.0.2.1" }, journal))
      )
      expect(Exit.isFailure(exit) && exit.cause._tag === "Fail" && exit.cause.error).toBeInstanceOf(StageFailed)
      const before = stages.slice(0, stages.indexOf("gRPC server"))
      expect(journal).toEqual([
        ...before.map((stage) => `+${stage}`),
        ...before.toReversed().map((stage) => `-${stage}`)
      ])
    })
  )
  for (const type of ["file", "json"]) {
    it.scopedLive(`serve the same chain after a restart (ledger type ${type})`, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const env = { ORDERER_GENERAL_LEDGERTYPE: type }
        const user = yield* signerOf("user1")
        const texts = Array.from({ length: 120 }, (_, i) => `message ${i}`)
        const read = (node: Effect.Effect.Success<ReturnType<typeof start>>) =>
          Effect.map(deliverAll(node.client, seekMessage(user, "mychannel", 1n, 2n)), ({ blocks }) => blocks)
        const first = yield* Effect.scoped(
          Effect.gen(function* () {
            const node = yield* start(folder, env)
            yield* createMychannel(node)
            yield* broadcastAll(
              node.client,
              texts.map((text) => message(user, "mychannel", text))
            )
            yield* waitForHeight(node, "mychannel", 3n)
            return yield* read(node)
          })
        )
        const again = yield* read(yield* start(folder, env))
        expect(textsOf(first)).toEqual(texts)
        expect(again.map(toHex)).toEqual(first.map(toHex))
      })
    )
  }
  it.scopedLive("replay what was acknowledged and not yet in a block when they stop", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const user = yield* signerOf("user1")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const node = yield* start(folder)
          yield* createMychannel(node)
          const answers = yield* broadcastAll(node.client, [message(user, "mychannel", "pending")])
          expect(answers).toEqual([{ status: 200, info: "" }])
          expect(node.registrar.channel("mychannel")?.ledger.height()).toBe(1n)
        })
      )
      const node = yield* start(folder)
      yield* waitForHeight(node, "mychannel", 2n)
      const { blocks } = yield* deliverAll(node.client, seekMessage(user, "mychannel", 1n, 1n))
      expect(textsOf(blocks)).toEqual(["pending"])
    })
  )
  it.scopedLive(
    "refuse ledgers of another system channel, no genesis block (check 4), and a folder that another node uses",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* Effect.scoped(start(folder))
        const kafka = { ORDERER_GENERAL_GENESISFILE: path.join(chainA, "genesis-kafka.block") }
        const other = yield* Effect.flip(start(folder, kafka))
        expect(other).toMatchObject({ stage: "system channel", exitCode: 1 })
        expect(String(other.message)).toContain(
          "the bootstrap block is of channel syskafka, but the ledgers here are of sys"
        )
        const without = yield* Effect.flip(start(folder, { ORDERER_GENERAL_GENESISFILE: "/nowhere/genesis.block" }))
        expect(without).toMatchObject({ stage: "bootstrap block", exitCode: 2 })
        yield* start(folder)
        const second = yield* Effect.flip(start(folder))
        expect(second).toMatchObject({ stage: "ledgers", exitCode: 2 })
      })
  )
  it.scopedLive("build a provisional genesis block from a profile, and go on from their ledger", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const profiles = path.join(folder, "profiles")
      fs.mkdirSync(profiles)
      fs.copyFileSync(path.join(chainA, "configtx.yaml"), path.join(profiles, "configtx.yaml"))
      fs.symlinkSync(path.join(chainA, "crypto-config"), path.join(profiles, "crypto-config"))
      const env = {
        ORDERER_GENERAL_GENESISMETHOD: "provisional",
        ORDERER_GENERAL_GENESISPROFILE: "Genesis",
        ORDERER_GENERAL_SYSTEMCHANNEL: "provisional"
      }
      const surroundings = { env: { FABRIC_CFG_PATH: profiles }, cwd: folder }
      const node = yield* start(folder, env, [], surroundings)
      expect(node.registrar.systemChannelId).toBe("provisional")
      yield* createMychannel(node)
    })
  )
  it.scopedLive("write traces where they are asked to (Debug.*TraceDir)", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const traces = path.join(folder, "traces")
      fs.mkdirSync(traces)
      const node = yield* start(folder, {
        ORDERER_DEBUG_BROADCASTTRACEDIR: traces,
        ORDERER_DEBUG_DELIVERTRACEDIR: traces
      })
      const admin = yield* signerOf("ordererAdmin")
      const sent = message(admin, "sys", "traced")
      const asked = seekMessage(admin, "sys", 0n, 0n)
      yield* broadcastAll(node.client, [sent])
      yield* deliverAll(node.client, asked)
      const complete = Effect.sync(() =>
        fs.readdirSync(traces).sort((a, b) => (a.endsWith("Deliver") ? 1 : b.endsWith("Deliver") ? -1 : 0))
      )
      const names = yield* Effect.repeat(complete, { until: (found) => found.length === 2 })
      expect(names.map((name) => name.replace(/^\d+_0x[0-9a-f]+\./, ""))).toEqual(["Broadcast", "Deliver"])
      const sizes = Effect.sync(() => names.map((name) => fs.readFileSync(path.join(traces, name)).toString("hex")))
      yield* Effect.repeat(sizes, { until: ([first, second]) => first === toHex(sent) && second === toHex(asked) })
    })
  )
  it.scopedLive("two programs in one process serve apart", () =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([
        start(yield* temporaryFolder),
        start(yield* temporaryFolder, { ORDERER_GENERAL_LEDGERTYPE: "ram" })
      ])
      const user = yield* signerOf("user1")
      for (const [i, node] of [one, two].entries()) {
        yield* createMychannel(node)
        yield* broadcastAll(node.client, [message(user, "mychannel", `for ${i}`)])
        yield* waitForHeight(node, "mychannel", 2n)
        const { blocks } = yield* deliverAll(node.client, seekMessage(user, "mychannel", 1n, 1n))
        expect(textsOf(blocks)).toEqual([`for ${i}`])
      }
    })
  )
})

describe("a ledger that cannot be written", () => {
  it.scopedLive("the channel errs, health says so, nothing acknowledged is lost, and it recovers", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const node = yield* start(folder, { ORDERER_GENERAL_LEDGERTYPE: "json" })
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      expect(yield* health(node.operationsAddress)).toEqual({ status: 200, failed: [] })
      const chain = path.join(folder, "ledger/chain_mychannel")
      const away = path.join(folder, "away")
      // taken in while all is well; its block comes half a second later, when the folder is gone
      expect(yield* broadcastAll(node.client, [message(user, "mychannel", "kept")])).toEqual([
        { status: 200, info: "" }
      ])
      fs.renameSync(chain, away)
      const failing = Effect.repeat(health(node.operationsAddress), { until: ({ status }) => status === 503 })
      const { failed } = yield* failing
      expect(failed).toMatchObject([{ component: "mychannel" }])
      expect(failed[0]?.reason).toContain("Could not append block")
      const [refused] = yield* broadcastAll(node.client, [message(user, "mychannel", "refused")])
      expect(refused?.status).toBe(503)
      const { status } = yield* deliverAll(node.client, seekMessage(user, "mychannel", 0n, 2n ** 64n - 1n))
      expect(status).toBe(503)
      // the others go on
      const admin = yield* signerOf("ordererAdmin")
      expect((yield* deliverAll(node.client, seekMessage(admin, "sys", 0n, 0n))).status).toBe(200)
      fs.rmSync(chain, { recursive: true, force: true })
      fs.renameSync(away, chain)
      yield* waitForHeight(node, "mychannel", 2n)
      const { blocks } = yield* deliverAll(node.client, seekMessage(user, "mychannel", 1n, 1n))
      expect(textsOf(blocks)).toEqual(["kept"])
      yield* Effect.repeat(health(node.operationsAddress), { until: ({ status }) => status === 200 })
      expect(yield* broadcastAll(node.client, [message(user, "mychannel", "later")])).toEqual([
        { status: 200, info: "" }
      ])
    })
  )
})

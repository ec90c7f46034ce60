/**
 * Many channels in one peer: joined while it runs, there again after a restart, one that is damaged leaves the others
 * alone. Orderers: several addresses, and addresses that change by a config update.
 */
import { readdirSync, statSync, writeFileSync } from "node:fs"
import { createServer, connect as dial, type Socket } from "node:net"
import { join as path } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { beforeAll, describe, expect } from "vitest"
import { fetchBlock, ordererBlocks, system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import type { Channel } from "../../../src/transport/index.js"
import { common, protos } from "../../../src/wire/index.js"
import { broadcastOne, createMychannel, message, startNode } from "../../orderer/support/node.js"
import { envelopeOf, setValue, updateOf } from "../../orderer/support/updates.js"
import { chainInfo, join, propose, statusOf } from "../node/calls.js"
import { freePort } from "../node/process.js"
import { type RunningPeer, startPeer, tempFolder } from "../node/support.js"
import { person, until } from "../support.js"
import { renamedGenesis } from "./genesis.js"

let admin: Signer
let user: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
})

const health = (peer: RunningPeer) =>
  Effect.promise(async () => {
    const response = await fetch(`http://${peer.operations}/healthz`)
    const body: { readonly failed_checks?: ReadonlyArray<{ readonly component: string }> } = JSON.parse(
      await response.text()
    )
    return (body.failed_checks ?? []).map(({ component }) => component)
  })

const channelsOf = (client: Channel) =>
  Effect.map(propose(client, admin, system.getChannels), ({ response }) =>
    protos.ChannelQueryResponse.decode(response?.payload ?? new Uint8Array()).channels.map(({ channelId }) => channelId)
  )

const many = process.env.FABRIC_EFFECT_LONG === undefined ? 12 : 50
const names = Array.from({ length: many }, (_, at) => `channel-${String(at).padStart(2, "0")}`)

describe(`${many} channels in one peer`, () => {
  it.scopedLive(
    "are joined while it runs and serves, and there again at the next start; a damaged one is left out",
    () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        const scope = yield* Scope.make()
        const first = yield* Scope.extend(startPeer({ folder, spec: "error" }), scope)
        const client = yield* Scope.extend(first.connect(), scope)
        // five at a time, as five administrators would; somebody asks all the while
        let asked = 0
        const asking = yield* Effect.fork(
          Effect.forever(Effect.tap(channelsOf(client), () => Effect.sync(() => (asked += 1))))
        )
        yield* Effect.forEach(
          names,
          (name) =>
            Effect.map(join(client, admin, renamedGenesis(name)), (answer) => expect(statusOf(answer)).toBe("200")),
          { concurrency: 5, discard: true }
        )
        asking.unsafeInterruptAsFork(asking.id())
        expect(asked).toBeGreaterThan(0)
        expect(yield* channelsOf(client)).toEqual(names)
        for (const name of names) expect((yield* chainInfo(client, user, name)).height).toBe(1n)
        expect(yield* health(first)).toEqual([])
        yield* Scope.close(scope, Exit.void)

        // one channel's block files are lost
        const ledgers = path(folder, "ledgersData")
        const files = readdirSync(ledgers, { recursive: true })
          .map(String)
          .filter((file) => file.includes("channel-07/") && !file.endsWith(".mdb") && !file.endsWith("lock"))
          .filter((file) => statSync(path(ledgers, file)).isFile())
        expect(files.length).toBeGreaterThan(0)
        for (const file of files) writeFileSync(path(ledgers, file), "no blocks")
        const second = yield* startPeer({ folder })
        const again = yield* second.connect()
        expect(yield* channelsOf(again)).toEqual(names.filter((name) => name !== "channel-07"))
        expect(yield* health(second)).toEqual(["channel channel-07"])
        expect(second.lines.join("")).toContain("Failed to load chain channel-07")
        expect((yield* chainInfo(again, user, "channel-11")).height).toBe(1n)
      }),
    300_000
  )
})

/** A listener that passes everything on to another address; how many connections it took. */
const relay = (port: number, to: string) =>
  Effect.gen(function* () {
    let taken = 0
    const sockets = new Set<Socket>()
    const keep = (socket: Socket): void => {
      sockets.add(socket.on("error", () => {}))
      socket.once("close", () => sockets.delete(socket))
    }
    const server = createServer((inbound) => {
      taken += 1
      const outbound = dial(Number(to.split(":")[1]), "127.0.0.1")
      keep(inbound)
      keep(outbound)
      inbound.pipe(outbound).pipe(inbound)
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(port, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    return { taken: () => taken }
  })

describe("orderer addresses", () => {
  it.scopedLive(
    "change by a config update: the peer goes to the new ones, past those that are not there",
    () =>
      Effect.gen(function* () {
        const orderer = yield* startNode({ folder: yield* tempFolder })
        yield* createMychannel(orderer)
        const orderers = yield* Effect.promise(() => person("OrdererMSP", "Admin"))
        const [dead, port] = yield* Effect.all([freePort, freePort])
        const other = yield* relay(port, orderer.address)
        const peer = yield* startPeer({ folder: yield* tempFolder, orderer: orderer.address })
        const client = yield* peer.connect()
        const block = yield* fetchBlock(
          orderer.client,
          { channelId: "mychannel", signer: admin, seek: { start: "oldest", stop: "oldest" } },
          ordererBlocks
        )
        expect(statusOf(yield* join(client, admin, block))).toBe("200")
        const reached = (height: bigint) =>
          peer.table.get("mychannel")?.pipeline.reached(height) ?? Effect.die("not joined")
        const order = (text: string) => broadcastOne(orderer.client, message(user, "mychannel", text))
        yield* until(() => peer.table.get("mychannel")?.orderer() === orderer.address)
        expect(other.taken()).toBe(0)

        const bundle = orderer.registrar.channel("mychannel")?.bundles.current() ?? expect.fail("no channel")
        const addresses = [`127.0.0.1:${dead}`, `127.0.0.1:${port}`]
        const update = updateOf(bundle, (root) =>
          setValue(root, "OrdererAddresses", common.OrdererAddresses.encode({ addresses }))
        )
        expect(yield* broadcastOne(orderer.client, envelopeOf(update, [admin, orderers]))).toMatchObject({
          status: common.Status.SUCCESS
        })
        yield* reached(2n)
        yield* until(() => peer.table.get("mychannel")?.orderer() === `127.0.0.1:${port}`)
        expect(other.taken()).toBeGreaterThan(0)
        yield* order("after the move")
        yield* reached(3n)
        expect(peer.lines.join("")).toContain(`Failed connecting to 127.0.0.1:${dead}`)
      }),
    180_000
  )
})

/** `peer node reset|rollback` on a peer's folder, and the peer that has to catch up afterwards. */
import { existsSync } from "node:fs"
import { join as joinPath } from "node:path"
import { fileURLToPath } from "node:url"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect } from "vitest"
import { system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { chainInfo, join, propose, statusOf } from "../node/calls.js"
import { recordedBlocks, serveChain } from "../node/serveChain.js"
import { startPeer, tempFolder } from "../node/support.js"
import { genesisBlock, nodeFolder, person, until } from "../support.js"
import { run } from "./support.js"

const CHANNEL = "mychannel"
const core = fileURLToPath(new URL("../../../config", import.meta.url))
let admin: Signer
let user: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
})

const node = (folder: string, ...argv: ReadonlyArray<string>) =>
  run(["node", ...argv], {
    FABRIC_CFG_PATH: core,
    FABRIC_LOGGING_FORMAT: "%{level} [%{module}] %{message}",
    CORE_PEER_FILESYSTEMPATH: folder,
    CORE_PEER_LOCALMSPID: "Org1MSP",
    CORE_PEER_MSPCONFIGPATH: `${nodeFolder("Org1MSP", "peer0")}/msp`
  })

const usage = "Usage:\n  peer node rollback [flags]\n\nFlags:\n  -b, --blockNumber uint   "
const blocked = "endorse requests are blocked while ledgers are being rebuilt"

/** A peer that has joined and committed that many blocks, and is down again. */
const filled = (folder: string, height: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const orderer = yield* serveChain(recordedBlocks.slice(0, height))
      const peer = yield* startPeer({ folder, orderer: orderer.address })
      expect(statusOf(yield* join(yield* peer.connect(), admin, genesisBlock()))).toBe("200")
      yield* peer.table.get(CHANNEL)?.pipeline.reached(BigInt(height)) ?? Effect.die("not joined")
    })
  )

describe("what is refused", () => {
  it.scopedLive("no channel, an unknown one, a block that is not behind the last", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const none = yield* node(folder, "rollback")
      expect([none.status, none.stderr]).toEqual([1, expect.stringContaining("Error: Must supply channel ID\nUsage:")])
      yield* filled(folder, 4)
      const unknown = yield* node(folder, "rollback", "-c", "nope", "-b", "1")
      expect([unknown.status, unknown.stdout]).toEqual([1, ""])
      expect(unknown.stderr).toContain(
        `INFO [fsblkstorage] Validating the rollback parameters: ledgerID [nope], block number [1]\nError: ledgerID [nope] does not exist\n${usage}`
      )
      for (const target of ["3", "300"])
        expect((yield* node(folder, "rollback", "-c", CHANNEL, "-b", target)).stderr).toContain(
          `Error: target block number [${target}] should be less than the biggest block number [3]\n${usage}`
        )
      const wrong = yield* node(folder, "rollback", "-c", CHANNEL, "-b", "x")
      expect(wrong.stderr).toContain(
        `Error: invalid argument "x" for "-b, --blockNumber" flag: strconv.ParseUint: parsing "x": invalid syntax\n${usage}`
      )
    })
  )
  it.scopedLive("while the peer runs", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      yield* startPeer({ folder })
      for (const words of [["reset"], ["rollback", "-c", CHANNEL]]) {
        const { status, stderr } = yield* node(folder, ...words)
        expect(status).toBe(1)
        expect(stderr).toContain(
          "Error: as another peer node command is executing, wait for that command to complete its execution or terminate it before retrying: lock is already acquired on file "
        )
      }
    })
  )
})

it.scopedLive("a peer without channels can be reset", () =>
  Effect.gen(function* () {
    const folder = yield* tempFolder
    const { status, stderr, stdout } = yield* node(folder, "reset", "more words")
    expect([status, stdout]).toEqual([0, ""])
    expect(stderr).toBe(
      [
        "Resetting all ledgers to genesis block",
        `Ledger data folder from config = [${joinPath(folder, "ledgersData")}]`,
        "All channel ledgers have been successfully reset to the genesis block",
        ""
      ]
        .map((line) => (line === "" ? "" : `INFO [kvledger] ${line}`))
        .join("\n")
    )
  })
)

for (const { argv, left, says } of [
  { argv: ["reset"], left: 1, says: "All channel ledgers have been successfully reset to the genesis block" },
  {
    argv: ["rollback", "-c", CHANNEL, "-b", "2"],
    left: 3,
    says: `The channel [${CHANNEL}] has been successfully rolled back to the block number [2]`
  }
])
  it.scopedLive(
    `after ${argv[0]} proposals are refused until the height is regained`,
    () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        const before = 7
        yield* filled(folder, before)
        const { status, stderr, stdout } = yield* node(folder, ...argv)
        expect([status, stdout]).toEqual([0, ""])
        expect(stderr).toContain(`INFO [kvledger] ${says}\n`)
        const marker = joinPath(folder, "ledgersData", "channels", CHANNEL, "__preResetHeight")
        expect(existsSync(marker)).toBe(true)

        const orderer = yield* serveChain(recordedBlocks.slice(0, before - 1))
        const peer = yield* startPeer({ folder, orderer: orderer.address })
        expect(peer.lines.join("")).toContain(`Ledger rebuild: channel [${CHANNEL}]: preresetHeight: [${before}]`)
        const channel = peer.table.get(CHANNEL) ?? expect.fail("not opened")
        expect(channel.ledger.height()).toBeGreaterThanOrEqual(BigInt(left))
        yield* channel.pipeline.reached(BigInt(before - 1))
        const client = yield* peer.connect()
        for (const call of [{ ...system.getChainInfo(CHANNEL), channelId: CHANNEL }, system.getChannels])
          expect(yield* Effect.flip(propose(client, user, call))).toMatchObject({ details: blocked })

        yield* orderer.append(recordedBlocks[before - 1] ?? new Uint8Array())
        yield* until(() => peer.lines.some((line) => line.includes("Ledger rebuild: Complete")))
        yield* until(() => !existsSync(marker))
        expect((yield* chainInfo(client, user)).height).toBe(BigInt(before))
      }),
    60_000
  )

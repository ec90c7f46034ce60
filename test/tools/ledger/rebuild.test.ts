/** `ledger rebuild`: whatever is lost or damaged beside the blocks comes back; damaged blocks are cut when asked. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect, it } from "vitest"
import { makeLedgerProvider, parseBlock } from "../../../src/ledger/index.js"
import { Batch } from "../../../src/ledger/lmdb/index.js"
import { openStores } from "../../../src/ledger/maintenance/index.js"
import { kvrwset, rwset } from "../../../src/wire/index.js"
import { folders, goPeer, lines, ordererBlocks, ourOrderer, ourPeer, peerBlocks, run } from "./support.js"

const fresh = folders("rebuild")

let sound = ""
beforeAll(async () => {
  sound = await ourPeer(fresh())
})
const copy = (): { readonly dir: string; readonly channel: string; readonly blocks: string; readonly db: string } => {
  const dir = fresh()
  fs.cpSync(sound, dir, { recursive: true })
  const channel = path.join(dir, "ledgersData", "channels", "mychannel")
  return { dir, channel, blocks: path.join(channel, "blocks_000000"), db: path.join(channel, "db") }
}
const rebuild = (dir: string, ...more: ReadonlyArray<string>) => run(["rebuild", "--ledger", dir, ...more])
const verified = async (dir: string): Promise<string> => {
  const { code, out } = await run(["verify", "--ledger", dir])
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining("nothing wrong") })
  return out
}
const flip = (file: string, at: number): void => {
  const bytes = fs.readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  fs.writeFileSync(file, bytes)
}

describe("state, history and indexes", () => {
  it("come back when they were tampered with or cleared", async () => {
    const { channel, dir } = copy()
    await Effect.runPromise(
      Effect.scoped(
        Effect.map(openStores({ channelId: "mychannel", folder: channel }), ({ environment }) => {
          const batch = new Batch()
          for (const name of ["txids", "hashes", "hashedstate", "history", "confighistory"])
            batch.clear(environment.table(name))
          batch.put(environment.table("state"), Buffer.from("sink\0a"), Uint8Array.of(6, 0, 0, 0x39))
          environment.commit(batch)
        })
      )
    )
    expect((await run(["verify", "--ledger", dir])).code).toBe(1)
    expect(await rebuild(dir)).toEqual({ code: 0, out: "mychannel: rebuilt from 29 blocks\n", err: "" })
    expect(await verified(dir)).toContain("state and history against a replay")
  })
  it("come back when the database is gone or damaged; private data is noted as missing then", async () => {
    const gone = copy()
    fs.rmSync(gone.db, { recursive: true })
    expect((await rebuild(gone.dir, "--msp-id", "Org1MSP")).code).toBe(0)
    await verified(gone.dir)
    const damaged = copy()
    fs.writeFileSync(path.join(damaged.db, "data.mdb"), Buffer.alloc(8192, 7))
    const refused = await rebuild(damaged.dir)
    expect(refused.code).toBe(1)
    expect(refused.err).toContain("data.mdb has no LMDB header")
    expect(refused.err).toContain("give --msp-id")
    const { code, out } = await rebuild(damaged.dir, "--msp-id", "Org1MSP")
    expect(code).toBe(0)
    expect(out).toContain(`the database that could not be opened lies at ${damaged.db}.damaged`)
    await verified(damaged.dir)
    for (const { dir } of [gone, damaged]) {
      const missing = await Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const provider = yield* makeLedgerProvider({ root: path.join(dir, "ledgersData"), historyEnabled: true })
            return yield* (yield* provider.open("mychannel")).missingPvtData(10)
          })
        )
      )
      expect(missing.map(({ block, collection }) => [block, collection])).toEqual([
        [22n, "collA"],
        [21n, "collA"],
        [20n, "collA"]
      ])
    }
  })
  it("come back when the list of channels is damaged", async () => {
    const { dir } = copy()
    fs.writeFileSync(path.join(dir, "ledgersData", "provider", "data.mdb"), Buffer.alloc(8192, 7))
    expect((await rebuild(dir)).code).toBe(0)
    await verified(dir)
    const list = await Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(makeLedgerProvider({ root: path.join(dir, "ledgersData") }), (provider) => provider.list)
      )
    )
    expect(list).toEqual(["mychannel"])
  })
  it("keep or lose the history index as asked", async () => {
    const { dir } = copy()
    const savepoint = async () => (await run(["history", "sink", "a", "--ledger", dir])).out
    const before = await savepoint()
    expect((await rebuild(dir, "--no-history")).code).toBe(0)
    expect(await savepoint()).toBe(before)
    expect((await rebuild(dir)).code).toBe(0) // stays without
    const scanned = await run(["history", "sink", "a", "--ledger", dir], { terminal: { columns: 80 } })
    expect(scanned.err).toContain("search mychannel")
    expect((await rebuild(dir, "--history")).code).toBe(0)
    const indexed = await run(["history", "sink", "a", "--ledger", dir], { terminal: { columns: 80 } })
    expect(indexed).toEqual({ code: 0, out: before, err: "" })
  })
})

describe("private data", () => {
  it("survives a rebuild, in its store and in state", async () => {
    const { dir } = copy()
    fs.rmSync(dir, { recursive: true })
    const tx = kvrwset.KVRWSet.encode({ writes: [{ key: "s1", value: Buffer.from("secret-1") }] })
    const set = rwset.TxPvtReadWriteSet.create({
      nsPvtRwset: [{ namespace: "sink", collectionPvtRwset: [{ collectionName: "collA", rwset: tx }] }]
    })
    await ourPeer(dir, { pvtData: (number) => (number === 20n ? new Map([[0, set]]) : new Map()) })
    const before = await run(["state", "sink", "s1", "--collection", "collA", "--ledger", dir, "--json"])
    expect(before.out).toContain("secret-1")
    const first = await run(["verify", "--ledger", dir])
    expect(first).toMatchObject({ code: 0 })
    expect((await rebuild(dir)).code).toBe(0)
    expect(await run(["state", "sink", "s1", "--collection", "collA", "--ledger", dir, "--json"])).toEqual(before)
    await verified(dir)
  })
})

describe("damaged block files", () => {
  it("are left alone unless cutting is asked for", async () => {
    const { blocks, dir } = copy()
    const size = fs.statSync(blocks).size
    flip(blocks, Math.floor(size / 2))
    const refused = await rebuild(dir)
    expect(refused.code).toBe(1)
    expect(refused.err).toMatch(/channel mychannel: block \[(\d+)\] in .*blocks_000000 is damaged/)
    expect(refused.err).toContain("give --cut: blocks from [")
    expect(fs.statSync(blocks).size).toBe(size)
    const [, number = ""] = /block \[(\d+)\]/.exec(refused.err) ?? []
    const { code, out } = await rebuild(dir, "--cut", "--json")
    expect(code).toBe(0)
    expect(lines(out)).toEqual([
      {
        channel: "mychannel",
        height: Number(number),
        notes: [`blocks from [${number}] on were damaged and are cut off: start the node to take them again`]
      }
    ])
    expect(await verified(dir)).toContain(`mychannel: ${number} blocks`)
  })
  it("cut short, inside a block or behind one, are what they are up to the cut", async () => {
    const inside = copy()
    fs.truncateSync(inside.blocks, fs.statSync(inside.blocks).size - 10)
    const behind = copy()
    const { length } = parseBlock(peerBlocks[28] ?? new Uint8Array(0)).bytes
    fs.truncateSync(behind.blocks, fs.statSync(behind.blocks).size - length - 12)
    for (const { dir } of [inside, behind]) {
      expect((await run(["verify", "--ledger", dir])).code).toBe(1)
      const { code, err } = await rebuild(dir)
      expect(code).toBe(1)
      expect(err).toContain("block [28] in")
      expect((await rebuild(dir, "--cut")).out).toContain("mychannel: rebuilt from 28 blocks\n")
      await verified(dir)
    }
  })
  it("with an unfinished write behind what the index knows lose only that", async () => {
    const { blocks, dir } = copy()
    fs.appendFileSync(blocks, Buffer.alloc(100, 1))
    expect((await rebuild(dir)).out).toBe("mychannel: rebuilt from 29 blocks\n")
    await verified(dir)
  })
  it("from their first block on leave nothing to rebuild from", async () => {
    const { blocks, dir } = copy()
    flip(blocks, 200)
    const { code, err } = await rebuild(dir, "--cut")
    expect(code).toBe(1)
    expect(err).toContain("remove the channel's folder and join the channel again")
  })
})

describe("an orderer", () => {
  it("gets its index back, and loses damaged blocks when asked", async () => {
    const dir = await ourOrderer(fresh())
    const folder = path.join(dir, "chains", "mychannel")
    fs.writeFileSync(path.join(folder, "index", "data.mdb"), Buffer.alloc(8192, 7))
    expect((await rebuild(dir)).out).toBe(
      `mychannel: rebuilt from ${ordererBlocks.length} blocks\nsys: rebuilt from 2 blocks\n`
    )
    await verified(dir)
    flip(path.join(folder, "blocks_000000"), fs.statSync(path.join(folder, "blocks_000000")).size - 100)
    expect((await rebuild(dir, "--channel", "mychannel")).code).toBe(1)
    expect((await rebuild(dir, "--channel", "mychannel", "--cut")).out).toContain("rebuilt from 28 blocks")
    await verified(dir)
  })
})

it("does not touch a Go node's folder", async () => {
  const { code, err } = await rebuild(goPeer(fresh()))
  expect(code).toBe(1)
  expect(err).toContain("`peer node reset` rebuilds it there")
})

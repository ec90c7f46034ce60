/** `ledger import`: a Go node's blocks become a ledger of ours, or nothing happens; the Go node's folder is only read. */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { BlockStoreProvider, layerFile, makeLedgerProvider, parseBlock } from "../../../src/ledger/index.js"
import { commitHashIn } from "../../../src/tools/ledger/readable.js"
import { common } from "../../../src/wire/index.js"
import { metadataSlot, toHex } from "../../../src/wire/protoutil.js"
import { serveChain } from "../../peer/node/serveChain.js"
import { startPeer } from "../../peer/node/support.js"
import { untilEffect } from "../../transport/support.js"
import {
  contents,
  folders,
  goOrderer,
  goPeer,
  lines,
  ordererBlocks,
  ourOrderer,
  peerBlocks,
  run,
  systemBlocks,
  writeGoChain
} from "./support.js"

const fresh = folders("import")
const { TRANSACTIONS_FILTER } = common.BlockMetadataIndex

const importPeer = (from: string, to: string, ...more: ReadonlyArray<string>) =>
  run(["import", "--from", from, "--to", to, "--msp-id", "Org1MSP", ...more])

describe("a Go peer's blocks", () => {
  it("become a ledger with the same flags and commit hashes, and state that verifies", async () => {
    const from = goPeer(fresh())
    const before = contents(from)
    const to = path.join(fresh(), "production")
    const { code, err, out } = await importPeer(from, to)
    expect({ code, err }).toEqual({ code: 0, err: "" })
    const last = commitHashIn(parseBlock(peerBlocks[28] ?? new Uint8Array(0)))
    expect(out).toContain(`mychannel: 29 blocks, 57 transactions, last commit hash ${toHex(last ?? new Uint8Array(0))}`)
    expect(out).toContain("1 chaincode package(s) copied")
    expect(contents(from)).toEqual(before)
    expect(fs.readdirSync(to).sort()).toEqual(["chaincodes", "ledgersData"])
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const provider = yield* makeLedgerProvider({ root: path.join(to, "ledgersData"), historyEnabled: true })
          expect(yield* provider.list).toEqual(["mychannel"])
          const ledger = yield* provider.open("mychannel")
          for (const [i, recorded] of peerBlocks.entries()) {
            const stored = yield* ledger.get(BigInt(i))
            const [ours, gos] = [parseBlock(stored), parseBlock(recorded)]
            expect(toHex(ours.hash)).toBe(toHex(gos.hash))
            const slots = (bytes: Uint8Array) =>
              (common.Block.decode(bytes).metadata?.metadata ?? []).map((slot) => toHex(slot))
            // block 0 has been joined with, and keeps what it had
            if (i > 0) expect(slots(stored)).toEqual(slots(recorded))
            expect(toHex(metadataSlot(common.Block.decode(stored), TRANSACTIONS_FILTER))).toBe(
              toHex(metadataSlot(common.Block.decode(recorded), TRANSACTIONS_FILTER))
            )
          }
        })
      )
    )
    expect((await run(["verify", "--ledger", to])).out).toContain("nothing wrong")
    expect((await run(["compare", from, to])).out).toBe("29 blocks are the same\n")
  })

  it("bring no private data: what the peer is a member for is listed and stays on its list", async () => {
    const from = goPeer(fresh())
    const to = fresh()
    const { out } = await importPeer(from, to, "--json")
    // collA is both organisations', collB Org1's but expired after five blocks, collC Org2's
    const [result] = lines(out)
    expect(result).toMatchObject({
      owner: "peer",
      chaincodes: 1,
      channels: [
        {
          channel: "mychannel",
          blocks: 29,
          missing: [
            { block: 22, namespace: "sink", collection: "collA", transactions: [0, 1] },
            { block: 21, namespace: "sink", collection: "collA", transactions: [0, 1] },
            { block: 20, namespace: "sink", collection: "collA", transactions: [0] }
          ]
        }
      ]
    })
    const stored = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const provider = yield* makeLedgerProvider({ root: path.join(to, "ledgersData") })
          const ledger = yield* provider.open("mychannel")
          return yield* ledger.missingPvtData(10)
        })
      )
    )
    expect(stored.map(({ block, collection, txs }) => [block, collection, txs])).toEqual([
      [22n, "collA", [0, 1]],
      [21n, "collA", [0, 1]],
      [20n, "collA", [0]]
    ])
    const ofOrg2 = await run(["import", "--from", from, "--to", fresh(), "--msp-id", "Org2MSP"])
    expect(ofOrg2.out).toMatch(
      /does not have \(it asks other members when it runs\):\n {4}block \[28\] transaction\(s\) 2: sink collC\n/
    )
    const ofNobody = await run(["import", "--from", from, "--to", fresh(), "--msp-id", "Org3MSP"])
    expect(ofNobody.out).not.toContain("private data")
  })

  it("may lie in ledgersData alone, without history, in several channels, with a torn end", async () => {
    const from = path.join(goPeer(fresh(), { mychannel: peerBlocks.slice(0, 5), a: [], z: [] }), "ledgersData")
    fs.appendFileSync(path.join(from, "chains/chains/mychannel/blockfile_000000"), Buffer.alloc(3, 0x80))
    const to = path.join(fresh(), "ledgersData")
    const { code, out } = await importPeer(from, to, "--no-history")
    expect(code).toBe(0)
    expect(out).toContain("the last 3 bytes of its block files are an unfinished write")
    expect(out).toContain("1 chaincode package(s) copied")
    expect((await run(["verify", "--ledger", to])).out).toContain("mychannel: 5 blocks, 8 transactions, nothing wrong")
    // found in the blocks, since no index is kept
    expect((await run(["history", "sink", "a", "--ledger", to])).out.split("\n")).toHaveLength(2)
  })

  it("are refused at the first block that does not hold, and nothing is left", async () => {
    const base = fresh()
    const to = path.join(base, "to")
    const broken = (number: number, change: (slots: Array<Uint8Array>) => void) =>
      goPeer(fresh(), {
        mychannel: peerBlocks.map((bytes, i) => {
          if (i !== number) return bytes
          const block = common.Block.decode(bytes)
          const metadata = [...(block.metadata?.metadata ?? [])]
          change(metadata)
          return common.Block.encode({ ...block, metadata: { metadata } })
        })
      })
    const refused = async (from: string): Promise<string> => {
      const { code, err, out } = await importPeer(from, to)
      expect({ code, out }).toEqual({ code: 1, out: "" })
      expect(fs.readdirSync(base)).toEqual([])
      return err
    }
    const flags = await refused(broken(6, (slots) => slots.splice(2, 1, Uint8Array.of(0, 0))))
    expect(flags).toContain("channel mychannel: block [6]: transaction [1] is flagged VALID; by the rules it is MVCC")
    expect(flags).toContain("nothing was imported; `ledger verify --ledger <Go folder>` lists everything")
    const signature = await refused(broken(6, (slots) => slots.splice(0, 1, new Uint8Array(0))))
    expect(signature).toContain("block [6]: its signatures: ")
    const hash = await refused(
      broken(6, (slots) => slots.splice(4, 1, common.Metadata.encode({ value: Buffer.alloc(32) })))
    )
    expect(hash).toContain("block [6]: its commit hash is [0000")
    const cut = goPeer(fresh())
    fs.truncateSync(path.join(cut, "ledgersData/chains/chains/mychannel/blockfile_000001"), 4000)
    expect(await refused(cut)).toContain("blockfile_000001 at byte")
  })

  it("without commit hashes get them, and that is told", async () => {
    const without = peerBlocks.map((bytes) => {
      const block = common.Block.decode(bytes)
      const metadata = (block.metadata?.metadata ?? []).map((slot, i) => (i === 4 ? new Uint8Array(0) : slot))
      return common.Block.encode({ ...block, metadata: { metadata } })
    })
    const to = fresh()
    const { out } = await importPeer(goPeer(fresh(), { mychannel: without }), to)
    expect(out).toContain("the Go peer's blocks carry no commit hashes; this peer's do, from block 1 on")
    const { out: last } = await run(["block", "28", "--ledger", to])
    const recorded = commitHashIn(parseBlock(peerBlocks[28] ?? new Uint8Array(0)))
    expect(last).toContain(`"commitHash": "${toHex(recorded ?? new Uint8Array(0))}"`)
  })

  it("are carried on by a peer of ours, which takes the rest from the orderer", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const from = goPeer(fresh(), { mychannel: peerBlocks.slice(0, 20) })
          const to = fresh()
          expect(yield* Effect.promise(() => importPeer(from, to))).toMatchObject({ code: 0 })
          yield* Effect.scoped(
            Effect.gen(function* () {
              const orderer = yield* serveChain(ordererBlocks)
              const peer = yield* startPeer({ folder: to, orderer: orderer.address })
              yield* untilEffect(
                Effect.sync(() => peer.table.get("mychannel")?.ledger.height()),
                (height) => height === 29n
              )
            })
          )
          expect(yield* Effect.promise(() => run(["verify", "--ledger", to]))).toMatchObject({ code: 0 })
          const whole = goPeer(fresh())
          expect((yield* Effect.promise(() => run(["compare", whole, to]))).out).toBe("29 blocks are the same\n")
          // the way back: the Go folder is what it was
          expect((yield* Effect.promise(() => run(["verify", "--ledger", from]))).out).toContain("20 blocks")
        })
      )
    ))

  it("on which a peer of ours is started by mistake name the command", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const folder = goPeer(fresh())
          const before = contents(folder)
          const failure = yield* Effect.flip(Effect.scoped(startPeer({ folder })))
          expect(String(failure)).toContain(`node network.mjs ledger import --from ${folder} --to`)
          expect(contents(folder)).toEqual(before)
        })
      )
    ))
})

describe("a Go orderer's blocks", () => {
  it("become an orderer's ledgers, byte for byte", async () => {
    const from = goOrderer(fresh())
    const before = contents(from)
    const to = path.join(fresh(), "orderer")
    const { code, err, out } = await run(["import", "--from", from, "--to", to])
    expect({ code, err }).toEqual({ code: 0, err: "" })
    expect(out).toBe(
      `mychannel: 29 blocks, 57 transactions\nsys: 2 blocks, 2 transactions\nthe orderer's ledgers are in ${to}\n`
    )
    expect(contents(from)).toEqual(before)
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const provider = yield* BlockStoreProvider
          expect(yield* provider.list).toEqual(["mychannel", "sys"])
          for (const [id, blocks] of [
            ["mychannel", ordererBlocks],
            ["sys", systemBlocks]
          ] as const) {
            const store = yield* provider.getOrCreate(id)
            for (const [i, bytes] of blocks.entries())
              expect(Buffer.from(yield* store.get(BigInt(i))).equals(bytes)).toBe(true)
          }
        })
      ).pipe(Effect.provide(layerFile({ root: to })))
    )
    expect((await run(["verify", "--ledger", to])).code).toBe(0)
  })
  it("are refused when they are not the ordering service's", async () => {
    const forged = ordererBlocks.map((bytes, i) => {
      if (i !== 9) return bytes
      const block = common.Block.decode(bytes)
      return common.Block.encode({ ...block, data: { data: (block.data?.data ?? []).slice(0, 1) } })
    })
    const to = path.join(fresh(), "to")
    const { code, err } = await run(["import", "--from", goOrderer(fresh(), { mychannel: forged }), "--to", to])
    expect(code).toBe(1)
    expect(err).toContain("channel mychannel: block [9]: its data hash is")
    expect(fs.existsSync(to)).toBe(false)
  })
})

describe("what stands in the way", () => {
  const refused = async (...argv: ReadonlyArray<string>): Promise<string> => {
    const { code, err } = await run(["import", ...argv])
    expect(code).toBe(1)
    return err
  }
  it("is named: no MSP id, a target in use, a folder of ours, no blocks", async () => {
    const from = goPeer(fresh())
    expect(await refused("--from", from, "--to", fresh())).toContain("give the peer's localMspId")
    const used = fresh()
    fs.mkdirSync(path.join(used, "ledgersData"))
    fs.writeFileSync(path.join(used, "ledgersData", "x"), "")
    expect(await refused("--from", from, "--to", used, "--msp-id", "Org1MSP")).toContain("ledgersData is not empty")
    expect(await refused("--from", from, "--to", from, "--msp-id", "Org1MSP")).toContain("ledgersData is not empty")
    const strange = fresh()
    fs.mkdirSync(path.join(strange, "ledgersData.importing"))
    fs.writeFileSync(path.join(strange, "ledgersData.importing", "x"), "")
    expect(await refused("--from", from, "--to", strange, "--msp-id", "Org1MSP")).toContain("is in the way")
    const ours = fresh()
    expect((await importPeer(from, ours)).code).toBe(0)
    expect(await refused("--from", ours, "--to", fresh(), "--msp-id", "Org1MSP")).toContain(
      "a folder of this program already"
    )
    expect(await refused("--from", goPeer(fresh(), {}), "--to", fresh(), "--msp-id", "Org1MSP")).toContain(
      "there is no ledger"
    )
    expect((await run(["import", "--from", from])).code).toBe(2)
  })
  it("is not an import that was killed: it is begun anew", async () => {
    const from = goPeer(fresh(), { mychannel: peerBlocks.slice(0, 3) })
    const to = fresh()
    const staging = path.join(to, "ledgersData.importing")
    fs.mkdirSync(path.join(staging, "channels", "mychannel"), { recursive: true })
    fs.writeFileSync(path.join(staging, "FORMAT"), "fabric-effect ledgers 1\n")
    fs.writeFileSync(path.join(staging, "channels", "mychannel", "blocks_000000"), "half a block")
    expect((await importPeer(from, to)).code).toBe(0)
    expect(fs.existsSync(staging)).toBe(false)
    expect((await run(["verify", "--ledger", to])).code).toBe(0)
  })
  it("is a Go node that runs, where its lock can be seen", async ({ skip }) => {
    const from = goPeer(fresh())
    const lock = path.join(from, "ledgersData", "ledgerProvider", "LOCK")
    const holder = spawn("flock", [lock, "sh", "-c", "echo locked; read line"], { stdio: ["pipe", "pipe", "ignore"] })
    const locked = await new Promise<boolean>((resolve) => {
      holder.once("error", () => resolve(false))
      holder.stdout.once("data", () => resolve(true))
    })
    if (!locked || !fs.existsSync("/proc/locks")) return skip("no flock(1) or no /proc/locks here")
    const err = await refused("--from", from, "--to", fresh(), "--msp-id", "Org1MSP")
    holder.stdin.end("\n")
    expect(err).toMatch(/a Go node works in .*ledgersData \(process \d+\)\n {2}stop it first/)
    await new Promise((resolve) => holder.once("exit", resolve))
    expect((await importPeer(from, fresh())).code).toBe(0)
  })
  it("is not a channel named chains, nor other folders of a Go node", async () => {
    const from = fresh()
    fs.mkdirSync(path.join(from, "index"), { recursive: true })
    fs.writeFileSync(path.join(from, "index", "CURRENT"), "")
    writeGoChain(path.join(from, "chains", "chains"), ordererBlocks)
    const { out } = await run(["channels", "--ledger", from])
    expect(out).toBe("chains  29 block(s)\n")
  })
})

describe("the way back of an orderer", () => {
  it("is Go's files again, with the blocks that came meanwhile", async () => {
    const ours = await ourOrderer(fresh())
    const to = path.join(fresh(), "go")
    expect(await run(["export", "--ledger", ours, "--to", to])).toEqual({
      code: 0,
      out: "mychannel: 29 blocks\nsys: 2 blocks\n",
      err: ""
    })
    const expected = fresh()
    writeGoChain(path.join(expected, "mychannel"), ordererBlocks, 100)
    writeGoChain(path.join(expected, "sys"), systemBlocks, 100)
    expect(contents(path.join(to, "chains"))).toEqual(contents(expected))
  })
  it("is refused for what is no orderer's of ours, and for folders in use", async () => {
    const ours = await ourOrderer(fresh())
    expect((await run(["export", "--ledger", goOrderer(fresh()), "--to", fresh()])).err).toContain(
      "a Go peer needs no export"
    )
    expect((await run(["export", "--ledger", ours, "--to", goOrderer(fresh())])).err).toContain("is not empty")
    const file = path.join(ours, "chains", "mychannel", "blocks_000000")
    const bytes = fs.readFileSync(file)
    bytes[5000] = (bytes[5000] ?? 0) ^ 1
    fs.writeFileSync(file, bytes)
    const to = fresh()
    expect((await run(["export", "--ledger", ours, "--to", to])).code).toBe(1)
    expect(fs.readdirSync(to)).toEqual([])
  })
})

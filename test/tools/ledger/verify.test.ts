/** `ledger verify`: silent on sound ledgers, and every kind of tampering is found and named. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect, it } from "vitest"
import { parseBlock } from "../../../src/ledger/index.js"
import { Batch } from "../../../src/ledger/lmdb/index.js"
import { openStores, type Storage } from "../../../src/ledger/maintenance/index.js"
import { ChainCheck } from "../../../src/tools/ledger/ChainCheck.js"
import { drawn } from "../../../src/tools/ledger/progress.js"
import { common } from "../../../src/wire/index.js"
import { blockHeaderHash, sha256, utf8 } from "../../../src/wire/protoutil.js"
import {
  folders,
  goOrderer,
  goPeer,
  lines,
  ordererBlocks,
  ourOrderer,
  ourPeer,
  peerBlocks,
  run,
  systemBlocks
} from "./support.js"

const fresh = folders("verify")

let sound = ""
beforeAll(async () => {
  sound = await ourPeer(fresh())
})

/** A copy of the sound ledger with something changed in its stores. */
const changed = async (change: (storage: Storage) => void): Promise<string> => {
  const dir = fresh()
  fs.cpSync(sound, dir, { recursive: true })
  const folder = path.join(dir, "ledgersData", "channels", "mychannel")
  await Effect.runPromise(Effect.scoped(Effect.map(openStores({ channelId: "mychannel", folder }), change)))
  return dir
}

/** The recorded chain in Go's layout with one block replaced; the ones behind it stay as they are. */
const goWith = (number: number, change: (block: common.Block) => common.Block): string =>
  goPeer(fresh(), {
    mychannel: peerBlocks.map((bytes, i) =>
      i === number ? common.Block.encode(change(common.Block.decode(bytes))) : bytes
    )
  })

const slot = (block: common.Block, index: number, bytes: (before: Uint8Array) => Uint8Array): common.Block => ({
  ...block,
  metadata: common.BlockMetadata.create({
    metadata: (block.metadata?.metadata ?? []).map((before, i) => (i === index ? bytes(before) : before))
  })
})

const findings = async (dir: string): Promise<string> => {
  const { code, err, out } = await run(["verify", "--ledger", dir])
  expect(err).toBe("")
  expect(code).toBe(1)
  return out
}

describe("a sound ledger", () => {
  it("is found so: ours and Go's, peer's and orderer's", async () => {
    const ours = await run(["verify", "--ledger", sound])
    expect(ours).toMatchObject({ code: 0, err: "" })
    expect(ours.out).toBe(
      "mychannel: 29 blocks, 57 transactions, nothing wrong (hash chain, data hashes, signatures; flags, commit hashes from scratch; indexes, private data; state and history against a replay)\n"
    )
    const go = await run(["verify", "--ledger", goPeer(fresh())])
    expect(go).toMatchObject({ code: 0, err: "" })
    expect(go.out).toContain("nothing wrong (hash chain, data hashes, signatures; flags, commit hashes from scratch)")
    for (const dir of [await ourOrderer(fresh()), goOrderer(fresh())]) {
      const { code, out } = await run(["verify", "--ledger", dir, "--json"])
      expect(code).toBe(0)
      expect(lines(out)).toMatchObject([
        {
          findings: [],
          channels: [
            { channel: "mychannel", blocks: 29, findings: 0 },
            { channel: "sys", blocks: 2 }
          ]
        }
      ])
    }
  })
  it("may lack commit hashes where a Go peer of an earlier version wrote it, but not from some block on", async () => {
    const without = peerBlocks.map((bytes) =>
      common.Block.encode(slot(common.Block.decode(bytes), 4, () => new Uint8Array(0)))
    )
    expect((await run(["verify", "--ledger", goPeer(fresh(), { mychannel: without })])).code).toBe(0)
    const partly = goWith(9, (block) => slot(block, 4, () => new Uint8Array(0)))
    expect(await findings(partly)).toMatch(
      /mychannel block \[9\]: it has no commit hash; from scratch it is \[[0-9a-f]{64}\]/
    )
  })
  it("without history is verified without it; an unfinished write at Go's end is told", async () => {
    const dir = await ourPeer(fresh(), { history: false })
    expect((await run(["verify", "--ledger", dir])).code).toBe(0)
    const go = goPeer(fresh())
    fs.appendFileSync(path.join(go, "ledgersData/chains/chains/mychannel/blockfile_000002"), Buffer.from([200, 1, 1]))
    expect(await run(["verify", "--ledger", go])).toMatchObject({
      code: 0,
      out: expect.stringContaining("the last 3 bytes of its block files are an unfinished write")
    })
  })
  it("leaves nothing behind in the scratch folder", async () => {
    const scratch = fresh()
    expect((await run(["verify", "--ledger", sound, "--scratch", scratch])).code).toBe(0)
    expect(fs.readdirSync(scratch)).toEqual([])
    const none = await run(["verify", "--ledger", sound, "--scratch", path.join(scratch, "absent")])
    expect(none).toMatchObject({ code: 1, err: expect.stringContaining("name a folder with --scratch") })
  })
})

describe("tampering with the database", () => {
  const put = (table: string, key: Uint8Array, value: Uint8Array | undefined) => (storage: Storage) => {
    const batch = new Batch()
    if (value === undefined) batch.delete(storage.environment.table(table), key)
    else batch.put(storage.environment.table(table), key, value)
    storage.environment.commit(batch)
  }
  it("with a value, a version, a key too many or too few in state", async () => {
    const value = await findings(await changed(put("state", utf8("sink\0a"), Uint8Array.of(6, 0, 0, 0x33))))
    expect(value).toContain(
      'state "sink" "a": stored is version 6:0, value "3"; from scratch it is version 6:0, value "2"'
    )
    const version = await findings(await changed(put("state", utf8("sink\0a"), Uint8Array.of(7, 0, 0, 0x32))))
    expect(version).toContain("stored is version 7:0")
    const more = await findings(await changed(put("state", utf8("sink\0zz"), Uint8Array.of(7, 0, 0, 0x32))))
    expect(more).toContain('state "sink" "zz": stored is version 7:0, value "2"; from scratch it is absent')
    const fewer = await findings(await changed(put("state", utf8("sink\0five"), undefined)))
    expect(fewer).toMatch(/state "sink" "five": stored is absent; from scratch it is version 12:0/)
    // with the record goes the history that it keeps
    expect(fewer).toContain('history "sink" "five" in block [12] transaction [0]: stored is absent')
    expect(fewer).toContain("mychannel: 29 blocks, 57 transactions, 2 finding(s)")
  })
  it("in the state of a node that was killed before its last blocks were in it", async () => {
    const dir = await ourPeer(fresh(), { blocks: peerBlocks.slice(0, 14) })
    const channel = path.join("ledgersData", "channels", "mychannel")
    for (const name of fs.readdirSync(path.join(sound, channel)).filter((file) => file.startsWith("blocks_")))
      fs.copyFileSync(path.join(sound, channel, name), path.join(dir, channel, name))
    const killed = await run(["verify", "--ledger", dir])
    expect(killed).toMatchObject({ code: 0, err: "" })
    expect(killed.out).toContain("mychannel: state is 15 block(s) behind the block files")
    expect(killed.out).toContain(
      "29 blocks, 57 transactions, nothing wrong (hash chain, data hashes, signatures; flags, commit hashes from scratch; indexes, private data; state and history of block [13] against a replay)"
    )
    const folder = path.join(dir, channel)
    const tampered = put("state", utf8("sink\0five"), undefined)
    await Effect.runPromise(Effect.scoped(Effect.map(openStores({ channelId: "mychannel", folder }), tampered)))
    const found = await findings(dir)
    expect(found).toMatch(/state "sink" "five": stored is absent; from scratch it is version 12:0/)
    expect(found).toContain("29 blocks, 57 transactions, 2 finding(s)")
  })
  it("with a private hash, a private value, history, collection configurations", async () => {
    const hash = await findings(
      await changed((storage) => {
        const key = Buffer.concat([utf8("sink\0collA\0"), sha256(utf8("s3"))])
        put("hashedstate", key, Uint8Array.of(22, 1, 0, ...sha256(utf8("other"))))(storage)
      })
    )
    expect(hash).toMatch(/private data hash "sink" "collA" [0-9a-f]{64}: stored is version 22:1/)
    const forged = await findings(
      await changed((storage) => {
        const snapshot = storage.state.snapshot()
        const version = snapshot.hashedVersion("sink", "collA", sha256(utf8("s3")))
        snapshot.release()
        const at = [Number(version?.blockNum ?? 0n), Number(version?.txNum ?? 0n)]
        put("privatestate", utf8("sink\0collA\0s3"), Uint8Array.of(...at, 0, 0x39))(storage)
      })
    )
    expect(forged).toContain('private value of "sink" "collA" "s3" does not have its hash')
    const newer = await findings(
      await changed(put("privatestate", utf8("sink\0collA\0s3"), Uint8Array.of(28, 0, 0, 0x39)))
    )
    expect(newer).toContain('private value of "sink" "collA" "s3" is newer than its hash')
    const history = await findings(
      await changed((storage) => {
        const batch = new Batch()
        batch.clear(storage.environment.table("history"))
        storage.environment.commit(batch)
      })
    )
    expect(history).toContain(
      'history "sink" "c" in block [4] transaction [0]: stored is absent; from scratch it is an entry'
    )
    // a record that is right but for the history that it keeps
    const young = await findings(await changed(put("state", utf8("sink\0a"), Uint8Array.of(6, 0, 0, 0x32))))
    expect(young).toContain(
      'history "sink" "a" in block [4] transaction [0]: stored is absent; from scratch it is an entry'
    )
    expect(young).not.toContain('state "sink" "a"')
    const forgedHistory = await findings(
      await changed(put("state", utf8("sink\0a"), Uint8Array.of(0x80, 0, 6, 4, 0, 2, 0, 3, 0, 6, 0, 0, 0x32)))
    )
    expect(forgedHistory).toContain('history "sink" "a" in block [9] transaction [0]: stored is an entry')
    const configs = await findings(
      await changed((storage) => {
        const batch = new Batch()
        storage.configHistory.clear(batch)
        storage.environment.commit(batch)
      })
    )
    expect(configs).toMatch(/collection configuration "sink" of block \[3\]: stored is absent/)
  })
  it("with the index", async () => {
    const lost = await findings(
      await changed((storage) => {
        const block = parseBlock(storage.engine.blockSync(6n))
        put("hashes", block.hash, undefined)(storage)
      })
    )
    expect(lost).toContain("mychannel block [6]: the index does not find it by its hash")
    const moved = await findings(
      await changed((storage) => {
        const position = storage.engine.positionOf(txIdAt(storage, 6n, 1))
        expect(position).toEqual({ block: 6n, tx: 1 })
        put("txids", utf8(txIdAt(storage, 6n, 1)), Buffer.from([0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]))(storage)
      })
    )
    expect(moved).toContain("block [6]: the index does not find transaction [1] by its id")
  })
  const txIdAt = (storage: Storage, block: bigint, tx: number): string => {
    const envelope = parseBlock(storage.engine.blockSync(block)).envelopes[tx] ?? new Uint8Array(0)
    const { header } = common.Payload.decode(common.Envelope.decode(envelope).payload)
    return common.ChannelHeader.decode(header?.channelHeader ?? new Uint8Array(0)).txId
  }
})

describe("tampering with blocks", () => {
  it("a flipped byte in our files stops the look with the block's name", async () => {
    const dir = fresh()
    fs.cpSync(sound, dir, { recursive: true })
    const file = path.join(dir, "ledgersData/channels/mychannel/blocks_000000")
    const bytes = fs.readFileSync(file)
    const at = Math.floor(bytes.length / 2)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    fs.writeFileSync(file, bytes)
    const out = await findings(dir)
    expect(out).toMatch(
      /mychannel: channel mychannel: block \[\d+\] in .*blocks_000000 is damaged \(its check sum does not fit\)/
    )
    expect(out).toContain("the blocks from here on cannot be looked at")
  })
  it("a changed flag, too few flags, flags that no peer leaves", async () => {
    const flag = await findings(goWith(6, (block) => slot(block, 2, () => Uint8Array.of(0, 0))))
    expect(flag).toContain(
      "mychannel block [6]: transaction [1] is flagged VALID; by the rules it is MVCC_READ_CONFLICT"
    )
    expect(flag).toContain("state from here on differs")
    const conflict = await findings(goWith(4, (block) => slot(block, 2, () => Uint8Array.of(0, 11, 0))))
    expect(conflict).toContain("transaction [1] is flagged MVCC_READ_CONFLICT; by the rules it is VALID")
    const policy = await findings(goWith(4, (block) => slot(block, 2, () => Uint8Array.of(0, 10, 0))))
    expect(policy).toMatch(/block \[4\]: its commit hash is \[[0-9a-f]{64}\]; from scratch it is \[[0-9a-f]{64}\]/)
    expect(await findings(goWith(4, (block) => slot(block, 2, () => Uint8Array.of(0, 0))))).toContain(
      "it has 2 validation flags for 3 transactions"
    )
    expect(await findings(goWith(4, (block) => slot(block, 2, () => Uint8Array.of(0, 254, 0))))).toContain(
      "transaction [1] has the validation flag 254, which no peer leaves"
    )
    expect(await findings(goWith(4, (block) => slot(block, 2, () => new Uint8Array(0))))).toContain(
      "it has no validation flags"
    )
  })
  it("a changed commit hash, signature, header, transaction", async () => {
    const hash = await findings(
      goWith(7, (block) => slot(block, 4, () => common.Metadata.encode({ value: sha256(utf8("no")) })))
    )
    expect(hash).toMatch(/block \[7\]: its commit hash is/)
    const signature = await findings(
      goWith(7, (block) =>
        slot(block, 0, (before) => {
          const { signatures, value } = common.Metadata.decode(before)
          return common.Metadata.encode({
            value,
            signatures: signatures.map((s) => ({
              ...s,
              signature: s.signature.map((byte, i) => (i === 20 ? byte ^ 1 : byte))
            }))
          })
        })
      )
    )
    expect(signature).toContain("block [7]: its signatures: ")
    expect(signature).toContain("1 finding(s)")
    const none = await findings(goWith(7, (block) => slot(block, 0, () => new Uint8Array(0))))
    expect(none).toContain("block [7]: its signatures: ")
    const data = await findings(
      goWith(7, (block) => ({ ...block, data: common.BlockData.create({ data: (block.data?.data ?? []).slice(1) }) }))
    )
    expect(data).toMatch(/block \[7\]: its data hash is \[[0-9a-f]{64}\], its data has/)
    const previous = await findings(
      goWith(7, (block) => ({
        ...block,
        header: common.BlockHeader.create({ ...block.header, previousHash: sha256(utf8("fork")) })
      }))
    )
    expect(previous).toMatch(
      /block \[7\]: its previous hash is .*\n.*block \[7\]: its signatures: .*\n.*block \[8\]: its previous hash/
    )
  })
  it("everywhere is counted, and shown up to a limit", async () => {
    const all = peerBlocks.map((bytes) =>
      common.Block.encode(
        slot(
          slot(common.Block.decode(bytes), 0, () => new Uint8Array(0)),
          2,
          () => new Uint8Array(0)
        )
      )
    )
    const out = await findings(goPeer(fresh(), { mychannel: all }))
    expect(out.split("\n")).toHaveLength(53)
    expect(out).toContain("more findings are counted, not shown\nmychannel: 29 blocks, 57 transactions, ")
  })
})

describe("verdicts given anew", () => {
  it("are the recorded ones, on our folder and on Go's", async () => {
    for (const dir of [sound, goPeer(fresh())]) {
      const { code, out } = await run(["verify", "--transactions", "--ledger", dir])
      expect(out).toContain(
        "nothing wrong (hash chain, data hashes, signatures; flags, commit hashes from scratch; verdicts on all transactions"
      )
      expect(code).toBe(0)
    }
  })
  it("find a flag that hides or lets in what the policies refuse", async () => {
    const forged = await forgedFlag(11, 0, 0)
    expect((await run(["verify", "--ledger", forged])).code).toBe(1)
    const letIn = await run(["verify", "--transactions", "--ledger", forged])
    expect(letIn.out).toContain(
      "block [11]: transaction [0] is flagged VALID; by the rules it is ENDORSEMENT_POLICY_FAILURE"
    )
    const hidden = await forgedFlag(4, 1, 10)
    expect((await run(["verify", "--transactions", "--ledger", hidden])).out).toContain(
      "block [4]: transaction [1] is flagged ENDORSEMENT_POLICY_FAILURE; by the rules it is VALID"
    )
  })
  const forgedFlag = async (number: number, tx: number, code: number): Promise<string> =>
    goWith(number, (block) => slot(block, 2, (before) => before.map((old, i) => (i === tx ? code : old))))
})

describe("the chain's own check", () => {
  const feed = (check: ChainCheck, blocks: ReadonlyArray<Uint8Array>) =>
    blocks.flatMap((bytes) => [...check.block(parseBlock(bytes))])

  it("accepts an orderer's chains, system channel included", () => {
    expect(feed(new ChainCheck("mychannel", "orderer"), ordererBlocks)).toEqual([])
    expect(feed(new ChainCheck("sys", "orderer"), systemBlocks)).toEqual([])
  })
  it("finds a configuration that does not follow, or is another channel's", () => {
    const check = new ChainCheck("mychannel", "orderer")
    expect(feed(check, ordererBlocks.slice(0, 26))).toEqual([])
    // block 27 in the place of block 26
    const late = common.Block.decode(ordererBlocks[27] ?? new Uint8Array(0))
    const before = common.Block.decode(ordererBlocks[25] ?? new Uint8Array(0)).header
    if (before === undefined) throw new Error("no header")
    const header = common.BlockHeader.create({ ...late.header, number: 26n, previousHash: blockHeaderHash(before) })
    const faults = feed(check, [common.Block.encode({ ...late, header })])
    expect(faults).toHaveLength(2)
    expect(faults[0]).toContain("its signatures")
    expect(faults[1]).toMatch(/its configuration does not follow from the one before: config currently at sequence \d+/)
    expect(feed(new ChainCheck("other", "orderer"), ordererBlocks.slice(0, 1))).toEqual([
      "transaction [0]: it configures channel [mychannel], not [other]"
    ])
  })
})

describe("the bar", () => {
  it("is drawn on a terminal only, and taken away", async () => {
    expect((await run(["verify", "--ledger", sound])).err).toBe("")
    const { err } = await run(["verify", "--ledger", sound], { terminal: { columns: 80 } })
    expect(err).toContain("\r\u001b[2Kverify mychannel [")
    expect(err.endsWith("\r\u001b[2K")).toBe(true)
    for (const line of err.split("\r\u001b[2K")) expect(line.length).toBeLessThan(80)
  })
  it("says how much is done and how long it will take", () => {
    expect(drawn("work", 0, 100, 0, 80)).toBe("work [........................] 0%  0/100")
    expect(drawn("work", 50, 100, 5000, 80)).toBe("work [############............] 50%  50/100  5 s left")
    expect(drawn("work", 1, 1000, 2000, 80)).toContain("34 min left")
    expect(drawn("work", 1, 100000, 2000, 80)).toContain("55.6 h left")
    expect(drawn("work", 100, 100, 5000, 80)).toBe("work [########################] 100%  100/100")
    expect(drawn("work", 0, 0, 0, 20)).toBe("work [#############")
  })
})

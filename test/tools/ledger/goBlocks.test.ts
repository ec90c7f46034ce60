/** Go's block files: read by the layout's rules, whatever lies in them. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { GoBlocksDamaged } from "../../../src/tools/ledger/errors.js"
import { GoChain, goBlockFiles, readGoBlock } from "../../../src/tools/ledger/goBlocks.js"
import { common } from "../../../src/wire/index.js"
import { simpleChain } from "../../ledger/blocks.js"
import { folders, goRecord, peerBlocks, writeGoChain } from "./support.js"

const fresh = folders("goblocks")

const readAll = (folder: string, from = 0n) => {
  const chain = new GoChain("ch", folder)
  try {
    return [...chain.read(from)]
  } finally {
    chain.close()
  }
}
const damage = (read: () => unknown): string => {
  try {
    read()
  } catch (cause) {
    if (cause instanceof GoBlocksDamaged) return cause.message
    throw cause
  }
  return "none"
}

describe("Go's block files", () => {
  it("give the blocks that the peer serves, byte for byte, from any number on", () => {
    for (const perFile of [1, 7, 100]) {
      const folder = fresh()
      writeGoChain(folder, peerBlocks, perFile)
      expect(readAll(folder).map(({ bytes }) => Buffer.from(bytes).toString("hex"))).toEqual(
        peerBlocks.map((bytes) => Buffer.from(bytes).toString("hex"))
      )
      expect(readAll(folder, 27n).map(({ number }) => number)).toEqual([27n, 28n])
      expect(readAll(folder, 29n)).toEqual([])
    }
  })
  it("of many blocks are entered in the middle", () => {
    const folder = fresh()
    writeGoChain(folder, simpleChain(1200), 400)
    for (const from of [0n, 511n, 512n, 1023n, 1024n, 1199n])
      expect(readAll(folder, from).map(({ number }) => number)).toHaveLength(1200 - Number(from))
    expect(readAll(folder, 1030n)[0]?.number).toBe(1030n)
  })
  it("may end in an unfinished write, at any byte", () => {
    const record = goRecord(peerBlocks[2] ?? new Uint8Array(0))
    for (let length = 1; length < record.length; length += 97) {
      const folder = fresh()
      writeGoChain(folder, peerBlocks.slice(0, 2))
      fs.appendFileSync(path.join(folder, "blockfile_000000"), record.subarray(0, length))
      const chain = new GoChain("ch", folder)
      expect([chain.height, chain.tornBytes]).toEqual([2n, length])
      chain.close()
    }
  })
  it("that are cut, missing, or hold something else are refused with file and place", () => {
    const cut = fresh()
    writeGoChain(cut, peerBlocks, 10)
    fs.truncateSync(path.join(cut, "blockfile_000001"), 5000)
    expect(damage(() => new GoChain("ch", cut))).toMatch(
      /block \[\d+\] in .*blockfile_000001 at byte \d+ is damaged: the file ends/
    )
    const gap = fresh()
    writeGoChain(gap, peerBlocks, 10)
    fs.rmSync(path.join(gap, "blockfile_000001"))
    expect(damage(() => new GoChain("ch", gap))).toContain("blockfile_000001 at byte 0 is damaged: the file is missing")
    const swapped = fresh()
    writeGoChain(
      swapped,
      [peerBlocks[0], peerBlocks[2], peerBlocks[1]].flatMap((b) => b ?? [])
    )
    expect(damage(() => readAll(swapped))).toContain("block [1] in")
    const garbage = fresh()
    fs.writeFileSync(path.join(garbage, "blockfile_000000"), Buffer.concat([Buffer.from([20]), Buffer.alloc(20, 0xff)]))
    expect(damage(() => readAll(garbage))).toContain("a number in it has more than 64 bits")
  })
  it("are looked for by name", () => {
    const folder = fresh()
    for (const name of ["blockfile_000001", "blockfile_000000", "__backupGenesisBlockBytes", "blockfile_x"])
      fs.writeFileSync(path.join(folder, name), "")
    expect(goBlockFiles(folder)).toEqual([0, 1])
    expect(goBlockFiles(path.join(folder, "absent"))).toEqual([])
  })
})

describe("a record", () => {
  it("becomes the block that was written, whatever is in it", () => {
    const bytes = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        bytes,
        bytes,
        fc.array(bytes, { maxLength: 5 }),
        fc.array(bytes, { maxLength: 6 }),
        (number, previousHash, dataHash, data, metadata) => {
          const block = common.Block.encode({
            header: { number, previousHash, dataHash },
            data: { data },
            metadata: { metadata }
          })
          const record = goRecord(block)
          const start = record.findIndex((byte) => byte < 0x80) + 1
          expect(Buffer.from(readGoBlock(record.subarray(start)).bytes).equals(block)).toBe(true)
        }
      )
    )
  })
  it("that is damaged gives a text or a block, never more than it holds", () => {
    const record = goRecord(peerBlocks[4] ?? new Uint8Array(0)).subarray(3)
    fc.assert(
      fc.property(fc.nat(record.length - 1), fc.nat(255), fc.nat(record.length), (at, byte, length) => {
        const changed = Uint8Array.from(record)
        changed[at] = byte
        try {
          expect(readGoBlock(changed.subarray(0, length)).bytes.length).toBeLessThan(record.length + 100)
        } catch (cause) {
          expect(cause).toBeInstanceOf(Error)
          expect(cause).not.toBeInstanceOf(RangeError)
          expect(cause).not.toBeInstanceOf(TypeError)
        }
      }),
      { numRuns: 500 }
    )
  })
})

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { common } from "../../src/wire/index.js"
import {
  blockDataHash,
  blockHeaderHash,
  canonicalEnvelope,
  computeTxId,
  openEnvelope,
  toHex
} from "../../src/wire/protoutil.js"

const folder = join(import.meta.dirname, "..", "vectors", "chain-a", "blocks")
const blocks = readdirSync(folder)
  .sort()
  .map((name) => common.Block.decode(readFileSync(join(folder, name))))

describe("a recorded chain", () => {
  it("is linked by our header hashes", () => {
    blocks.forEach((block, i) => {
      const previous = blocks[i - 1]?.header
      if (previous)
        assert.equal(toHex(block.header?.previousHash ?? new Uint8Array()), toHex(blockHeaderHash(previous)))
      assert.equal(toHex(block.header?.dataHash ?? new Uint8Array()), toHex(blockDataHash(block.data?.data ?? [])))
    })
    assert.equal(blocks.length, 29)
  })
  it("holds envelopes that are canonical, with transaction ids that we compute alike", () => {
    let checked = 0
    for (const block of blocks)
      for (const bytes of block.data?.data ?? []) {
        assert.equal(toHex(canonicalEnvelope(bytes)), toHex(bytes))
        let open: ReturnType<typeof openEnvelope>
        try {
          open = openEnvelope(bytes)
        } catch {
          continue // some recorded transactions are malformed on purpose
        }
        if (open?.channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION) continue
        if (open.channelHeader.txId === computeTxId(open.signatureHeader.nonce, open.signatureHeader.creator)) checked++
      }
    assert.isAbove(checked, 40)
  })
})

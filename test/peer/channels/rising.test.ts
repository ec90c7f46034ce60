/**
 * A chain of Go Fabric 1.4.12 whose capabilities rise from none to V1_4_3 and fall again, with random hand-made
 * transactions at each step (test/vectors/chain-b): the stored blocks carry Go's codes and commit hashes.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { brotliDecompressSync } from "node:zlib"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import type { Bundle } from "../../../src/channelconfig/index.js"
import { common } from "../../../src/wire/index.js"
import { EMPTY, metadataSlot, openEnvelope, toHex } from "../../../src/wire/protoutil.js"
import { committer, inFolder, surroundings, withLedger } from "./committing.js"

const home = join(import.meta.dirname, "..", "..", "vectors", "chain-b")
const { COMMIT_HASH, TRANSACTIONS_FILTER } = common.BlockMetadataIndex

/** Blocks one after another, each with its length in four bytes before it. */
const recorded = (): ReadonlyArray<Uint8Array> => {
  const all = brotliDecompressSync(readFileSync(join(home, "blocks.br")))
  const blocks: Array<Uint8Array> = []
  for (let at = 0; at < all.length; ) {
    const end = at + 4 + all.readUInt32BE(at)
    blocks.push(all.subarray(at + 4, end))
    at = end
  }
  return blocks
}

/** A committed block as its orderer served it: without codes and commit hash. */
const served = (block: common.Block): Uint8Array => {
  const metadata = (block.metadata?.metadata ?? []).slice(0, COMMIT_HASH)
  metadata[TRANSACTIONS_FILTER] = EMPTY
  return common.Block.encode({ ...block, metadata: { metadata } })
}

const names: Readonly<Record<string, string>> = JSON.parse(readFileSync(join(home, "names.json"), "utf8"))
const nameOf = (entry: Uint8Array): string => {
  try {
    return names[openEnvelope(entry)?.channelHeader.txId.slice(0, 16) ?? ""] ?? "no name"
  } catch {
    return "unreadable"
  }
}

/** Codes, a transaction a line, so that a difference names its case. */
const codes = (block: common.Block, recordedBlock: common.Block): ReadonlyArray<string> =>
  [...metadataSlot(block, TRANSACTIONS_FILTER)].map(
    (code, i) => `${i} ${nameOf(recordedBlock.data?.data[i] ?? EMPTY)}: ${code}`
  )

describe("a recorded chain whose capabilities rise and fall", () => {
  it("is committed with Go's codes and commit hashes", { timeout: 120_000 }, () =>
    inFolder((root) => {
      const raw = recorded()
      const blocks = raw.map((bytes) => common.Block.decode(bytes))
      const seen = new Set(blocks.flatMap((block) => [...metadataSlot(block, TRANSACTIONS_FILTER)]))
      assert.isAtLeast(
        blocks.reduce((sum, block) => sum + (block.data?.data.length ?? 0), 0),
        700
      )
      assert.includeMembers([...seen], [0, 3, 5, 8, 9, 10, 11, 12, 13, 17, 19, 21, 22, 23, 255])
      const levels = new Set<string>()
      return withLedger(
        root,
        (provider) => provider.create(raw[0] ?? EMPTY),
        (ledger, bundles) =>
          Effect.gen(function* () {
            const line = yield* committer(ledger, bundles)
            for (const [i, block] of blocks.entries()) {
              if (i === 0) continue
              yield* line.submit(served(block))
              yield* line.reached(BigInt(i + 1))
              const bundle: Bundle = bundles.current()
              levels.add(
                `${bundle.application?.capabilities.v11Validation} ${bundle.application?.capabilities.v12Validation} ${bundle.application?.capabilities.v13Validation} ${bundle.application?.capabilities.privateChannelData}`
              )
              const stored = common.Block.decode(yield* ledger.get(BigInt(i)))
              assert.deepEqual(codes(stored, block), codes(block, block), `block ${i}`)
              assert.equal(
                toHex(metadataSlot(stored, COMMIT_HASH)),
                toHex(metadataSlot(block, COMMIT_HASH)),
                `commit hash of block ${i}`
              )
            }
            // none, V1_1, V1_1 with private data, private data alone, V1_2, V1_3
            assert.equal(levels.size, 6)
          }).pipe(Effect.provide(surroundings))
      )
    })
  )
})

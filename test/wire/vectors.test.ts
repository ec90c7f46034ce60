/** Blocks that a Go network made: they link, and every layer of them is what we would write. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import type { MessageInfo } from "../../src/wire/index.js"
import { common, kvrwset, msp, protos, rwset, WireError } from "../../src/wire/index.js"
import {
  blockDataHash,
  blockHeaderHash,
  canonicalEnvelope,
  chaincodeActionOf,
  computeTxId,
  EMPTY,
  openEnvelope,
  toHex
} from "../../src/wire/protoutil.js"
import * as raw from "../../src/wire/raw.js"

const folder = join(import.meta.dirname, "..", "vectors", "chain-a", "blocks")
const files = readdirSync(folder).sort()
const recorded = files.map((name) => readFileSync(join(folder, name)))
const blocks = recorded.map((bytes) => common.Block.decode(bytes))
const entries = blocks.flatMap((block) => block.data?.data ?? [])

const same = (type: MessageInfo, bytes: Uint8Array): void =>
  assert.equal(toHex(type.encode(type.decode(bytes))), toHex(bytes), type.typeName)

/** Some recorded transactions are malformed on purpose. */
const opened = (bytes: Uint8Array): ReturnType<typeof openEnvelope> => {
  try {
    return openEnvelope(bytes)
  } catch (error) {
    assert.instanceOf(error, WireError)
    return undefined
  }
}

describe("a recorded chain", () => {
  it("is linked by our header hashes", () => {
    blocks.forEach((block, i) => {
      const previous = blocks[i - 1]?.header
      assert.equal(toHex(block.header?.previousHash ?? EMPTY), previous ? toHex(blockHeaderHash(previous)) : "")
      assert.equal(toHex(block.header?.dataHash ?? EMPTY), toHex(blockDataHash(block.data?.data ?? [])))
      assert.equal(block.header?.number, BigInt(i))
    })
    assert.equal(blocks.length, 29)
  })

  it("has blocks that we write alike, and whose raw parts are those that decoding gives", () => {
    blocks.forEach((block, i) => {
      const bytes = recorded[i] ?? EMPTY
      same(common.Block, bytes)
      assert.deepEqual(raw.blockEntries(bytes).map(toHex), block.data?.data.map(toHex))
      assert.deepEqual(raw.blockMetadata(bytes).map(toHex), block.metadata?.metadata.map(toHex))
      assert.equal(toHex(raw.path(bytes, 1, 3) ?? EMPTY), toHex(block.header?.dataHash ?? EMPTY))
    })
  })

  it("holds canonical envelopes, with transaction ids that we compute alike", () => {
    let checked = 0
    for (const bytes of entries) {
      assert.equal(toHex(canonicalEnvelope(bytes)), toHex(bytes))
      const open = opened(bytes)
      if (open?.channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION) continue
      if (open.channelHeader.txId === computeTxId(open.signatureHeader.nonce, open.signatureHeader.creator)) checked++
    }
    assert.isAbove(checked, 40)
  })

  it("holds results and endorsements of Go peers that we write alike, to the innermost layer", () => {
    let sets = 0
    for (const bytes of entries) {
      const open = opened(bytes)
      if (open?.channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION) continue
      let parts: ReturnType<typeof chaincodeActionOf>
      try {
        parts = chaincodeActionOf(open.payload.data)
      } catch (error) {
        assert.instanceOf(error, WireError)
        continue
      }
      if (parts === undefined) continue
      same(protos.ProposalResponsePayload, parts.endorsed.proposalResponsePayload)
      same(protos.ChaincodeAction, parts.responsePayload.extension)
      for (const { endorser } of parts.endorsed.endorsements)
        if (endorser.length > 0) same(msp.SerializedIdentity, endorser)
      same(rwset.TxReadWriteSet, parts.chaincodeAction.results)
      for (const set of rwset.TxReadWriteSet.decode(parts.chaincodeAction.results).nsRwset) {
        same(kvrwset.KVRWSet, set.rwset)
        for (const hashed of set.collectionHashedRwset) same(kvrwset.HashedRWSet, hashed.hashedRwset)
        sets++
      }
    }
    assert.isAbove(sets, 60)
  })

  it("begins with a config that comes back the same", () => {
    const open = opened(entries[0] ?? EMPTY)
    const config = common.ConfigEnvelope.decode(open?.payload.data ?? EMPTY)
    const again = common.ConfigEnvelope.decode(common.ConfigEnvelope.encode(config))
    assert.deepEqual(
      [...(again.config?.channelGroup?.groups.keys() ?? [])].sort(),
      [...(config.config?.channelGroup?.groups.keys() ?? [])].sort()
    )
    // Go writes maps in random order: equal as trees, not as bytes.
    const plain = (group: common.ConfigGroup): unknown => ({
      version: group.version,
      modPolicy: group.modPolicy,
      groups: [...group.groups].sort().map(([key, inner]) => [key, plain(inner)]),
      values: [...group.values].sort().map(([key, value]) => [key, toHex(value.value), value.version, value.modPolicy]),
      policies: [...group.policies].sort().map(([key, policy]) => [key, toHex(policy.policy?.value ?? EMPTY)])
    })
    assert.deepEqual(
      plain(again.config?.channelGroup ?? common.ConfigGroup.create()),
      plain(config.config?.channelGroup ?? common.ConfigGroup.create())
    )
  })
})

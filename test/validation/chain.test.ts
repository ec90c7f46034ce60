/**
 * The recorded chain through verification, validation and the rules of state, block by block as the orderer served it:
 * the same codes and commit hashes as Go's (issue "ledger and validation", shown to work: replay).
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { assert, describe, it } from "vitest"
import { Bundle, BundleSource, verifyBlock } from "../../src/channelconfig/index.js"
import { applyConfig } from "../../src/commit/applyConfig.js"
import { applyWrites, commitHash, mvccCode, UpdateBatch } from "../../src/ledger/mvcc/index.js"
import { readWriteSet } from "../../src/ledger/rwset/index.js"
import {
  defaultValidation,
  makeTxValidator,
  SystemChaincodeNames,
  ValidationPlugins,
  type ValidatorSupport
} from "../../src/validation/index.js"
import { common, protos } from "../../src/wire/index.js"
import { chaincodeActionOf, EMPTY, metadataSlot, openEnvelope, toHex } from "../../src/wire/protoutil.js"
import { MemoryState } from "./memory.js"

const home = join(import.meta.dirname, "..", "vectors", "chain-a")
const read = (folder: string) =>
  readdirSync(join(home, folder))
    .sort()
    .map((name) => common.Block.decode(readFileSync(join(home, folder, name))))

const names = {
  isSystem: (name: string) => ["lscc", "qscc", "cscc", "vscc", "escc"].includes(name),
  isSystemAndNotInvokableExternal: (name: string) => ["vscc", "escc"].includes(name),
  isSystemAndNotInvokableCC2CC: (name: string) => ["cscc", "vscc", "escc"].includes(name)
}
const services = Effect.provideService(SystemChaincodeNames, names)
const plugins = Effect.provideService(ValidationPlugins, { byName: new Map([["vscc", defaultValidation]]) })

const codesOf = (block: common.Block) => [...metadataSlot(block, common.BlockMetadataIndex.TRANSACTIONS_FILTER)]
const hashOf = (block: common.Block) =>
  toHex(common.Metadata.decode(metadataSlot(block, common.BlockMetadataIndex.COMMIT_HASH)).value)

/** What the ledger does with a validated block, on maps. */
const commit = (block: common.Block, codes: Uint8Array, state: MemoryState, ids: Set<string>): UpdateBatch => {
  const number = block.header?.number ?? 0n
  const batch = new UpdateBatch()
  for (const [i, entry] of (block.data?.data ?? []).entries()) {
    let opened: ReturnType<typeof openEnvelope>
    try {
      opened = openEnvelope(entry)
    } catch {
      continue
    }
    if (opened === undefined) continue
    if (opened.channelHeader.txId !== "") ids.add(opened.channelHeader.txId)
    if (
      codes[i] !== protos.TxValidationCode.VALID ||
      opened.channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION
    )
      continue
    const sets = readWriteSet(chaincodeActionOf(opened.payload.data)?.chaincodeAction.results ?? EMPTY)
    const code = mvccCode(sets, state, batch)
    codes[i] = code
    if (code === protos.TxValidationCode.VALID) applyWrites(sets, state, batch, { blockNum: number, txNum: BigInt(i) })
  }
  state.apply(batch)
  return batch
}

describe("the recorded chain", () => {
  const served = read("orderer/blocks")
  const expected = read("blocks")

  it("gets Go's validation codes and commit hashes in every block", async () => {
    const first = expected[0]
    assert.isDefined(first)
    if (first === undefined) return
    const source = new BundleSource(Either.getOrThrow(Bundle.fromBlock(first)))
    const state = new MemoryState()
    const ids = new Set<string>()
    const support: ValidatorSupport = {
      channelId: "mychannel",
      bundles: source,
      deserializerOf: () => undefined,
      hasTransaction: (id) => ids.has(id),
      state: Effect.succeed(state),
      applyConfig: (envelope, bytes) => applyConfig(source, envelope, bytes)
    }
    const seen = new Set<number>()
    let previous: Uint8Array = EMPTY
    await Effect.gen(function* () {
      const validator = yield* makeTxValidator(support)
      for (const [i, block] of served.entries()) {
        if (i === 0) continue
        assert.isTrue(Either.isRight(verifyBlock(source.current(), block)), `block ${i} verifies`)
        const prepared = yield* validator.prepare({
          number: block.header?.number ?? 0n,
          entries: block.data?.data ?? []
        })
        const codes = yield* validator.validate(prepared)
        const batch = commit(block, codes, state, ids)
        const recorded = expected[i]
        if (recorded === undefined) throw new Error(`no recorded block ${i}`)
        assert.deepEqual([...codes], codesOf(recorded), `codes of block ${i}`)
        for (const code of codes) seen.add(code)
        previous = commitHash(codes, batch, previous)
        assert.equal(toHex(previous), hashOf(recorded), `commit hash of block ${i}`)
      }
    }).pipe(services, plugins, Effect.runPromise)
    assert.isAtLeast(seen.size, 10)
  })
})

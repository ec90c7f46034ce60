/**
 * The recorded chain through verification, validation and the rules of state, block by block as the orderer served it:
 * the same codes and commit hashes as Go's (issue "ledger and validation", shown to work: replay).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { assert, describe, it } from "vitest"
import { verifyBlock } from "../../src/channelconfig/index.js"
import { commitHash } from "../../src/ledger/mvcc/index.js"
import { makeTxValidator } from "../../src/validation/index.js"
import { EMPTY, toHex } from "../../src/wire/protoutil.js"
import { channel, codesOf, commit, hashOf, plugins, recorded, services } from "./recorded.js"

describe("the recorded chain", () => {
  const served = recorded("orderer/blocks")
  const expected = recorded("blocks")

  it("gets Go's validation codes and commit hashes in every block", async () => {
    const first = expected[0]
    assert.isDefined(first)
    if (first === undefined) return
    const { ids, source, state, support } = channel(first)
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
        const go = expected[i]
        if (go === undefined) throw new Error(`no recorded block ${i}`)
        assert.deepEqual([...codes], codesOf(go), `codes of block ${i}`)
        for (const code of codes) seen.add(code)
        previous = commitHash(codes, batch, previous)
        assert.equal(toHex(previous), hashOf(go), `commit hash of block ${i}`)
      }
    }).pipe(services, plugins, Effect.runPromise)
    assert.isAtLeast(seen.size, 10)
  })
})

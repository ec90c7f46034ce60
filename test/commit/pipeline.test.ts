/** A channel whose blocks cannot be written: what people are told, and that nothing more is taken in. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { assert } from "vitest"
import { Bundle, BundleSource } from "../../src/channelconfig/index.js"
import { type BlockValidator, makeCommitPipeline } from "../../src/commit/index.js"
import { LedgerFailed } from "../../src/ledger/index.js"
import { common } from "../../src/wire/index.js"

const vectors = join(import.meta.dirname, "..", "vectors", "chain-a", "orderer", "blocks")
const block = (number: number) => readFileSync(join(vectors, `${String(number).padStart(6, "0")}.block`))

const everyValid: BlockValidator<number> = {
  prepare: ({ entries }) => Effect.succeed(entries.length),
  validate: (entries) => Effect.succeed(new Uint8Array(entries))
}

const lineThatFails = (cause: unknown) =>
  makeCommitPipeline({
    channelId: "mychannel",
    bundles: new BundleSource(Either.getOrThrow(Bundle.fromBlock(common.Block.decode(block(0))))),
    validator: everyValid,
    height: () => 1n,
    privateData: () => Effect.succeed({ sets: new Map(), missing: [], transactions: [] }),
    commit: () => Effect.fail(new LedgerFailed({ channel: "mychannel", op: "block [1] cannot be written", cause })),
    committed: () => Effect.void
  })

describe("a commit that fails", () => {
  const cases = [
    ["full disk", new Error("ENOSPC: no space left on device, write"), "make room on the disk of peer.fileSystemPath"],
    ["LMDB on a full disk", new Error("No space left on device"), "make room on the disk of peer.fileSystemPath"],
    ["broken disk", new Error("EIO: i/o error, write"), "remove the cause"]
  ] as const
  for (const [what, cause, remedy] of cases)
    it.scoped(`stops the channel with its name, the block, the cause and what to do: ${what}`, () =>
      Effect.gen(function* () {
        const line = yield* lineThatFails(cause)
        yield* line.submit(block(1))
        const stopped = yield* Effect.flip(line.failure)
        assert.include(stopped.message, "[mychannel] Cannot commit block [1] to the ledger due to ")
        assert.include(stopped.message, `block [1] cannot be written: ${cause.message}`)
        assert.include(stopped.remedy, `${remedy} and restart the peer`)
        const refused = yield* Effect.flip(line.reached(3n))
        assert.strictEqual(refused, stopped)
      })
    )
})
